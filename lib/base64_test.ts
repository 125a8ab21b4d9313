import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeBase64, decodeWithBuffer, encodeBase64 } from "./base64.ts";

Deno.test("base64 goes there and back, both ways", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    const text = encodeBase64(bytes);
    assert.deepEqual(decodeBase64(text), bytes);
    assert.deepEqual(decodeWithBuffer(text), bytes);
  }));
});

Deno.test("decodeBase64() refuses what is no base64, both ways", () => {
  for (const text of ["a", "a===", "=", "ab=", "a-b_", "%%%%", "ab==cd==", "abcde", "é"]) {
    assert.equal(decodeBase64(text), null, text);
    assert.equal(decodeWithBuffer(text), null, text);
  }
  for (const text of ["", "YQ", "YQ==", " Y Q = =\n"]) {
    assert.deepEqual(decodeBase64(text), decodeWithBuffer(text), text);
  }
});
