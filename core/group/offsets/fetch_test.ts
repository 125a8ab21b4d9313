/** OffsetFetch by example. */
import assert from "node:assert/strict";
import { GroupHarness } from "../../../tests/group_harness.ts";
import type { OffsetFetchRequest, OffsetFetchResult } from "../group_commands.ts";

function fetchOffsets(group: GroupHarness, partitions: OffsetFetchRequest["partitions"]): OffsetFetchResult {
  return group.send<OffsetFetchResult>({
    type: "offsetFetch",
    partitions,
    memberId: null,
    memberEpoch: -1,
    requireStable: true,
  }).now;
}

Deno.test("decideOffsetFetch() answers what was committed, -1 for the rest", () => {
  const group = new GroupHarness();
  const offset = { topic: "t", topicId: "id-t", leaderEpoch: 3, metadata: "note" };
  group.commit({ offsets: [{ ...offset, partition: 0, offset: 7 }, { ...offset, partition: 2, offset: 9 }] });
  group.commit({ offsets: [{ ...offset, partition: 0, offset: 5 }] });
  const asked = [0, 1].map((partition) => ({ topic: "t", topicId: "id-t", partition }));
  assert.deepEqual(fetchOffsets(group, asked), {
    error: "NONE",
    offsets: [
      { ...offset, partition: 0, offset: 5 },
      { topic: "t", topicId: "id-t", partition: 1, offset: -1, leaderEpoch: -1, metadata: "" },
    ],
  });
  assert.deepEqual(fetchOffsets(group, null).offsets.map(({ partition, offset }) => [partition, offset]), [
    [0, 5],
    [2, 9],
  ]);
  group.restart();
  assert.equal(fetchOffsets(group, null).offsets.length, 2, "also after a restart");
});

Deno.test("offsets belong to the topic id: a topic created anew has none", () => {
  const group = new GroupHarness();
  group.commit();
  const [answer] = fetchOffsets(group, [{ topic: "t", topicId: "id-of-another-t", partition: 0 }]).offsets;
  assert.equal(answer?.offset, -1);
});

Deno.test("decideOffsetFetch() knows no offsets of an unknown group", () => {
  assert.deepEqual(fetchOffsets(new GroupHarness(), null), { error: "NONE", offsets: [] });
  assert.equal(fetchOffsets(new GroupHarness({}, "x".repeat(901)), null).error, "INVALID_GROUP_ID");
});
