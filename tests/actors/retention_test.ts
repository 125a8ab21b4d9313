/** Retention and DeleteRecords on a memory store with segment files, under virtual time. */
import assert from "node:assert/strict";
import { PARTITION_KIND } from "../../actors/kinds.ts";
import type { FetchResult, PartitionMessage } from "../../actors/messages/partition.ts";
import { partitionKey, partitionKind } from "../../actors/partition.ts";
import { RetentionSweep } from "../../actors/retention.ts";
import { ActorProbe, createTestbed } from "../../actors/runtime/testkit.ts";
import { emptyMetadataImage, type TopicImage } from "../../core/cluster/metadata_image.ts";
import type { RetentionSettings } from "../../core/partition/retention.ts";
import { silentLogger } from "../../lib/log.ts";
import { buildBatch } from "../../protocol/records/record_batch.ts";
import { FakeDisk } from "../../storage/fake_disk.ts";
import { MemoryStorage } from "../../storage/memory.ts";
import { SegmentStore } from "../../storage/segments.ts";
import { ShardStore } from "../../storage/shard.ts";

const TOPIC_ID = "3f0e8d4a-1b2c-4d5e-8f90-a1b2c3d4e5f6";
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

async function createWorld(settings: Partial<RetentionSettings> | null) {
  const world = { settings };
  const testbed = createTestbed();
  const { env, log, runtime } = testbed;
  const storage = new MemoryStorage();
  const disk = new FakeDisk();
  const segments = new SegmentStore({ files: disk.files, log: silentLogger, path: "data/segments" });
  const incarnation = "00000000-0000-4000-8000-000000000001";
  const opening = ShardStore.open({ storage, env, log, brokerId: 1, incarnation, segments });
  await env.runUntilIdle();
  const shards = await opening;
  runtime.register(partitionKind({ shards, tailCacheBytesMax: 0, leaderEpochOf: () => 0 }));
  const probe = new ActorProbe<PartitionMessage>(runtime, PARTITION_KIND, partitionKey(TOPIC_ID, 0));
  const topic = () =>
    ({ name: "t", topicId: TOPIC_ID, partitions: [{}], configs: world.settings }) as unknown as TopicImage;
  const sweep = new RetentionSweep({
    env,
    log,
    storage,
    metadata: () => ({ ...emptyMetadataImage, topicsById: new Map([[TOPIC_ID, topic()]]) }),
    settings: ({ configs }) => configs && { retentionMs: -1, retentionBytes: -1, ...configs },
    partition: () => probe.ref,
    checkIntervalMs: 300_000,
  });
  async function done<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const settled = promise.finally(() => isDone = true);
    settled.catch(() => undefined);
    for (let i = 0; i < 100_000 && !isDone; i++) await env.advance(1);
    return await settled;
  }
  const produce = (valueBytes: number, timestamp = env.now()) =>
    done(probe.ref.ask({
      type: "produce",
      batch: buildBatch({
        records: [{ key: null, value: new Uint8Array(valueBytes), headers: [], timestamp }],
      }),
      maxMessageBytes: 1_048_588,
      timestampType: "CreateTime",
      requireKeys: false,
    }));
  const fetch = (offset: number): Promise<FetchResult> =>
    done(probe.ref.ask({
      type: "fetch",
      offset,
      maxBytes: 1 << 24,
      minOneBatch: true,
      isolationLevel: "read_uncommitted",
      currentLeaderEpoch: -1,
    }));
  const describe = () => done(probe.ref.ask({ type: "describe" }));
  return { ...testbed, world, storage, disk, probe, sweep, done, produce, fetch, describe };
}

function indexed(storage: MemoryStorage): number {
  return storage.keys().filter((key) => key[3] === "i").length;
}

Deno.test("with retention of two days a record is readable for two days, read or not, and gone after", async () => {
  const world = await createWorld({ retentionMs: 2 * DAY_MS });
  const { env, sweep } = world;
  sweep.start();
  const bornAt = env.now();
  await world.produce(100);
  await world.produce(50_000);
  assert.equal((await world.fetch(0)).records.length, 2);
  await env.advance(DAY_MS);
  await world.produce(100);
  await env.advance(bornAt + 2 * DAY_MS - env.now() - 1_000);
  assert.equal((await world.fetch(0)).records.length, 3);
  await env.advance(10 * 60_000);
  assert.equal((await world.fetch(0)).error, "OFFSET_OUT_OF_RANGE");
  assert.equal((await world.fetch(2)).records.length, 1);
  assert.equal((await world.describe()).logStartOffset, 2);
  assert.equal(indexed(world.storage), 1);
  assert.deepEqual(world.disk.paths, []);
  await env.advance(DAY_MS);
  const { logStartOffset, highWatermark, sizeBytes } = await world.describe();
  assert.deepEqual([logStartOffset, highWatermark, sizeBytes], [3, 3, 0]);
  sweep.stop();
});

