/** The consumer-group actor on a store in memory, in virtual time. No permission is needed. */
import assert from "node:assert/strict";
import { consumerGroupKind, type ConsumerGroupOptions } from "../../actors/consumer_group.ts";
import type {
  ConsumerGroupMessage,
  JoinGroup,
  JoinGroupResult,
  OffsetCommitResult,
  OffsetFetchResult,
  SyncGroupResult,
} from "../../actors/messages/consumer_group.ts";
import type { ReportConsumers } from "../../actors/messages/supervisor.ts";
import { ActorFailedError, ActorStoppedError } from "../../actors/runtime/errors.ts";
import { ActorRuntime } from "../../actors/runtime/runtime.ts";
import { ActorProbe, settleMicrotasks, TestEnv, TestLogger } from "../../actors/runtime/testkit.ts";
import type { MessageOf, ReplyOf, TypeOf } from "../../actors/runtime/types.ts";
import { encodeAssignment } from "../../protocol/messages/consumer_protocol.ts";
import { GroupShards } from "../../storage/group_store.ts";
import { MemoryStorage } from "../../storage/memory.ts";
import { ShardStore } from "../../storage/shard.ts";

const TOPIC_ID = "00112233-4455-6677-8899-aabbccddeeff";

type MessageType = TypeOf<ConsumerGroupMessage>;
type MessageFor<T> = MessageOf<ConsumerGroupMessage, T> & { readonly type: T };
type ReplyFor<T> = ReplyOf<MessageOf<ConsumerGroupMessage, T>>;

/** Fails unless the answer is still owed. */
function assertParked(asked: Asked<unknown>, message?: string): void {
  assert.deepEqual([asked.value, asked.error], [undefined, undefined], message);
}

/** What became of an ask so far. */
interface Asked<R> {
  value?: R;
  error?: Error;
}

class World {
  readonly reports: ReportConsumers[] = [];
  readonly log = new TestLogger();
  readonly probe: ActorProbe<ConsumerGroupMessage>;
  readonly runtime: ActorRuntime;

  constructor(
    readonly env: TestEnv,
    readonly storage: MemoryStorage,
    shards: ShardStore,
    options: Partial<ConsumerGroupOptions>,
    groupId: string,
  ) {
    this.runtime = new ActorRuntime({ env, log: this.log, incarnation: env.uuid() });
    const kind = consumerGroupKind({
      groupShards: new GroupShards(shards),
      onMembership: (report) => this.reports.push(report),
      ...options,
    });
    this.runtime.register(kind);
    this.probe = new ActorProbe(this.runtime, "consumer_group", groupId);
  }

  /** A process on the store; the one before it, if any, is simply forgotten. */
  static async start(
    storage = new MemoryStorage(),
    { env = new TestEnv(), groupId = "g", ...options }: Partial<ConsumerGroupOptions> & {
      readonly env?: TestEnv;
      readonly groupId?: string;
    } = {},
  ): Promise<World> {
    const opening = ShardStore.open({
      storage,
      env,
      log: new TestLogger(),
      brokerId: 1,
      incarnation: env.uuid(),
    });
    await env.runUntilIdle();
    return new World(env, storage, await opening, options, groupId);
  }

  ask<T extends MessageType>(message: MessageFor<T>, deadlineMs = 600_000): Asked<ReplyFor<T>> {
    const asked: Asked<ReplyFor<T>> = {};
    this.probe.ref.ask<T>(message, { deadlineMs }).then(
      (value) => asked.value = value as ReplyFor<T>,
      (error) => asked.error = error,
    );
    return asked;
  }

  async answered<T extends MessageType>(message: MessageFor<T>): Promise<ReplyFor<T>> {
    const asked = this.ask(message);
    await this.env.runUntilIdle();
    if (asked.error !== undefined) throw asked.error;
    assert(asked.value !== undefined, `${message.type} is parked`);
    return asked.value;
  }

  join(change: Partial<JoinGroup> = {}): Asked<JoinGroupResult> {
    return this.ask(joinOf(change));
  }

