import assert from "node:assert/strict";
import { hash128 } from "./hash128.ts";

function hex(text: string, seed: number): string {
  const out = new Uint32Array(4);
  hash128(new TextEncoder().encode(text), seed, out);
  return [...out].map((word) => word.toString(16).padStart(8, "0")).join(" ");
}

Deno.test("hash128() gives the reference's values", () => {
  // Of MurmurHash3_x86_128 by its author.
  assert.equal(hex("", 0), "00000000 00000000 00000000 00000000");
  assert.equal(hex("", 1), "88c4adec 54d201b9 54d201b9 54d201b9");
  // Bytes 3c9394a7 1bb05655 1bb05655 1bb05655.
  assert.equal(hex("a", 0), "a794933c 5556b01b 5556b01b 5556b01b");
});

Deno.test("hash128() tells texts of every length, and seeds, apart", () => {
  const seen = new Set<string>();
  for (let length = 0; length < 200; length++) {
    const text = "x".repeat(length);
    for (const seed of [0, 1]) seen.add(hex(text, seed));
    for (let i = 0; i < length; i++) seen.add(hex(`${"x".repeat(i)}y${"x".repeat(length - i - 1)}`, 0));
  }
  assert.equal(seen.size, 400 + 199 * 200 / 2);
});
