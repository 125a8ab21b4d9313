/** Share groups with a whole broker on a memory store, under virtual time: no permission is needed. */
import assert from "node:assert/strict";
import { buildBatch, readBatchHeader } from "../../protocol/records/record_batch.ts";
import type { ShareOffsetReset } from "../../core/share/share_config.ts";
import type { MemoryStorage } from "../../storage/memory.ts";
import { settled, start, type World } from "../local_world.ts";

const GROUP = "jobs";
const ACCEPT = 1;
const RELEASE = 2;
const RENEW = 4;

class Queue {
  constructor(readonly world: World, readonly topicId: string) {}

  static async open(
    storage?: MemoryStorage,
    config: Record<string, string> = {},
    partitionCount = 1,
  ): Promise<Queue> {
    const world = await start(storage, config);
    const known = world.broker.metadata.topicsByName.get("t");
    if (known !== undefined) return new Queue(world, known.topicId);
    const created = await settled(
      world.env,
      world.broker.supervisor.ask({
        type: "createTopic",
        name: "t",
        partitionCount,
        replicationFactor: 1,
        configs: {},
        validateOnly: false,
      }),
    );
    assert("topic" in created);
    return new Queue(world, created.topic.topicId);
  }

  /** The process dies, another one finds what was stored. */
  async restart(): Promise<Queue> {
    return await Queue.open(this.world.storage);
  }

  settled<T>(promise: Promise<T>): Promise<T> {
    return settled(this.world.env, promise);
  }

  get group() {
    return this.world.broker.shareGroup(GROUP);
  }

  partition(index = 0) {
    return this.world.broker.sharePartition(GROUP, this.topicId, index);
  }

  heartbeat(memberId: string, memberEpoch: number, groupId = GROUP) {
    return this.settled(
      this.world.broker.shareGroup(groupId).ask({
        type: "heartbeat",
        memberId,
        memberEpoch,
        rackId: null,
        subscribedTopicNames: memberEpoch === 0 ? ["t"] : null,
        clientId: "c",
        clientHost: "/127.0.0.1",
      }),
    );
  }

  session(memberId: string, sessionEpoch: number, connectionId = "c1") {
    return this.settled(this.group.ask({
      type: "useSession",
      memberId,
      sessionEpoch,
      connectionId,
      added: [{ topicId: this.topicId, partition: 0 }],
      forgotten: [],
      hasAcknowledgements: false,
      api: "fetch",
    }));
  }

  async acquire(
    memberId: string,
    maxRecords = 100,
    more: { lockDurationMs?: number; offsetReset?: ShareOffsetReset } = {},
  ) {
    const result = await this.settled(
      this.partition().ask({
        type: "acquire",
        memberId,
        maxRecords,
        maxBytes: 1 << 20,
        wholeBatches: false,
        lockDurationMs: more.lockDurationMs ?? null,
        offsetReset: more.offsetReset ?? null,
      }),
    );
    assert.equal(result.error, "NONE");
    return result.ranges.map((range) => [range.firstOffset, range.lastOffset, range.deliveryCount]);
  }

  async acknowledge(memberId: string, firstOffset: number, lastOffset: number, type: number) {
    const { error } = await this.settled(
      this.partition().ask({
        type: "acknowledge",
        memberId,
        batches: [{ firstOffset, lastOffset, acknowledgeTypes: [type] }],
        isRenewal: type === RENEW,
        lockDurationMs: null,
      }),
    );
    return error;
  }

  async produce(count: number, timestamp = 1): Promise<void> {
    const records = Array.from({ length: count }, (_, i) => ({
      key: null,
      value: new TextEncoder().encode(String(i)),
      headers: [],
      timestamp,
    }));
    const { error } = await this.settled(
      this.world.broker.partition(this.topicId, 0).ask({
        type: "produce",
        batch: buildBatch({ records }),
        maxMessageBytes: 1 << 20,
        timestampType: "CreateTime",
        requireKeys: false,
      }),
    );
    assert.equal(error, "NONE");
  }

  /** Begins at the first record instead of the last, and makes the group. */
  async fromTheStart(): Promise<void> {
    assert.equal(await this.settled(this.group.ask({ type: "ensure" })), "NONE");
    await this.settled(this.partition().ask({ type: "reset", startOffset: 0 }));
  }