  sync(joined: JoinGroupResult, owners: Readonly<Record<string, number>> = {}): Asked<SyncGroupResult> {
    return this.ask({
      type: "syncGroup",
      generationId: joined.generationId,
      memberId: joined.memberId,
      groupInstanceId: null,
      protocolType: "consumer",
      protocolName: "range",
      assignments: joined.members.map(({ memberId }) => ({
        memberId,
        assignment: encodeAssignment(0, {
          assignedPartitions: [{ topic: "t", partitions: [owners[memberId] ?? 0] }],
          userData: null,
        }),
      })),
    });
  }

  async heartbeat({ memberId, generationId }: JoinGroupResult): Promise<string> {
    return (await this.answered({ type: "heartbeat", memberId, generationId, groupInstanceId: null })).error;
  }

  commit(offset: number, member?: JoinGroupResult): Asked<OffsetCommitResult> {
    return this.ask({
      type: "offsetCommit",
      generationId: member?.generationId ?? -1,
      memberId: member?.memberId ?? "",
      groupInstanceId: null,
      offsets: [{ topic: "t", topicId: TOPIC_ID, partition: 0, offset, leaderEpoch: 0, metadata: "note" }],
    });
  }

  async committed(): Promise<number | undefined> {
    const { offsets }: OffsetFetchResult = await this.answered({
      type: "offsetFetch",
      partitions: null,
      memberId: null,
      memberEpoch: -1,
      requireStable: true,
    });
    return offsets[0]?.offset;
  }

  /** Two members in a stable generation, the leader first. */
  async pair(): Promise<[JoinGroupResult, JoinGroupResult]> {
    const joins = [this.join(), this.join()];
    await this.env.advance(6_000);
    const [leader, follower] = joins.map(({ value }) => value);
    assert(leader !== undefined && follower !== undefined);
    const parked = this.sync(follower);
    this.sync(leader, { [leader.memberId]: 0, [follower.memberId]: 1 });
    await this.env.runUntilIdle();
    assert.equal(parked.value?.error, "NONE");
    return [leader, follower];
  }
}

function joinOf(change: Partial<JoinGroup> = {}): JoinGroup {
  return {
    type: "joinGroup",
    client: { clientId: "c", clientHost: "/127.0.0.1" },
    memberId: "",
    groupInstanceId: null,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: Uint8Array.of(1) }],
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    requireKnownMemberId: false,
    supportsSkippingAssignment: true,
    reason: null,
    ...change,
  };
}

Deno.test("two members gather during the initial delay and share the partitions", async () => {
  const world = await World.start();
  const a = world.join();
  await world.env.advance(2_999);
  assertParked(a);
  const b = world.join();
  await world.env.advance(1);
  assertParked(a, "someone came: a second delay");
  await world.env.advance(3_000);
  assert(a.value !== undefined && b.value !== undefined);
  assert.equal(a.value.members.length, 2);
  const parked = world.sync(b.value);
  await world.env.runUntilIdle();
  assertParked(parked);
  const own = world.sync(a.value, { [b.value.memberId]: 1 });
  await world.env.runUntilIdle();
  assert.equal(own.value?.error, "NONE");
  assert.notDeepEqual(own.value?.assignment, parked.value?.assignment);
  assert.equal(await world.heartbeat(a.value), "NONE");
});

Deno.test("a dead member's partitions move after its session timeout", async () => {
  const world = await World.start();
  const [a] = await world.pair();
  for (let i = 0; i < 3; i++) {
    await world.env.advance(3_000);
    assert.equal(await world.heartbeat(a), "NONE");
  }
  await world.env.advance(1_000);
  assert.equal(await world.heartbeat(a), "REBALANCE_IN_PROGRESS");
  const rejoin = await world.answered(joinOf({ memberId: a.memberId }));
  assert.equal(rejoin.generationId, 2);
  assert.equal(rejoin.members.length, 1);
});

Deno.test("no JoinGroup answer leaves before its generation is stored", async () => {
  const world = await World.start();
  const join = world.join();
  await world.env.runUntilIdle();
  world.storage.fateOf = () => "hold";
  await world.env.advance(3_000);
  assertParked(join);
  world.storage.fateOf = () => "apply";
  world.storage.releaseHeld();
  await world.env.runUntilIdle();
  assert.equal(join.value?.generationId, 1);
});

