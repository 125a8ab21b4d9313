import assert from "node:assert/strict";
import { OffsetMap } from "./offset_map.ts";

const encoder = new TextEncoder();

Deno.test("OffsetMap remembers the newest offset of each key, in 24 bytes a slot", () => {
  const map = new OffsetMap(128 * 1_024 * 1_024, 12_345);
  for (let i = 0; i < 300_000; i++) map.put(encoder.encode(`key ${i % 100_000}`), i);
  assert.equal(map.size, 100_000);
  for (let i = 0; i < 100_000; i++) assert.equal(map.get(encoder.encode(`key ${i}`)), 200_000 + i);
  assert.equal(map.get(encoder.encode("another")), -1);
  assert.equal(map.get(new Uint8Array()), -1);
  map.put(new Uint8Array(), 7);
  assert.equal(map.get(new Uint8Array()), 7);
  assert.ok(map.byteLength <= 262_144 * 24);
});

Deno.test("OffsetMap says when it is full, and still takes one more batch", () => {
  const map = new OffsetMap(1_048_576, 1);
  let count = 0;
  while (!map.isFull) map.put(encoder.encode(`key ${count}`), count++);
  assert.ok(map.byteLength <= 1_048_576);
  assert.ok(count > 25_000, String(count));
  for (let i = 0; i < 20_000; i++) map.put(encoder.encode(`key ${count}`), count++);
  for (let i = 0; i < count; i++) assert.equal(map.get(encoder.encode(`key ${i}`)), i);
});
