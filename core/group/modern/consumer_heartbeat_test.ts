/** The consumer protocol by example, and with random clients: no partition has two owners, and all settles. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { GroupHarness } from "../../../tests/group_harness.ts";
import {
  assertDisjoint,
  ClassicClient,
  ConsumerClient,
  consumerGroup,
  describeConsumers,
  ownedCount,
  settle,
  setTopics,
  type TestClient,
} from "../../../tests/consumer_group_harness.ts";

const topic = { subscribedTopicNames: ["t"] };

function client(group: GroupHarness, memberId: string, change = {}): ConsumerClient {
  return new ConsumerClient(group, memberId, { ...topic, ...change });
}

Deno.test("the first member gets everything at once", () => {
  const group = consumerGroup({ t: 3, other: 2 });
  const a = client(group, "a");
  const result = a.poll();
  assert.deepEqual({ ...result, errorMessage: null }, {
    error: "NONE",
    errorMessage: null,
    memberId: "a",
    memberEpoch: 1,
    heartbeatIntervalMs: 5_000,
    assignment: [{ topicId: "id-t", partitions: [0, 1, 2] }],
  });
  assert.equal(a.heartbeat().assignment, null, "nothing new");
  const { members, ...description } = describeConsumers(group);
  assert.deepEqual(description, {
    groupId: "g",
    state: "Stable",
    groupEpoch: 1,
    assignmentEpoch: 1,
    assignorName: "uniform",
  });
  assert.deepEqual(members[0]?.assignment, [{ topicId: "id-t", topicName: "t", partitions: [0, 1, 2] }]);
});

Deno.test("a partition goes to the next member only when it was given up", () => {
  const group = consumerGroup({ t: 4 });
  const a = client(group, "a");
  const b = client(group, "b");
  a.poll();
  assert.deepEqual(b.poll().assignment, [], "a owns all");
  assert.equal(b.epoch, 2);
  const revoking = a.heartbeat();
  assert.equal(revoking.memberEpoch, 1, "a stays behind until it has given up");
  assert.equal(revoking.assignment?.[0]?.partitions.length, 2);
  assert.equal(describeConsumers(group).state, "Reconciling");
  assert.equal(b.poll().assignment, null);
  assert.equal(a.heartbeat({ topicPartitions: [...revoking.assignment ?? []] }).memberEpoch, 2);
  assert.equal(b.poll().assignment?.[0]?.partitions.length, 2);
  assert.equal(describeConsumers(group).state, "Stable");
});

Deno.test("epochs fence: ahead, behind, behind with a lost answer, unknown", () => {
  const group = consumerGroup({ t: 4 });
  const a = client(group, "a");
  const b = client(group, "b");
  settle([a]);
  assert.equal(a.heartbeat({ memberEpoch: 9 }).error, "FENCED_MEMBER_EPOCH");
  settle([a, b]);
  assert.equal(a.epoch, 2);
  assert.equal(a.heartbeat({ memberEpoch: 1 }).error, "FENCED_MEMBER_EPOCH");
  const owned = [...a.owned].map(([topicId, partitions]) => ({ topicId, partitions }));
  assert.equal(a.heartbeat({ memberEpoch: 1, topicPartitions: owned }).error, "NONE");
  const all = [{ topicId: "id-t", partitions: [0, 1, 2, 3] }];
  assert.equal(a.heartbeat({ memberEpoch: 1, topicPartitions: all }).error, "FENCED_MEMBER_EPOCH");
  assert.equal(client(group, "x").heartbeat({ memberEpoch: 2 }).error, "UNKNOWN_MEMBER_ID");
  assert.equal(client(consumerGroup({}), "x").heartbeat({ memberEpoch: 2 }).error, "GROUP_ID_NOT_FOUND");
});

Deno.test("commits and fetches are fenced by the member epoch", () => {
  const group = consumerGroup({ t: 4 });
  const a = client(group, "a");
  settle([a]);
  assert.equal(group.commit({ memberId: "a", generationId: 1 }).error, "NONE");
  settle([a, client(group, "b")]);
  assert.equal(group.commit({ memberId: "a", generationId: 1 }).error, "STALE_MEMBER_EPOCH");
  assert.equal(group.commit({ memberId: "a", generationId: 2 }).error, "NONE");
  assert.equal(group.commit({ memberId: "x", generationId: 2 }).error, "UNKNOWN_MEMBER_ID");
  assert.equal(group.commit().error, "UNKNOWN_MEMBER_ID", "without an epoch only while it is empty");
  const fetch = (memberId: string | null, memberEpoch: number) =>
    group.send<{ error: string } & ReturnType<GroupHarness["commit"]>>({
      type: "offsetFetch",
      partitions: null,
      memberId,
      memberEpoch,
      requireStable: false,
    }).now.error;
  assert.deepEqual([fetch("a", 2), fetch(null, -1), fetch("a", 1), fetch("x", 2)], [
    "NONE",
    "NONE",
    "STALE_MEMBER_EPOCH",
    "UNKNOWN_MEMBER_ID",
  ]);
});

Deno.test("bad requests are refused and change nothing", () => {
  const group = consumerGroup({ t: 1 });
  const a = client(group, "a");
  a.poll();
  const { record } = group.state.consumer ?? {};
  const b = client(group, "b");
  for (
    const [change, error] of [
      [{ rebalanceTimeoutMs: -1 }, "INVALID_REQUEST"],
      [{ topicPartitions: null }, "INVALID_REQUEST"],
      [{ topicPartitions: [{ topicId: "id-t", partitions: [0] }] }, "INVALID_REQUEST"],
      [{ subscribedTopicNames: null }, "INVALID_REQUEST"],
      [{ instanceId: "" }, "INVALID_REQUEST"],
      [{ rackId: "" }, "INVALID_REQUEST"],
      [{ memberId: "" }, "INVALID_REQUEST"],
      [{ memberEpoch: -3 }, "INVALID_REQUEST"],
      [{ memberEpoch: -2 }, "INVALID_REQUEST"],
      [{ serverAssignor: "sticky" }, "UNSUPPORTED_ASSIGNOR"],
      [{ subscribedTopicRegex: "(?=a)" }, "INVALID_REGULAR_EXPRESSION"],
      [{ subscribedTopicNames: ["x".repeat(2_000_000)] }, "INVALID_REQUEST"],
    ] as const
  ) {
    assert.equal(b.heartbeat(change).error, error, JSON.stringify(change).slice(0, 100));
  }
  assert.equal(client(consumerGroup({}, ""), "a").heartbeat().error, "INVALID_REQUEST");
  assert.equal(group.state.consumer?.record, record);
});

Deno.test("new partitions, new topics and deleted ones are noticed with the next heartbeat", () => {
  const group = consumerGroup({ t: 1 });
  const a = client(group, "a", { subscribedTopicNames: ["t"], subscribedTopicRegex: "ev.*" });
  settle([a]);
  setTopics(group, { t: 2, events: 1, other: 1 });
  settle([a]);
  assert.deepEqual(Object.fromEntries(a.owned), { "id-t": [0, 1], "id-events": [0] });
  setTopics(group, { events: 1, other: 1 });
  settle([a]);
  assert.deepEqual(Object.fromEntries(a.owned), { "id-events": [0] });
  const epoch = describeConsumers(group).groupEpoch;
  setTopics(group, { events: 1, another: 1 });
  settle([a]);
  assert.equal(describeConsumers(group).groupEpoch, epoch, "what nobody reads is no reason");
});

Deno.test("silence ends a membership, and so does keeping partitions too long", () => {
  const group = consumerGroup({ t: 4 });
  const [a, b] = [client(group, "a"), client(group, "b")];
  settle([a, b]);
  group.advance(30_000);
  b.poll();
  group.advance(15_000);
  b.poll();
  b.poll();
  assert.equal(ownedCount(b), 4);
  assert.equal(a.poll().error, "UNKNOWN_MEMBER_ID");
  settle([a, b]);
  const c = client(group, "c");
  c.poll();
  for (let i = 0; i < 13; i++) {
    a.heartbeat();
    b.poll();
    c.poll();
    group.advance(5_000);
  }
  assert.equal(a.heartbeat().error, "UNKNOWN_MEMBER_ID", "it heartbeats, but does not give up");
});

Deno.test("a static member keeps its partitions while it is away", () => {
  const group = consumerGroup({ t: 4 });
  const a = client(group, "a", { instanceId: "i" });
  const b = client(group, "b");
  settle([a, b]);
  const { owned } = a;
  assert.equal(client(group, "a2", { instanceId: "i" }).poll().error, "UNRELEASED_INSTANCE_ID");
  assert.equal(a.leave(-2).memberEpoch, -2);
  settle([b]);
  assert.equal(ownedCount(b), 2);
  group.restart();
  const again = client(group, "a3", { instanceId: "i" });
  again.poll();
  assert.deepEqual(again.owned, owned);
  assert.equal(describeConsumers(group).groupEpoch, 2, "no new assignment");
  assert.equal(a.heartbeat({ memberEpoch: 2, instanceId: "i" }).error, "FENCED_INSTANCE_ID");
  again.leave(-2);
  group.advance(45_000);
  settle([b]);
  assert.equal(ownedCount(b), 4);
});

Deno.test("the assignor that most ask for is taken", () => {
  const group = consumerGroup({ t: 4, u: 4 });
  const both = { subscribedTopicNames: ["t", "u"] };
  const [a, b] = [client(group, "a", { ...both, serverAssignor: "range" }), client(group, "b", both)];
  settle([a, b]);
  assert.equal(describeConsumers(group).assignorName, "range");
  assert.deepEqual(Object.fromEntries(a.owned), { "id-t": [0, 1], "id-u": [0, 1] });
});

Deno.test("a restart keeps members, epochs and assignments, and gives everyone a full session", () => {
  const group = consumerGroup({ t: 4 });
  const [a, b] = [client(group, "a"), client(group, "b")];
  settle([a, b]);
  group.advance(44_000);
  group.restart();
  group.advance(44_000);
  assert.equal(a.heartbeat().error, "NONE");
  assert.equal(b.heartbeat().memberEpoch, 2);
  assert.equal(b.heartbeat().assignment, null);
});

Deno.test("a classic group is upgraded and downgraded while it lives", () => {
  const group = consumerGroup({ t: 6 });
  const classics = [new ClassicClient(group, true), new ClassicClient(group, false)];
  settle(classics, 3);
  group.advance(3_000);
  settle(classics, 3);
  group.advance(3_000);
  settle(classics);
  assert.equal(group.state.phase, "Stable");
  const generation = group.state.generationId;
  const modern = client(group, "m");
  settle([modern, ...classics]);
  assertDisjoint([modern, ...classics]);
  assert.equal(ownedCount(modern, ...classics), 6);
  assert.equal(ownedCount(modern), 2);
  const { state, groupEpoch, members } = describeConsumers(group);
  assert.equal(state, "Stable");
  assert(groupEpoch > generation, "epochs go on where generations end");
  assert.deepEqual(members.map(({ isClassic }) => isClassic).sort(), [false, true, true]);
  group.restart();
  settle([modern, ...classics]);
  assert.equal(ownedCount(modern, ...classics), 6);
  modern.leave();
  assert.equal(group.state.consumer, null, "it is classic again");
  assert.equal(group.state.phase, "PreparingRebalance");
  settle(classics);
  assert.equal(group.state.phase, "Stable");
  assert(group.state.generationId > groupEpoch);
});

Deno.test("a group of another protocol type is not upgraded; an empty one is, either way", () => {
  const connect = consumerGroup({ t: 1 });
  const [a] = connect.stable(1, { protocolType: "connect" });
  assert.equal(client(connect, "m").poll().error, "GROUP_ID_NOT_FOUND");
  assert.equal(connect.state.phase, "Stable");
  connect.leave({ memberId: a?.memberId ?? "" });
  const m = client(connect, "m");
  assert.equal(m.poll().error, "NONE");
  m.leave();
  const classic = new ClassicClient(connect, true);
  settle([classic], 3);
  connect.advance(3_000);
  settle([classic], 3);
  assert.equal(connect.state.phase, "Stable");
});

type Step =
  | { readonly kind: "poll"; readonly index: number }
  | { readonly kind: "leave"; readonly index: number }
  | { readonly kind: "vanish"; readonly index: number }
  | { readonly kind: "restart" }
  | { readonly kind: "topics"; readonly count: number }
  | { readonly kind: "advance"; readonly ms: number };

Deno.test("random clients of both protocols: one owner at most, and in the end all is read", () => {
  const index = fc.nat({ max: 5 });
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 20, arbitrary: fc.record({ kind: fc.constant("poll" as const), index }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("leave" as const), index }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("vanish" as const), index }) },
    { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("topics" as const), count: fc.integer({ min: 1, max: 9 }) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat({ max: 4_000 }) }),
    },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.nat({ max: 3 }), (steps, classicCount) => {
      const group = consumerGroup({ t: 5 });
      let lastId = 0;
      const make = (i: number): TestClient =>
        i < classicCount ? new ClassicClient(group, true) : client(group, `m${++lastId}`);
      const clients = Array.from({ length: 6 }, (_, i) => make(i));
      for (const each of steps) {
        if (each.kind === "poll") clients[each.index]?.poll();
        else if (each.kind === "leave") clients[each.index]?.leave();
        else if (each.kind === "vanish") clients[each.index] = make(each.index);
        else if (each.kind === "restart") {
          group.restart();
          for (const each of clients) if (each instanceof ClassicClient) each.reconnect();
        } else if (each.kind === "topics") setTopics(group, { t: each.count, other: each.count });
        else group.advance(each.ms);
        // A classic group's own assignor is not part of this test: there nobody is given anything.
        assertDisjoint(
          clients.filter((each) => group.state.consumer !== null || each instanceof ConsumerClient),
        );
      }
      for (let i = 0; i < 30; i++) {
        settle(clients, 2);
        group.advance(3_000);
      }
      assertDisjoint(clients);
      const { state, members } = describeConsumers(group);
      assert.equal(state, "Stable");
      assert.equal(members.length, 6);
      assert.equal(ownedCount(...clients), group.topics.topicsByName.get("t")?.partitions.length);
    }),
    { numRuns: 300 },
  );
});
