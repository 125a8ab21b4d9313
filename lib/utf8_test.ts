import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeUtf8 } from "./utf8.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function strictly(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

Deno.test("decodeUtf8() is what strict decoding is", () => {
  const text = fc.string({ unit: "binary", maxLength: 20 }).map((text) => new TextEncoder().encode(text));
  const bytes = fc.oneof(
    text,
    fc.uint8Array({ maxLength: 20 }),
    fc.tuple(text, fc.uint8Array({ maxLength: 3 }))
      .map(([text, more]) => Uint8Array.from([...text, ...more])),
  );
  fc.assert(fc.property(bytes, (bytes) => assert.equal(decodeUtf8(bytes), strictly(bytes))), {
    numRuns: 1_000,
  });
});

Deno.test("decodeUtf8() takes a replacement character that was sent, and no wrong byte beside it", () => {
  const sent = new TextEncoder().encode("a\ufffdb");
  assert.equal(decodeUtf8(sent), "a\ufffdb");
  assert.equal(decodeUtf8(Uint8Array.from([...sent, 0xff])), null);
  assert.equal(decodeUtf8(Uint8Array.of(0xed, 0xa0, 0x80)), null, "a surrogate");
  assert.equal(decodeUtf8(Uint8Array.of(0xc0, 0x80)), null, "an overlong zero");
  assert.equal(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), "\ufeffa");
  assert.equal(decodeUtf8(new Uint8Array(0)), "");
});
