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
  const sizes = fc.oneof(fc.nat(300), fc.integer({ min: 1000, max: 5000 }));
  const inputs = sizes.chain((size) => fc.uint8Array({ minLength: size, maxLength: size }));
  fc.assert(fc.property(inputs, fc.nat(20), fc.nat(20), (bytes, skip, drop) => {
    const start = Math.min(skip, bytes.length);
    const end = Math.max(start, bytes.length - drop);
    const expected = oracle.init().update(bytes.subarray(start, end)).digest("hex");
    assert.equal(crc32c(bytes, start, end).toString(16).padStart(8, "0"), expected);
  }));
});
