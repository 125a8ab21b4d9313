import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { compress, type Compression, decompress, unzstdSteps } from "./compression.ts";
import { CorruptRecordError, DecompressedTooLargeError, RecordError } from "./record_errors.ts";
import type { Steps } from "../../lib/steps.ts";
import { lz4CompressSteps, lz4DecompressSteps } from "./lz4.ts";
import { snappyCompressSteps, snappyDecompressSteps } from "./snappy.ts";
import { xxhash32, xxhash32Steps } from "./xxhash32.ts";

const CODECS = ["gzip", "snappy", "lz4", "zstd"] as const;
const MAX = { maxBytes: 1 << 26 };

/** Bytes of several textures: random, runs, a small alphabet, repeated pieces; up to several blocks long. */
const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.record({ seed: fc.integer(), size: fc.nat(200_000), alphabet: fc.integer({ min: 1, max: 256 }) })
    .map(({ seed, size, alphabet }) => noise(seed, size, alphabet)),
  fc.record({ piece: fc.uint8Array({ minLength: 1, maxLength: 400 }), count: fc.nat(2000) })
    .map(({ piece, count }) => repeat(piece, count)),
);

for (const codec of CODECS) {
  Deno.test(`decompress() undoes compress() for ${codec}`, () => {
    fc.assert(
      fc.property(payloads, (bytes) => {
        // A view into a larger buffer, as batches are.
        const backing = new Uint8Array(bytes.length + 9).fill(0xee);
        backing.set(bytes, 5);
        const compressed = compress(codec, backing.subarray(5, 5 + bytes.length));
        assert.deepEqual(decompress(codec, compressed, MAX), Uint8Array.from(bytes));
      }),
      { numRuns: 150 },
    );
  });

  Deno.test(`compress() shrinks what repeats for ${codec}`, () => {
    assert.ok(compress(codec, repeat(new TextEncoder().encode("a line of text\n"), 10_000)).length < 12_000);
  });

  Deno.test(`decompress() takes exactly maxBytes for ${codec} and not one less`, () => {
    const bytes = noise(1, 100_000, 9);
    const compressed = compress(codec, bytes);
    assert.equal(decompress(codec, compressed, { maxBytes: bytes.length }).length, bytes.length);
    assert.throws(
      () => decompress(codec, compressed, { maxBytes: bytes.length - 1 }),
      DecompressedTooLargeError,
    );
  });

  Deno.test(`decompress() raises nothing but typed errors on flipped and cut ${codec} bytes`, () => {
    const compressed = compress(codec, noise(3, 3000, 5));
    fc.assert(
      fc.property(
        fc.nat(compressed.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.nat(compressed.length),
        (at, flip, cut) => {
          const flipped = compressed.slice();
          flipped[at]! ^= flip;
          for (const bytes of [flipped, compressed.subarray(0, cut), flipped.subarray(0, cut)]) {
            try {
              assert.ok(decompress(codec, bytes, { maxBytes: 100_000 }).length <= 100_000);
            } catch (error) {
              assert.ok(error instanceof RecordError, String(error));
            }
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  Deno.test(`decompress() refuses ${codec} input that is cut short`, () => {
    const compressed = compress(codec, noise(4, 5000, 7));
    // Not the last bytes of gzip's and LZ4's trailers only: every length.
    for (let length = 0; length < compressed.length; length += 1 + (length >> 5)) {
      // A xerial stream may end between two chunks.
      if (codec === "snappy" && length === 16) continue;
      assert.throws(
        () => decompress(codec, compressed.subarray(0, length), MAX),
        CorruptRecordError,
        `${length}`,
      );
    }
  });
}

/** Inputs of a few KB that claim or hold about 1 GiB. */
const GIB = 1 << 30;
const BOMBS: [string, Compression, () => Uint8Array][] = [
  ["gzip of zeros", "gzip", () => nested(gzipSync, 1 << 28)],
  ["gzip with a lying size", "gzip", () => withTail(nested(gzipSync, 1 << 28), [1, 0, 0, 0])],
  ["zstd of zeros", "zstd", () => nested(zstdCompressSync, 1 << 28)],
  ["zstd without a content size", "zstd", zstdBomb],
  ["snappy that claims 1 GiB", "snappy", () => Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x04, 0xfe, 1, 0)],
  ["snappy that claims 4 GiB", "snappy", () => Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0xfe, 1, 0)],
  ["xerial of many claims", "snappy", xerialBomb],
  ["LZ4 of long matches", "lz4", lz4Bomb],
];

for (const [name, codec, make] of BOMBS) {
  Deno.test(`decompress() stops a bomb at its bound: ${name}`, () => {
    const bomb = make();
    decompress("gzip", compress("gzip", new Uint8Array(1)), MAX); // loads zlib
    const rss = Deno.memoryUsage().rss;
    const start = performance.now();
    assert.throws(() => decompress(codec, bomb, { maxBytes: 4 << 20 }), DecompressedTooLargeError);
    const elapsedMs = performance.now() - start;
    assert.ok(elapsedMs < 150, `took ${elapsedMs} ms`);
    const grownBytes = Deno.memoryUsage().rss - rss;
    assert.ok(grownBytes < 64 << 20, `grew by ${grownBytes} bytes`);
  });
}

Deno.test("a megabyte of empty zstd frames is refused, some frames are read", () => {
  const empty = zstdCompressSync(new Uint8Array());
  const frames = (count: number) => repeat(empty, count);
  assert.equal(decompress("zstd", frames(100), { maxBytes: 1 << 20 }).length, 0);
  assert.throws(() => decompress("zstd", frames(1_000), { maxBytes: 1 << 20 }), DecompressedTooLargeError);
  const some = repeat(zstdCompressSync(noise(5, 70_000, 9)), 10);
  assert.deepEqual(decompress("zstd", some, { maxBytes: 700_000 }), repeat(noise(5, 70_000, 9), 10));
});

/** Steps, and what they come to. */
function counted<T>(steps: Steps<T>): { count: number; value: T } {
  for (let count = 0;; count++) {
    const step = steps.next();
    if (step.done === true) return { count, value: step.value };
  }
}

for (
  const { codec, inflate, deflate } of [
    { codec: "snappy", inflate: snappyDecompressSteps, deflate: snappyCompressSteps },
    { codec: "lz4", inflate: lz4DecompressSteps, deflate: lz4CompressSteps },
  ] as const
) {
  Deno.test(`${codec} rests at least each 4 MB, both ways`, () => {
    const bytes = new Uint8Array(40 << 20);
    const compressed = counted(deflate(bytes));
    const inflated = counted(inflate(compressed.value, bytes.length));
    assert.equal(inflated.value.length, bytes.length);
    for (const { count } of [compressed, inflated]) assert.ok(count >= 10, `${count} rests`);
  });
}

Deno.test("zstd rests behind each frame", () => {
  const { count, value } = counted(unzstdSteps(repeat(zstdCompressSync(noise(5, 70_000, 9)), 10), 1 << 20));
  assert.equal(value.length, 700_000);
  assert.ok(count >= 10, `${count} rests`);
});

Deno.test("one raw snappy block of many megabytes is inflated with rests", () => {
  // A literal, then copies of 64 bytes.
  const copies = repeat(Uint8Array.of((63 << 2) | 2, 1, 0), 300_000);
  const size = 300_000 * 64 + 1;
  const preamble = [size & 0x7f | 0x80, (size >> 7) & 0x7f | 0x80, (size >> 14) & 0x7f | 0x80, size >> 21];
  const block = new Uint8Array(preamble.length + 2 + copies.length);
  block.set([...preamble, 0, 0x61]);
  block.set(copies, preamble.length + 2);
  const { count, value } = counted(snappyDecompressSteps(block, 1 << 26));
  assert.equal(value.length, size);
  assert.ok(value.every((byte) => byte === 0x61));
  assert.ok(count >= 70, `${count} rests`);
});

Deno.test("xxhash32Steps() rests, and is xxhash32()", () => {
  const bytes = noise(6, 5_000_003, 256);
  const { count, value } = counted(xxhash32Steps(bytes));
  assert.equal(value, xxhash32(bytes));
  assert.ok(count >= 4, `${count} rests`);
});

Deno.test("decompress() refuses a zstd window of 2 GiB", () => {
  const frame = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x23, 0x03, 0x00, 0x41);
  assert.throws(() => decompress("zstd", frame, MAX), CorruptRecordError);
});

Deno.test("decompress() refuses snappy that declares more than its elements give", () => {
  // Declares 12 bytes, holds 4.
  const short = Uint8Array.of(12, 3 << 2, 1, 2, 3, 4);
  assert.throws(() => decompress("snappy", short, MAX), CorruptRecordError);
  assert.deepEqual(
    decompress("snappy", Uint8Array.of(4, 3 << 2, 1, 2, 3, 4), MAX),
    Uint8Array.of(1, 2, 3, 4),
  );
});

Deno.test("decompress() reads overlapping, near and far snappy copies", () => {
  // "ab", then a 1-byte-offset copy of 8 at distance 2, a 2-byte one of 5 at 10, a 4-byte one of 3 at 1.
  const block = Uint8Array.of(18, 1 << 2, 97, 98, 0x11, 2, 0x12, 10, 0, 0x0b, 1, 0, 0, 0);
  assert.equal(new TextDecoder().decode(decompress("snappy", block, MAX)), "abababababababaaaa");
});

Deno.test("decompress() reads concatenated xerial, gzip and zstd streams", () => {
  const bytes = noise(5, 1000, 20);
  for (const codec of ["snappy", "gzip", "zstd"] as const) {
    const one = compress(codec, bytes);
    const twice = decompress(codec, concat(one, one), { maxBytes: 2000 });
    assert.deepEqual(twice, concat(bytes, bytes), codec);
    assert.throws(() => decompress(codec, concat(one, one), { maxBytes: 1999 }), DecompressedTooLargeError);
  }
});

Deno.test("decompress() refuses a snappy copy that reaches into the chunk before", () => {
  const header = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1];
  const first = [0, 0, 0, 4, 2, 1 << 2, 97, 98];
  const second = [0, 0, 0, 3, 4, 0x01, 2];
  assert.equal(text(decompress("snappy", Uint8Array.from([...header, ...first]), MAX)), "ab");
  assert.throws(
    () => decompress("snappy", Uint8Array.from([...header, ...first, ...second]), MAX),
    CorruptRecordError,
  );
});

Deno.test("decompress() refuses an LZ4 frame whose content size is a lie", () => {
  const frame = (content: string) => lz4Frame({ flags: 0x68, blocks: [[0x40, 97, 98, 99, 100]], content });
  assert.equal(text(decompress("lz4", frame("abcd"), MAX)), "abcd");
  assert.throws(() => decompress("lz4", frame("abc"), MAX), CorruptRecordError);
});

Deno.test("decompress() reads every kind of LZ4 frame: linked, stored, sizes, checksums", () => {
  const linked = lz4Frame({ flags: 0x40, blocks: [[0x40, 97, 98, 99, 100], [0x00, 4, 0, 0x10, 101]] });
  assert.equal(text(decompress("lz4", linked, MAX)), "abcdabcde");
  const independent = lz4Frame({ flags: 0x60, blocks: [[0x40, 97, 98, 99, 100], [0x00, 4, 0, 0x10, 101]] });
  assert.throws(() => decompress("lz4", independent, MAX), CorruptRecordError);
  const full = { flags: 0x7c, blocks: [[0x40, 97, 98, 99, 100]], stored: [[101, 102]], content: "abcdef" };
  assert.equal(text(decompress("lz4", lz4Frame(full), MAX)), "abcdef");
  const frame = lz4Frame(full);
  for (const [what, at] of [["content", -1], ["block", 24], ["header", 14], ["size", 6]] as const) {
    const wrong = frame.slice();
    const index = at < 0 ? wrong.length + at : at;
    wrong[index]! ^= 1;
    assert.throws(() => decompress("lz4", wrong, MAX), CorruptRecordError, what);
  }
});

Deno.test("compress() starts no LZ4 match in the last 12 bytes of a block", () => {
  // Reference decoders refuse such a match at the end of a full block.
  const piece = Uint8Array.from({ length: 20 }, (_, i) => i);
  const matchStarts = (distance: number) => {
    const bytes = concat(piece, piece, Uint8Array.of(97, 98, 99), piece.subarray(5, 5 + distance));
    const compressed = compress("lz4", bytes);
    assert.deepEqual(decompress("lz4", compressed, MAX), bytes);
    return lz4MatchStarts(compressed.subarray(11, -4));
  };
  assert.deepEqual(matchStarts(10), [20]);
  assert.deepEqual(matchStarts(11), [20]);
  assert.deepEqual(matchStarts(12), [20, 43]);
});

Deno.test("xxhash32() gives the published values", () => {
  assert.equal(xxhash32(new Uint8Array(0)), 0x02cc5d05);
  assert.equal(xxhash32(new TextEncoder().encode("abc")), 0x32d153ff);
  assert.equal(xxhash32(new TextEncoder().encode("Nobody inspects the spammish repetition")), 0xe2293b2f);
});

function noise(seed: number, size: number, alphabet: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = seed | 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1103515245) + 12345) | 0;
    bytes[i] = ((state >>> 16) & 0x7fff) % alphabet;
  }
  return bytes;
}

