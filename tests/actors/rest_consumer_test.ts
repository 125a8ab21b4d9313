/**
 * Consumers that live on the server, in virtual time: the group is real, the partitions answer when the test lets them.
 * What they commit by themselves is never more than their client received.
 */
import assert from "node:assert/strict";
import { CONSUMER_GROUP_KIND, consumerGroupKind } from "../../actors/consumer_group.ts";
import { PARTITION_KIND } from "../../actors/kinds.ts";
import type { ConsumerGroupMessage } from "../../actors/messages/consumer_group.ts";
import type { FetchResult, PartitionMessage } from "../../actors/messages/partition.ts";
import type { RestConsumerAnswer, RestConsumerMessage } from "../../actors/messages/rest_consumer.ts";
import { REST_CONSUMER_KIND, restConsumerKey, restConsumerKind } from "../../actors/rest_consumer.ts";
import { ActorRuntime } from "../../actors/runtime/runtime.ts";
import { TestEnv, TestLogger } from "../../actors/runtime/testkit.ts";
import type { ActorKind, ActorRef, AskOptions, Reply } from "../../actors/runtime/types.ts";
import {
  emptyMetadataImage,
  type MetadataImage,
  type TopicImage,
} from "../../core/cluster/metadata_image.ts";
import type { Interest, RestConsumerConfig } from "../../core/rest_consumer/rest_consumer.ts";
import { assignOffsets, buildBatch } from "../../protocol/records/record_batch.ts";
import { GroupShards } from "../../storage/group_store.ts";
import { MemoryStorage } from "../../storage/memory.ts";
import { ShardStore } from "../../storage/shard.ts";

const config: RestConsumerConfig = {
  format: "json",
  autoOffsetReset: "earliest",
  autoCommit: true,
  requestTimeoutMs: 1_000,
};

const nothing: FetchResult = {
  error: "NONE",
  highWatermark: 0,
  lastStableOffset: 0,
  logStartOffset: 0,
  records: [],
  abortedTransactions: [],
};

/** The logs: one batch of one record at each offset. */
class Logs {
  readonly #values = new Map<string, string[]>();
  /** Fetches that wait for `release`, by partition; null while fetches are answered at once. */
  held: (() => void)[] | null = null;
  fetchCount = 0;

  append(key: string, ...values: string[]): void {
    this.#values.set(key, [...this.#values.get(key) ?? [], ...values]);
  }

  release(): void {
    const held = this.held ?? [];
    this.held = null;
    for (const answer of held) answer();
  }

  receive(key: string, message: PartitionMessage, reply: Reply<unknown>): void {
    const values = this.#values.get(key) ?? [];
    const end = values.length;
    switch (message.type) {
      case "listOffset":
        return reply.sendNow({ error: "NONE", offset: message.timestamp === -2 ? 0 : end });
      case "awaitData":
        if (message.offset < end) reply.sendNow(true);
        return;
      case "fetch": {
        this.fetchCount++;
        if (message.offset > end) return reply.sendNow({ ...nothing, error: "OFFSET_OUT_OF_RANGE" });
        const records = values.slice(message.offset).map((value, index) => {
          const record = { key: null, value: new TextEncoder().encode(value), headers: [], timestamp: 0 };
          const batch = buildBatch({ records: [record] });
          assignOffsets(batch, message.offset + index, 0);
          return batch;
        });
        const answer = () => reply.sendNow({ ...nothing, highWatermark: end, records });
        if (this.held === null) answer();
        else this.held.push(answer);
      }
    }
  }
}

class World {
  metadata: MetadataImage = emptyMetadataImage;
  readonly logs = new Logs();
  readonly runtime: ActorRuntime;

  private constructor(readonly env: TestEnv, shards: ShardStore) {
    this.runtime = new ActorRuntime({ env, log: new TestLogger(), incarnation: env.uuid() });
    this.runtime.register(
      consumerGroupKind({
        groupShards: new GroupShards(shards),
        config: { initialRebalanceDelayMs: 0 },
        topics: () => this.metadata,
      }),
    );
    const partitions: ActorKind<PartitionMessage, never> = {
      kind: PARTITION_KIND,
      activate: ({ address }) => ({
        receive: (message, reply) => this.logs.receive(address.key, message, reply),
      }),
    };
    this.runtime.register(partitions);
    this.runtime.register(restConsumerKind({ shards, metadata: () => this.metadata, consumersMax: 3 }));
  }

  static async start(partitionCount = 1): Promise<World> {
    const env = new TestEnv();
    const storage = new MemoryStorage();
    const log = new TestLogger();
    const opening = ShardStore.open({ storage, env, log, brokerId: 1, incarnation: env.uuid() });
    await env.runUntilIdle();
    const world = new World(env, await opening);
    world.setTopic("t", partitionCount);
    return world;
  }