Deno.test("retention by size keeps as many bytes as it must, in bounded steps, while appends go on", async () => {
  const world = await createWorld({ retentionBytes: 3_000_000 });
  const { sweep, storage } = world;
  for (let i = 0; i < 320; i++) await world.produce(20_000);
  const before = storage.commits.length;
  const sweeping = sweep.sweep();
  for (let i = 0; i < 10; i++) await world.produce(20_000);
  await world.done(sweeping);
  await world.done(sweep.sweep());
  const { sizeBytes, logStartOffset, highWatermark } = await world.describe();
  assert.ok(sizeBytes >= 3_000_000 && sizeBytes < 3_000_000 + 2 * 20_100, `${sizeBytes} bytes`);
  assert.equal(highWatermark, 330);
  assert.equal(indexed(storage), 330 - logStartOffset);
  assert.equal((await world.fetch(logStartOffset)).records.length, 330 - logStartOffset);
  assert.ok(storage.commits.slice(before).every(({ mutations }) => mutations.length < 420));
});

Deno.test("a setting that is changed while records go holds from the next step on", async () => {
  const { world, sweep, storage, done, produce, describe } = await createWorld({ retentionBytes: 1_000 });
  for (let i = 0; i < 320; i++) await produce(20_000);
  const commit = storage.commit.bind(storage);
  let commitCount = 0;
  storage.commit = (request) => {
    if (++commitCount === 3) world.settings = { retentionBytes: -1 };
    return commit(request);
  };
  await done(sweep.sweep());
  const { logStartOffset } = await describe();
  assert.ok(logStartOffset > 0 && logStartOffset < 300, `log start ${logStartOffset}`);
});

Deno.test("records without timestamps are kept for as long from their append on", async () => {
  const { env, sweep, produce, describe } = await createWorld({ retentionMs: 2 * DAY_MS });
  sweep.start();
  await produce(100, -1);
  await env.advance(DAY_MS);
  await produce(50_000, -1);
  await env.advance(DAY_MS - HOUR_MS);
  assert.equal((await describe()).logStartOffset, 0);
  await env.advance(2 * HOUR_MS);
  assert.equal((await describe()).logStartOffset, 1);
  await env.advance(DAY_MS);
  assert.equal((await describe()).logStartOffset, 2);
  sweep.stop();
});

Deno.test("a changed setting holds from the next look on", async () => {
  const { env, sweep, produce, describe, world } = await createWorld({ retentionMs: 30 * DAY_MS });
  sweep.start();
  for (let i = 0; i < 3; i++) await produce(100);
  await env.advance(DAY_MS);
  assert.equal((await describe()).logStartOffset, 0);
  world.settings = { retentionMs: HOUR_MS };
  await env.advance(10 * 60_000);
  assert.equal((await describe()).logStartOffset, 3);
  world.settings = null;
  await produce(100);
  await env.advance(DAY_MS);
  assert.equal((await describe()).logStartOffset, 3);
  sweep.stop();
});

Deno.test("a partition that retention has nothing to do with is not even opened", async () => {
  const world = await createWorld({ retentionMs: DAY_MS });
  await world.produce(100);
  await world.env.advance(HOUR_MS);
  assert.deepEqual(world.runtime.inspect(), []);
  await world.done(world.sweep.sweep());
  assert.deepEqual(world.runtime.inspect(), []);
});

Deno.test("deleteRecords raises the log start for good and refuses offsets above the high watermark", async () => {
  const world = await createWorld(null);
  const { probe, done } = world;
  for (let i = 0; i < 5; i++) await world.produce(i % 2 === 0 ? 100 : 40_000);
  const deleteRecords = (offset: number) => done(probe.ref.ask({ type: "deleteRecords", offset }));
  assert.deepEqual(await deleteRecords(6), { error: "OFFSET_OUT_OF_RANGE", lowWatermark: -1 });
  assert.deepEqual(await deleteRecords(-2), { error: "OFFSET_OUT_OF_RANGE", lowWatermark: -1 });
  assert.deepEqual(await deleteRecords(3), { error: "NONE", lowWatermark: 3 });
  assert.deepEqual(await deleteRecords(1), { error: "NONE", lowWatermark: 3 });
  assert.equal((await world.fetch(2)).error, "OFFSET_OUT_OF_RANGE");
  assert.equal((await world.fetch(3)).records.length, 2);
  await done(world.sweep.sweep());
  assert.equal(indexed(world.storage), 2);
  await world.env.advance(HOUR_MS);
  assert.equal((await world.describe()).logStartOffset, 3);
  assert.deepEqual(await deleteRecords(-1), { error: "NONE", lowWatermark: 5 });
  await done(world.sweep.sweep());
  assert.equal(indexed(world.storage), 0);
  assert.equal((await world.describe()).sizeBytes, 0);
  await world.produce(100);
  assert.equal((await world.fetch(5)).records.length, 1);
});
