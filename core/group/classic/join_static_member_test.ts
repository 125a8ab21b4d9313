/** Static members (KIP-345): replacement, fencing, and skipping the assignment. */
import assert from "node:assert/strict";
import { bytesOf, GroupHarness, textOf } from "../../../tests/group_harness.ts";

/** Two static members, `i1` (the leader) and `i2`, in a stable generation. */
function staticPair(group: GroupHarness) {
  const joins = ["i1", "i2"].map((groupInstanceId) => group.join({ groupInstanceId }));
  group.advance(6_000);
  const [leader, follower] = joins.map(({ now }) => now);
  assert(leader !== undefined && follower !== undefined);
  group.sync(follower, { groupInstanceId: "i2" });
  group.sync(leader, { groupInstanceId: "i1" });
  assert.equal(group.state.phase, "Stable");
  return { leader, follower };
}

Deno.test("a static member gets an id of its instance id, without asking for it first", () => {
  const group = new GroupHarness();
  const join = group.join({ groupInstanceId: "i1", requireKnownMemberId: true });
  group.advance(3_000);
  assert.equal(join.now.memberId, "i1-uuid1");
  assert.equal(join.now.members[0]?.groupInstanceId, "i1");
});

Deno.test("a static follower that comes back keeps generation and assignment and fences its former self", () => {
  const group = new GroupHarness();
  const { leader, follower } = staticPair(group);
  const back = group.join({ groupInstanceId: "i2" }).now;
  assert.equal(back.error, "NONE");
  assert.equal(back.generationId, 1);
  assert.notEqual(back.memberId, follower.memberId);
  assert.equal(back.leader, leader.memberId);
  assert.equal(back.skipAssignment, false);
  assert.equal(group.state.phase, "Stable");
  const synced = group.sync(back, { groupInstanceId: "i2" }).now;
  assert.equal(textOf(synced.assignment), `for ${follower.memberId}`);

  assert.equal(group.heartbeat(follower.memberId, 1, "i2"), "FENCED_INSTANCE_ID");
  assert.equal(group.sync(follower, { groupInstanceId: "i2" }).now.error, "FENCED_INSTANCE_ID");
  assert.equal(
    group.join({ memberId: follower.memberId, groupInstanceId: "i2" }).now.error,
    "FENCED_INSTANCE_ID",
  );
  const request = { generationId: 1, memberId: follower.memberId, groupInstanceId: "i2" };
  assert.equal(group.commit(request).error, "FENCED_INSTANCE_ID");
  assert.deepEqual(group.leave({ memberId: follower.memberId, groupInstanceId: "i2" }), [
    "NONE",
    "FENCED_INSTANCE_ID",
  ]);
  assert.equal(group.heartbeat(back.memberId, 1, "i2"), "NONE");
});

Deno.test("a static leader that comes back skips the assignment (v9), or does not learn that it leads", () => {
  const group = new GroupHarness();
  const { leader } = staticPair(group);
  const back = group.join({ groupInstanceId: "i1" }).now;
  assert.equal(back.skipAssignment, true);
  assert.equal(back.leader, back.memberId);
  assert.equal(back.members.length, 2);

  const older = group.join({ groupInstanceId: "i1", supportsSkippingAssignment: false }).now;
  assert.equal(older.skipAssignment, false);
  assert.equal(older.leader, back.memberId);
  assert.notEqual(older.memberId, leader.memberId);
  assert.deepEqual(older.members, []);
  assert.equal(group.state.leaderId, older.memberId);
});

Deno.test("a replaced static member is stored before it is answered", () => {
  const group = new GroupHarness();
  staticPair(group);
  const back = group.join({ groupInstanceId: "i2" }).now;
  group.restart();
  assert.equal(group.heartbeat(back.memberId, 1, "i2"), "NONE");
});

Deno.test("a static member that comes back with another protocol makes the group rebalance", () => {
  const group = new GroupHarness();
  const both = ["range", "sticky"].map((name) => ({ name, metadata: bytesOf(name) }));
  const joins = ["i1", "i2"].map((groupInstanceId) => group.join({ groupInstanceId, protocols: both }));
  group.advance(6_000);
  const [leader, follower] = joins.map(({ now }) => now);
  assert(leader !== undefined && follower !== undefined);
  group.sync(leader, { groupInstanceId: "i1" });
  const back = group.join({ groupInstanceId: "i2", protocols: both.slice(1) });
  assert.equal(back.answer, undefined);
  assert.equal(group.state.phase, "PreparingRebalance");
  group.join({ groupInstanceId: "i1", memberId: leader.memberId, protocols: both });
  assert.equal(back.now.protocolName, "sticky");
});

Deno.test("a static member that comes back while the leader assigns makes the group rebalance", () => {
  const group = new GroupHarness();
  const joins = ["i1", "i2"].map((groupInstanceId) => group.join({ groupInstanceId }));
  group.advance(6_000);
  const [, follower] = joins.map(({ now }) => now);
  assert(follower !== undefined);
  const parked = group.sync(follower, { groupInstanceId: "i2" });
  group.join({ groupInstanceId: "i2" });
  assert.equal(parked.now.error, "FENCED_INSTANCE_ID");
  assert.equal(group.state.phase, "PreparingRebalance");
});

Deno.test("a static member that joins twice fences the first join", () => {
  const group = new GroupHarness();
  const first = group.join({ groupInstanceId: "i1" });
  const second = group.join({ groupInstanceId: "i1" });
  assert.equal(first.now.error, "FENCED_INSTANCE_ID");
  group.advance(6_000);
  assert.equal(second.now.members.length, 1);
});

Deno.test("a static member that misses a rebalance keeps its place until its session ends", () => {
  const group = new GroupHarness();
  const { leader, follower } = staticPair(group);
  const rejoin = group.join({ memberId: leader.memberId, groupInstanceId: "i1", rebalanceTimeoutMs: 5_000 });
  for (let i = 0; i < 12; i++) {
    group.advance(5_000);
    group.heartbeat(follower.memberId, 1, "i2");
  }
  assert.equal(rejoin.now.members.length, 2, "it is assigned to as before");
});
