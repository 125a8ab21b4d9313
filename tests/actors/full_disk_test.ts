/** What a partition does while its store takes no writes, and when it takes them again. */
import assert from "node:assert/strict";
import { PARTITION_KIND } from "../../actors/kinds.ts";
import type { PartitionMessage } from "../../actors/messages/partition.ts";
import { partitionKey, partitionKind } from "../../actors/partition.ts";
import { ActorFailedError } from "../../actors/runtime/errors.ts";
import type { TestEnv } from "../../actors/runtime/test_env.ts";
import { ActorProbe, createTestbed, type Testbed } from "../../actors/runtime/testkit.ts";
import { buildBatch, readRecords } from "../../protocol/records/record_batch.ts";
import { FakeDisk } from "../../storage/fake_disk.ts";
import { MemoryStorage } from "../../storage/memory.ts";
import { SegmentStore } from "../../storage/segments.ts";
import { ShardStore } from "../../storage/shard.ts";

const TOPIC_ID = "3f0e8d4a-1b2c-4d5e-8f90-a1b2c3d4e5f6";
const LARGE_BYTES = 1_000;

interface World extends Testbed {
  readonly storage: MemoryStorage;
  readonly disk: FakeDisk;
  readonly shards: ShardStore;
  readonly probe: ActorProbe<PartitionMessage>;
}

async function createWorld(): Promise<World> {
  const testbed = createTestbed();
  const { env, log, runtime } = testbed;
  const storage = new MemoryStorage();
  const disk = new FakeDisk();
  const segments = new SegmentStore({ files: disk.files, log, path: "/data/segments", extentBytesMin: 500 });
  const incarnation = "00000000-0000-4000-8000-000000000001";
  const opening = ShardStore.open({
    storage,
    env,
    log,
    brokerId: 1,
    incarnation,
    segments,
    resolveMs: 2_000,
  });
  await env.runUntilIdle();
  const shards = await opening;
  runtime.register(partitionKind({ shards, tailCacheBytesMax: 0, leaderEpochOf: () => 0 }));
  const probe = new ActorProbe<PartitionMessage>(runtime, PARTITION_KIND, partitionKey(TOPIC_ID, 0));
  return { ...testbed, storage, disk, shards, probe };
}

function produce({ probe }: World, size: number) {
  const record = { key: null, value: new Uint8Array(size), headers: [], timestamp: 1 };
  return probe.ref.ask({
    type: "produce",
    batch: buildBatch({ records: [record] }),
    maxMessageBytes: 1_048_588,
    timestampType: "CreateTime",
    requireKeys: false,
  });
}

/** Lets everything settle and returns what the promise came to. */
async function settled<T>(env: TestEnv, promise: Promise<T>): Promise<T> {
  await env.runUntilIdle();
  return await promise;
}

async function countFrom({ probe }: World, offset: number): Promise<number> {
  const { error, records } = await probe.ref.ask({
    type: "fetch",
    offset,
    maxBytes: 1 << 20,
    minOneBatch: true,
    isolationLevel: "read_uncommitted",
    currentLeaderEpoch: -1,
  });
  assert.equal(error, "NONE");
  return records.reduce((sum, bytes) => sum + readRecords(bytes).length, 0);
}

for (const what of ["store", "segments"] as const) {
  Deno.test(`while the ${what} cannot be written, writes are refused, reads go on, and it ends by itself`, async () => {
    const world = await createWorld();
    const { env, storage, disk, shards, probe } = world;
    const size = what === "store" ? 10 : LARGE_BYTES;
    for (let i = 0; i < 3; i++) assert.equal((await settled(env, produce(world, size))).error, "NONE");
    const commitCount = storage.commits.length;
    storage.fateOf = () => what === "store" ? "throwBefore" : "apply";
    disk.fateOf = (call) => what === "segments" && !call.startsWith("open") ? "fail" : "ok";
    // Its outcome is not known to the client, which tries again.
    const inDoubt = assert.rejects(produce(world, size), ActorFailedError);
    await env.advance(5_000);
    await inDoubt;
    const refused = await settled(env, produce(world, size));
    assert.equal(refused.error, "KAFKA_STORAGE_ERROR");
    assert.match(refused.errorMessage ?? "", /takes? no/);
    assert.equal(await settled(env, countFrom(world, 1)), 2);
    assert.equal(probe.inspect()?.details["isReadOnly"], true);
    const waiting = probe.ref.ask(
      { type: "awaitData", offset: 3, minBytes: 1, isolationLevel: "read_uncommitted" },
      { deadlineMs: 300_000 },
    );
    await env.advance(60_000);
    assert.ok(storage.commits.length - commitCount < 200, "probes are paced");
    assert.notEqual(shards.health.fault, null);

    storage.fateOf = () => "apply";
    disk.fateOf = () => "ok";
    await env.advance(2_000);
    assert.equal(shards.health.fault, null);
    assert.equal(await settled(env, waiting), true);
    const result = await settled(env, produce(world, size));
    assert.deepEqual([result.error, result.baseOffset], ["NONE", 3]);
    assert.equal(await settled(env, countFrom(world, 0)), 4);
  });
}
