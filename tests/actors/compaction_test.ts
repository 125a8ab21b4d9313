/** Compaction through the actors on a memory store with segment files, under virtual time. */
import assert from "node:assert/strict";
import { CompactionSweep } from "../../actors/compaction.ts";
import { PARTITION_KIND } from "../../actors/kinds.ts";
import type { FetchResult, PartitionMessage } from "../../actors/messages/partition.ts";
import { partitionKey, partitionKind } from "../../actors/partition.ts";
import { ActorProbe, createTestbed } from "../../actors/runtime/testkit.ts";
import { emptyMetadataImage, type TopicImage } from "../../core/cluster/metadata_image.ts";
import type { CompactionSettings } from "../../core/partition/compaction.ts";
import { silentLogger } from "../../lib/log.ts";
import { buildBatch, iterateRecords, readBatchHeader } from "../../protocol/records/record_batch.ts";
import { FakeDisk } from "../../storage/fake_disk.ts";
import { MemoryStorage } from "../../storage/memory.ts";
import { SegmentStore } from "../../storage/segments.ts";
import { ShardStore } from "../../storage/shard.ts";
import { checkStorage } from "../../storage/storage_check.ts";

const TOPIC_ID = "3f0e8d4a-1b2c-4d5e-8f90-a1b2c3d4e5f6";
const HOUR_MS = 3_600_000;
const INTERVAL_MS = 15_000;

async function createWorld(settings: Partial<CompactionSettings> = {}) {
  const testbed = createTestbed();
  const { env, log, runtime } = testbed;
  const storage = new MemoryStorage();
  const disk = new FakeDisk();
  const segments = new SegmentStore({ files: disk.files, log: silentLogger, path: "data/segments" });
  const incarnation = "00000000-0000-4000-8000-000000000001";
  const opening = ShardStore.open({ storage, env, log, brokerId: 1, incarnation, segments });
  await env.runUntilIdle();
  const shards = await opening;
  runtime.register(partitionKind({ shards, tailCacheBytesMax: 1 << 20, leaderEpochOf: () => 0 }));
  const probe = new ActorProbe<PartitionMessage>(runtime, PARTITION_KIND, partitionKey(TOPIC_ID, 0));
  const topic = { name: "t", topicId: TOPIC_ID, partitions: [{}], configs: {} } as unknown as TopicImage;
  const sweep = new CompactionSweep({
    env,
    log,
    storage,
    metadata: () => ({ ...emptyMetadataImage, topicsById: new Map([[TOPIC_ID, topic]]) }),
    settings: () => ({
      minCleanableDirtyRatio: 0.5,
      minCompactionLagMs: 0,
      maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
      deleteRetentionMs: HOUR_MS,
      ...settings,
    }),
    partition: () => probe.ref,
    intervalMs: INTERVAL_MS,
    mapBytesMax: 1 << 20,
    producerExpirationMs: () => 24 * HOUR_MS,
  });
  async function done<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const settled = promise.finally(() => isDone = true);
    settled.catch(() => undefined);
    for (let i = 0; i < 100_000 && !isDone; i++) await env.advance(1);
    return await settled;
  }
  const produce = (
    records: readonly (readonly [key: string | null, value: string | null])[],
    requireKeys = true,
  ) => {
    const encoder = new TextEncoder();
    return done(probe.ref.ask({
      type: "produce",
      batch: buildBatch({
        records: records.map(([key, value]) => ({
          key: key === null ? null : encoder.encode(key),
          value: value === null ? null : encoder.encode(value),
          headers: [],
          timestamp: env.now(),
        })),
      }),
      maxMessageBytes: 1_048_588,
      timestampType: "CreateTime",
      requireKeys,
    }));
  };
  const fetch = (offset: number): Promise<FetchResult> =>
    done(probe.ref.ask({
      type: "fetch",
      offset,
      maxBytes: 1 << 24,
      minOneBatch: true,
      isolationLevel: "read_uncommitted",
      currentLeaderEpoch: -1,
    }));
  /** As a consumer reads: batch by batch, each fetch where the one before it ended. */
  async function consume(): Promise<Map<number, string>> {
    const found = new Map<number, string>();
    const { highWatermark } = await done(probe.ref.ask({ type: "describe" }));
    for (let offset = 0; offset < highWatermark;) {
      const { error, records } = await fetch(offset);
      assert.equal(error, "NONE");
      const decoder = new TextDecoder();
      for (const batch of records) {
        const { baseOffset, lastOffsetDelta } = readBatchHeader(batch);
        for (const { offset, key, value } of iterateRecords(batch)) {
          found.set(
            offset,
            `${decoder.decode(key ?? undefined)}=${value === null ? "none" : decoder.decode(value)}`,
          );
        }
        assert.ok(baseOffset + lastOffsetDelta + 1 > offset, "the consumer comes on");
        offset = baseOffset + lastOffsetDelta + 1;
      }
    }
    return found;
  }
  return { ...testbed, storage, disk, segments, probe, sweep, done, produce, fetch, consume };
}

