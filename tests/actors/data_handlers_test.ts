/** Produce, Fetch and Metadata as handlers, on a whole broker under virtual time: what they wait for, and how much they answer. */
import assert from "node:assert/strict";
import type { Broker } from "../../actors/broker.ts";
import type { TopicImage } from "../../core/cluster/metadata_image.ts";
import { AskDeadlineError, OverloadedError } from "../../actors/runtime/errors.ts";
import { errorName, isRetriable } from "../../protocol/errors.ts";
import { produce as produceApi } from "../../protocol/messages/00_produce.ts";
import { fetchApi } from "../../protocol/messages/01_fetch.ts";
import { metadata } from "../../protocol/messages/03_metadata.ts";
import { describeConfigs } from "../../protocol/messages/32_describe_configs.ts";
import { buildBatch } from "../../protocol/records/record_batch.ts";
import { ZERO_UUID } from "../../lib/bytes.ts";
import { brokerWith } from "../broker_with.ts";
import { call } from "../handler_call.ts";
import { settled, start, type World } from "../local_world.ts";

async function createTopic({ env, broker }: World, partitionCount: number): Promise<TopicImage> {
  const outcome = await settled(
    env,
    broker.supervisor.ask({
      type: "createTopic",
      name: "orders",
      partitionCount,
      replicationFactor: 1,
      configs: {},
      validateOnly: false,
    }),
  );
  assert.ok("topic" in outcome);
  return outcome.topic;
}

function produce({ broker }: World, topic: TopicImage, partition: number, byteLength = 10) {
  const record = { key: null, value: new Uint8Array(byteLength), headers: [], timestamp: 1 };
  return broker.partition(topic.topicId, partition).ask({
    type: "produce",
    batch: buildBatch({ records: [record] }),
    maxMessageBytes: 1_000_000,
    timestampType: "CreateTime",
    requireKeys: false,
  });
}

/** The same world, with another way to its partitions. */
function withPartitions(world: World, partition: Broker["partition"]): World {
  const broker = brokerWith(world.broker, { partition });
  return { ...world, broker };
}

/** The same world, with the readings of partitions counted. */
function counting(world: World): { world: World; readings: () => number } {
  let readings = 0;
  const counted = withPartitions(world, (topicId, index) => {
    const ref = world.broker.partition(topicId, index);
    const ask: typeof ref.ask = (message, options) => {
      if (message.type === "fetch") readings += 1;
      return ref.ask(message, options);
    };
    return { ...ref, ask };
  });
  return { world: counted, readings: () => readings };
}

function fetchRequest(topic: TopicImage, partitions: readonly number[], change: Record<string, number> = {}) {
  const { minBytes = 1, maxWaitMs = 3_000, partitionMaxBytes = 1_000_000 } = change;
  return {
    maxWaitMs,
    minBytes,
    maxBytes: 1_000_000,
    topics: [{
      topicId: topic.topicId,
      partitions: partitions.map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes })),
    }],
    forgottenTopicsData: [],
  };
}

Deno.test("Fetch waits for something new instead of reading the same again and again", async () => {
  const whole = await start();
  const topic = await createTopic(whole, 2);
  await settled(whole.env, produce(whole, topic, 0));
  for (const partitions of [[0, 1], [0]]) {
    const { world, readings } = counting(whole);
    const request = fetchRequest(topic, partitions, { minBytes: 100_000 });
    const answer = await call(world, fetchApi, request, fetchApi.maxVersion, 3_100);
    assert.equal(answer.responses[0]?.partitions[0]?.highWatermark, 1);
    assert.ok(
      readings() <= partitions.length * 3,
      `${readings()} readings of ${partitions.length} partition(s)`,
    );
  }
});

Deno.test("Fetch does not wait for more than its own limits let through", async () => {
  const world = await start();
  const topic = await createTopic(world, 1);
  await settled(world.env, produce(world, topic, 0, 500));
  const request = fetchRequest(topic, [0], { minBytes: 100_000, partitionMaxBytes: 100 });
  const answer = await call(world, fetchApi, request);
  assert.ok((answer.responses[0]?.partitions[0]?.records?.byteLength ?? 0) > 500);
});

