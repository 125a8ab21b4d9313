/** Fetch with sessions, ids and epochs of topics, and many partitions, as a handler on a whole broker under virtual time. */
import assert from "node:assert/strict";
import type { Broker } from "../../actors/broker.ts";
import type { TopicImage } from "../../core/cluster/metadata_image.ts";
import { limits } from "../../core/config/limits.ts";
import { errorName } from "../../protocol/errors.ts";
import { fetchApi } from "../../protocol/messages/01_fetch.ts";
import { listOffsets } from "../../protocol/messages/02_list_offsets.ts";
import { offsetForLeaderEpoch } from "../../protocol/messages/23_offset_for_leader_epoch.ts";
import { buildBatch } from "../../protocol/records/record_batch.ts";
import { call } from "../handler_call.ts";
import { brokerWith } from "../broker_with.ts";
import { settled, start, type World } from "../local_world.ts";

async function createTopic({ env, broker }: World, name: string, partitionCount = 1): Promise<TopicImage> {
  const outcome = await settled(
    env,
    broker.supervisor.ask({
      type: "createTopic",
      name,
      partitionCount,
      replicationFactor: 1,
      configs: {},
      validateOnly: false,
    }),
  );
  assert.ok("topic" in outcome);
  return outcome.topic;
}

async function produce({ env, broker }: World, topic: TopicImage, partition: number, byteLength = 10) {
  const record = { key: null, value: new Uint8Array(byteLength), headers: [], timestamp: 1_000 };
  await settled(
    env,
    broker.partition(topic.topicId, partition).ask({
      type: "produce",
      batch: buildBatch({ records: [record] }),
      maxMessageBytes: 1_000_000,
      timestampType: "CreateTime",
      requireKeys: false,
    }),
  );
}

interface Asked {
  readonly partition: number;
  readonly fetchOffset?: number;
  readonly currentLeaderEpoch?: number;
  readonly lastFetchedEpoch?: number;
}

interface FetchWishes {
  readonly session?: readonly [id: number, epoch: number];
  readonly topic?: TopicImage;
  readonly partitions?: readonly Asked[];
  readonly forgotten?: readonly number[];
  readonly version?: number;
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
}

async function fetch(world: World, wishes: FetchWishes) {
  const { session = [0, -1], topic, partitions = [], forgotten = [], maxBytes = 1_000_000 } = wishes;
  const { version = fetchApi.maxVersion, partitionMaxBytes = 100_000 } = wishes;
  const named = { topic: topic?.name ?? "", topicId: topic?.topicId ?? "" };
  const answer = await call(world, fetchApi, {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes,
    sessionId: session[0],
    sessionEpoch: session[1],
    topics: topic === undefined || partitions.length === 0 ? [] : [{
      ...named,
      partitions: partitions.map((each) => ({ fetchOffset: 0, partitionMaxBytes, ...each })),
    }],
    forgottenTopicsData: forgotten.length === 0 ? [] : [{ ...named, partitions: forgotten }],
  }, version);
  const told = answer.responses.flatMap((each) => each.partitions).map((each) => ({
    partition: each.partitionIndex,
    error: errorName(each.errorCode),
    highWatermark: each.highWatermark,
    bytes: each.records?.byteLength ?? 0,
    diverging: each.divergingEpoch,
  }));
  return { error: errorName(answer.errorCode), sessionId: answer.sessionId, told };
}

function all(count: number): Asked[] {
  return Array.from({ length: count }, (_, partition) => ({ partition }));
}

Deno.test("Fetch tells a session only of what changed", async () => {
  const world = await start();
  const topic = await createTopic(world, "orders", 3);
  await produce(world, topic, 1);
  const opened = await fetch(world, { session: [0, 0], topic, partitions: all(3) });
  assert.deepEqual(opened.told.map(({ partition }) => partition), [0, 1, 2]);
  const id = opened.sessionId;
  assert.ok(id > 0);
  const second = await fetch(world, {
    session: [id, 1],
    topic,
    partitions: [{ partition: 1, fetchOffset: 1 }],
  });
  assert.deepEqual([second.error, second.sessionId, second.told], ["NONE", id, []]);
  await produce(world, topic, 2);
  const third = await fetch(world, { session: [id, 2] });
  assert.deepEqual(third.told.map(({ partition, highWatermark }) => [partition, highWatermark]), [[2, 1]]);
  assert.ok((third.told[0]?.bytes ?? 0) > 0);
  await produce(world, topic, 0);
  const fourth = await fetch(world, { session: [id, 3], topic, forgotten: [0, 2] });
  assert.deepEqual(fourth.told, []);
  const late = await fetch(world, { session: [id, 3] });
  assert.deepEqual([late.error, late.sessionId], ["INVALID_FETCH_SESSION_EPOCH", 0]);
  assert.equal((await fetch(world, { session: [77, 1] })).error, "FETCH_SESSION_ID_NOT_FOUND");
  assert.equal(
    (await fetch(world, { session: [id, 4], version: 12 })).error,
    "FETCH_SESSION_TOPIC_ID_ERROR",
  );
});

