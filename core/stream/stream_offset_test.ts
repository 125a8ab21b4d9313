import assert from "node:assert/strict";
import fc from "fast-check";
import { formatStreamOffset, parseStreamOffset } from "./stream_offset.ts";

Deno.test("offsets come back, and their texts are in the order of the log", () => {
  const offset = fc.nat({ max: Number.MAX_SAFE_INTEGER });
  fc.assert(fc.property(offset, offset, (a, b) => {
    assert.equal(parseStreamOffset(formatStreamOffset(a)), a);
    assert.equal(formatStreamOffset(a) < formatStreamOffset(b), a < b);
  }));
});

Deno.test("what is no offset of ours is refused", () => {
  const texts = ["", "-1", "now", "5", "0000000000000001", "0000000000000001_0000000000000001"];
  for (const text of [...texts, "9999999999999999_0000000000000000", " 0000000000000001_0000000000000000"]) {
    assert.equal(parseStreamOffset(text), null, text);
  }
});
