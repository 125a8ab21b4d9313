/** Heartbeat by example. */
import assert from "node:assert/strict";
import { GroupHarness } from "../../../tests/group_harness.ts";

Deno.test("decideHeartbeat() answers by member, generation and phase", () => {
  const group = new GroupHarness();
  assert.equal(group.heartbeat("ghost", 1), "UNKNOWN_MEMBER_ID");
  const join = group.join();
  group.advance(3_000);
  const { memberId } = join.now;
  assert.equal(group.heartbeat(memberId, 1), "NONE", "before it synced");
  group.sync(join.now);
  assert.equal(group.heartbeat(memberId, 1), "NONE");
  assert.equal(group.heartbeat(memberId, 0), "ILLEGAL_GENERATION");
  assert.equal(group.heartbeat(memberId, 2), "ILLEGAL_GENERATION");
  assert.equal(group.heartbeat(memberId, 1, "i"), "UNKNOWN_MEMBER_ID");
  group.join();
  assert.equal(group.heartbeat(memberId, 1), "REBALANCE_IN_PROGRESS");
  assert.equal(new GroupHarness({}, "").heartbeat("m", 1), "INVALID_GROUP_ID");
});

Deno.test("heartbeats keep a session alive, and only they", () => {
  const group = new GroupHarness();
  const [a, b] = group.stable(2);
  assert(a !== undefined && b !== undefined);
  for (let i = 0; i < 4; i++) {
    group.advance(6_000);
    if (group.state.members.has(a.memberId)) group.heartbeat(a.memberId, 1);
  }
  assert.deepEqual([...group.state.members.keys()], [a.memberId]);
  assert.equal(group.state.phase, "PreparingRebalance");
});