function repeat(piece: Uint8Array, count: number): Uint8Array {
  const bytes = new Uint8Array(piece.length * count);
  for (let i = 0; i < count; i++) bytes.set(piece, i * piece.length);
  return bytes;
}

function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** A compressed run of zeros, four times over: a quarter of the time to make. */
function nested(codec: (bytes: Uint8Array) => Uint8Array, size: number): Uint8Array {
  const one = codec(new Uint8Array(size));
  const out = new Uint8Array(one.length * 4);
  for (let i = 0; i < 4; i++) out.set(one, i * one.length);
  return out;
}

function withTail(bytes: Uint8Array, tail: number[]): Uint8Array {
  bytes.set(tail, bytes.length - tail.length);
  return bytes;
}

/** 8,192 run-length blocks of 128 KiB each, in 32 KB. */
function zstdBomb(): Uint8Array {
  const blocks = GIB / (128 * 1024);
  const out = new Uint8Array(6 + 4 * blocks);
  out.set([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50]);
  for (let i = 0; i < blocks; i++) {
    const header = (i === blocks - 1 ? 1 : 0) | (1 << 1) | ((128 * 1024) << 3);
    out.set([header, header >> 8, header >> 16, 0x41], 6 + 4 * i);
  }
  return out;
}

function xerialBomb(): Uint8Array {
  const chunk = [0, 0, 0, 7, 0x80, 0x80, 0x80, 0x20, 0xfe, 1, 0]; // 64 MiB
  const header = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1];
  return Uint8Array.from([...header, ...Array(16).fill(chunk).flat()]);
}

