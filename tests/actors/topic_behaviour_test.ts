/** What a topic's settings do to the batches that are produced to it, through the handlers, under virtual time. */
import assert from "node:assert/strict";
import { errorName } from "../../protocol/errors.ts";
import { produce as produceApi } from "../../protocol/messages/00_produce.ts";
import { fetchApi } from "../../protocol/messages/01_fetch.ts";
import { createTopics } from "../../protocol/messages/19_create_topics.ts";
import {
  buildBatch,
  type Compression,
  readBatchHeader,
  readRecords,
} from "../../protocol/records/record_batch.ts";
import { call } from "../handler_call.ts";
import { start, type World } from "../local_world.ts";

async function topicWith(world: World, configs: Record<string, string>): Promise<void> {
  const answer = await call(world, createTopics, {
    topics: [{
      name: "orders",
      numPartitions: 1,
      replicationFactor: 1,
      assignments: [],
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
    }],
    timeoutMs: 1_000,
    validateOnly: false,
  });
  assert.equal(answer.topics[0]?.errorCode, 0);
}

/** In version 12, which names topics. */
async function produce(world: World, records: Uint8Array, apiVersion = 12) {
  const request = {
    acks: -1,
    timeoutMs: 1_000,
    topicData: [{ name: "orders", partitionData: [{ index: 0, records }] }],
  };
  const answer = await call(world, produceApi, request, apiVersion);
  const partition = answer.responses[0]?.partitionResponses[0];
  assert.ok(partition !== undefined);
  return { ...partition, error: errorName(partition.errorCode) };
}

async function stored(world: World): Promise<Uint8Array> {
  const answer = await call(world, fetchApi, {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1_000_000,
    topics: [{
      topic: "orders",
      partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }],
    }],
    forgottenTopicsData: [],
  }, 12);
  return answer.responses[0]?.partitions[0]?.records ?? new Uint8Array();
}

function batchOf(timestamps: readonly number[], compression: Compression = "none", key = true) {
  return buildBatch({
    records: timestamps.map((timestamp, index) => ({
      key: key ? Uint8Array.of(1) : null,
      value: new Uint8Array(50).fill(index),
      headers: [],
      timestamp,
    })),
    compression,
  });
}

Deno.test("compression.type decides the codec in which batches are stored", async () => {
  for (const type of ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"] as const) {
    for (const sent of ["none", "gzip", "zstd"] as const) {
      const world = await start();
      await topicWith(world, { "compression.type": type });
      const batch = batchOf([5, 9, 7], sent);
      assert.equal((await produce(world, batch.slice())).error, "NONE");
      const found = await stored(world);
      const wanted = type === "producer" ? sent : type === "uncompressed" ? "none" : type;
      assert.equal(readBatchHeader(found).compression, wanted, `${sent} into ${type}`);
      if (wanted === sent) assert.equal(found.length, batch.length);
      const values = (bytes: Uint8Array) =>
        readRecords(bytes).map(({ value, timestamp }) => [value, timestamp]);
      assert.deepEqual(values(found), values(batch));
    }
  }
});

Deno.test("max.message.bytes holds for the batch as sent and as stored", async () => {
  const batch = batchOf([1, 2, 3], "gzip");
  for (
    const [limit, type, error] of [
      [batch.length, "producer", "NONE"],
      [batch.length - 1, "producer", "MESSAGE_TOO_LARGE"],
      [batch.length, "uncompressed", "MESSAGE_TOO_LARGE"],
    ] as const
  ) {
    const world = await start();
    await topicWith(world, { "max.message.bytes": String(limit), "compression.type": type });
    const answer = await produce(world, batch.slice());
    assert.equal(answer.error, error, `${limit} ${type}`);
    assert.equal(answer.logStartOffset, error === "NONE" ? 0 : -1);
  }
});

Deno.test("timestamps out of bounds are refused by record, unless the append's time counts", async () => {
  const world = await start();
  await topicWith(world, {
    "message.timestamp.before.max.ms": "1000",
    "message.timestamp.after.max.ms": "500",
  });
  const now = world.env.now();
  assert.equal((await produce(world, batchOf([now - 999, now + 499, -1]))).error, "NONE");
  const late = await produce(world, batchOf([now, now + 10_000, now - 10_000], "gzip"));
  assert.equal(late.error, "INVALID_TIMESTAMP");
  assert.deepEqual(late.recordErrors.map(({ batchIndex }) => batchIndex), [1, 2]);
  assert.match(late.recordErrors[0]?.batchIndexErrorMessage ?? "", /out of range/);
  const byAppend = await start();
  await topicWith(byAppend, {
    "message.timestamp.before.max.ms": "1000",
    "message.timestamp.type": "LogAppendTime",
    "compression.type": "lz4",
  });
  const appended = await produce(byAppend, batchOf([1, 2], "gzip"));
  assert.deepEqual([appended.error, appended.logAppendTimeMs], ["NONE", byAppend.env.now()]);
  const found = readBatchHeader(await stored(byAppend));
  assert.deepEqual([found.timestampType, found.compression, found.maxTimestamp], [
    "LogAppendTime",
    "lz4",
    byAppend.env.now(),
  ]);
});

Deno.test("an hour ahead is the default bound of timestamps, and the past has none", async () => {
  const world = await start();
  await topicWith(world, {});
  const now = world.env.now();
  assert.equal((await produce(world, batchOf([0, now + 3_599_000]))).error, "NONE");
  assert.equal((await produce(world, batchOf([now + 3_700_000]))).error, "INVALID_TIMESTAMP");
});

Deno.test("a compacted topic names the records without a key; zstd needs version 7", async () => {
  const world = await start();
  await topicWith(world, { "cleanup.policy": "compact" });
  const refused = await produce(world, batchOf([1, 2], "none", false));
  assert.equal(refused.error, "INVALID_RECORD");
  assert.deepEqual(refused.recordErrors.map(({ batchIndex }) => batchIndex), [0, 1]);
  assert.equal((await produce(world, batchOf([1], "zstd"), 6)).error, "UNSUPPORTED_COMPRESSION_TYPE");
  assert.equal((await produce(world, batchOf([1], "zstd"), 7)).error, "NONE");
});
