import assert from "node:assert/strict";
import { murmur2 } from "./murmur2.ts";

Deno.test("murmur2() gives what Kafka's Java client gives", () => {
  const expected: readonly (readonly [string, number])[] = [
    ["", 275646681],
    ["a", -1563381124],
    ["ab", 316155434],
    ["abc", 479470107],
    ["abcd", -1323649548],
    ["abcde", 461995741],
    ["hello", 2132663229],
    ["ключ", 2122343024],
    ["The quick brown fox jumps over the lazy dog", 495243318],
  ];
  for (const [text, hash] of expected) assert.equal(murmur2(new TextEncoder().encode(text)), hash, text);
  const all = Uint8Array.from({ length: 260 }, (_, index) => index);
  assert.equal(murmur2(all.subarray(0, 256)), -1948347274);
});
