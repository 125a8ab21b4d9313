/** The partition actor on a memory store, under virtual time. */
import assert from "node:assert/strict";
import { PARTITION_KIND } from "../../actors/kinds.ts";
import type { FetchResult, PartitionMessage, ProduceResult } from "../../actors/messages/partition.ts";
import { partitionKey, partitionKind } from "../../actors/partition.ts";
import { ActorFailedError, ActorStoppedError } from "../../actors/runtime/errors.ts";
import { ActorProbe, createTestbed, type Testbed } from "../../actors/runtime/testkit.ts";
import type { AskOptions } from "../../actors/runtime/types.ts";
import { writeCrc } from "../../protocol/records/batch_header.ts";
import { buildBatch, readRecords } from "../../protocol/records/record_batch.ts";
import { MemoryStorage } from "../../storage/memory.ts";
import { ShardStore } from "../../storage/shard.ts";

const TOPIC_ID = "3f0e8d4a-1b2c-4d5e-8f90-a1b2c3d4e5f6";
/** Incarnations of the process. */
const FIRST = "00000000-0000-4000-8000-000000000001";
const SECOND = "00000000-0000-4000-8000-000000000002";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface World extends Testbed {
  readonly storage: MemoryStorage;
  readonly probe: ActorProbe<PartitionMessage>;
}

async function createWorld(
  { storage = new MemoryStorage(), tailCacheBytesMax = 1 << 20, exists = true, incarnation = FIRST } = {},
): Promise<World> {
  const testbed = createTestbed();
  const { env, log, runtime } = testbed;
  const opening = ShardStore.open({ storage, env, log, brokerId: 1, incarnation });
  await env.runUntilIdle();
  const shards = await opening;
  runtime.register(partitionKind({ shards, tailCacheBytesMax, leaderEpochOf: () => exists ? 0 : null }));
  const probe = new ActorProbe<PartitionMessage>(runtime, PARTITION_KIND, partitionKey(TOPIC_ID, 0));
  return { ...testbed, storage, probe };
}

interface BatchOptions {
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly timestamp?: number;
  readonly isTransactional?: boolean;
}

function batch(values: readonly string[], { timestamp = 1_000, ...producer }: BatchOptions = {}): Uint8Array {
  const records = values.map((value) => ({
    key: null,
    value: encoder.encode(value),
    headers: [],
    timestamp,
  }));
  return buildBatch({ records, ...producer });
}

function produce(
  { probe }: World,
  bytes: Uint8Array,
  timestampType: "CreateTime" | "LogAppendTime" = "CreateTime",
): Promise<ProduceResult> {
  return probe.ref.ask({
    type: "produce",
    batch: bytes,
    maxMessageBytes: 1_048_588,
    timestampType,
    requireKeys: false,
  });
}

function fetch(
  { probe }: World,
  offset: number,
  change: { maxBytes?: number; currentLeaderEpoch?: number } = {},
) {
  return probe.ref.ask({
    type: "fetch",
    offset,
    maxBytes: 1 << 20,
    minOneBatch: true,
    isolationLevel: "read_uncommitted",
    currentLeaderEpoch: -1,
    ...change,
  });
}

function awaitData({ probe }: World, offset: number, minBytes: number, options?: AskOptions) {
  const isolationLevel = "read_uncommitted";
  return probe.ref.ask({ type: "awaitData", offset, minBytes, isolationLevel }, options);
}

function values(result: FetchResult): string[] {
  return result.records.flatMap((bytes) => [...readRecords(bytes)])
    .map((record) => decoder.decode(record.value ?? new Uint8Array()));
}

/** Lets everything settle and returns what the promise came to. */
async function settled<T>(world: World, promise: Promise<T>): Promise<T> {
  await world.env.runUntilIdle();
  return await promise;
}

