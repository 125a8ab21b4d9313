/** zlib in pieces: the same bytes as at once, rests all along, an end when a rest says so. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gunzipSync, gzipSync, zstdDecompressSync } from "node:zlib";
import { concat } from "../lib/bytes.ts";
import { zlibInPieces } from "./zlib_pieces.ts";

const MEGABYTE = 1024 * 1024;
/** No piece of work is larger than that. */
const PIECE_BYTES_MAX = 256 * 1024;

const rest = () => Promise.resolve();

Deno.test("gunzip gives 64 MB of zeros in small pieces, with a rest after each", async () => {
  let rests = 0;
  let largest = 0;
  let before = 0;
  const bytes = gzipSync(new Uint8Array(64 * MEGABYTE));
  const pieces = await zlibInPieces("gunzip", bytes, {
    rest: (byteLength) => {
      rests++;
      largest = Math.max(largest, byteLength - before);
      before = byteLength;
      return Promise.resolve();
    },
  });
  assert.equal(pieces.reduce((sum, piece) => sum + piece.length, 0), 64 * MEGABYTE);
  assert.ok(largest <= PIECE_BYTES_MAX, `${largest} bytes without a rest`);
  assert.ok(rests >= 256, `${rests} rests`);
});

for (const [codec, inflated] of [["gzip", gunzipSync], ["zstd", zstdDecompressSync]] as const) {
  Deno.test(`${codec} compresses 16 MB in small pieces, with a rest after each`, async () => {
    let rests = 0;
    const bytes = Uint8Array.from({ length: 16 * MEGABYTE }, (_, i) => (i * i) >>> 11);
    const pieces = await zlibInPieces(codec, bytes, {
      level: 1,
      rest: () => {
        rests++;
        return Promise.resolve();
      },
    });
    assert.ok(rests >= bytes.length / PIECE_BYTES_MAX, `${rests} rests`);
    assert.equal(Buffer.compare(inflated(concat(pieces)), bytes), 0);
  });
}

Deno.test("gunzip ends with the error of a rest", async () => {
  const bytes = gzipSync(new Uint8Array(64 * MEGABYTE));
  let last = 0;
  const work = zlibInPieces("gunzip", bytes, {
    rest: (byteLength) => {
      last = byteLength;
      return byteLength > MEGABYTE ? Promise.reject(new Error("enough")) : Promise.resolve();
    },
  });
  await assert.rejects(work, /enough/);
  assert.ok(last <= 2 * MEGABYTE, `${last} bytes`);
});

/** What may come in place of valid bytes, and what is behind them. */
const CHANGES: readonly ((bytes: Uint8Array) => Uint8Array)[] = [
  (bytes) => bytes,
  () => new Uint8Array(),
  () => Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
  (bytes) => bytes.subarray(0, bytes.length >> 1),
  (bytes) => bytes.subarray(0, bytes.length - 1),
  (bytes) => changed(bytes, bytes.length >> 1),
  (bytes) => changed(bytes, bytes.length - 20),
  (bytes) => changed(bytes, bytes.length - 2),
  (bytes) => concat([bytes, new Uint8Array(300_000)]),
  (bytes) => concat([bytes, Uint8Array.of(7)]),
  (bytes) => concat([bytes, bytes.subarray(0, 9)]),
  (bytes) => concat([bytes, bytes, bytes]),
];

function changed(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  for (let i = Math.max(0, at); i < Math.min(at + 8, copy.length); i++) copy[i] = (copy[i] ?? 0) ^ 0xa5;
  return copy;
}

/** As `gunzipSync` answers; null when it refuses. */
function atOnce(bytes: Uint8Array): Uint8Array | null {
  try {
    return gunzipSync(bytes);
  } catch {
    return null;
  }
}

Deno.test("gunzip in pieces ends, and as it does at once, whatever comes", async () => {
  const ofZeros = (length: number) => new Uint8Array(gzipSync(new Uint8Array(length)));
  const ofNoise = (length: number) => {
    let state = 1;
    const noise = Uint8Array.from(
      { length },
      () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) >>> 24,
    );
    return new Uint8Array(gzipSync(noise));
  };
  const inputs = [ofZeros(0), ofZeros(1), ofZeros(3 * MEGABYTE), ofNoise(70_000), ofNoise(3 * MEGABYTE)];
  for (const [i, input] of inputs.entries()) {
    for (const [k, change] of CHANGES.entries()) {
      const bytes = change(input);
      const expected = atOnce(bytes);
      const found = await zlibInPieces("gunzip", bytes, { rest }).then(
        (pieces) => concat(pieces),
        () => null,
      );
      assert.equal(found === null, expected === null, `input ${i}, change ${k}`);
      if (found !== null && expected !== null) assert.equal(Buffer.compare(found, expected), 0);
    }
  }
});
