/** OffsetCommit by example: who may commit when. */
import assert from "node:assert/strict";
import { GroupHarness } from "../../../tests/group_harness.ts";

Deno.test("decideOffsetCommit() takes commits without a generation while the group is empty", () => {
  const group = new GroupHarness();
  assert.deepEqual(group.commit(), { error: "NONE", offsetErrors: ["NONE"] });
  const fact = [...group.stored.offsets.values()][0];
  assert.equal(fact?.offset, 7);
  assert.equal(fact?.committedAtMs, 5_000_000 + group.monoMs);
  const [a] = group.stable(1);
  assert.equal(group.commit().error, "UNKNOWN_MEMBER_ID", "not any more");
  group.leave({ memberId: a?.memberId ?? "" });
  assert.equal(group.commit().error, "NONE", "and again");
});

Deno.test("decideOffsetCommit() checks member and generation", () => {
  const group = new GroupHarness();
  assert.equal(group.commit({ generationId: 1, memberId: "m" }).error, "GROUP_ID_NOT_FOUND");
  const [a] = group.stable(1);
  const memberId = a?.memberId ?? "";
  assert.equal(group.commit({ generationId: 1, memberId }).error, "NONE");
  assert.equal(group.commit({ generationId: 0, memberId }).error, "ILLEGAL_GENERATION");
  assert.equal(group.commit({ generationId: -1, memberId }).error, "ILLEGAL_GENERATION");
  assert.equal(group.commit({ generationId: 1, memberId: "ghost" }).error, "UNKNOWN_MEMBER_ID");
  assert.equal(group.commit({ generationId: 1, memberId, groupInstanceId: "i" }).error, "UNKNOWN_MEMBER_ID");
  group.leave({ memberId });
  assert.equal(group.commit({ generationId: 1, memberId }).error, "UNKNOWN_MEMBER_ID", "in an empty group");
  assert.equal(new GroupHarness({}, "").commit().error, "NONE", "Kafka takes the empty id here");
  assert.equal(new GroupHarness({}, "x".repeat(901)).commit().error, "INVALID_GROUP_ID");
});

Deno.test("commits are taken while members gather, and refused while they are assigned to", () => {
  const group = new GroupHarness();
  const [a] = group.stable(1);
  const memberId = a?.memberId ?? "";
  const newcomer = group.join();
  assert.equal(group.commit({ generationId: 1, memberId }).error, "NONE");
  group.join({ memberId });
  assert.equal(group.commit({ generationId: 1, memberId }).error, "ILLEGAL_GENERATION");
  assert.equal(newcomer.now.generationId, 2);
  assert.equal(group.commit({ generationId: 2, memberId }).error, "REBALANCE_IN_PROGRESS");
});

Deno.test("metadata that is too large fails its own offset", () => {
  const group = new GroupHarness({ offsetMetadataBytesMax: 4 });
  const offset = { topic: "t", topicId: "id-t", offset: 1, leaderEpoch: -1 };
  const { error, offsetErrors } = group.commit({
    offsets: [{ ...offset, partition: 0, metadata: "12345" }, { ...offset, partition: 1, metadata: "1234" }],
  });
  assert.equal(error, "NONE");
  assert.deepEqual(offsetErrors, ["OFFSET_METADATA_TOO_LARGE", "NONE"]);
  assert.deepEqual([...group.stored.offsets.keys()], ["id-t/1"]);
});

Deno.test("a commit counts as a heartbeat", () => {
  const group = new GroupHarness();
  const [a] = group.stable(1);
  const memberId = a?.memberId ?? "";
  for (let i = 0; i < 5; i++) {
    group.advance(9_000);
    assert.equal(group.commit({ generationId: 1, memberId }).error, "NONE");
  }
  group.advance(10_000);
  assert.equal(group.state.phase, "Empty");
});