/** 256 blocks that inflate to 4 MiB each. */
function lz4Bomb(): Uint8Array {
  const run = (4 << 20) - 4 - 19 - 5 - 1;
  const block = [0x1f, 65, 1, 0, ...Array(Math.floor(run / 255)).fill(255), run % 255, 0x50, 1, 2, 3, 4, 5];
  return lz4Frame({ flags: 0x60, code: 0x70, blocks: Array(256).fill(block) });
}

/** Where the matches of an LZ4 block start in its output. */
function lz4MatchStarts(block: Uint8Array): number[] {
  const starts: number[] = [];
  let position = 0;
  let outPosition = 0;
  const extended = (length: number) => {
    if (length < 15) return length;
    for (let byte = 255; byte === 255;) length += byte = block[position++]!;
    return length;
  };
  for (;;) {
    const token = block[position++]!;
    const literals = extended(token >>> 4);
    position += literals;
    outPosition += literals;
    if (position >= block.length) return starts;
    starts.push(outPosition);
    position += 2;
    outPosition += extended(token & 15) + 4;
  }
}

function lz4Frame(
  options: { flags: number; code?: number; blocks: number[][]; stored?: number[][]; content?: string },
): Uint8Array {
  const { flags, blocks, stored = [], content = "" } = options;
  const little = (value: number) => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
  const header = [flags, options.code ?? 0x40];
  if ((flags & 8) !== 0) header.push(...little(content.length), 0, 0, 0, 0);
  header.push((xxhash32(Uint8Array.from(header)) >>> 8) & 255);
  const parts: number[][] = [little(0x184d2204), header];
  const add = (block: number[], bit: number) => {
    parts.push(little((block.length | bit) >>> 0), block);
    if ((flags & 0x10) !== 0) parts.push(little(xxhash32(Uint8Array.from(block))));
  };
  for (const block of blocks) add(block, 0);
  for (const block of stored) add(block, 0x80000000);
  parts.push([0, 0, 0, 0]);
  if ((flags & 4) !== 0) parts.push(little(xxhash32(new TextEncoder().encode(content))));
  return Uint8Array.from(parts.flat());
}
