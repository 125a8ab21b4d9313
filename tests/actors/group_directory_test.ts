/** All groups of a broker together, in virtual time: the list, and the sweep of offsets past their retention. */
import assert from "node:assert/strict";
import { CONSUMER_GROUP_KIND, consumerGroupKind } from "../../actors/consumer_group.ts";
import { GroupDirectory } from "../../actors/group_directory.ts";
import type { ConsumerGroupMessage } from "../../actors/messages/consumer_group.ts";
import { ActorRuntime } from "../../actors/runtime/runtime.ts";
import { TestEnv, TestLogger } from "../../actors/runtime/testkit.ts";
import type { ActorRef } from "../../actors/runtime/types.ts";
import { GroupShards } from "../../storage/group_store.ts";
import { MemoryStorage } from "../../storage/memory.ts";
import { ShardStore } from "../../storage/shard.ts";

const TOPIC_ID = "00112233-4455-6677-8899-aabbccddeeff";
const RETENTION_MS = 3_600_000;
const CHECK_INTERVAL_MS = 600_000;

class World {
  /** Groups that cannot be asked, as when their store cannot be read. */
  readonly broken = new Set<string>();
  readonly log = new TestLogger();
  readonly directory: GroupDirectory;
  readonly groupShards: GroupShards;
  readonly runtime: ActorRuntime;

  private constructor(readonly env: TestEnv, shards: ShardStore, broken: readonly string[]) {
    for (const groupId of broken) this.broken.add(groupId);
    const { log } = this;
    const groupShards = this.groupShards = new GroupShards(shards);
    this.runtime = new ActorRuntime({ env, log, incarnation: env.uuid() });
    this.runtime.register(consumerGroupKind({ groupShards }));
    this.directory = new GroupDirectory({
      env,
      log,
      groupShards,
      group: (groupId) => {
        const ref = this.group(groupId);
        const ask = () => Promise.reject(new Error("Cannot read the group"));
        return this.broken.has(groupId) ? { ...ref, ask } : ref;
      },
      inspect: () => this.runtime.inspect(),
      retentionMs: RETENTION_MS,
      checkIntervalMs: CHECK_INTERVAL_MS,
    });
    this.directory.start();
  }

  static async start(
    env = new TestEnv(),
    storage = new MemoryStorage(),
    broken: readonly string[] = [],
  ): Promise<World> {
    const opening = ShardStore.open({
      storage,
      env,
      log: new TestLogger(),
      brokerId: 1,
      incarnation: env.uuid(),
    });
    await env.runUntilIdle();
    return new World(env, await opening, broken);
  }

  group(groupId: string): ActorRef<ConsumerGroupMessage> {
    return this.runtime.ref(CONSUMER_GROUP_KIND, groupId);
  }

  async settled<T>(pending: Promise<T>): Promise<T> {
    let isSettled = false;
    const done = () => void (isSettled = true);
    pending.then(done, done);
    while (!isSettled) await this.env.advance(1);
    return await pending;
  }

  /** In steps, so that what a timer begins is done before the next one. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10_000) await this.env.advance(Math.min(left, 10_000));
  }

  async commit(groupId: string): Promise<void> {
    const offsets = [{
      topic: "t",
      topicId: TOPIC_ID,
      partition: 0,
      offset: 1,
      leaderEpoch: 0,
      metadata: "",
    }];
    await this.settled(
      this.group(groupId).ask({
        type: "offsetCommit",
        generationId: -1,
        memberId: "",
        groupInstanceId: null,
        offsets,
      }),
    );
  }

  async names(): Promise<string[]> {
    return (await this.settled(this.directory.list())).map(({ groupId }) => groupId).sort();
  }
}

Deno.test("groups are listed, live or not, and swept when their offsets are past the retention", async () => {
  const world = await World.start();
  await world.commit("old");
  // Past the sweep that woke it and its time of being idle.
  await world.pass(RETENTION_MS - CHECK_INTERVAL_MS + 100_000);
  await world.commit("young");
  assert.deepEqual(await world.settled(world.directory.list()), [
    { groupId: "young", groupType: "classic", protocolType: "", state: "Empty" },
    { groupId: "old", groupType: "classic", protocolType: "", state: "Empty" },
  ]);
  assert(!world.runtime.inspect().some(({ key }) => key === "old"), "it is asleep");
  await world.pass(2 * CHECK_INTERVAL_MS);
  assert.deepEqual(await world.names(), ["young"]);
  world.directory.stop();
  await world.pass(RETENTION_MS);
  assert.deepEqual(await world.names(), ["young"], "nobody sweeps any more");
});

Deno.test("groups with members are woken by the start, and expire them", async () => {
  const env = new TestEnv();
  const storage = new MemoryStorage();
  const first = await World.start(env, storage);
  const join = first.group("g").ask({
    type: "consumerHeartbeat",
    client: { clientId: "c", clientHost: "/127.0.0.1" },
    memberId: "m",
    memberEpoch: 0,
    instanceId: null,
    rackId: null,
    rebalanceTimeoutMs: 60_000,
    subscribedTopicNames: ["t"],
    subscribedTopicRegex: null,
    serverAssignor: null,
    topicPartitions: [],
    requireMemberId: true,
  });
  assert.equal((await first.settled(join)).error, "NONE");
  first.directory.stop();

  const next = await World.start(env, storage);
  await env.advance(1_000);
  assert.deepEqual(await next.settled(next.directory.list()), [
    { groupId: "g", groupType: "consumer", protocolType: "consumer", state: "Stable" },
  ]);
  await env.advance(45_000);
  const [listing] = await next.settled(next.directory.list());
  assert.equal(listing?.state, "Empty");
  next.directory.stop();
});

Deno.test("a group that cannot be asked holds up no other: in the sweep, in waking, in the list", async () => {
  const env = new TestEnv();
  const storage = new MemoryStorage();
  const first = await World.start(env, storage);
  for (const groupId of ["a", "b", "c", "d"]) await first.commit(groupId);
  const [broken, ...others] = (await first.settled(first.groupShards.list())).map(({ groupId }) => groupId);
  assert(broken !== undefined);
  first.broken.add(broken);
  await first.pass(RETENTION_MS + 2 * CHECK_INTERVAL_MS);
  assert.deepEqual(await first.names(), [broken]);
  assert(first.log.lines.some(({ fields }) => fields["count"] === 1 && fields["first"] === broken));
  first.directory.stop();

  for (const groupId of others) {
    const join = first.group(groupId).ask({
      type: "joinGroup",
      client: { clientId: "c", clientHost: "/127.0.0.1" },
      memberId: "",
      groupInstanceId: null,
      protocolType: "consumer",
      protocols: [{ name: "range", metadata: new Uint8Array(1) }],
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      requireKnownMemberId: false,
      supportsSkippingAssignment: false,
      reason: null,
    });
    await first.settled(join);
  }
  const listed = (await first.settled(first.groupShards.list())).filter(({ memberCount }) => memberCount > 0)
    .map(({ groupId }) => groupId);
  assert.equal(listed.length, 3);
  const next = await World.start(env, storage, listed.slice(0, 1));
  await env.advance(1_000);
  const states = async () =>
    new Map((await next.settled(next.directory.list())).map(({ groupId, state }) => [groupId, state]));
  assert.equal((await states()).get(listed[0] ?? ""), "Unknown");
  // Who was woken has expired its members.
  await env.advance(60_000);
  for (const groupId of listed.slice(1)) assert.equal((await states()).get(groupId), "Empty", groupId);
  next.directory.stop();
});
