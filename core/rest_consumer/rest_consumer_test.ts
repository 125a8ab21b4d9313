import assert from "node:assert/strict";
import fc from "fast-check";
import { assignRanges } from "./rest_consumer.ts";

Deno.test("ranges: the first members get one more", () => {
  const members = ["b", "a"].map((memberId) => ({ memberId, topics: ["t"] }));
  const assigned = assignRanges(
    [...members, { memberId: "c", topics: ["u"] }],
    (topic) => topic === "t" ? 3 : 1,
  );
  assert.deepEqual(assigned.get("a")?.get("t"), [0, 1]);
  assert.deepEqual(assigned.get("b")?.get("t"), [2]);
  assert.deepEqual([...assigned.get("c") ?? []], [["u", [0]]]);
});

Deno.test("every partition of every topic that somebody wants has exactly one owner who wants it", () => {
  const member = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 3 });
  fc.assert(fc.property(fc.array(member, { minLength: 1, maxLength: 6 }), fc.nat(9), (wishes, count) => {
    const members = wishes.map((topics, index) => ({ memberId: `m${index}`, topics }));
    const assigned = assignRanges(members, () => count);
    for (const topic of new Set(wishes.flat())) {
      const owned = [...assigned].flatMap(([memberId, topics]) => {
        const partitions = topics.get(topic) ?? [];
        const wants = members.find((each) => each.memberId === memberId)?.topics.includes(topic);
        assert.ok(partitions.length === 0 || wants === true);
        return partitions;
      });
      assert.deepEqual(owned.sort((a, b) => a - b), Array.from({ length: count }, (_, index) => index));
    }
  }));
});