Deno.test("no SyncGroup answer leaves before the assignment is stored, no commit's before the offset", async () => {
  const world = await World.start();
  const join = world.join();
  await world.env.advance(3_000);
  assert(join.value !== undefined);
  world.storage.fateOf = () => "hold";
  const sync = world.sync(join.value);
  const commit = world.commit(7, join.value);
  await world.env.runUntilIdle();
  assertParked(sync);
  assertParked(commit);
  for (let i = 0; i < 3; i++) {
    world.storage.releaseHeld();
    await world.env.runUntilIdle();
  }
  assert.equal(sync.value?.error, "NONE");
  assert.deepEqual(commit.value, { error: "NONE", offsetErrors: ["NONE"] });
});

Deno.test("a restart of the process keeps generation, members, assignments and offsets", async () => {
  const world = await World.start();
  const [a, b] = await world.pair();
  const commit = world.commit(42, a);
  await world.env.runUntilIdle();
  assert.equal(commit.value?.error, "NONE");
  await world.env.advance(9_000);

  const next = await World.start(world.storage, { env: world.env });
  assert.equal(await next.heartbeat(b), "NONE", "whose session had nearly ended");
  assert.equal(await next.committed(), 42);
  const parked = await next.answered({
    type: "syncGroup",
    generationId: 1,
    memberId: b.memberId,
    groupInstanceId: null,
    protocolType: null,
    protocolName: null,
    assignments: [],
  });
  assert.equal(parked.assignment.length > 0, true);
  await next.env.advance(9_000);
  assert.equal(await next.heartbeat(a), "NONE", "a full session after the restart");
  await next.env.advance(1_001);
  assert.equal(await next.heartbeat(a), "REBALANCE_IN_PROGRESS", "b is dead");
});

Deno.test("a member that does not come back after a restart dies a full session after it", async () => {
  const world = await World.start();
  const [, b] = await world.pair();
  await world.env.advance(9_000);
  const next = await World.start(world.storage, { env: world.env });
  for (let i = 0; i < 3; i++) {
    assert.equal(await next.heartbeat(b), "NONE");
    await next.env.advance(3_000);
  }
  assert.equal(await next.heartbeat(b), "NONE");
  await next.env.advance(1_000);
  assert.equal(await next.heartbeat(b), "REBALANCE_IN_PROGRESS");
});

Deno.test("a deadline that is earlier than the one waited for is not missed", async () => {
  const world = await World.start();
  const join = world.join({ sessionTimeoutMs: 600_000 });
  await world.env.advance(3_000);
  assert(join.value !== undefined);
  world.sync(join.value);
  // The timer rings for the sync deadline; now it waits for the session's.
  await world.env.advance(60_000);
  await world.answered(joinOf({ requireKnownMemberId: true, sessionTimeoutMs: 6_000 }));
  const rejoin = world.join({ memberId: join.value.memberId });
  await world.env.advance(5_999);
  assertParked(rejoin, "someone was promised a place");
  await world.env.advance(1);
  assert.equal(rejoin.value?.generationId, 2);
});

Deno.test("when a shard is lost by one group, the others on it do not answer from what they knew", async () => {
  // "Aa" and "BB" have the same hash in Java.
  const world = await World.start(undefined, { groupId: "Aa" });
  const neighbour = new ActorProbe<ConsumerGroupMessage>(world.runtime, "consumer_group", "BB");
  const fetch = {
    type: "offsetFetch",
    partitions: null,
    memberId: null,
    memberEpoch: -1,
    requireStable: true,
  } as const;
  const before = neighbour.ref.ask(fetch);
  await world.env.runUntilIdle();
  assert.deepEqual((await before).offsets, []);

  const next = await World.start(world.storage, { env: world.env, groupId: "BB" });
  next.commit(5);
  await world.env.runUntilIdle();
  const stale = world.commit(1);
  await world.env.advance(1_000);
  assert(stale.error !== undefined);
  let outcome: unknown;
  neighbour.ref.ask(fetch).then((value) => outcome = value.offsets, (error) => outcome = error);
  await world.env.advance(1_000);
  assert(outcome instanceof Error, "not an empty list");
});