  /** Also changes how many partitions there are. */
  setTopic(name: string, partitionCount: number, topicId = topicIdOf(name)): void {
    const partition = { leader: 1, leaderEpoch: 0, replicas: [1], isr: [1] };
    const partitions = Array.from({ length: partitionCount }, () => partition);
    const topic = { name, topicId, partitions, configs: {} };
    const topics = [...this.metadata.topicsByName.values()].filter((each) => each.name !== name);
    this.#publish([...topics, topic]);
  }

  deleteTopic(name: string): void {
    this.#publish([...this.metadata.topicsByName.values()].filter((each) => each.name !== name));
  }

  #publish(topics: readonly TopicImage[]): void {
    this.metadata = {
      ...this.metadata,
      version: this.metadata.version + 1,
      topicsByName: new Map(topics.map((topic) => [topic.name, topic])),
      topicsById: new Map(topics.map((topic) => [topic.topicId, topic])),
    };
  }

  append(partition: number, ...values: string[]): void {
    this.logs.append(`${topicIdOf("t")}/${partition}`, ...values);
  }

  consumer(name = "c"): ActorRef<RestConsumerMessage> {
    return this.runtime.ref(REST_CONSUMER_KIND, restConsumerKey("g", name));
  }

  get group(): ActorRef<ConsumerGroupMessage> {
    return this.runtime.ref(CONSUMER_GROUP_KIND, "g");
  }

  async settled<T>(pending: Promise<T>): Promise<T> {
    let isSettled = false;
    const done = () => void (isSettled = true);
    pending.then(done, done);
    for (let ms = 0; !isSettled && ms < 120_000; ms += 10) await this.env.advance(10);
    assert(isSettled, "It is not answered");
    return await pending;
  }

  async subscribe(
    name = "c",
    changes: Partial<RestConsumerConfig> = {},
    interest: Interest = { type: "topics", topics: ["t"] },
  ): Promise<void> {
    await this.settled(this.consumer(name).ask({ type: "create", config: { ...config, ...changes } }));
    valueOf(await this.settled(this.consumer(name).ask({ type: "setInterest", interest })));
    await this.env.advance(200);
  }

  /** Not awaited: the answer is looked at later. */
  poll(name = "c", timeoutMs = 0, options: AskOptions = {}): Promise<string[]> {
    return this.consumer(name)
      .ask({ type: "poll", timeoutMs, maxBytes: 1_000_000 }, { deadlineMs: timeoutMs + 30_000, ...options })
      .then((answer) =>
        valueOf(answer).map(({ record }) => new TextDecoder().decode(record.value ?? undefined))
      );
  }

  read(name = "c", timeoutMs = 0): Promise<string[]> {
    return this.settled(this.poll(name, timeoutMs));
  }

  async committed(partition = 0): Promise<number> {
    const { offsets } = await this.settled(this.group.ask({
      type: "offsetFetch",
      partitions: [{ topic: "t", topicId: topicIdOf("t"), partition }],
      memberId: null,
      memberEpoch: -1,
      requireStable: false,
    }));
    return offsets[0]?.offset ?? -1;
  }

  async assigned(name = "c"): Promise<string[]> {
    const { assigned } = valueOf(await this.settled(this.consumer(name).ask({ type: "describe" })));
    return assigned.map(({ topic, partition }) => `${topic}-${partition}`);
  }
}

function topicIdOf(name: string): string {
  return `00000000-0000-4000-8000-${name.charCodeAt(0).toString().padStart(12, "0")}`;
}

function valueOf<T>(answer: RestConsumerAnswer<T>): T {
  assert(answer.type === "ok", JSON.stringify(answer));
  return answer.value;
}

Deno.test("a server takes no more consumers than it may have, and one that is gone makes room", async () => {
  const world = await World.start();
  const create = (name: string) => world.settled(world.consumer(name).ask({ type: "create", config }));
  assert.deepEqual(
    [await create("a"), await create("b"), await create("c"), await create("d"), await create("a")],
    ["created", "created", "created", "tooMany", "exists"],
  );
  await world.settled(world.consumer("b").ask({ type: "remove" }));
  assert.deepEqual([await create("d"), await create("b")], ["created", "tooMany"]);
});

Deno.test("a request that waits ends when the subscription changes, and takes nothing of the next one", async () => {
  const world = await World.start();
  world.setTopic("u", 1);
  await world.subscribe();
  const waiting = world.poll("c", 20_000);
  await world.env.advance(100);
  world.logs.append(`${topicIdOf("u")}/0`, "x");
  const startedMs = world.env.mono();
  const interest: Interest = { type: "topics", topics: ["u"] };
  valueOf(await world.settled(world.consumer().ask({ type: "setInterest", interest })));
  assert.deepEqual(await world.settled(waiting), []);
  assert.ok(world.env.mono() - startedMs < 1_000);
  assert.deepEqual(await world.read("c", 1_000), ["x"]);
});