  describe() {
    return this.settled(this.partition().ask({ type: "describe" }));
  }

  drain(): Promise<void> {
    return this.settled(this.world.broker.drain());
  }
}

Deno.test("a group begins at the end of the log, and stays there when the broker restarts", async () => {
  const queue = await Queue.open();
  await queue.produce(5);
  assert.deepEqual(await queue.acquire("a"), []);
  await queue.produce(2);
  const again = await queue.restart();
  assert.deepEqual(await again.acquire("a"), [[5, 6, 1]], "what came meanwhile is not skipped");
  await again.drain();
});

Deno.test("a group begins at the first record, or at the first that is young enough", async () => {
  const begins = async (offsetReset: ShareOffsetReset) => {
    const queue = await Queue.open();
    await queue.produce(3);
    await queue.produce(2, queue.world.env.now() - 10_000);
    const acquired = await queue.acquire("a", 100, { offsetReset });
    await queue.drain();
    return acquired;
  };
  assert.deepEqual(await begins({ type: "earliest" }), [[0, 4, 1]]);
  assert.deepEqual(await begins({ type: "by_duration", ms: 60_000 }), [[3, 4, 1]]);
  assert.deepEqual(await begins({ type: "by_duration", ms: 1_000 }), [], "all of them are older");
});

Deno.test("an acknowledgement is not lost by a restart; what was held is handed out again", async () => {
  const queue = await Queue.open();
  await queue.fromTheStart();
  await queue.produce(10);
  assert.deepEqual(await queue.acquire("a"), [[0, 9, 1]]);
  assert.equal(await queue.acknowledge("a", 2, 4, ACCEPT), "NONE");
  assert.equal(await queue.acknowledge("a", 5, 5, RELEASE), "NONE");
  const again = await queue.restart();
  assert.deepEqual(await again.acquire("b"), [[0, 1, 1], [5, 5, 2], [6, 9, 1]]);
  assert.equal(await again.acknowledge("a", 0, 0, ACCEPT), "INVALID_RECORD_STATE");
  assert.equal(await queue.acknowledge("a", 6, 6, ACCEPT).catch((e) => e.name), "ActorFailedError", "fenced");
  assert.equal(await again.acknowledge("b", 0, 9, ACCEPT), "INVALID_RECORD_STATE", "2 to 4 are done");
  assert.equal(await again.acknowledge("b", 0, 1, ACCEPT), "NONE");
  assert.equal(await again.acknowledge("b", 5, 9, ACCEPT), "NONE");
  assert.deepEqual(await again.describe(), { startOffset: 10, leaderEpoch: 0, lag: 0 });
  await again.drain();
});

Deno.test("a broker that was replaced hands out nothing that it remembers", async () => {
  const queue = await Queue.open();
  await queue.fromTheStart();
  await queue.produce(5);
  assert.deepEqual(await queue.acquire("a", 2), [[0, 1, 1]]);
  const next = await queue.restart();
  assert.deepEqual(await next.acquire("b"), [[0, 4, 1]]);
  assert.equal(await next.acknowledge("b", 0, 4, ACCEPT), "NONE");
  await assert.rejects(queue.acquire("c"), { name: "ActorFailedError" });
  await next.drain();
});

Deno.test("locks run out, can be renewed, and may be longer by wish", async () => {
  const queue = await Queue.open();
  await queue.fromTheStart();
  await queue.produce(3);
  assert.deepEqual(await queue.acquire("a", 1), [[0, 0, 1]]);
  assert.deepEqual(await queue.acquire("b", 1, { lockDurationMs: 50_000 }), [[1, 1, 1]]);
  assert.deepEqual(await queue.acquire("c", 1), [[2, 2, 1]]);
  await queue.world.env.advance(20_000);
  assert.equal(await queue.acknowledge("c", 2, 2, RENEW), "NONE");
  await queue.world.env.advance(10_001);
  assert.deepEqual(await queue.acquire("d"), [[0, 0, 2]], "a's time is over");
  assert.equal(await queue.acknowledge("a", 0, 0, ACCEPT), "INVALID_RECORD_STATE");
  await queue.world.env.advance(20_000);
  assert.deepEqual(await queue.acquire("e"), [[1, 2, 2]]);
  await queue.drain();
});

