import assert from "node:assert/strict";
import { nextStickyPartition, partitionForKey } from "./partitioner.ts";

Deno.test("partitionForKey() agrees with Kafka's producer", () => {
  // Computed with Kafka's Utils: toPositive(murmur2(key)) % 6.
  const golden = { "a": 4, "key-1": 0, "key-2": 2, "Zürich": 1, "0123456789": 2 };
  for (const [key, partition] of Object.entries(golden)) {
    assert.equal(partitionForKey(new TextEncoder().encode(key), 6), partition, key);
  }
});

Deno.test("nextStickyPartition() never stays where it was, and reaches all others", () => {
  const reached = new Set<number>();
  for (let i = 0; i < 100; i++) reached.add(nextStickyPartition(2, 5, i / 100));
  assert.deepEqual([...reached].sort(), [0, 1, 3, 4]);
});

Deno.test("nextStickyPartition() has no choice with one partition", () => {
  assert.equal(nextStickyPartition(0, 1, 0.99), 0);
  assert.equal(nextStickyPartition(null, 1, 0.99), 0);
});