Deno.test("who subscribes anew while it joins is the same member: nobody waits for the one before", async () => {
  const world = await World.start();
  world.setTopic("u", 1);
  world.logs.append(`${topicIdOf("u")}/0`, "x");
  await world.settled(world.consumer().ask({ type: "create", config }));
  const changes = ["t", "u"].map((topic) =>
    world.consumer().ask({ type: "setInterest", interest: { type: "topics", topics: [topic] } })
  );
  for (const change of changes) valueOf(await world.settled(change));
  assert.deepEqual(await world.read("c", 3_000), ["x"]);
});

Deno.test("an offset outside the log is an error without a reset, else reading begins where that says", async () => {
  for (const autoOffsetReset of ["none", "earliest"] as const) {
    const world = await World.start();
    world.append(0, "a");
    const interest: Interest = { type: "assigned", partitions: [{ topic: "t", partition: 0 }] };
    await world.subscribe("c", { autoOffsetReset }, interest);
    const offsets = [{ topic: "t", partition: 0, offset: 9 }];
    valueOf(await world.settled(world.consumer().ask({ type: "seek", offsets })));
    if (autoOffsetReset === "earliest") assert.deepEqual(await world.read("c", 1_000), ["a"]);
    else await assert.rejects(world.read("c", 1_000), /OFFSET_OUT_OF_RANGE/);
  }
});

Deno.test("an automatic commit waits until the client has come back for more", async () => {
  const world = await World.start();
  world.append(0, "a", "b");
  await world.subscribe();
  assert.deepEqual(await world.read(), ["a", "b"]);
  await world.env.advance(60_000);
  assert(await world.committed() <= 0);
  assert.deepEqual(await world.read(), []);
  assert.equal(await world.committed(), 2);
});

Deno.test("what was being collected when the group rebalanced is not committed, and is read again", async () => {
  const world = await World.start(2);
  world.append(0, "a");
  world.append(1, "b");
  await world.subscribe();
  world.logs.held = [];
  const polling = world.poll("c", 20_000);
  await world.env.advance(10);
  // The first partition has been read, the second one is slow.
  world.logs.held.splice(0).forEach((answer) => answer());
  await world.env.advance(10);
  assert.equal(world.logs.held.length, 1);
  const joining = world.subscribe("d");
  await world.env.advance(1_500);
  world.logs.release();
  await joining;
  const mine = await world.settled(polling);
  const theirs = await world.read("d", 5_000);
  assert.deepEqual([...mine, ...theirs].sort(), ["a", "b"]);
});

Deno.test("a client that has left received nothing: it is read again", async () => {
  const world = await World.start();
  world.append(0, "a");
  await world.subscribe();
  world.logs.held = [];
  const client = new AbortController();
  const polling = world.poll("c", 20_000, { signal: client.signal });
  const left = assert.rejects(polling);
  await world.env.advance(10);
  client.abort();
  await left;
  world.logs.release();
  await world.env.advance(10_000);
  assert(await world.committed() <= 0);
  assert.deepEqual(await world.read(), ["a"]);
});

Deno.test("a client that leaves ends its wait: the next request is not refused", async () => {
  const world = await World.start();
  await world.subscribe();
  const client = new AbortController();
  const left = assert.rejects(world.poll("c", 20_000, { signal: client.signal }));
  await world.env.advance(100);
  client.abort();
  await left;
  await world.env.advance(10);
  assert.deepEqual(await world.read(), []);
});

Deno.test("a partition that fails does not lose what was read of the others", async () => {
  const world = await World.start(2);
  world.append(0, "a");
  world.append(1, "b");
  await world.subscribe("c", { autoOffsetReset: "none" });
  await world.settled(
    world.consumer().ask({
      type: "commit",
      offsets: [{ topic: "t", partition: 0, offset: 0, metadata: "" }],
    }),
  );
  const failed = await world.settled(
    world.consumer().ask({ type: "poll", timeoutMs: 0, maxBytes: 1_000_000 }),
  );
  assert.deepEqual(failed, { type: "failed", error: "OFFSET_NOT_AVAILABLE" });
  await world.settled(
    world.consumer().ask({
      type: "commit",
      offsets: [{ topic: "t", partition: 1, offset: 0, metadata: "" }],
    }),
  );
  assert.deepEqual((await world.read()).sort(), ["a", "b"]);
});