Deno.test("a compacted log keeps the newest value of each key, at its offset, also for who reads meanwhile", async () => {
  const world = await createWorld();
  const expected = new Map<string, string>();
  for (let i = 0; i < 400; i++) {
    // Every fourth batch lies in a segment file.
    const size = i % 4 === 0 ? 40_000 : 10;
    await world.produce([[`k${i % 7}`, `${i} ${"x".repeat(size)}`], [`only ${i % 100}`, `${i}`]]);
    expected.set(`k${i % 7}`, `${2 * i} k${i % 7}=${i} ${"x".repeat(size)}`);
    expected.set(`only ${i % 100}`, `${2 * i + 1} only ${i % 100}=${i}`);
  }
  const sweeping = world.sweep.sweep();
  for (let i = 400; i < 410; i++) {
    await world.produce([[`late ${i}`, "1"]]);
    expected.set(`late ${i}`, `${800 + i - 400} late ${i}=1`);
    const meanwhile = await world.consume();
    for (const line of expected.values()) {
      const offset = Number(line.slice(0, line.indexOf(" ")));
      assert.equal(meanwhile.get(offset), line.slice(line.indexOf(" ") + 1));
    }
  }
  await world.done(sweeping);
  const found = await world.consume();
  assert.deepEqual(
    [...found].map(([offset, text]) => `${offset} ${text}`).toSorted(),
    [...expected.values()].toSorted(),
  );
  const { sizeBytes, highWatermark } = await world.done(world.probe.ref.ask({ type: "describe" }));
  assert.equal(highWatermark, 810);
  assert.ok(sizeBytes < 400_000, `${sizeBytes} bytes`);
  await world.env.advance(HOUR_MS);
  for await (const { faults } of checkStorage({ storage: world.storage, segments: world.segments })) {
    assert.deepEqual(faults, []);
  }
});

Deno.test("a log that is not dirty enough is not even opened, and is compacted when it is", async () => {
  const world = await createWorld();
  await world.produce([["a", "1"], ["b", "1"], ["c", "1"], ["d", "1"]]);
  await world.done(world.sweep.sweep());
  await world.produce([["a", "2"]]);
  await world.env.advance(HOUR_MS);
  assert.deepEqual(world.runtime.inspect(), []);
  await world.done(world.sweep.sweep());
  assert.deepEqual(world.runtime.inspect(), []);
  assert.equal((await world.consume()).size, 5);
  for (let i = 0; i < 10; i++) await world.produce([["a", String(i)]]);
  await world.done(world.sweep.sweep());
  assert.equal((await world.consume()).size, 4);
});

Deno.test("min.compaction.lag.ms keeps young records, max.compaction.lag.ms lets none wait for longer", async () => {
  const lagging = await createWorld({ minCompactionLagMs: HOUR_MS });
  await lagging.produce([["a", "1"]]);
  await lagging.produce([["a", "2"]]);
  await lagging.env.advance(HOUR_MS / 2);
  await lagging.produce([["a", "3"]]);
  await lagging.done(lagging.sweep.sweep());
  assert.equal((await lagging.consume()).size, 3);
  await lagging.env.advance(HOUR_MS / 2 + 1_000);
  await lagging.done(lagging.sweep.sweep());
  // The third one is too young to be held against the second.
  assert.deepEqual([...(await lagging.consume()).values()], ["a=2", "a=3"]);

  const hurried = await createWorld({ minCleanableDirtyRatio: 1, maxCompactionLagMs: HOUR_MS });
  await hurried.produce([["a", "1"]]);
  await hurried.produce([["a", "2"]]);
  await hurried.done(hurried.sweep.sweep());
  assert.equal((await hurried.consume()).size, 2);
  await hurried.env.advance(HOUR_MS + 1_000);
  await hurried.done(hurried.sweep.sweep());
  assert.deepEqual([...(await hurried.consume()).values()], ["a=2"]);
});

Deno.test("a tombstone is there for delete.retention.ms and then goes, though nothing else is written", async () => {
  const world = await createWorld();
  world.sweep.start();
  await world.produce([["a", "1"], ["b", "1"]]);
  await world.produce([["a", null]]);
  await world.env.advance(INTERVAL_MS * 4);
  assert.deepEqual([...(await world.consume()).values()], ["b=1", "a=none"]);
  await world.env.advance(HOUR_MS - INTERVAL_MS * 6);
  assert.deepEqual([...(await world.consume()).values()], ["b=1", "a=none"]);
  await world.env.advance(INTERVAL_MS * 8);
  assert.deepEqual([...(await world.consume()).values()], ["b=1"]);
  world.sweep.stop();
});

Deno.test("a compacted topic takes no record without a key", async () => {
  const world = await createWorld();
  const { error } = await world.produce([["a", "1"], [null, "2"]]);
  assert.equal(error, "INVALID_RECORD");
  assert.equal((await world.consume()).size, 0);
});

Deno.test("a log that cannot be read is left as it is, and looked at ever more rarely", async () => {
  const world = await createWorld();
  await world.produce([["a", "1"]]);
  await world.produce([["a", "2"]]);
  await world.env.advance(HOUR_MS);
  const index = world.storage.keys().find((key) => key[3] === "i" && key[4] === 1);
  assert.ok(index !== undefined);
  world.storage.tamper(index, (value) => value.with(value.length - 3, (value.at(-3) ?? 0) ^ 1));
  const commits = world.storage.commits.length;
  world.sweep.start();
  await world.env.advance(2 * HOUR_MS);
  // Openings of the log at most: nothing was deleted.
  assert.ok(world.storage.commits.slice(commits).every(({ mutations }) => mutations.length === 1));
  assert.ok(world.storage.commits.length - commits < 12, `${world.storage.commits.length - commits} commits`);
  assert.equal((await world.fetch(1)).error, "KAFKA_STORAGE_ERROR");
  world.sweep.stop();
});