Deno.test("Fetch is answered by the append that it waited for", async () => {
  const world = await start();
  const topic = await createTopic(world, 2);
  const { env } = world;
  const fetched = call(world, fetchApi, fetchRequest(topic, [0, 1], { maxWaitMs: 60_000 }));
  await env.advance(1_000);
  await settled(env, produce(world, topic, 1));
  await env.runUntilIdle();
  const answer = await fetched;
  assert.ok((answer.responses[0]?.partitions[1]?.records?.byteLength ?? 0) > 0);
  assert.ok(env.mono() < 5_000);
});

Deno.test("Metadata and DescribeConfigs answer a name that is repeated once", async () => {
  const world = await start();
  await createTopic(world, 3);
  const topics = Array.from({ length: 50 }, () => ({ name: "orders", topicId: ZERO_UUID }));
  assert.equal((await call(world, metadata, { topics })).topics.length, 1);
  const resources = Array.from(
    { length: 50 },
    () => ({ resourceType: 4, resourceName: "1", configurationKeys: null }),
  );
  assert.equal((await call(world, describeConfigs, { resources })).results.length, 1);
});

Deno.test("Produce that meets a full mailbox is retriable and asks the client to hold back", async () => {
  const whole = await start();
  const topic = await createTopic(whole, 1);
  const record = { key: null, value: new Uint8Array(1), headers: [], timestamp: 1 };
  const request = () => ({
    acks: -1,
    timeoutMs: 1_000,
    topicData: [{
      topicId: topic.topicId,
      partitionData: [{ index: 0, records: buildBatch({ records: [record] }) }],
    }],
  });
  const calm = await call(whole, produceApi, request());
  assert.deepEqual([calm.responses[0]?.partitionResponses[0]?.errorCode, calm.throttleTimeMs], [0, 0]);
  const overloaded = withPartitions(whole, (topicId, index) => {
    const ref = whole.broker.partition(topicId, index);
    return { ...ref, ask: () => Promise.reject(new OverloadedError("full")) };
  });
  const answer = await call(overloaded, produceApi, request());
  const code = answer.responses[0]?.partitionResponses[0]?.errorCode ?? 0;
  assert.equal(errorName(code), "REQUEST_TIMED_OUT");
  assert.equal(isRetriable(code), true);
  assert.ok(answer.throttleTimeMs > 0);
});

Deno.test("Produce whose outcome is not known is a retriable error, and its record may be there", async () => {
  const records = buildBatch({
    records: [{ key: null, value: new Uint8Array(1), headers: [], timestamp: 1 }],
  });
  for (
    const [fate, readFault, error, isThere] of [
      ["crash", null, "REQUEST_TIMED_OUT", false],
      ["crashAfter", null, "REQUEST_TIMED_OUT", true],
      ["throwBefore", new Error("away"), "KAFKA_STORAGE_ERROR", false],
      ["throwAfter", new Error("away"), "KAFKA_STORAGE_ERROR", true],
    ] as const
  ) {
    const before = await start();
    const topic = await createTopic(before, 1);
    await settled(before.env, produce(before, topic, 0));
    before.storage.fateOf = () => fate;
    before.storage.readFault = readFault;
    const request = {
      acks: -1,
      timeoutMs: 100_000,
      topicData: [{ topicId: topic.topicId, partitionData: [{ index: 0, records: records.slice() }] }],
    };
    const answer = await call(before, produceApi, request, produceApi.maxVersion, 101_000);
    const code = answer.responses[0]?.partitionResponses[0]?.errorCode ?? 0;
    assert.deepEqual([errorName(code), isRetriable(code)], [error, true], fate);
    before.storage.fateOf = () => "apply";
    before.storage.readFault = null;
    const after = await start(before.storage);
    const fetched = await call(after, fetchApi, fetchRequest(topic, [0], { maxWaitMs: 0 }));
    assert.equal(fetched.responses[0]?.partitions[0]?.highWatermark, isThere ? 2 : 1, fate);
  }
});

Deno.test("Fetch never answers a timeout, at which Java's consumers end with an exception", async () => {
  const whole = await start();
  const topic = await createTopic(whole, 1);
  for (const failure of [new OverloadedError("full"), new AskDeadlineError("too late")]) {
    const failing = withPartitions(whole, (topicId, index) => {
      const ref = whole.broker.partition(topicId, index);
      return { ...ref, ask: () => Promise.reject(failure) };
    });
    const answer = await call(failing, fetchApi, fetchRequest(topic, [0]));
    const code = answer.responses[0]?.partitions[0]?.errorCode ?? 0;
    assert.equal(errorName(code), "KAFKA_STORAGE_ERROR");
    assert.equal(isRetriable(code), true);
  }
});