Deno.test("a rebalance between two requests repeats nothing that the client keeps, and commits it then", async () => {
  const world = await World.start(1);
  world.append(0, "a");
  await world.subscribe();
  assert.deepEqual(await world.read(), ["a"]);
  await world.subscribe("d");
  await world.env.advance(3_000);
  world.append(0, "b");
  const [keeper, other] = (await world.assigned("c")).length > 0 ? ["c", "d"] : ["d", "c"];
  assert.deepEqual(await world.read(keeper), keeper === "c" ? ["b"] : ["a", "b"]);
  assert.deepEqual(await world.read(other), []);
  assert.deepEqual(await world.read(keeper), []);
  assert.equal(await world.committed(), 2);
});

Deno.test("who leaves has received what it was given; who falls silent may not have", async () => {
  const world = await World.start();
  world.append(0, "a");
  await world.subscribe("c");
  assert.deepEqual(await world.read("c"), ["a"]);
  // Five minutes without a request.
  for (let s = 0; s < 310; s++) await world.env.advance(1_000);
  assert(await world.committed() <= 0);
  await world.subscribe("d");
  assert.deepEqual(await world.read("d"), ["a"]);
  await world.settled(world.consumer("d").ask({ type: "remove" }));
  assert.equal(await world.committed(), 1);
});

Deno.test("a position that is set while a request reads stays", async () => {
  const world = await World.start();
  world.append(0, "a", "b");
  await world.subscribe();
  assert.deepEqual(await world.read(), ["a", "b"]);
  world.append(0, "c");
  world.logs.held = [];
  const polling = world.poll("c", 1_000);
  await world.env.advance(10);
  const offsets = [{ topic: "t", partition: 0, offset: 0 }];
  valueOf(await world.settled(world.consumer().ask({ type: "seek", offsets })));
  world.logs.release();
  assert.deepEqual(await world.settled(polling), ["c"]);
  assert.deepEqual(await world.read(), ["a", "b", "c"]);
});

Deno.test("a consumer gets the partitions and topics that come to be, and gives up those that are gone", async () => {
  const world = await World.start(1);
  await world.subscribe("c", {}, { type: "pattern", pattern: "[tu]" });
  assert.deepEqual(await world.assigned(), ["t-0"]);
  world.setTopic("t", 2);
  await world.env.advance(5_000);
  assert.deepEqual(await world.assigned(), ["t-0", "t-1"]);
  world.setTopic("x", 1);
  const { generationId } = await world.settled(world.group.ask({ type: "describe" }));
  await world.env.advance(5_000);
  assert.equal((await world.settled(world.group.ask({ type: "describe" }))).generationId, generationId);
  world.setTopic("u", 1);
  await world.env.advance(5_000);
  assert.deepEqual(await world.assigned(), ["t-0", "t-1", "u-0"]);
  world.deleteTopic("t");
  await world.env.advance(5_000);
  assert.deepEqual(await world.assigned(), ["u-0"]);
});

Deno.test("the members of a group find new partitions together, and keep what they had read", async () => {
  const world = await World.start(2);
  await world.subscribe("c");
  await world.subscribe("d");
  await world.env.advance(3_000);
  world.append(0, "a");
  world.append(1, "b");
  assert.deepEqual([...await world.read("c"), ...await world.read("d")].sort(), ["a", "b"]);
  world.setTopic("t", 4);
  await world.env.advance(10_000);
  const all = [...await world.assigned("c"), ...await world.assigned("d")];
  assert.deepEqual(all.sort(), ["t-0", "t-1", "t-2", "t-3"]);
  world.append(3, "c");
  assert.deepEqual([...await world.read("c"), ...await world.read("d")].filter((value) => value === "c"), [
    "c",
  ]);
});

Deno.test("a topic that is made anew under its name is read from its beginning", async () => {
  const world = await World.start(1);
  world.append(0, "a");
  await world.subscribe();
  assert.deepEqual(await world.read(), ["a"]);
  const topicId = topicIdOf("T");
  world.setTopic("t", 1, topicId);
  assert.deepEqual(await world.read(), []);
  world.logs.append(`${topicId}/0`, "b");
  await world.env.advance(5_000);
  assert.deepEqual(await world.read(), ["b"]);
});

Deno.test("a partition assigned by hand is read as soon as it exists", async () => {
  const world = await World.start(1);
  const partitions = [{ topic: "t", partition: 0 }, { topic: "t", partition: 1 }, {
    topic: "u",
    partition: 0,
  }];
  world.append(0, "a");
  await world.subscribe("c", {}, { type: "assigned", partitions });
  assert.deepEqual(await world.read(), ["a"]);
  world.setTopic("t", 2);
  world.append(1, "b");
  world.setTopic("u", 1);
  await world.env.advance(2_000);
  assert.deepEqual(await world.read(), ["b"]);
  assert.deepEqual(await world.assigned(), ["t-0", "t-1", "u-0"]);
});