Deno.test("Fetch before sessions, and a client that wants none, get none", async () => {
  const world = await start();
  const topic = await createTopic(world, "orders");
  for (const version of [4, 6, 7, 12, 18]) {
    assert.equal((await fetch(world, { version, topic, partitions: all(1) })).sessionId, 0);
  }
});

Deno.test("Fetch tells a session that its topic went, or was made anew", async () => {
  const world = await start();
  const topic = await createTopic(world, "orders");
  const { sessionId } = await fetch(world, { session: [0, 0], topic, partitions: all(1) });
  const { topicId } = topic;
  await settled(world.env, world.broker.supervisor.ask({ type: "deleteTopic", topicId }));
  const gone = await fetch(world, { session: [sessionId, 1] });
  assert.deepEqual(gone.told.map(({ error }) => error), ["UNKNOWN_TOPIC_OR_PARTITION"]);
  await createTopic(world, "orders");
  const anew = await fetch(world, { session: [sessionId, 2] });
  assert.deepEqual(anew.told.map(({ error }) => error), ["INCONSISTENT_TOPIC_ID"]);
  const unknown = await fetch(world, { topic, partitions: all(1) });
  assert.deepEqual(unknown.told.map(({ error }) => error), ["UNKNOWN_TOPIC_ID"]);
});

Deno.test("Fetch, ListOffsets and OffsetForLeaderEpoch fence leader epochs", async () => {
  const world = await start();
  const topic = await createTopic(world, "orders");
  await produce(world, topic, 0);
  const told = async (asked: Omit<Asked, "partition">) => {
    const { told: [first] } = await fetch(world, { topic, partitions: [{ partition: 0, ...asked }] });
    const { diverging } = first ?? {};
    return [first?.error, first?.highWatermark, diverging?.epoch, diverging?.endOffset];
  };
  assert.deepEqual(await told({ currentLeaderEpoch: 0, lastFetchedEpoch: 0 }), ["NONE", 1, -1, -1]);
  assert.deepEqual(await told({ currentLeaderEpoch: 1 }), ["UNKNOWN_LEADER_EPOCH", -1, -1, -1]);
  assert.deepEqual(await told({ lastFetchedEpoch: 1 }), ["OFFSET_OUT_OF_RANGE", -1, -1, -1]);
  assert.deepEqual(await told({ fetchOffset: 2 }), ["OFFSET_OUT_OF_RANGE", -1, -1, -1]);
  assert.deepEqual(await told({ fetchOffset: 2, lastFetchedEpoch: 0 }), ["NONE", 1, 0, 1]);

  const listed = async (currentLeaderEpoch: number) => {
    const topics = [{
      name: "orders",
      partitions: [{ partitionIndex: 0, timestamp: -1, currentLeaderEpoch }],
    }];
    const answer = await call(world, listOffsets, {
      replicaId: -1,
      isolationLevel: 0,
      topics,
      timeoutMs: 1_000,
    });
    return errorName(answer.topics[0]?.partitions[0]?.errorCode ?? -1);
  };
  assert.deepEqual([await listed(0), await listed(1)], ["NONE", "UNKNOWN_LEADER_EPOCH"]);

  const ended = async (partition: number, leaderEpoch: number, currentLeaderEpoch = -1) => {
    const topics = [{ topic: "orders", partitions: [{ partition, leaderEpoch, currentLeaderEpoch }] }];
    const answer = await call(world, offsetForLeaderEpoch, { replicaId: -1, topics });
    const found = answer.topics[0]?.partitions[0];
    return [errorName(found?.errorCode ?? -1), found?.leaderEpoch, found?.endOffset];
  };
  assert.deepEqual(await ended(0, 0), ["NONE", 0, 1]);
  assert.deepEqual(await ended(0, 1), ["NONE", -1, -1]);
  assert.deepEqual(await ended(0, 0, 1), ["UNKNOWN_LEADER_EPOCH", -1, -1]);
  assert.deepEqual(await ended(1, 0), ["UNKNOWN_TOPIC_OR_PARTITION", -1, -1]);
});

