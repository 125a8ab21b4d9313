/** JoinGroup by example: every error, who is parked until when, and what starts a rebalance. */
import assert from "node:assert/strict";
import { groupLimits } from "../group_config.ts";
import { bytesOf, GroupHarness, textOf } from "../../../tests/group_harness.ts";

Deno.test("decideJoin() answers the first members together after the initial delay", () => {
  const group = new GroupHarness();
  const a = group.join({ client: { clientId: "a", clientHost: "/h" } });
  assert.equal(group.state.phase, "PreparingRebalance");
  group.advance(2_999);
  const b = group.join();
  assert.equal(a.answer, undefined);
  // Someone joined meanwhile: another delay.
  group.advance(2_999);
  assert.equal(a.answer, undefined);
  group.advance(2);
  assert.equal(group.state.phase, "CompletingRebalance");
  assert.equal(a.now.memberId, "a-uuid1");
  assert.deepEqual({ ...a.now, members: a.now.members.length }, {
    error: "NONE",
    generationId: 1,
    protocolType: "consumer",
    protocolName: "range",
    leader: a.now.memberId,
    skipAssignment: false,
    memberId: a.now.memberId,
    members: 2,
  });
  assert.equal(b.now.generationId, 1);
  assert.equal(b.now.leader, a.now.memberId);
  assert.deepEqual(b.now.members, [], "only the leader gets the members");
  assert.equal(textOf(a.now.members[1]?.metadata ?? bytesOf("")), "m");
});

Deno.test("the initial delay is extended up to the rebalance timeout", () => {
  const group = new GroupHarness();
  const first = group.join({ rebalanceTimeoutMs: 10_000 });
  for (let i = 0; i < 4; i++) {
    group.advance(2_500);
    if (i < 3) assert.equal(first.answer, undefined, `after ${(i + 1) * 2.5} s`);
    if (i < 3) group.join({ rebalanceTimeoutMs: 10_000 });
  }
  assert.equal(first.now.members.length, 4, "10 s: no more time");
});

Deno.test("the initial delay can be switched off", () => {
  const group = new GroupHarness({ initialRebalanceDelayMs: 0 });
  const a = group.join();
  group.advance(0);
  assert.equal(a.now.error, "NONE");
});

Deno.test("decideJoin() refuses bad requests", () => {
  const group = new GroupHarness({ sessionTimeoutMsMax: 60_000 });
  assert.equal(group.join({ sessionTimeoutMs: 5_999 }).now.error, "INVALID_SESSION_TIMEOUT");
  assert.equal(group.join({ sessionTimeoutMs: 60_001 }).now.error, "INVALID_SESSION_TIMEOUT");
  assert.equal(group.join({ protocols: [] }).now.error, "INCONSISTENT_GROUP_PROTOCOL");
  assert.equal(group.join({ protocolType: "" }).now.error, "INCONSISTENT_GROUP_PROTOCOL");
  assert.equal(group.join({ memberId: "ghost" }).now.error, "UNKNOWN_MEMBER_ID");
  assert.equal(group.join({ memberId: "ghost", groupInstanceId: "i" }).now.error, "UNKNOWN_MEMBER_ID");
  const metadata = new Uint8Array(groupLimits.memberBytesMax);
  assert.equal(group.join({ protocols: [{ name: "range", metadata }] }).now.error, "UNKNOWN_SERVER_ERROR");
  const many = Array.from({ length: 257 }, (_, i) => ({ name: `p${i}`, metadata: bytesOf("") }));
  assert.equal(group.join({ protocols: many }).now.error, "INVALID_REQUEST");
  assert.equal(new GroupHarness({}, "").join().now.error, "INVALID_GROUP_ID");
  assert.equal(new GroupHarness({}, "x".repeat(901)).join().now.error, "INVALID_GROUP_ID");
  assert.equal(group.state.phase, "Empty");
  assert.equal(group.stored.record, null, "nothing was stored for them");
});

Deno.test("decideJoin() answers MEMBER_ID_REQUIRED first and takes the id then (KIP-394)", () => {
  const group = new GroupHarness();
  const { now: told } = group.join({ requireKnownMemberId: true });
  assert.equal(told.error, "MEMBER_ID_REQUIRED");
  assert.equal(group.state.phase, "Empty");
  const joining = group.join({ requireKnownMemberId: true, memberId: told.memberId });
  group.advance(3_000);
  assert.equal(joining.now.memberId, told.memberId);
  assert.equal(joining.now.error, "NONE");
});