Deno.test("partition assigns consecutive offsets and gives back the records", async () => {
  const world = await createWorld();
  const results = await settled(
    world,
    Promise.all([produce(world, batch(["a", "b"])), produce(world, batch(["c"]))]),
  );
  assert.deepEqual(results.map((each) => [each.error, each.baseOffset]), [["NONE", 0], ["NONE", 2]]);
  const fetched = await settled(world, fetch(world, 0));
  assert.deepEqual(values(fetched), ["a", "b", "c"]);
  assert.equal(fetched.highWatermark, 3);
});

Deno.test("partition acknowledges nothing and shows nothing before the commit is durable", async () => {
  const world = await createWorld();
  await settled(world, produce(world, batch(["first"])));
  world.storage.next("hold");
  let acknowledged = false;
  const pending = produce(world, batch(["second"])).then(() => acknowledged = true);
  await world.env.runUntilIdle();
  assert.equal(acknowledged, false);
  assert.deepEqual(values(await settled(world, fetch(world, 0))), ["first"]);
  world.storage.releaseHeld();
  await settled(world, pending);
  assert.deepEqual(values(await settled(world, fetch(world, 0))), ["first", "second"]);
});

Deno.test("partition puts what arrives during a commit into the next one", async () => {
  const world = await createWorld();
  await settled(world, produce(world, batch(["open"])));
  const before = world.storage.commits.length;
  world.storage.next("hold");
  const all = Promise.all(["a", "b", "c", "d"].map((value) => produce(world, batch([value]))));
  await world.env.runUntilIdle();
  world.storage.releaseHeld();
  await settled(world, all);
  assert.ok(world.storage.commits.length - before <= 2, "four appends took more than two commits");
  assert.deepEqual(values(await settled(world, fetch(world, 1))), ["a", "b", "c", "d"]);
});

Deno.test("partition answers an idempotent producer's retry with the original offset", async () => {
  const world = await createWorld();
  const producer = { producerId: 7, producerEpoch: 0 };
  const first = await settled(world, produce(world, batch(["a"], { ...producer, baseSequence: 0 })));
  await settled(world, produce(world, batch(["b"], { ...producer, baseSequence: 1 })));
  const retry = await settled(world, produce(world, batch(["a"], { ...producer, baseSequence: 0 })));
  assert.deepEqual([retry.error, retry.baseOffset], ["NONE", first.baseOffset]);
  const gap = await settled(world, produce(world, batch(["d"], { ...producer, baseSequence: 3 })));
  assert.equal(gap.error, "OUT_OF_ORDER_SEQUENCE_NUMBER");
  assert.deepEqual(values(await settled(world, fetch(world, 0))), ["a", "b"]);
});

Deno.test("partition recognises a duplicate of a batch whose commit is still in flight", async () => {
  const world = await createWorld();
  await settled(world, produce(world, batch(["open"])));
  world.storage.next("hold");
  const copy = () => batch(["a"], { producerId: 7, producerEpoch: 0, baseSequence: 0 });
  const both = Promise.all([produce(world, copy()), produce(world, copy())]);
  await world.env.runUntilIdle();
  world.storage.releaseHeld();
  assert.deepEqual((await settled(world, both)).map((each) => each.baseOffset), [1, 1]);
  assert.deepEqual(values(await settled(world, fetch(world, 1))), ["a"]);
});

Deno.test("partition knows its producers and records after a crash", async () => {
  const world = await createWorld();
  const producer = { producerId: 7, producerEpoch: 2 };
  await settled(world, produce(world, batch(["a", "b"], { ...producer, baseSequence: 0 })));
  world.probe.crash();
  await world.env.advance(10_000);
  const retry = await settled(
    world,
    produce(world, batch(["a", "b"], { ...producer, baseSequence: 0 })),
  );
  assert.deepEqual([retry.error, retry.baseOffset], ["NONE", 0]);
  const next = await settled(world, produce(world, batch(["c"], { ...producer, baseSequence: 2 })));
  assert.equal(next.baseOffset, 2);
  assert.deepEqual(values(await settled(world, fetch(world, 0))), ["a", "b", "c"]);
});

