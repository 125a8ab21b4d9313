/** OffsetDelete and DeleteGroups by example. */
import assert from "node:assert/strict";
import { encodeSubscription } from "../../../protocol/messages/consumer_protocol.ts";
import { GroupHarness } from "../../../tests/group_harness.ts";
import type { DeleteGroupResult, OffsetDeleteResult } from "../group_commands.ts";

function deleteOffsets(group: GroupHarness, topics = ["t"]): OffsetDeleteResult {
  const partitions = topics.map((topic) => ({ topic, topicId: `id-${topic}`, partition: 0 }));
  return group.send<OffsetDeleteResult>({ type: "offsetDelete", partitions }).now;
}

function deleteGroup(group: GroupHarness): string {
  return group.send<DeleteGroupResult>({ type: "deleteGroup" }).now.error;
}

function subscribed(...topics: string[]) {
  const metadata = encodeSubscription(0, { topics, userData: null });
  return { protocols: [{ name: "range", metadata }] };
}

Deno.test("decideOffsetDelete() forgets offsets, of a topic that nobody reads", () => {
  const group = new GroupHarness();
  assert.equal(deleteOffsets(group).error, "GROUP_ID_NOT_FOUND");
  group.commit();
  assert.deepEqual(deleteOffsets(group, ["t", "other"]), {
    error: "NONE",
    partitionErrors: ["NONE", "NONE"],
  });
  assert.equal(group.stored.offsets.size, 0);
  group.commit();
  const [a] = group.stable(1, subscribed("t"));
  assert.deepEqual(deleteOffsets(group, ["t", "other"]).partitionErrors, [
    "GROUP_SUBSCRIBED_TO_TOPIC",
    "NONE",
  ]);
  group.leave({ memberId: a?.memberId ?? "" });
  assert.deepEqual(deleteOffsets(group).partitionErrors, ["NONE"]);
  assert.equal(group.stored.offsets.size, 0);
  group.restart();
  assert.equal(group.state.offsets.size, 0);
});

Deno.test("members that do not tell what they read keep all offsets", () => {
  const group = new GroupHarness();
  group.commit();
  group.stable(1);
  assert.deepEqual(deleteOffsets(group).partitionErrors, ["GROUP_SUBSCRIBED_TO_TOPIC"], "not readable");
  const connect = new GroupHarness();
  connect.commit();
  connect.stable(1, { protocolType: "connect" });
  assert.deepEqual(deleteOffsets(connect), { error: "NON_EMPTY_GROUP", partitionErrors: [] });
});

Deno.test("decideDeleteGroup() removes a group without members and all its offsets", () => {
  const group = new GroupHarness();
  assert.equal(deleteGroup(group), "GROUP_ID_NOT_FOUND");
  const [a] = group.stable(1);
  group.commit({ generationId: 1, memberId: a?.memberId ?? "" });
  assert.equal(deleteGroup(group), "NON_EMPTY_GROUP");
  group.leave({ memberId: a?.memberId ?? "" });
  assert.equal(deleteGroup(group), "NONE");
  assert.equal(group.stored.record, null);
  assert.equal(group.stored.offsets.size, 0);
  assert.equal(deleteGroup(group), "GROUP_ID_NOT_FOUND");
  assert.equal(group.stable(1)[0]?.generationId, 1, "a group of the same name is new");
});
