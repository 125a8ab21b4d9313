/** The assignor `simple` by example and property: everything is read, everybody reads, evenly, and little moves. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Assignment,
  intersection,
  noPartitions,
  partitionCount,
} from "../../group/modern/assignment.ts";
import { assignSimple } from "./simple_assignor.ts";

type Readers = Readonly<Record<string, readonly string[]>>;

function assign(
  readers: Readers,
  counts: Readonly<Record<string, number>>,
  previous = new Map<string, Assignment>(),
) {
  const members = Object.entries(readers).map(([memberId, topics]) => ({
    memberId,
    topicIds: new Set(topics),
    previous: previous.get(memberId) ?? noPartitions,
  }));
  return assignSimple(members, new Map(Object.entries(counts)));
}

const sizes = (output: ReadonlyMap<string, Assignment>) => [...output.values()].map(partitionCount);

Deno.test("with few members each partition has one reader, with many several", () => {
  assert.deepEqual(sizes(assign({ a: ["t"], b: ["t"] }, { t: 5 })), [3, 2]);
  const crowd = assign({ a: ["t"], b: ["t"], c: ["t"], d: ["t"], e: ["t"] }, { t: 2 });
  assert(sizes(crowd).every((size) => size >= 1), "nobody is idle");
});

Deno.test("whoever comes gets a share, and nothing moves between those who stay", () => {
  const two = assign({ a: ["t"], b: ["t"] }, { t: 6 });
  const three = assign({ a: ["t"], b: ["t"], c: ["t"] }, { t: 6 }, two);
  assert.deepEqual(sizes(three), [2, 2, 2]);
  for (const id of ["a", "b"]) {
    assert.equal(partitionCount(intersection(two.get(id) ?? noPartitions, three.get(id) ?? noPartitions)), 2);
  }
});

const readers = fc.dictionary(
  fc.constantFrom("a", "b", "c", "d", "e", "f", "g"),
  fc.uniqueArray(fc.constantFrom("t", "u", "v"), { minLength: 1 }),
  { minKeys: 1 },
);

Deno.test("everything that somebody reads is assigned, only to who reads it", () => {
  const counts = fc.record({ t: fc.nat({ max: 7 }), u: fc.nat({ max: 7 }), v: fc.nat({ max: 7 }) });
  fc.assert(fc.property(readers, readers, counts, (before, after: Readers, all) => {
    const output = assign(after, all, assign(before, all));
    for (const [topic, count] of Object.entries(all)) {
      const isRead = Object.values(after).some((topics) => topics.includes(topic));
      for (let partition = 0; partition < count; partition++) {
        const holders = Object.keys(after).filter((id) => output.get(id)?.get(topic)?.includes(partition));
        assert.equal(holders.length > 0, isRead);
        assert(holders.every((id) => after[id]?.includes(topic)));
      }
    }
  }));
});

Deno.test("members with the same subscription differ by one partition at most", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 9 }), (members, count) => {
    const same = Object.fromEntries(Array.from({ length: members }, (_, i) => [`m${i}`, ["t"]]));
    const loads = sizes(assign(same, { t: count }));
    assert(Math.max(...loads) - Math.min(...loads) <= 1);
    assert(Math.min(...loads) >= 1 || count === 0);
  }));
});