Deno.test("a crash of the actor fails what is parked and keeps what is stored", async () => {
  const world = await World.start();
  const [a] = await world.pair();
  const parked = world.join();
  await world.env.runUntilIdle();
  world.probe.crash();
  await world.env.advance(100);
  assert(parked.error instanceof ActorFailedError);
  assert.equal(await world.heartbeat(a), "NONE", "the join phase never was");
});

Deno.test("a store that is in doubt fails the commit; the group goes on when it is back", async () => {
  const world = await World.start();
  const [a] = await world.pair();
  world.storage.fateOf = () => "throwBefore";
  const commit = world.commit(7, a);
  // Longer than the shard tries to find out.
  for (let i = 0; i < 40; i++) {
    await world.env.advance(1_000);
  }
  assert(commit.error instanceof ActorFailedError, String(commit.error));
  world.storage.fateOf = () => "apply";
  await world.env.advance(6_000);
  assert.equal(await world.heartbeat(a), "NONE");
  const again = world.commit(8, a);
  await world.env.runUntilIdle();
  assert.equal(again.value?.error, "NONE");
  assert.equal(await world.committed(), 8);
});

Deno.test("an answer that was lost is found out: the commit counts once and is acknowledged", async () => {
  const world = await World.start();
  world.storage.next("throwAfter", "refuseAfter");
  const commits = [world.commit(1), world.commit(2)];
  await world.env.advance(10_000);
  assert.deepEqual(commits.map(({ value }) => value?.error), ["NONE", "NONE"]);
  assert.equal(await world.committed(), 2);
});

Deno.test("a coordinator that lost its shard to a newer process stops and writes nothing", async () => {
  const world = await World.start();
  const [a] = await world.pair();
  const next = await World.start(world.storage, { env: world.env });
  assert.equal(await next.heartbeat(a), "NONE");
  const stale = world.commit(99, a);
  await world.env.advance(1_000);
  assert(
    stale.error instanceof ActorStoppedError || stale.error instanceof ActorFailedError,
    String(stale.error),
  );
  assert.equal(await next.committed(), undefined);
  const commit = next.commit(5, a);
  await next.env.runUntilIdle();
  assert.equal(commit.value?.error, "NONE");
});

Deno.test("members are reported when they change and while they live", async () => {
  const world = await World.start();
  const [a, b] = await world.pair();
  const report = world.reports[world.reports.length - 1];
  assert.deepEqual(
    report?.consumers.map(({ memberId, clientId, host, assignment }) => ({
      memberId,
      clientId,
      host,
      assignment,
    })),
    [a, b].map(({ memberId }, index) => ({
      memberId,
      clientId: "c",
      host: "/127.0.0.1",
      assignment: [{ topic: "t", partitions: [index] }],
    })),
  );
  const before = world.reports.length;
  await world.env.advance(2_000);
  await world.heartbeat(b);
  await world.env.advance(1_000);
  assert.equal(world.reports.length, before + 1, "every 3 s");
  const consumers = world.reports[before]?.consumers;
  assert.equal(consumers?.[1]?.lastHeartbeatMs, world.env.now() - 1_000);
  assert.equal(consumers?.[0]?.lastHeartbeatMs, world.env.now() - 3_000);
  await world.env.advance(60_000);
  assert.deepEqual(world.reports[world.reports.length - 1]?.consumers, [], "both died");
  const after = world.reports.length;
  await world.env.advance(60_000);
  assert.equal(world.reports.length, after, "an empty group is silent");
});

Deno.test("a watcher that cannot take reports does not harm the group", async () => {
  const world = await World.start(undefined, {
    onMembership: () => {
      throw new Error("overloaded");
    },
  });
  const [a] = await world.pair();
  assert.equal(await world.heartbeat(a), "NONE");
  assert.equal(world.probe.inspect()?.restartCount, 0);
});

