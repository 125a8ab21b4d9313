import assert from "node:assert/strict";
import fc from "fast-check";
import { assignRanges, assignRoundRobin, type GroupAssignment, type GroupMember } from "./assignors.ts";

function member(memberId: string, topics: string[], groupInstanceId: string | null = null): GroupMember {
  return { memberId, groupInstanceId, topics };
}

function short(assignment: GroupAssignment): Record<string, string> {
  return Object.fromEntries(
    [...assignment].map(([id, list]) => [id, list.map((p) => `${p.topic}p${p.partition}`).join(" ")]),
  );
}

Deno.test("assignRanges() divides each topic, the first member gets the extra partition", () => {
  // The example in the documentation of Kafka's RangeAssignor.
  const members = [member("C1", ["t0", "t1"]), member("C0", ["t0", "t1"])];
  assert.deepEqual(short(assignRanges(members, new Map([["t0", 3], ["t1", 3]]))), {
    C0: "t0p0 t0p1 t1p0 t1p1",
    C1: "t0p2 t1p2",
  });
});

Deno.test("assignRoundRobin() deals partitions out over topics", () => {
  const members = [member("C0", ["t0", "t1"]), member("C1", ["t0", "t1"])];
  assert.deepEqual(short(assignRoundRobin(members, new Map([["t0", 3], ["t1", 3]]))), {
    C0: "t0p0 t0p2 t1p1",
    C1: "t0p1 t1p0 t1p2",
  });
});

Deno.test("assignRoundRobin() skips members that did not subscribe", () => {
  // The second example in the documentation of Kafka's RoundRobinAssignor.
  const members = [member("C0", ["t0"]), member("C1", ["t0", "t1"]), member("C2", ["t0", "t1", "t2"])];
  assert.deepEqual(short(assignRoundRobin(members, new Map([["t0", 1], ["t1", 2], ["t2", 3]]))), {
    C0: "t0p0",
    C1: "t1p0",
    C2: "t1p1 t2p0 t2p1 t2p2",
  });
});

Deno.test("assignors order static members by their own names", () => {
  const members = [member("z", ["t"], "I1"), member("a", ["t"], "I2"), member("0", ["t"])];
  assert.deepEqual(short(assignRanges(members, new Map([["t", 4]]))), { z: "tp0 tp1", a: "tp2", 0: "tp3" });
});

Deno.test("assignors give every partition to exactly one member that subscribed", () => {
  const topics = ["t0", "t1", "t2"];
  const membersArbitrary = fc.uniqueArray(
    fc.record({
      memberId: fc.string({ minLength: 1 }),
      groupInstanceId: fc.option(fc.string({ minLength: 1 })),
      topics: fc.subarray(topics),
    }),
    { minLength: 1, selector: (m) => m.memberId },
  );
  const counts = fc.dictionary(fc.constantFrom(...topics), fc.nat(20));
  fc.assert(fc.property(membersArbitrary, counts, (members, counts) => {
    for (const assign of [assignRanges, assignRoundRobin]) {
      const assignment = assign(members, new Map(Object.entries(counts)));
      assert.equal(assignment.size, members.length);
      const owned = new Set<string>();
      for (const { memberId, topics } of members) {
        for (const { topic, partition } of assignment.get(memberId) ?? []) {
          assert.ok(topics.includes(topic));
          assert.ok(!owned.has(`${topic}/${partition}`));
          owned.add(`${topic}/${partition}`);
        }
      }
      const expected = Object.entries(counts)
        .filter(([topic]) => members.some((m) => m.topics.includes(topic)))
        .reduce((sum, [, count]) => sum + count, 0);
      assert.equal(owned.size, expected);
    }
  }));
});
