/** Quotas through the handlers and on a connection, under virtual time: who is asked to hold back, and who is not read. */
import assert from "node:assert/strict";
import type { TestEnv } from "../../actors/runtime/testkit.ts";
import { limits } from "../../core/config/limits.ts";
import { concat } from "../../lib/bytes.ts";
import type { Conn } from "../../lib/env.ts";
import { openMetricsText } from "../../lib/metrics.ts";
import { ByteBudget } from "../../actors/runtime/byte_budget.ts";
import { KafkaConnection } from "../../net/kafka_connection.ts";
import { LogLimiter } from "../../net/log_limiter.ts";
import { errorName } from "../../protocol/errors.ts";
import { encodeRequestFrame } from "../../protocol/header.ts";
import { produce as produceApi } from "../../protocol/messages/00_produce.ts";
import { fetchApi } from "../../protocol/messages/01_fetch.ts";
import { apiVersions } from "../../protocol/messages/18_api_versions.ts";
import { createTopics } from "../../protocol/messages/19_create_topics.ts";
import { deleteTopics } from "../../protocol/messages/20_delete_topics.ts";
import { createPartitions } from "../../protocol/messages/37_create_partitions.ts";
import { describeClientQuotas } from "../../protocol/messages/48_describe_client_quotas.ts";
import { alterClientQuotas } from "../../protocol/messages/49_alter_client_quotas.ts";
import { buildBatch } from "../../protocol/records/record_batch.ts";
import { call } from "../handler_call.ts";
import { settled, start, type World } from "../local_world.ts";

type Entity = Record<string, string | null>;

function entityOf(entity: Entity) {
  return Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName }));
}

async function setQuota(
  world: World,
  entity: Entity,
  quotas: Record<string, number | null>,
  validateOnly = false,
) {
  const ops = Object.entries(quotas).map(([key, value]) => ({
    key,
    value: value ?? 0,
    remove: value === null,
  }));
  const entries = [{ entity: entityOf(entity), ops }];
  const answer = await call(world, alterClientQuotas, { entries, validateOnly });
  return errorName(answer.entries[0]?.errorCode ?? -1);
}

async function listQuotas(world: World): Promise<string[]> {
  const { entries } = await call(world, describeClientQuotas, { components: [], strict: false });
  return (entries ?? []).map(({ entity, values }) => {
    const parts = entity.map(({ entityType, entityName }) => `${entityType}=${entityName}`).join(" ");
    return `${parts}: ${values.map(({ key, value }) => `${key}=${value}`).join(" ")}`;
  });
}

async function createTopic(
  world: World,
  name: string,
  numPartitions = 1,
  apiVersion = 7,
  validateOnly = false,
) {
  const topic = { name, numPartitions, replicationFactor: 1, assignments: [], configs: [] };
  const request = { topics: [topic], timeoutMs: 1_000, validateOnly };
  const answer = await call(world, createTopics, request, apiVersion);
  return [errorName(answer.topics[0]?.errorCode ?? -1), answer.throttleTimeMs] as const;
}

function produceRequest(byteLength: number, acks = -1) {
  const record = { key: null, value: new Uint8Array(byteLength), headers: [], timestamp: 1_000 };
  const records = buildBatch({ records: [record] });
  return { acks, timeoutMs: 1_000, topicData: [{ name: "orders", partitionData: [{ index: 0, records }] }] };
}

Deno.test("quotas are kept, described, checked and removed", async () => {
  const world = await start();
  assert.equal(await setQuota(world, { user: "u", "client-id": null }, { producer_byte_rate: 10 }), "NONE");
  assert.equal(await setQuota(world, { ip: "1.2.3.4" }, { connection_creation_rate: 5 }), "NONE");
  assert.equal(await setQuota(world, { user: "x" }, { producer_byte_rate: 10 }, true), "NONE");
  assert.equal(await setQuota(world, { user: "x" }, { nope: 10 }), "INVALID_REQUEST");
  await world.broker.drain();
  const again = await start(world.storage);
  const kept = ["client-id=null user=u: producer_byte_rate=10", "ip=1.2.3.4: connection_creation_rate=5"];
  assert.deepEqual((await listQuotas(again)).sort(), kept);
  await setQuota(again, { "client-id": null, user: "u" }, { producer_byte_rate: null });
  assert.deepEqual(await listQuotas(again), kept.slice(1));
  const twice = {
    entity: entityOf({ user: "d" }),
    ops: [{ key: "producer_byte_rate", value: 1, remove: false }],
  };
  const answer = await call(again, alterClientQuotas, { entries: [twice, twice], validateOnly: false });
  assert.deepEqual(answer.entries.map(({ errorCode }) => errorName(errorCode)), ["INVALID_REQUEST"]);
  const wrong = [{ entityType: "nope", matchType: 2, match: null }];
  const refused = await call(again, describeClientQuotas, { components: wrong, strict: false });
  assert.deepEqual([errorName(refused.errorCode), refused.entries], ["UNSUPPORTED_VERSION", null]);
});