Deno.test("assignments that are not the consumer protocol's are reported as none", async () => {
  const world = await World.start();
  const join = world.join();
  await world.env.advance(3_000);
  assert(join.value !== undefined);
  await world.answered({
    type: "syncGroup",
    generationId: 1,
    memberId: join.value.memberId,
    groupInstanceId: null,
    protocolType: null,
    protocolName: null,
    assignments: [{ memberId: join.value.memberId, assignment: Uint8Array.of(0, 0, 255, 255, 255) }],
  });
  assert.deepEqual(world.reports[world.reports.length - 1]?.consumers[0]?.assignment, []);
});

Deno.test("a group with members stays; an empty one is passivated and comes back with its offsets", async () => {
  const world = await World.start(undefined, { actorOptions: { idleAfterMs: 1_000 } });
  const join = world.join({ sessionTimeoutMs: 60_000 });
  await world.env.advance(3_000);
  assert(join.value !== undefined);
  world.sync(join.value);
  await world.env.advance(30_000);
  assert.notEqual(world.probe.inspect(), undefined);
  await world.env.advance(60_000);
  assert.equal(world.probe.inspect(), undefined, "its member died, nobody asks");
  world.commit(3);
  await world.env.advance(60_000);
  assert.equal(world.probe.inspect(), undefined);
  assert.equal(await world.committed(), 3);
  const { state, generationId } = await world.answered({ type: "describe" });
  assert.deepEqual([state, generationId], ["Empty", 2]);
});

Deno.test("a join that its client gave up is dropped, the member waits on", async () => {
  const world = await World.start();
  const gone = world.ask(joinOf(), 1_000);
  await world.env.advance(1_000);
  assert.equal(gone.error?.name, "AskDeadlineError");
  assert.equal(world.probe.inspect()?.details["owedReplyCount"], 0);
  assert.equal(world.probe.inspect()?.details["memberCount"], 1);
});

Deno.test("draining answers what is parked at once and keeps what is stored", async () => {
  const world = await World.start();
  const [a] = await world.pair();
  const parked = world.join();
  const commit = world.commit(9, a);
  let isDrained = false;
  world.runtime.drain().then(() => isDrained = true);
  await world.env.runUntilIdle();
  assert(isDrained, "without waiting for the rebalance");
  assert(parked.error instanceof ActorStoppedError, String(parked.error));
  assert.equal(commit.value?.error, "NONE");
  const next = await World.start(world.storage, { env: world.env });
  assert.equal(await next.committed(), 9);
  assert.equal(await next.heartbeat(a), "NONE");
});

Deno.test("groups of one shard share its commits", async () => {
  // All have the same hash in Java.
  const names = ["AaAa", "BBBB", "AaBB", "BBAa"];
  const world = await World.start(undefined, { groupId: names[0] ?? "" });
  const refs = names.map((name) => world.runtime.ref<ConsumerGroupMessage>("consumer_group", name));
  const ask = (offset: number) =>
    refs.map((ref) =>
      ref.ask({
        type: "offsetCommit",
        generationId: -1,
        memberId: "",
        groupInstanceId: null,
        offsets: [{ topic: "t", topicId: TOPIC_ID, partition: 0, offset, leaderEpoch: 0, metadata: "" }],
      })
    );
  const opening = ask(1);
  await world.env.runUntilIdle();
  await Promise.all(opening);
  const before = world.storage.commits.length;
  const asked = ask(2);
  await world.env.runUntilIdle();
  assert((await Promise.all(asked)).every(({ error }) => error === "NONE"));
  assert(world.storage.commits.length - before < names.length, "fewer commits than groups");
});

Deno.test("a group id that cannot be a key is refused, and nothing is stored", async () => {
  const world = await World.start(undefined, { groupId: "x".repeat(2_000) });
  assert.equal((await world.answered(joinOf())).error, "INVALID_GROUP_ID");
  const commit = world.commit(1);
  await world.env.runUntilIdle();
  assert.equal(commit.value?.error, "INVALID_GROUP_ID");
  assert.equal(world.probe.inspect()?.restartCount, 0);
});

