/** What happens to members that fall silent. */
import assert from "node:assert/strict";
import { GroupHarness } from "../../../tests/group_harness.ts";

Deno.test("a member that is silent for its session timeout is removed, and the others rebalance", () => {
  const group = new GroupHarness();
  const joins = [group.join({ sessionTimeoutMs: 30_000 }), group.join({ sessionTimeoutMs: 10_000 })];
  group.advance(6_000);
  const [a] = joins.map(({ now }) => now);
  assert(a !== undefined);
  group.sync(a);
  const startMs = group.monoMs;
  group.advance(10_000);
  assert.equal(group.state.members.size, 1);
  assert.equal(group.state.phase, "PreparingRebalance");
  assert.equal(group.monoMs - startMs, 10_000);
  assert.equal(group.join({ memberId: a.memberId }).now.members.length, 1);
});

Deno.test("when all members die the group becomes empty by itself", () => {
  const group = new GroupHarness();
  group.stable(3);
  group.advance(10_000);
  assert.equal(group.state.phase, "Empty");
  assert.equal(group.state.generationId, 2);
  assert.equal(group.state.wakeAtMs, Infinity, "nothing left to wake for");
});

Deno.test("a parked request stands in for heartbeats", () => {
  const group = new GroupHarness();
  const [a, b] = group.stable(2, { sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 300_000 });
  assert(a !== undefined && b !== undefined);
  const rejoin = group.join({ memberId: a.memberId, sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 300_000 });
  for (let i = 0; i < 5; i++) {
    group.advance(9_000);
    group.heartbeat(b.memberId, 1);
  }
  assert.equal(rejoin.answer, undefined);
  assert(group.state.members.has(a.memberId), "45 s without a heartbeat, but it waits");
  group.join({ memberId: b.memberId });
  assert.equal(rejoin.now.generationId, 2);
  assert(Number.isFinite(group.state.members.get(a.memberId)?.sessionDeadlineMs), "its session runs again");
});

Deno.test("a new member's parked join is answered after 5 minutes, so that its client tries again", () => {
  const group = new GroupHarness();
  const [a] = group.stable(1, { sessionTimeoutMs: 1_000_000, rebalanceTimeoutMs: 1_000_000 });
  assert(a !== undefined);
  const newcomer = group.join();
  group.advance(299_999);
  assert.equal(newcomer.answer, undefined);
  group.advance(1);
  assert.equal(newcomer.now.error, "UNKNOWN_MEMBER_ID");
});

Deno.test("static members of whom none rejoins are waited for until their sessions end", () => {
  const group = new GroupHarness();
  const [a] = group.stable(1, { groupInstanceId: "i1", rebalanceTimeoutMs: 5_000, sessionTimeoutMs: 30_000 });
  assert(a !== undefined);
  const newcomer = group.join({ rebalanceTimeoutMs: 5_000 });
  group.leave({ memberId: newcomer.answer?.memberId ?? [...group.state.members.keys()][1] ?? "" });
  assert.equal(group.state.phase, "PreparingRebalance");
  group.advance(25_000);
  assert.equal(group.state.phase, "PreparingRebalance");
  assert.equal(group.state.members.size, 1);
  group.advance(5_000);
  assert.equal(group.state.phase, "Empty");
});
