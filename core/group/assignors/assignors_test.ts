/** The coordinator's assignors by example and property: everything is assigned once, evenly, and little moves. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { intersection, noPartitions, partitionCount } from "../modern/assignment.ts";
import type { AssignorInput, AssignorOutput } from "./assignor.ts";
import { assignRange } from "./range.ts";
import { assignUniform } from "./uniform.ts";

/** Members by id with the topics they read; what they had so far is in `previous`. */
function input(
  readers: Readonly<Record<string, readonly string[]>>,
  counts: Readonly<Record<string, number>>,
  previous: AssignorOutput = new Map(),
): AssignorInput {
  return {
    partitionCounts: new Map(Object.entries(counts)),
    members: Object.entries(readers).map(([memberId, topicIds]) => ({
      memberId,
      instanceId: null,
      topicIds: new Set(topicIds),
      previous: previous.get(memberId) ?? noPartitions,
    })),
  };
}

function assertComplete({ members, partitionCounts }: AssignorInput, output: AssignorOutput): void {
  const seen = new Set<string>();
  for (const { memberId, topicIds } of members) {
    for (const [topicId, partitions] of output.get(memberId) ?? []) {
      assert(topicIds.has(topicId), "only what it reads");
      for (const partition of partitions) {
        assert(!seen.has(`${topicId}/${partition}`), "once");
        seen.add(`${topicId}/${partition}`);
      }
    }
  }
  assert.equal(seen.size, [...partitionCounts.values()].reduce((sum, count) => sum + count, 0), "everything");
}

const sizes = (output: AssignorOutput, ids: Iterable<string>) =>
  Array.from(ids, (id) => partitionCount(output.get(id) ?? noPartitions));

Deno.test("range gives runs, and the same numbers of all topics", () => {
  const output = assignRange(input({ b: ["t", "u"], a: ["t", "u"], c: ["t"] }, { t: 5, u: 5 }));
  assert.deepEqual(Object.fromEntries(output.get("a") ?? []), { t: [0, 1], u: [0, 1, 2] });
  assert.deepEqual(Object.fromEntries(output.get("b") ?? []), { t: [2, 3], u: [3, 4] });
  assert.deepEqual(Object.fromEntries(output.get("c") ?? []), { t: [4] });
});

Deno.test("uniform keeps what it can when a member comes and when one goes", () => {
  const two = assignUniform(input({ a: ["t"], b: ["t"] }, { t: 6 }));
  assert.deepEqual(sizes(two, ["a", "b"]), [3, 3]);
  const three = assignUniform(input({ a: ["t"], b: ["t"], c: ["t"] }, { t: 6 }, two));
  assert.deepEqual(sizes(three, ["a", "b", "c"]), [2, 2, 2]);
  for (const id of ["a", "b"]) {
    const kept = intersection(two.get(id) ?? noPartitions, three.get(id) ?? noPartitions);
    assert.equal(partitionCount(kept), 2, "nothing moves between members that stay");
  }
  const again = assignUniform(input({ a: ["t"], c: ["t"] }, { t: 6 }, three));
  for (const id of ["a", "c"]) {
    assert.equal(
      partitionCount(intersection(three.get(id) ?? noPartitions, again.get(id) ?? noPartitions)),
      2,
    );
  }
});

const members = fc.dictionary(
  fc.constantFrom("a", "b", "c", "d", "e", "f"),
  fc.uniqueArray(fc.constantFrom("t", "u", "v"), { minLength: 1 }),
  { minKeys: 1 },
);
const counts = fc.record({ t: fc.nat({ max: 9 }), u: fc.nat({ max: 9 }), v: fc.nat({ max: 9 }) });

/** Only topics that somebody reads are the assignor's business. */
function readOnly(readers: Record<string, string[]>, all: Record<string, number>): Record<string, number> {
  const read = new Set(Object.values(readers).flat());
  return Object.fromEntries(Object.entries(all).filter(([topic]) => read.has(topic)));
}

Deno.test("both assign everything once, whatever the members had", () => {
  fc.assert(fc.property(members, members, counts, counts, (before, after, countsBefore, countsAfter) => {
    for (const assign of [assignRange, assignUniform]) {
      const first = input(before, readOnly(before, countsBefore));
      const output = assign(first);
      assertComplete(first, output);
      const second = input(after, readOnly(after, countsAfter), output);
      assertComplete(second, assign(second));
    }
  }));
});

Deno.test("uniform is even, and changes nothing when nothing has changed", () => {
  fc.assert(fc.property(members, members, counts, (before, after, all) => {
    const previous = assignUniform(input(before, readOnly(before, all)));
    const now = input(after, readOnly(after, all), previous);
    const output = assignUniform(now);
    // Nobody could take a partition from somebody who has two more.
    for (const { memberId, topicIds } of now.members) {
      const own = partitionCount(output.get(memberId) ?? noPartitions);
      for (const [otherId, assignment] of output) {
        const isMovable = [...assignment.keys()].some((topicId) => topicIds.has(topicId));
        assert(!isMovable || partitionCount(assignment) - own < 2, `${otherId} has too much`);
      }
    }
    const again = assignUniform({
      ...now,
      members: now.members.map((member) => ({
        ...member,
        previous: output.get(member.memberId) ?? noPartitions,
      })),
    });
    assert.deepEqual(again, output);
  }));
});
