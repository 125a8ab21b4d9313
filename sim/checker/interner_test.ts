/** Ids of values and the sort of positions. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { positionsByKey } from "./columns.ts";
import { Values } from "./interner.ts";

Deno.test("Values keeps pairs of partition and value apart, integers and strings", () => {
  const pair = fc.tuple(
    fc.nat(20),
    fc.oneof(fc.integer({ min: -5, max: 300 }), fc.maxSafeInteger(), fc.nat(200).map((n) => String(n))),
  );
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 5_000, size: "max" }), (pairs) => {
      const values = new Values();
      const ids = new Map<string, number>();
      for (const [partition, value] of pairs) {
        const key = JSON.stringify([partition, value]);
        assert.equal(values.find(partition, value), ids.get(key) ?? -1);
        const id = values.id(partition, value);
        assert.equal(id, ids.get(key) ?? ids.size);
        ids.set(key, id);
      }
      for (const [partition, value] of pairs) {
        const id = values.find(partition, value);
        assert.equal(values.partitionOf(id), partition);
        assert.equal(values.valueOf(id), value);
      }
      assert.equal(values.count, ids.size);
    }),
    { numRuns: 30 },
  );
});

Deno.test("positionsByKey() sorts, and keeps the order of equal keys", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(30), { maxLength: 200 }), (keys) => {
      const expected = keys.map((_, i) => i).sort((a, b) =>
        (keys[a] as number) - (keys[b] as number) || a - b
      );
      assert.deepEqual([...positionsByKey(Float64Array.from(keys))], expected);
    }),
  );
});