Deno.test("an id that was given out expires with its session timeout", () => {
  const group = new GroupHarness();
  const { now: told } = group.join({ requireKnownMemberId: true });
  group.advance(10_000);
  assert.equal(group.state.pendingMembers.size, 0);
  assert.equal(group.join({ memberId: told.memberId }).now.error, "UNKNOWN_MEMBER_ID");
});

Deno.test("a rebalance waits for a pending member until it expires", () => {
  const group = new GroupHarness();
  const [a] = group.stable(1);
  group.join({ requireKnownMemberId: true });
  const rejoin = group.join({ memberId: a?.memberId ?? "" });
  assert.equal(rejoin.answer, undefined);
  group.advance(10_000);
  assert.equal(rejoin.now.generationId, 2);
});

Deno.test("ids that were given out are bounded", () => {
  const group = new GroupHarness();
  for (let i = 0; i < groupLimits.pendingMemberCountMax; i++) {
    group.state.pendingMembers.set(`p${i}`, 20_000);
  }
  group.state.wakeAtMs = 20_000;
  assert.equal(group.join({ requireKnownMemberId: true }).now.error, "GROUP_MAX_SIZE_REACHED");
});

Deno.test("group.max.size turns new members away and keeps the present ones", () => {
  const group = new GroupHarness({ memberCountMax: 2 });
  const joins = [group.join(), group.join(), group.join()];
  assert.equal(joins[2]?.now.error, "GROUP_MAX_SIZE_REACHED");
  group.advance(6_000);
  const [a, b] = joins.map(({ now }) => now);
  assert.equal(a?.members.length, 2);
  assert.equal(group.join().now.error, "GROUP_MAX_SIZE_REACHED", "while assigning");
  if (a !== undefined) group.sync(a);
  assert.equal(group.join().now.error, "GROUP_MAX_SIZE_REACHED", "while stable");
  assert.equal(group.state.phase, "Stable");
  const rejoin = group.join({
    memberId: b?.memberId ?? "",
    protocols: [{ name: "range", metadata: bytesOf("n") }],
  });
  assert.equal(rejoin.answer, undefined, "a member may rejoin");
});

Deno.test("the bytes of all members together are bounded", () => {
  const group = new GroupHarness();
  const protocols = [{ name: "range", metadata: new Uint8Array(groupLimits.memberBytesMax - 1_000) }];
  for (let i = 0; i < 16; i++) assert.equal(group.join({ protocols }).answer, undefined);
  assert.equal(group.join({ protocols }).now.error, "GROUP_MAX_SIZE_REACHED");
  assert.equal(group.state.members.size, 16);
});

Deno.test("decideJoin() refuses a member without a protocol that all support", () => {
  const group = new GroupHarness();
  const protocols = (...names: string[]) => names.map((name) => ({ name, metadata: bytesOf(name) }));
  group.stable(1, { protocols: protocols("range", "sticky") });
  assert.equal(group.join({ protocols: protocols("other") }).now.error, "INCONSISTENT_GROUP_PROTOCOL");
  assert.equal(
    group.join({ protocolType: "connect", protocols: protocols("range") }).now.error,
    "INCONSISTENT_GROUP_PROTOCOL",
  );
  assert.equal(group.state.phase, "Stable");
});

Deno.test("groups of other protocol types work alike", () => {
  const group = new GroupHarness();
  const [worker] = group.stable(1, {
    protocolType: "connect",
    protocols: [{ name: "sessioned", metadata: bytesOf("url") }],
  });
  assert.equal(worker?.protocolType, "connect");
  assert.equal(worker?.protocolName, "sessioned");
});

Deno.test("a new member makes a stable group rebalance", () => {
  const group = new GroupHarness();
  const [a] = group.stable(1);
  const b = group.join();
  assert.equal(group.state.phase, "PreparingRebalance");
  assert.equal(group.heartbeat(a?.memberId ?? "", 1), "REBALANCE_IN_PROGRESS");
  assert.equal(b.answer, undefined);
  const again = group.join({ memberId: a?.memberId ?? "" });
  assert.equal(again.now.generationId, 2, "everyone is there: no delay");
  assert.equal(again.now.members.length, 2);
  assert.equal(b.now.generationId, 2);
});

