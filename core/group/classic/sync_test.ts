/** SyncGroup by example: parking, the assignment, members that do not sync. */
import assert from "node:assert/strict";
import { groupLimits } from "../group_config.ts";
import { bytesOf, GroupHarness, textOf } from "../../../tests/group_harness.ts";

function joinedPair(group: GroupHarness) {
  const joins = [group.join(), group.join()];
  group.advance(6_000);
  const [leader, follower] = joins.map(({ now }) => now);
  assert(leader !== undefined && follower !== undefined);
  return { leader, follower };
}

Deno.test("decideSync() parks followers until the leader hands in the assignment", () => {
  const group = new GroupHarness();
  const { leader, follower } = joinedPair(group);
  const parked = group.sync(follower);
  assert.equal(parked.answer, undefined);
  const own = group.sync(leader).now;
  assert.equal(group.state.phase, "Stable");
  assert.equal(textOf(own.assignment), `for ${leader.memberId}`);
  assert.deepEqual(parked.now, {
    error: "NONE",
    protocolType: "consumer",
    protocolName: "range",
    assignment: bytesOf(`for ${follower.memberId}`),
  });
  assert.equal(group.stored.record?.assigned, true);
  assert.equal(textOf(group.sync(follower).now.assignment), `for ${follower.memberId}`, "again when stable");
});

Deno.test("who is not assigned anything gets an empty assignment, who is not a member is ignored", () => {
  const group = new GroupHarness();
  const { leader, follower } = joinedPair(group);
  group.sync(leader, { assignments: [{ memberId: "stranger", assignment: bytesOf("x") }] });
  assert.equal(group.sync(follower).now.assignment.length, 0);
  assert.equal(group.state.members.size, 2);
});

Deno.test("decideSync() refuses bad requests", () => {
  const group = new GroupHarness();
  assert.equal(
    group.sync({ ...joinedPair(group).leader, memberId: "ghost" }).now.error,
    "UNKNOWN_MEMBER_ID",
  );
  const { memberId } = [...group.state.members.values()][1]?.stored ?? { memberId: "" };
  const joined = { ...group.join({ memberId }).now };
  assert.equal(group.sync({ ...joined, generationId: 0 }).now.error, "ILLEGAL_GENERATION");
  assert.equal(group.sync(joined, { protocolType: "connect" }).now.error, "INCONSISTENT_GROUP_PROTOCOL");
  assert.equal(group.sync(joined, { protocolName: "sticky" }).now.error, "INCONSISTENT_GROUP_PROTOCOL");
  assert.equal(group.sync(joined, { groupInstanceId: "i" }).now.error, "UNKNOWN_MEMBER_ID");
  assert.equal(
    group.sync(joined, { protocolType: "consumer", protocolName: "range" }).answer,
    undefined,
    "what matches is parked",
  );
  assert.equal(new GroupHarness().sync(joined).now.error, "UNKNOWN_MEMBER_ID");
  assert.equal(new GroupHarness({}, "").sync(joined).now.error, "INVALID_GROUP_ID");
});

Deno.test("decideSync() answers REBALANCE_IN_PROGRESS while members gather", () => {
  const group = new GroupHarness();
  const [a] = group.stable(2);
  assert(a !== undefined);
  group.join();
  assert.equal(group.sync(a).now.error, "REBALANCE_IN_PROGRESS");
});

Deno.test("an assignment that is too large is refused and not stored", () => {
  const group = new GroupHarness();
  const { leader } = joinedPair(group);
  const assignment = new Uint8Array(groupLimits.groupBytesMax + 1);
  const assignments = [{ memberId: leader.memberId, assignment }];
  assert.equal(group.sync(leader, { assignments }).now.error, "UNKNOWN_SERVER_ERROR");
  assert.equal(group.state.phase, "CompletingRebalance");
  assert.equal(group.sync(leader).now.error, "NONE");
});

Deno.test("members that do not sync within the rebalance timeout are expired", () => {
  const group = new GroupHarness();
  const joins = [group.join({ rebalanceTimeoutMs: 8_000 }), group.join({ rebalanceTimeoutMs: 8_000 })];
  group.advance(6_000);
  const [leader, follower] = joins.map(({ now }) => now);
  assert(leader !== undefined && follower !== undefined);
  group.advance(5_000);
  const parked = group.sync(follower);
  group.heartbeat(leader.memberId, 1);
  group.advance(8_000);
  assert.equal(parked.now.error, "REBALANCE_IN_PROGRESS");
  assert.deepEqual([...group.state.members.keys()], [follower.memberId], "the leader is gone");
  assert.equal(group.heartbeat(leader.memberId, 1), "UNKNOWN_MEMBER_ID");
});

Deno.test("a follower that does not sync is expired although the group is stable", () => {
  const group = new GroupHarness();
  const joins = [group.join({ rebalanceTimeoutMs: 8_000 }), group.join({ rebalanceTimeoutMs: 8_000 })];
  group.advance(6_000);
  const [leader, follower] = joins.map(({ now }) => now);
  assert(leader !== undefined && follower !== undefined);
  group.sync(leader);
  assert.equal(group.state.phase, "Stable");
  group.advance(7_000);
  group.heartbeat(leader.memberId, 1);
  group.heartbeat(follower.memberId, 1);
  group.advance(1_000);
  assert.equal(group.heartbeat(follower.memberId, 1), "UNKNOWN_MEMBER_ID");
  assert.equal(group.heartbeat(leader.memberId, 1), "REBALANCE_IN_PROGRESS");
});

Deno.test("a second sync of a member answers the first one", () => {
  const group = new GroupHarness();
  const { leader, follower } = joinedPair(group);
  const first = group.sync(follower);
  const second = group.sync(follower);
  assert.equal(first.now.error, "REBALANCE_IN_PROGRESS");
  group.sync(leader);
  assert.equal(second.now.error, "NONE");
});