Deno.test("who waits is told when records come, and when some are given back", async () => {
  const queue = await Queue.open();
  await queue.fromTheStart();
  assert.deepEqual(await queue.acquire("a"), []);
  let told = 0;
  const wait = () => {
    const waiting = queue.partition().ask({ type: "awaitRecords", minBytes: 1 }).then(() => told++);
    return queue.world.env.runUntilIdle().then(() => ({ waiting }));
  };
  await wait();
  assert.equal(told, 0);
  await queue.produce(1);
  assert.equal(told, 1);
  assert.deepEqual(await queue.acquire("a"), [[0, 0, 1]]);
  await wait();
  assert.equal(told, 1);
  assert.equal(await queue.acknowledge("a", 0, 0, RELEASE), "NONE");
  assert.equal(told, 2);
  await queue.drain();
});

Deno.test("a member that leaves, falls silent or loses its connection gives back what it held", async () => {
  const queue = await Queue.open();
  await queue.fromTheStart();
  await queue.produce(3);
  for (const memberId of ["a", "b", "c"]) {
    assert.equal((await queue.heartbeat(memberId, 0)).error, "NONE");
    assert.equal((await queue.session(memberId, 0)).error, "NONE");
  }
  assert.deepEqual(await queue.acquire("a", 1, { lockDurationMs: 60_000_000 }), [[0, 0, 1]]);
  assert.deepEqual(await queue.acquire("b", 1, { lockDurationMs: 60_000_000 }), [[1, 1, 1]]);
  assert.deepEqual(await queue.acquire("c", 1, { lockDurationMs: 60_000_000 }), [[2, 2, 1]]);
  assert.equal((await queue.heartbeat("a", -1)).error, "NONE");
  assert.deepEqual(await queue.acquire("d"), [], "its session is not over: it may still acknowledge");
  assert.deepEqual((await queue.session("a", -1)).error, "NONE");
  await queue.settled(queue.group.ask({ type: "endSession", memberId: "a", connectionId: null }));
  const long = { lockDurationMs: 60_000_000 };
  assert.deepEqual(await queue.acquire("d", 9, long), [[0, 0, 2]]);
  const end = (connectionId: string) =>
    queue.settled(queue.group.ask({ type: "endSession", memberId: "b", connectionId }));
  await end("another");
  assert.deepEqual(await queue.acquire("d"), []);
  await end("c1");
  assert.deepEqual(await queue.acquire("d", 9, long), [[1, 1, 2]]);
  await queue.world.env.advance(46_000);
  assert.deepEqual(await queue.acquire("d"), [[2, 2, 2]]);
  assert.equal((await queue.settled(queue.group.ask({ type: "describe" })))?.state, "Empty");
  await queue.drain();
});

Deno.test("members and sessions: a restart keeps the first and loses the second", async () => {
  const queue = await Queue.open();
  assert.equal((await queue.session("a", 0)).error, "GROUP_ID_NOT_FOUND");
  const joined = await queue.heartbeat("a", 0);
  assert.equal((await queue.session("a", 0)).error, "NONE");
  const again = await queue.restart();
  const listed = await again.settled(again.world.broker.listGroups());
  assert.deepEqual(listed, [{ groupId: GROUP, groupType: "share", protocolType: "share", state: "Stable" }]);
  assert.equal((await again.heartbeat("a", joined.memberEpoch)).error, "NONE");
  assert.equal((await again.session("a", 1)).error, "SHARE_SESSION_NOT_FOUND");
  await again.drain();
});

