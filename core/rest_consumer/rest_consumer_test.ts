import assert from "node:assert/strict";
import fc from "fast-check";
import { emptyMetadataImage } from "../cluster/metadata_image.ts";
import { assignRanges, subscribedTopics } from "./rest_consumer.ts";

function subscribed(pattern: string, names: readonly string[]): string[] {
  const topicsByName = new Map(
    names.map((name) => [name, { name, topicId: name, partitions: [], configs: {} }]),
  );
  return subscribedTopics({ type: "pattern", pattern }, { ...emptyMetadataImage, topicsByName });
}

Deno.test("a pattern is in the language of the groups' subscriptions, and never tries twice", () => {
  assert.deepEqual(subscribed("(?i)ORDERS|b+", ["orders", "orders2", "bb"]), ["orders", "bb"]);
  const long = "a".repeat(200);
  assert.deepEqual(subscribed("(a+)+_", [long, `${long}_`]), [`${long}_`]);
});

Deno.test("a pattern means no internal topic; one that an older version took and this one does not means none", () => {
  assert.deepEqual(subscribed(".*", ["a", "__consumer_offsets"]), ["a"]);
  assert.deepEqual(subscribed("(?=a).*", ["a"]), []);
});

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