Deno.test("a group of 500 joins, syncs, heartbeats and survives a restart", async () => {
  const world = await World.start(undefined, { actorOptions: { mailboxLengthMax: 2_000 } });
  const metadata = new Uint8Array(1_000).fill(7);
  const joins = Array.from({ length: 500 }, () => world.join({ protocols: [{ name: "range", metadata }] }));
  await world.env.advance(6_000);
  const joined = joins.map(({ value }) => value).filter((value) => value !== undefined);
  assert.equal(joined.length, 500);
  const syncs = joined.map((member) => world.sync(member)).reverse();
  await world.env.advance(100);
  await settleMicrotasks();
  assert(syncs.every(({ value }) => value?.error === "NONE"));
  const next = await World.start(world.storage, { env: world.env });
  for (const member of joined.slice(0, 10)) assert.equal(await next.heartbeat(member), "NONE");
  assert.equal(next.probe.inspect()?.details["memberCount"], 500);
});

function consumerHeartbeat(
  memberId: string,
  memberEpoch: number,
  topicPartitions: readonly { topicId: string; partitions: number[] }[] | null = memberEpoch === 0
    ? []
    : null,
): MessageFor<"consumerHeartbeat"> {
  const isJoin = memberEpoch === 0;
  return {
    type: "consumerHeartbeat",
    client: { clientId: "c", clientHost: "/127.0.0.1" },
    memberId,
    memberEpoch,
    instanceId: null,
    rackId: null,
    rebalanceTimeoutMs: isJoin ? 60_000 : -1,
    subscribedTopicNames: isJoin ? ["t"] : null,
    subscribedTopicRegex: null,
    serverAssignor: null,
    topicPartitions,
    requireMemberId: true,
  };
}

function topicsWith(partitionCount: number) {
  const partition = { leader: 1, leaderEpoch: 0, replicas: [1], isr: [1] };
  const topic = {
    name: "t",
    topicId: TOPIC_ID,
    partitions: new Array(partitionCount).fill(partition),
    configs: {},
  };
  return { version: 1, topicsByName: new Map([["t", topic]]), topicsById: new Map([[TOPIC_ID, topic]]) };
}

Deno.test("consumer protocol: nothing is told before it is stored, and a restart keeps all of it", async () => {
  const options = { topics: () => topicsWith(4) };
  const world = await World.start(undefined, options);
  world.storage.fateOf = () => "hold";
  const join = world.ask(consumerHeartbeat("a", 0));
  await world.env.runUntilIdle();
  assertParked(join);
  world.storage.fateOf = () => "apply";
  world.storage.releaseHeld();
  await world.env.runUntilIdle();
  assert.deepEqual(join.value?.assignment, [{ topicId: TOPIC_ID, partitions: [0, 1, 2, 3] }]);
  await world.answered(consumerHeartbeat("b", 0));
  const { assignment, memberEpoch } = await world.answered(consumerHeartbeat("a", 1));
  assert.equal(memberEpoch, 1);
  const owned = assignment?.map(({ topicId, partitions }) => ({ topicId, partitions: [...partitions] })) ??
    [];
  assert.equal((await world.answered(consumerHeartbeat("a", 1, owned))).memberEpoch, 2);
  await world.env.advance(40_000);

  const next = await World.start(world.storage, { env: world.env, ...options });
  const { description } = await next.answered({ type: "describeConsumer" });
  assert.deepEqual(description?.members.map(({ memberId }) => memberId), ["a", "b"]);
  await world.env.advance(40_000);
  assert.equal((await next.answered(consumerHeartbeat("a", 2))).error, "NONE", "it has a full session");
  const last = next.reports.at(-1)?.consumers.map(({ memberId, assignment }) => [memberId, assignment]);
  assert.deepEqual(last, [["a", [{ topic: "t", partitions: owned[0]?.partitions }]], ["b", []]]);
  await world.env.advance(5_000);
  assert.equal(
    (await next.answered(consumerHeartbeat("b", 2))).error,
    "UNKNOWN_MEMBER_ID",
    "silent for 45 s",
  );
  await next.answered(consumerHeartbeat("a", -1));
  assert.deepEqual(next.reports.at(-1)?.consumers, []);
  assert.equal((await next.answered({ type: "deleteGroup" })).error, "NONE");
});