Deno.test("ListOffsets answers Kafka's special timestamps from the version that knows them", async () => {
  const world = await start();
  const topic = await createTopic(world, "orders", 2);
  await produce(world, topic, 0);
  await produce(world, topic, 0);
  const listed = async (timestamp: number, version: number, partitionIndex = 0) => {
    const topics = [{ name: "orders", partitions: [{ partitionIndex, timestamp }] }];
    const request = { replicaId: -1, isolationLevel: 0, topics, timeoutMs: 1_000 };
    const answer = await call(world, listOffsets, request, version);
    const found = answer.topics[0]?.partitions[0];
    const error = errorName(found?.errorCode ?? -1);
    return error === "NONE" ? [found?.offset, found?.timestamp, found?.leaderEpoch] : error;
  };
  assert.deepEqual(await listed(-1, 11), [2, -1, 0]);
  assert.deepEqual(await listed(-2, 11), [0, -1, 0]);
  assert.deepEqual(await listed(-3, 11), [0, 1_000, 0]);
  assert.deepEqual(await listed(-3, 11, 1), [-1, -1, -1]);
  assert.deepEqual(await listed(-4, 11), [0, -1, 0]);
  assert.deepEqual(await listed(-5, 11), [-1, -1, -1]);
  assert.deepEqual(await listed(-6, 11), [-1, -1, -1]);
  assert.deepEqual(await listed(1_000, 11), [0, 1_000, 0]);
  assert.deepEqual(await listed(1_001, 11), [-1, -1, -1]);
  const refusals = [[-3, 6], [-4, 7], [-5, 8], [-6, 10], [-7, 11]] as const;
  for (const [timestamp, version] of refusals) {
    assert.equal(await listed(timestamp, version), "UNSUPPORTED_VERSION", `${timestamp} in ${version}`);
  }
  const twice = [{ partitionIndex: 0, timestamp: -1 }, { partitionIndex: 0, timestamp: -2 }];
  const answer = await call(world, listOffsets, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: "orders", partitions: twice }],
    timeoutMs: 1_000,
  });
  const codes = answer.topics[0]?.partitions.map(({ errorCode }) => errorName(errorCode));
  assert.deepEqual(codes, ["INVALID_REQUEST"]);
});

Deno.test("Fetch keeps to its bytes over many partitions, and gives each its turn in a session", async () => {
  const world = await start();
  const count = 100;
  const topic = await createTopic(world, "orders", count);
  for (let partition = 0; partition < count; partition += 10) await produce(world, topic, partition, 1_000);
  const partitions = all(count);
  const opened = await fetch(world, { session: [0, 0], topic, partitions, maxBytes: 3_500 });
  assert.equal(opened.told.length, count);
  const given = opened.told.filter(({ bytes }) => bytes > 0).map(({ partition }) => partition);
  assert.deepEqual(given, [0, 10, 20]);
  assert.equal(opened.told[90]?.highWatermark, 1, "those without room tell how far they go");
  const second = await fetch(world, { session: [opened.sessionId, 1], maxBytes: 3_500 });
  assert.deepEqual(second.told.map(({ partition }) => partition), [0, 10, 20]);
  const third = await fetch(world, { session: [opened.sessionId, 2], maxBytes: 3_500 });
  assert.deepEqual(third.told.map(({ partition }) => partition), [30, 40, 50], "now it is the others' turn");
  const small = { maxBytes: 10, partitionMaxBytes: 10 };
  const one = await fetch(world, { topic, partitions: partitions.slice(5), ...small });
  const large = one.told.filter(({ bytes }) => bytes > 0).map(({ partition }) => partition);
  assert.deepEqual(large, [10], "the first batch comes though it is larger than the limits");
});

Deno.test("Fetch opens many cold partitions at once, but not all of them", async () => {
  const world = await start();
  const topic = await createTopic(world, "orders", 300);
  let open = 0;
  let most = 0;
  const partition: Broker["partition"] = (topicId, index) => {
    const ref = world.broker.partition(topicId, index);
    const ask: typeof ref.ask = async (message, options) => {
      most = Math.max(most, ++open);
      try {
        return await ref.ask(message, options);
      } finally {
        open -= 1;
      }
    };
    return { ...ref, ask };
  };
  const broker = brokerWith(world.broker, { partition });
  const { told } = await fetch({ ...world, broker } as World, { topic, partitions: all(300) });
  assert.equal(told.length, 300);
  assert.equal(most, limits.fetchPartitionsAtOnceMax);
});