Deno.test("a fetch over the quota is empty, and comes when its time is there", async () => {
  const world = await start();
  await createTopic(world, "orders");
  for (let i = 0; i < 3; i++) await call(world, produceApi, produceRequest(100_000), 12);
  await setQuota(world, { "client-id": "test" }, { consumer_byte_rate: 20_000 });
  const fetch = async (fetchOffset: number, session: readonly [number, number]) => {
    const partition = { partition: 0, fetchOffset, partitionMaxBytes: 1_000_000 };
    const answer = await call(world, fetchApi, {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1_000_000,
      sessionId: session[0],
      sessionEpoch: session[1],
      topics: [{ topic: "orders", partitions: [partition] }],
      forgottenTopicsData: [],
    }, 12);
    const bytes = answer.responses[0]?.partitions[0]?.records?.byteLength ?? 0;
    return { bytes, throttleTimeMs: answer.throttleTimeMs, sessionId: answer.sessionId };
  };
  const first = await fetch(0, [0, 0]);
  assert.ok(first.bytes > 100_000 && first.bytes <= 200_000, "no more than a window lets through");
  assert.equal(first.throttleTimeMs, 0);
  const held = await fetch(1, [first.sessionId, 1]);
  assert.deepEqual([held.bytes, held.sessionId], [0, first.sessionId]);
  assert.ok(held.throttleTimeMs > 0);
  assert.equal((await fetch(0, [0, 0])).sessionId, 0, "no session is made for nothing");
  await world.env.advance(held.throttleTimeMs + 1_000);
  assert.ok((await fetch(1, [first.sessionId, 2])).bytes > 100_000);
});

Deno.test("changes of topics over the quota are refused in new versions and slowed in old ones", async () => {
  const world = await start();
  await setQuota(world, { "client-id": "test" }, { controller_mutation_rate: 1 });
  assert.deepEqual(await createTopic(world, "a", 18), ["NONE", 0]);
  assert.deepEqual(await createTopic(world, "b"), ["THROTTLING_QUOTA_EXCEEDED", 7_000]);
  assert.deepEqual(await createTopic(world, "c", 1, 5), ["NONE", 8_000]);
  const grown = await call(world, createPartitions, {
    topics: [{ name: "c", count: 2, assignments: null }],
    timeoutMs: 1_000,
    validateOnly: false,
  });
  assert.equal(errorName(grown.results[0]?.errorCode ?? -1), "THROTTLING_QUOTA_EXCEEDED");
  const gone = await call(world, deleteTopics, { topics: [], topicNames: ["c"], timeoutMs: 1_000 }, 5);
  assert.equal(errorName(gone.responses[0]?.errorCode ?? -1), "THROTTLING_QUOTA_EXCEEDED");
  await world.env.advance(8_000);
  assert.deepEqual(await createTopic(world, "d", 100, 7, true), ["NONE", 0], "to validate costs nothing");
  assert.deepEqual(await createTopic(world, "d"), ["NONE", 0]);
  assert.deepEqual(await createTopic(world, "e"), ["THROTTLING_QUOTA_EXCEEDED", 1_000]);
});

/** One end of a connection; what the server writes is counted in answers. */
class FakeConn implements Conn {
  readonly remoteAddress = "127.0.0.1:50000";
  readonly answered: { readonly correlationId: number; readonly atMs: number }[] = [];
  readonly #env: TestEnv;
  #incoming: Uint8Array = new Uint8Array();
  #wake: (() => void) | null = null;
  closed = false;
  writtenBytes = 0;
  onWrite: () => void = () => {};

  constructor(env: TestEnv) {
    this.#env = env;
  }

  send(bytes: Uint8Array): void {
    this.#incoming = concat([this.#incoming, bytes]);
    this.#wake?.();
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#incoming.byteLength === 0) {
      if (this.closed) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const part = this.#incoming.subarray(0, buffer.byteLength);
    buffer.set(part);
    this.#incoming = this.#incoming.subarray(part.byteLength);
    return part.byteLength;
  }