Deno.test("the leader's rejoin starts a rebalance, a follower's unchanged one does not", () => {
  const group = new GroupHarness();
  const [a, b] = group.stable(2);
  const follower = group.join({ memberId: b?.memberId ?? "" }).now;
  assert.equal(follower.generationId, 1);
  assert.deepEqual(follower.members, []);
  assert.equal(group.state.phase, "Stable");
  assert.equal(group.sync(follower).now.error, "NONE");
  group.join({ memberId: a?.memberId ?? "" });
  assert.equal(group.state.phase, "PreparingRebalance");
});

Deno.test("a follower's rejoin with other metadata starts a rebalance, which uses it", () => {
  const group = new GroupHarness();
  const [a, b] = group.stable(2);
  const protocols = [{ name: "range", metadata: bytesOf("new topics") }];
  group.join({ memberId: b?.memberId ?? "", protocols });
  const { now } = group.join({ memberId: a?.memberId ?? "" });
  const seen = now.members.find(({ memberId }) => memberId === b?.memberId);
  assert.equal(textOf(seen?.metadata ?? bytesOf("")), "new topics");
});

Deno.test("a rejoin while assigning gets the same generation, or starts a rebalance if it brings news", () => {
  const group = new GroupHarness();
  const joins = [group.join(), group.join()];
  group.advance(6_000);
  const [a, b] = joins.map(({ now }) => now);
  const again = group.join({ memberId: a?.memberId ?? "" }).now;
  assert.equal(again.generationId, 1);
  assert.equal(again.members.length, 2, "the leader gets the members again");
  const parked = group.sync(b ?? again);
  group.join({ memberId: a?.memberId ?? "", protocols: [{ name: "range", metadata: bytesOf("x") }] });
  assert.equal(group.state.phase, "PreparingRebalance");
  assert.equal(parked.now.error, "REBALANCE_IN_PROGRESS");
});

Deno.test("a second join of a member answers the first one", () => {
  const group = new GroupHarness();
  const [a, b] = group.stable(2);
  const first = group.join({ memberId: a?.memberId ?? "" });
  const second = group.join({ memberId: a?.memberId ?? "" });
  assert.equal(first.now.error, "REBALANCE_IN_PROGRESS");
  group.join({ memberId: b?.memberId ?? "" });
  assert.equal(second.now.generationId, 2);
});

Deno.test("a member that does not rejoin within the rebalance timeout is left behind, a leader too", () => {
  const group = new GroupHarness();
  const [a, b] = group.stable(2, { rebalanceTimeoutMs: 20_000, sessionTimeoutMs: 30_000 });
  const rejoin = group.join({
    memberId: b?.memberId ?? "",
    protocols: [{ name: "range", metadata: bytesOf("x") }],
    rebalanceTimeoutMs: 20_000,
    sessionTimeoutMs: 30_000,
  });
  group.advance(19_999);
  assert.equal(rejoin.answer, undefined);
  group.advance(1);
  assert.equal(rejoin.now.leader, b?.memberId, "elected anew");
  assert.equal(rejoin.now.members.length, 1);
  assert.equal(group.heartbeat(a?.memberId ?? "", 1), "UNKNOWN_MEMBER_ID");
});

Deno.test("the rebalance timeout is the members' longest", () => {
  const group = new GroupHarness();
  const joins = [20_000, 40_000].map((rebalanceTimeoutMs) =>
    group.join({ rebalanceTimeoutMs, sessionTimeoutMs: 60_000 })
  );
  group.advance(6_000);
  const [a] = joins.map(({ now }) => now);
  if (a !== undefined) group.sync(a);
  const rejoin = group.join({
    memberId: a?.memberId ?? "",
    rebalanceTimeoutMs: 20_000,
    sessionTimeoutMs: 60_000,
  });
  group.advance(39_999);
  assert.equal(rejoin.answer, undefined);
  group.advance(1);
  assert.equal(rejoin.now.generationId, 2);
});

Deno.test("version 0 has no rebalance timeout: the session timeout serves", () => {
  const group = new GroupHarness();
  group.join({ rebalanceTimeoutMs: -1, sessionTimeoutMs: 12_000 });
  assert.equal([...group.state.members.values()][0]?.stored.rebalanceTimeoutMs, 12_000);
});

Deno.test("what a member sends is copied: the network buffer is not kept", () => {
  const group = new GroupHarness();
  const metadata = bytesOf("mine");
  const a = group.join({ protocols: [{ name: "range", metadata }] });
  metadata.fill(0);
  group.advance(3_000);
  assert.equal(textOf(a.now.members[0]?.metadata ?? bytesOf("")), "mine");
});
