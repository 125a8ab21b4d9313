import assert from "node:assert/strict";
import fc from "fast-check";
import { createCRC32 } from "hash-wasm";
import { crc32c } from "./crc32c.ts";

Deno.test("crc32c() gives the check values of RFC 3720", () => {
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(0)), 0);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c);
});

Deno.test("crc32c() agrees with an independent implementation on any range", async () => {
  const oracle = await createCRC32(0x82f63b78);
  // Tables alone, two lanes, folding, folding in several slices.
  const sizes = fc.oneof(
    fc.nat(300),
    fc.integer({ min: 1_000, max: 5_000 }),
    fc.integer({ min: 8_100, max: 9_000 }),
    fc.integer({ min: 35_000, max: 120_000 }),
  );
  const inputs = fc.tuple(sizes, fc.integer()).map(([size, seed]) => noise(size, seed));
  fc.assert(fc.property(inputs, fc.nat(20), fc.nat(20), (bytes, skip, drop) => {
    const start = Math.min(skip, bytes.length);
    const end = Math.max(start, bytes.length - drop);
    const expected = oracle.init().update(bytes.subarray(start, end)).digest("hex");
    assert.equal(crc32c(bytes, start, end).toString(16).padStart(8, "0"), expected);
  }));
});

Deno.test("crc32c() goes on from the CRC of what comes before, at any length", () => {
  const bytes = noise(100_000, 7);
  const whole = crc32c(bytes);
  for (const at of [1, 100, 8_191, 8_192, 8_193, 50_000, 91_808, 99_999]) {
    const before = crc32c(bytes, 0, at);
    assert.equal(crc32c(bytes, at, bytes.length, before), whole, `cut at ${at}`);
  }
});

/** Bytes without a pattern (xorshift32), from a seed. */
function noise(size: number, seed: number): Uint8Array {
  let state = seed | 1;
  return Uint8Array.from({ length: size }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0xff;
  });
}