Deno.test("partition keeps an acknowledged batch whose commit's reply was lost, once", async () => {
  for (const fate of ["throwAfter", "refuseAfter"] as const) {
    const world = await createWorld();
    await settled(world, produce(world, batch(["open"])));
    world.storage.next(fate);
    const pending = produce(world, batch(["a"]));
    await world.env.advance(20_000);
    assert.equal((await pending).baseOffset, 1, fate);
    assert.deepEqual(values(await settled(world, fetch(world, 0))), ["open", "a"], fate);
  }
});

Deno.test("partition fenced by a newer writer acknowledges nothing more and is not restarted", async () => {
  const world = await createWorld();
  await settled(world, produce(world, batch(["mine"])));
  const successor = await createWorld({ storage: world.storage.twin(), incarnation: SECOND });
  assert.equal((await settled(successor, produce(successor, batch(["theirs"])))).baseOffset, 1);
  const late = produce(world, batch(["late"]));
  const refused = assert.rejects(
    late,
    (error) => error instanceof ActorFailedError || error instanceof ActorStoppedError,
  );
  await world.env.advance(20_000);
  await refused;
  assert.equal(world.probe.inspect()?.status, "fenced");
  assert.deepEqual(values(await settled(successor, fetch(successor, 0))), ["mine", "theirs"]);
});

Deno.test("partition refuses damaged, oversized and transactional batches and writes nothing", async () => {
  const world = await createWorld();
  await settled(world, produce(world, batch(["open"])));
  const before = world.storage.commits.length;
  const damaged = batch(["a"]);
  damaged[damaged.length - 1] = (damaged[damaged.length - 1] ?? 0) ^ 1;
  assert.equal((await settled(world, produce(world, damaged))).error, "CORRUPT_MESSAGE");
  const tooLarge = world.probe.ref.ask({
    type: "produce",
    batch: batch(["a".repeat(200)]),
    maxMessageBytes: 100,
    timestampType: "CreateTime",
    requireKeys: false,
  });
  assert.equal((await settled(world, tooLarge)).error, "MESSAGE_TOO_LARGE");
  const transactional = batch(["t"], {
    producerId: 1,
    producerEpoch: 0,
    baseSequence: 0,
    isTransactional: true,
  });
  assert.equal((await settled(world, produce(world, transactional))).error, "INVALID_TXN_STATE");
  assert.equal(world.storage.commits.length, before);
});

Deno.test("partition refuses compressed bytes that nobody could read again", async () => {
  const world = await createWorld();
  await settled(world, produce(world, batch(["open"])));
  const before = world.storage.commits.length;
  for (const compression of ["gzip", "snappy", "lz4", "zstd"] as const) {
    const records = [{ key: null, value: encoder.encode("a".repeat(500)), headers: [], timestamp: 1 }];
    const junk = buildBatch({ records, compression });
    junk.fill(0x5a, junk.byteLength - 20);
    writeCrc(junk);
    assert.equal((await settled(world, produce(world, junk))).error, "CORRUPT_MESSAGE", compression);
    const whole = buildBatch({ records, compression });
    assert.equal((await settled(world, produce(world, whole))).error, "NONE", compression);
  }
  assert.equal(world.storage.commits.length, before + 4);
});

Deno.test("partition stamps records with its own clock under LogAppendTime", async () => {
  const world = await createWorld();
  const result = await settled(world, produce(world, batch(["a"], { timestamp: 5 }), "LogAppendTime"));
  assert.equal(result.logAppendTimeMs, world.env.now());
  const [bytes] = (await settled(world, fetch(world, 0))).records;
  assert.ok(bytes !== undefined);
  assert.equal([...readRecords(bytes)][0]?.timestamp, world.env.now());
});

