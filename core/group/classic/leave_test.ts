/** LeaveGroup by example: alone, several at once, by instance id. */
import assert from "node:assert/strict";
import { GroupHarness } from "../../../tests/group_harness.ts";

Deno.test("the last member's leaving empties the group, and that is stored", () => {
  const group = new GroupHarness();
  const [a] = group.stable(1);
  assert.deepEqual(group.leave({ memberId: a?.memberId ?? "" }), ["NONE", "NONE"]);
  assert.equal(group.state.phase, "Empty");
  assert.equal(group.stored.record?.generationId, 2);
  assert.deepEqual(group.stored.record?.members, []);
  assert.equal(group.state.wakeAtMs === Infinity || group.state.joinTimer === null, true);
  assert.deepEqual(group.leave({ memberId: a?.memberId ?? "" }), ["NONE", "UNKNOWN_MEMBER_ID"]);
});

Deno.test("several leave in one request and cause one rebalance", () => {
  const group = new GroupHarness();
  const [a, b, c] = group.stable(3);
  assert.deepEqual(
    group.leave({ memberId: b?.memberId ?? "" }, { memberId: "ghost" }, { memberId: c?.memberId ?? "" }),
    ["NONE", "NONE", "UNKNOWN_MEMBER_ID", "NONE"],
  );
  assert.equal(group.state.phase, "PreparingRebalance");
  assert.equal(group.join({ memberId: a?.memberId ?? "" }).now.generationId, 2);
});

Deno.test("a member that leaves while others wait for it lets them go on", () => {
  const group = new GroupHarness();
  const [a, b] = group.stable(2);
  const rejoin = group.join({ memberId: a?.memberId ?? "" });
  group.leave({ memberId: b?.memberId ?? "" });
  assert.equal(rejoin.now.generationId, 2);
});

Deno.test("a static member is removed by its instance id", () => {
  const group = new GroupHarness();
  group.stable(1, { groupInstanceId: "i1" });
  assert.deepEqual(group.leave({ memberId: "", groupInstanceId: "i2" }), ["NONE", "UNKNOWN_MEMBER_ID"]);
  assert.deepEqual(group.leave({ memberId: "" }), ["NONE", "UNKNOWN_MEMBER_ID"]);
  assert.deepEqual(group.leave({ memberId: "", groupInstanceId: "i1" }), ["NONE", "NONE"]);
  assert.equal(group.state.phase, "Empty");
});

Deno.test("a pending member can leave", () => {
  const group = new GroupHarness();
  const { memberId } = group.join({ requireKnownMemberId: true }).now;
  assert.deepEqual(group.leave({ memberId }), ["NONE", "NONE"]);
  assert.equal(group.state.pendingMembers.size, 0);
  assert.equal(group.state.phase, "Empty");
});

Deno.test("what a leaving member waits for is answered", () => {
  const group = new GroupHarness();
  const [a] = group.stable(2);
  const join = group.join({ memberId: a?.memberId ?? "" });
  group.leave({ memberId: a?.memberId ?? "" });
  assert.equal(join.now.error, "UNKNOWN_MEMBER_ID");

  const other = new GroupHarness();
  const joins = [other.join(), other.join()];
  other.advance(6_000);
  const follower = joins[1]?.now;
  assert(follower !== undefined);
  const sync = other.sync(follower);
  other.leave({ memberId: follower.memberId });
  assert.equal(sync.now.error, "UNKNOWN_MEMBER_ID");
});

Deno.test("decideLeave() refuses an empty group id", () => {
  assert.deepEqual(new GroupHarness({}, "").leave({ memberId: "m" }), ["INVALID_GROUP_ID"]);
});