  write(bytes: Uint8Array): Promise<number> {
    this.onWrite();
    this.writtenBytes += bytes.length;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < bytes.byteLength; at += 4 + view.getInt32(at)) {
      this.answered.push({ correlationId: view.getInt32(at + 4), atMs: this.#env.mono() });
    }
    return Promise.resolve(bytes.byteLength);
  }

  close(): void {
    this.closed = true;
    this.#wake?.();
  }
}

function connect({ env, broker }: World): FakeConn {
  const conn = new FakeConn(env);
  const connection = new KafkaConnection({
    broker,
    conn,
    frameBytesMax: 10_000_000,
    requestCountMax: 100,
    replyBytesMax: limits.queuedReplyBytesPerConnectionMax,
    requestBytes: new ByteBudget(limits.inFlightRequestBytesMax),
    logLimiter: new LogLimiter(10),
  });
  void connection.serve();
  return conn;
}

Deno.test("a connection whose client is over its quota is not read for the time that it was told", async () => {
  for (const acks of [-1, 0]) {
    const world = await start();
    await createTopic(world, "orders");
    await setQuota(world, { "client-id": "slow" }, { producer_byte_rate: 10_000 });
    const slow = connect(world);
    const other = connect(world);
    const ask = { clientSoftwareName: "test", clientSoftwareVersion: "1" };
    slow.send(concat(encodeRequestFrame(produceApi, 12, 1, "slow", produceRequest(150_000, acks))));
    await settled(world.env, Promise.resolve());
    const fromMs = world.env.mono();
    slow.send(concat(encodeRequestFrame(apiVersions, 3, 2, "slow", ask)));
    other.send(concat(encodeRequestFrame(apiVersions, 3, 3, "other", ask)));
    await world.env.runUntilIdle();
    assert.deepEqual(slow.answered.map(({ correlationId }) => correlationId), acks === 0 ? [] : [1]);
    assert.deepEqual(other.answered.map(({ correlationId }) => correlationId), [3], "nobody else waits");
    await world.env.advance(4_000);
    assert.equal(slow.answered.some(({ correlationId }) => correlationId === 2), false);
    await world.env.advance(3_000);
    const [answer] = slow.answered.filter(({ correlationId }) => correlationId === 2);
    const waitedMs = (answer?.atMs ?? 0) - fromMs;
    assert.ok(waitedMs > 4_900 && waitedMs < 5_200, `150 kB at 10 kB/s over ten seconds: ${waitedMs} ms`);
    slow.close();
    other.close();
    await world.env.runUntilIdle();
  }
});

Deno.test("while there is no room for batches, only they wait, and whatever else is large", async () => {
  const world = await start();
  await createTopic(world, "orders");
  const ask = { clientSoftwareName: "test", clientSoftwareVersion: "1" };
  const answeredBy = (conn: FakeConn) => conn.answered.map(({ correlationId }) => correlationId);
  const { waitingBytes } = world.broker;
  waitingBytes.take(limits.waitingAppendBytesMax);
  const [producer, consumer, large] = [connect(world), connect(world), connect(world)];
  producer.send(concat(encodeRequestFrame(produceApi, 12, 1, "p", produceRequest(10, -1))));
  consumer.send(concat(encodeRequestFrame(apiVersions, 3, 2, "c", ask)));
  const name = "x".repeat(limits.lightRequestBytesMax);
  large.send(concat(encodeRequestFrame(apiVersions, 3, 3, "l", { ...ask, clientSoftwareName: name })));
  await world.env.runUntilIdle();
  assert.deepEqual([producer, consumer, large].map(answeredBy), [[], [2], []]);
  waitingBytes.give(1);
  await world.env.runUntilIdle();
  assert.deepEqual([producer, consumer, large].map(answeredBy), [[1], [2], [3]]);
  waitingBytes.give(limits.waitingAppendBytesMax - 1);
  assert.equal(waitingBytes.bytes, 0);
  for (const conn of [producer, consumer, large]) conn.close();
  await world.env.runUntilIdle();
});

Deno.test("what sending an answer takes of the thread counts for request_percentage, from the next request on", async () => {
  const world = await start();
  await setQuota(world, { "client-id": "c" }, { request_percentage: 1 });
  const conn = connect(world);
  const mono = world.env.mono.bind(world.env);
  let busyMs = 0;
  world.env.mono = () => mono() + busyMs;
  conn.onWrite = () => busyMs += 500;
  const ask = { clientSoftwareName: "test", clientSoftwareVersion: "1" };
  for (const id of [1, 2, 3]) {
    conn.send(concat(encodeRequestFrame(apiVersions, 3, id, "c", ask)));
    await world.env.runUntilIdle();
  }
  assert.deepEqual(conn.answered.map(({ correlationId }) => correlationId), [1, 2]);
  await world.env.advance(1_000);
  assert.deepEqual(conn.answered.map(({ correlationId }) => correlationId), [1, 2, 3]);
  conn.close();
  await world.env.runUntilIdle();
});

Deno.test("requests and answers of a connection are counted with their bytes", async () => {
  const world = await start();
  const conn = connect(world);
  const ask = { clientSoftwareName: "test", clientSoftwareVersion: "1" };
  const frame = concat(encodeRequestFrame(apiVersions, 3, 1, "c", ask));
  conn.send(frame);
  await world.env.runUntilIdle();
  const { kafkaReceivedBytes, kafkaSentBytes } = world.broker.metrics;
  const lines = [kafkaReceivedBytes, kafkaSentBytes].map((each) => openMetricsText([each.family()]));
  // The four bytes of its length are not the frame's.
  assert.match(lines[0] ?? "", new RegExp(`_total\\{api="ApiVersions"\\} ${frame.length - 4}\n`));
  assert.match(lines[1] ?? "", new RegExp(`_total\\{api="ApiVersions"\\} ${conn.writtenBytes}\n`));
  conn.close();
  await world.env.runUntilIdle();
});