Deno.test("a name is one kind of group's only", async () => {
  const queue = await Queue.open();
  const consumers = (groupId: string) => queue.world.broker.group(groupId);
  const commit = (groupId: string) =>
    queue.settled(
      consumers(groupId).ask({
        type: "offsetCommit",
        generationId: -1,
        memberId: "",
        groupInstanceId: null,
        offsets: [{
          topic: "t",
          topicId: queue.topicId,
          partition: 0,
          offset: 1,
          leaderEpoch: -1,
          metadata: "",
        }],
      }),
    );
  assert.equal((await commit("readers")).error, "NONE");
  assert.equal((await queue.heartbeat("a", 0, "readers")).error, "GROUP_ID_NOT_FOUND");
  assert.equal((await queue.heartbeat("a", 0)).error, "NONE");
  assert.equal((await commit(GROUP)).error, "GROUP_ID_NOT_FOUND");
  const again = await queue.restart();
  const refused = await again.settled(
    again.world.broker.group(GROUP).ask({
      type: "consumerHeartbeat",
      client: { clientId: "c", clientHost: "/127.0.0.1" },
      memberId: "m",
      memberEpoch: 0,
      instanceId: null,
      rackId: null,
      rebalanceTimeoutMs: 1_000,
      subscribedTopicNames: ["t"],
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: [],
      requireMemberId: true,
    }),
  );
  assert.equal(refused.error, "GROUP_ID_NOT_FOUND");
  assert.equal((await again.heartbeat("a", -1)).error, "NONE");
  assert.equal(await again.settled(again.group.ask({ type: "delete" })), "NONE");
  assert.deepEqual((await again.settled(again.world.broker.listGroups())).map(({ groupId }) => groupId), [
    "readers",
  ]);
  await again.drain();
});

Deno.test("a deleted group forgets how far it had got, a deleted topic too", async () => {
  const queue = await Queue.open();
  await queue.fromTheStart();
  await queue.produce(4);
  await queue.acquire("a");
  await queue.acknowledge("a", 0, 3, ACCEPT);
  assert.equal(await queue.settled(queue.group.ask({ type: "delete" })), "NONE");
  assert.equal(await queue.settled(queue.group.ask({ type: "delete" })), "GROUP_ID_NOT_FOUND");
  await queue.fromTheStart();
  assert.deepEqual(await queue.acquire("a"), [[0, 3, 1]]);
  await queue.settled(queue.world.broker.supervisor.ask({ type: "deleteTopic", name: "t" }));
  const gone = await queue.settled(
    queue.partition().ask({
      type: "acquire",
      memberId: "a",
      maxRecords: 1,
      maxBytes: 1,
      wholeBatches: false,
      lockDurationMs: null,
      offsetReset: null,
    }),
  );
  assert.equal(gone.error, "UNKNOWN_TOPIC_ID");
  await queue.world.env.advance(5_000);
  assert.deepEqual(await queue.settled(queue.group.ask({ type: "listPartitions" })), []);
  await queue.drain();
});

Deno.test("records that retention took are given up, and what is held is sent with its batch", async () => {
  const queue = await Queue.open();
  await queue.fromTheStart();
  await queue.produce(5);
  await queue.produce(5);
  assert.deepEqual(await queue.acquire("a", 2), [[0, 1, 1]]);
  await queue.settled(
    queue.world.broker.partition(queue.topicId, 0).ask({ type: "deleteRecords", offset: 5 }),
  );
  const { records, ranges } = await queue.settled(
    queue.partition().ask({
      type: "acquire",
      memberId: "b",
      maxRecords: 3,
      maxBytes: 1 << 20,
      wholeBatches: true,
      lockDurationMs: null,
      offsetReset: null,
    }),
  );
  assert.deepEqual(ranges, [{ firstOffset: 5, lastOffset: 9, deliveryCount: 1 }]);
  assert.deepEqual(records.map((batch) => readBatchHeader(batch).baseOffset), [5]);
  assert.equal(await queue.acknowledge("a", 0, 1, ACCEPT), "NONE");
  assert.equal((await queue.describe()).startOffset, 5);
  await queue.drain();
});

Deno.test("who waits for few bytes is told, also when somebody waits for many already", async () => {
  const queue = await Queue.open();
  await queue.fromTheStart();
  const told: string[] = [];
  const wait = (name: string, minBytes: number) =>
    void queue.partition().ask({ type: "awaitRecords", minBytes }).then(() => told.push(name));
  wait("many", 100_000);
  await queue.world.env.advance(10);
  wait("few", 1);
  await queue.world.env.advance(10);
  assert.equal(told.join(), "");
  await queue.produce(1);
  assert(told.includes("few"));
  await queue.drain();
});
