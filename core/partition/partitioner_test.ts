import assert from "node:assert/strict";
import { partitionForKey } from "./partitioner.ts";

Deno.test("partitionForKey() agrees with Kafka's Java client, for negative hashes too", () => {
  const expected = { "": 2, a: 5, ab: 0, abc: 4, abcd: 5, abcde: 4, hello: 4, "ключ": 4 };
  for (const [key, partition] of Object.entries(expected)) {
    assert.equal(partitionForKey(new TextEncoder().encode(key), 7), partition, key);
  }
});
