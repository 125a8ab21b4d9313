import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeData } from "./record_data.ts";

Deno.test("decodeData() gives each text its own bytes, however many come and however long they are", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.tuple(fc.constantFrom("x", "é", "語", "😀"), fc.integer({ min: 0, max: 9_000 })).map(([char, count]) =>
      char.repeat(count)
    ),
  );
  fc.assert(fc.property(fc.array(text, { maxLength: 60 }), (texts) => {
    const all = texts.map((text) => decodeData(text));
    // Only now, so that what came later cannot have changed what came first.
    for (const [at, bytes] of all.entries()) {
      assert.ok(bytes instanceof Uint8Array);
      assert.deepEqual(bytes, new TextEncoder().encode(texts[at]));
    }
  }));
});
