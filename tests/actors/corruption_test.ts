/** What a damaged store costs: the fetch of the damaged batch, with one loud line, and nothing else. */
import assert from "node:assert/strict";
import { PARTITION_KIND } from "../../actors/kinds.ts";
import type { FetchResult, PartitionMessage } from "../../actors/messages/partition.ts";
import { partitionKey, partitionKind } from "../../actors/partition.ts";
import { ActorProbe, createTestbed } from "../../actors/runtime/testkit.ts";
import { silentLogger } from "../../lib/log.ts";
import { buildBatch, readBatchHeader } from "../../protocol/records/record_batch.ts";
import { FakeDisk } from "../../storage/fake_disk.ts";
import { MemoryStorage } from "../../storage/memory.ts";
import { SegmentStore } from "../../storage/segments.ts";
import { ShardStore } from "../../storage/shard.ts";

const TOPIC_ID = "3f0e8d4a-1b2c-4d5e-8f90-a1b2c3d4e5f6";

async function createWorld() {
  const { env, log, runtime } = createTestbed();
  const storage = new MemoryStorage();
  const disk = new FakeDisk();
  const segments = new SegmentStore({ files: disk.files, log: silentLogger, path: "data/segments" });
  const incarnation = "00000000-0000-4000-8000-000000000001";
  const opening = ShardStore.open({ storage, env, log, brokerId: 1, incarnation, segments });
  await env.runUntilIdle();
  const shards = await opening;
  runtime.register(partitionKind({ shards, tailCacheBytesMax: 0, leaderEpochOf: () => 0 }));
  const partitions = [0, 1].map((partition) =>
    new ActorProbe<PartitionMessage>(runtime, PARTITION_KIND, partitionKey(TOPIC_ID, partition)).ref
  );
  async function done<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const settled = promise.finally(() => isDone = true);
    settled.catch(() => undefined);
    for (let i = 0; i < 100_000 && !isDone; i++) await env.advance(1);
    return await settled;
  }
  const fetch = (offset: number, partition = 0): Promise<FetchResult> =>
    done((partitions[partition] as (typeof partitions)[0]).ask({
      type: "fetch",
      offset,
      maxBytes: 1 << 24,
      minOneBatch: true,
      isolationLevel: "read_uncommitted",
      currentLeaderEpoch: -1,
    }));
  for (const ref of partitions) {
    for (const valueBytes of [100, 40_000, 200, 50_000, 300, 45_000]) {
      const records = [{ key: null, value: new Uint8Array(valueBytes).fill(7), headers: [], timestamp: 1 }];
      await done(ref.ask({
        type: "produce",
        batch: buildBatch({ records }),
        maxMessageBytes: 1_048_588,
        timestampType: "CreateTime",
        requireKeys: false,
      }));
    }
  }
  /** Loud lines since the last call. */
  const errors = () => log.lines.splice(0).filter(({ level }) => level === "error");
  return { storage, disk, errors, fetch };
}

const offsets = ({ records }: FetchResult) => records.map((batch) => readBatchHeader(batch).baseOffset);

Deno.test("a flipped bit in the store or in a segment file fails the fetch of that batch alone, loudly", async () => {
  const { storage, disk, errors, fetch } = await createWorld();
  const index = storage.keys().find((key) => key[2] === 0 && key[3] === "i" && key[4] === 2);
  assert.ok(index !== undefined);
  storage.tamper(index, (value) => value.with(150, (value[150] ?? 0) ^ 1));
  const [file] = disk.paths.filter((path) => path.includes("-0/"));
  // In the third of the large batches, at offset 5.
  disk.tamper(file ?? "", (bytes) => bytes[100_000]! ^= 1);

  assert.deepEqual(offsets(await fetch(0)), [0, 1]);
  assert.deepEqual(errors(), []);
  for (const damaged of [2, 5]) {
    const { error, records } = await fetch(damaged);
    assert.deepEqual([error, records.length], ["KAFKA_STORAGE_ERROR", 0]);
    const lines = errors().map(({ message, fields }) => [message, fields.offset, fields.corrupt]);
    assert.deepEqual(lines, [["Cannot read the log", damaged, true]]);
  }
  assert.deepEqual(offsets(await fetch(3)), [3, 4]);
  assert.deepEqual(offsets(await fetch(0, 1)), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(errors(), []);
});

Deno.test("a damaged index entry fails the fetch of its batch alone, with one line each time", async () => {
  const { storage, errors, fetch } = await createWorld();
  const index = storage.keys().find((key) => key[2] === 0 && key[3] === "i" && key[4] === 3);
  assert.ok(index !== undefined);
  for (const at of [0, 1, 41, 57, 60]) {
    storage.tamper(index, (value) => value.with(at, (value[at] ?? 0) ^ 1));
    assert.deepEqual(offsets(await fetch(0)), [0, 1, 2]);
    assert.deepEqual(offsets(await fetch(2)), [2]);
    assert.deepEqual(offsets(await fetch(4)), [4, 5]);
    assert.deepEqual(errors(), []);
    assert.equal((await fetch(3)).error, "KAFKA_STORAGE_ERROR");
    assert.deepEqual(errors().map(({ message, fields }) => [message, fields.offset, fields.corrupt]), [
      ["Cannot read the log", 3, true],
    ]);
    storage.tamper(index, (value) => value.with(at, (value[at] ?? 0) ^ 1));
  }
  assert.deepEqual(offsets(await fetch(0, 1)), [0, 1, 2, 3, 4, 5]);
});