Deno.test("partition answers offsets out of range and leader epochs as Kafka does", async () => {
  const world = await createWorld();
  await settled(world, produce(world, batch(["a"])));
  assert.equal((await settled(world, fetch(world, 2))).error, "OFFSET_OUT_OF_RANGE");
  assert.equal((await settled(world, fetch(world, -1))).error, "OFFSET_OUT_OF_RANGE");
  assert.deepEqual((await settled(world, fetch(world, 1))).records, []);
  assert.equal(
    (await settled(world, fetch(world, 0, { currentLeaderEpoch: 1 }))).error,
    "UNKNOWN_LEADER_EPOCH",
  );
});

Deno.test("partition reads from the log what the tail cache has dropped", async () => {
  const world = await createWorld({ tailCacheBytesMax: 1 });
  for (const value of ["a", "b", "c"]) await settled(world, produce(world, batch([value])));
  assert.deepEqual(values(await settled(world, fetch(world, 0))), ["a", "b", "c"]);
  assert.deepEqual(values(await settled(world, fetch(world, 0, { maxBytes: 1 }))), ["a"]);
});

Deno.test("partition wakes a waiting reader when enough is durable, and forgets one that left", async () => {
  const world = await createWorld();
  await settled(world, produce(world, batch(["open"])));
  const size = batch(["12345"]).byteLength;
  let woken = false;
  const waiting = awaitData(world, 1, size + 1).then(() => woken = true);
  const left = new AbortController();
  const abandoned = assert.rejects(awaitData(world, 1, 1, { signal: left.signal }));
  await world.env.runUntilIdle();
  assert.equal(world.probe.inspect()?.details.waiting, 2);
  left.abort();
  await abandoned;
  await settled(world, produce(world, batch(["12345"])));
  assert.equal(woken, false);
  assert.equal(world.probe.inspect()?.details.waiting, 1);
  await settled(world, produce(world, batch(["12345"])));
  assert.equal(await waiting, true);
});

Deno.test("partition finds offsets by timestamp and by Kafka's special values", async () => {
  const world = await createWorld();
  for (const timestamp of [100, 300, 200]) await settled(world, produce(world, batch(["x"], { timestamp })));
  const find = (timestamp: number) =>
    settled(
      world,
      world.probe.ref.ask({
        type: "listOffset",
        timestamp,
        isolationLevel: "read_uncommitted",
        currentLeaderEpoch: -1,
      }),
    );
  assert.equal((await find(-1)).offset, 3);
  assert.equal((await find(-2)).offset, 0);
  assert.deepEqual([(await find(-3)).offset, (await find(-3)).timestamp], [1, 300]);
  assert.deepEqual([(await find(150)).offset, (await find(150)).timestamp], [1, 300]);
  assert.equal((await find(301)).offset, -1);
});

Deno.test("partition names a record that is left when the one with the largest timestamp was deleted", async () => {
  const world = await createWorld();
  for (const timestamp of [100, 500, 200, 300]) {
    await settled(world, produce(world, batch(["x"], { timestamp })));
  }
  const newest = async () => {
    const { error, offset, timestamp } = await settled(
      world,
      world.probe.ref.ask({
        type: "listOffset",
        timestamp: -3,
        isolationLevel: "read_uncommitted",
        currentLeaderEpoch: -1,
      }),
    );
    return [error, offset, timestamp];
  };
  await settled(world, world.probe.ref.ask({ type: "deleteRecords", offset: 2 }));
  assert.deepEqual(await newest(), ["NONE", 3, 300]);
  await settled(world, world.probe.ref.ask({ type: "deleteRecords", offset: -1 }));
  assert.deepEqual(await newest(), ["NONE", -1, -1]);
});

Deno.test("partition that the metadata does not hold answers so and stores nothing", async () => {
  const world = await createWorld({ exists: false });
  const before = world.storage.commits.length;
  assert.equal((await settled(world, produce(world, batch(["a"])))).error, "UNKNOWN_TOPIC_OR_PARTITION");
  assert.equal((await settled(world, fetch(world, 0))).error, "UNKNOWN_TOPIC_OR_PARTITION");
  assert.equal(world.storage.commits.length, before);
});
