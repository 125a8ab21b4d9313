/** Batches that inflate to many bytes: accepted as others are, in their order, and nobody else waits for them. */
import assert from "node:assert/strict";
import { PARTITION_KIND } from "../../actors/kinds.ts";
import type { PartitionMessage, Produce, ProduceResult } from "../../actors/messages/partition.ts";
import { partitionKey, partitionKind } from "../../actors/partition.ts";
import { createTestbed, type Testbed } from "../../actors/runtime/testkit.ts";
import type { ActorRef, AskOptions } from "../../actors/runtime/types.ts";
import { limits } from "../../core/config/limits.ts";
import { type Compression, COMPRESSIONS } from "../../protocol/records/compression.ts";
import {
  buildBatch,
  type BuildBatchOptions,
  readBatchHeader,
  readRecords,
} from "../../protocol/records/record_batch.ts";
import { MemoryStorage } from "../../storage/memory.ts";
import { ShardStore } from "../../storage/shard.ts";

const TOPIC_ID = "3f0e8d4a-1b2c-4d5e-8f90-a1b2c3d4e5f6";
const MEGABYTE = 1024 * 1024;
const CODECS = COMPRESSIONS.filter((codec) => codec !== "none");

interface World extends Testbed {
  partition(index: number): ActorRef<PartitionMessage>;
}

async function createWorld(): Promise<World> {
  const testbed = createTestbed();
  const { env, log, runtime } = testbed;
  const incarnation = "00000000-0000-4000-8000-000000000001";
  const opening = ShardStore.open({ storage: new MemoryStorage(), env, log, brokerId: 1, incarnation });
  await env.runUntilIdle();
  runtime.register(
    partitionKind({ shards: await opening, tailCacheBytesMax: 1 << 22, leaderEpochOf: () => 0 }),
  );
  const partition = (index: number) =>
    runtime.ref<PartitionMessage>(PARTITION_KIND, partitionKey(TOPIC_ID, index));
  return { ...testbed, partition };
}

/** `count` records of the same text, `valueBytes` each. */
function batchOf(
  compression: Compression,
  count: number,
  valueBytes: number,
  options: Partial<BuildBatchOptions> = {},
): Uint8Array {
  const value = new TextEncoder().encode("the same again and again, ".repeat(valueBytes / 26));
  const records = Array.from({ length: count }, () => ({ key: null, value, headers: [], timestamp: 1_000 }));
  return buildBatch({ records, compression, ...options });
}

function produce(
  partition: ActorRef<PartitionMessage>,
  batch: Uint8Array,
  change: Partial<Produce> = {},
  options: AskOptions = {},
): Promise<ProduceResult> {
  return partition.ask({
    type: "produce",
    batch,
    maxMessageBytes: 8 * MEGABYTE,
    timestampType: "CreateTime",
    requireKeys: false,
    ...change,
  }, options);
}

async function settled<T>({ env }: World, promise: Promise<T>): Promise<T> {
  await env.runUntilIdle();
  return await promise;
}

async function firstBatch(world: World): Promise<Uint8Array> {
  const { records } = await settled(
    world,
    world.partition(0).ask({
      type: "fetch",
      offset: 0,
      maxBytes: 1,
      minOneBatch: true,
      isolationLevel: "read_uncommitted",
      currentLeaderEpoch: -1,
    }),
  );
  return records[0] ?? new Uint8Array();
}

for (const codec of CODECS) {
  Deno.test(`a ${codec} batch that inflates to 20 MB is stored as it was sent`, async () => {
    const world = await createWorld();
    const batch = batchOf(codec, 20, MEGABYTE);
    const sent = batch.slice();
    assert.ok(sent.length < 2 * MEGABYTE);
    const answer = await settled(world, produce(world.partition(0), batch));
    assert.deepEqual([answer.error, answer.baseOffset], ["NONE", 0]);
    const after = await settled(world, produce(world.partition(0), batchOf("none", 1, 26)));
    assert.deepEqual([after.error, after.baseOffset], ["NONE", 20]);
    const stored = await firstBatch(world);
    assert.deepEqual(stored.subarray(61), sent.subarray(61));
    assert.equal(readRecords(stored).length, 20);
  });

  Deno.test(`a batch of 20 MB is compressed with ${codec} where the topic wants that`, async () => {
    const world = await createWorld();
    const from = codec === "zstd" ? "gzip" : "zstd";
    const batch = batchOf(from, 20, MEGABYTE);
    const before = readRecords(batch).map(({ value }) => value?.length);
    assert.equal(
      (await settled(world, produce(world.partition(0), batch, { storedCompression: codec }))).error,
      "NONE",
    );
    const stored = await firstBatch(world);
    assert.equal(readBatchHeader(stored).compression, codec);
    assert.deepEqual(readRecords(stored, { checkCrc: true }).map(({ value }) => value?.length), before);
  });

  Deno.test(`a ${codec} batch beyond the bound is MESSAGE_TOO_LARGE`, async () => {
    const world = await createWorld();
    const batch = batchOf(codec, 1, limits.decompressedBatchBytesMax + MEGABYTE);
    const answer = await settled(world, produce(world.partition(0), batch));
    assert.deepEqual([answer.error, answer.baseOffset], ["MESSAGE_TOO_LARGE", -1]);
    assert.equal((await settled(world, produce(world.partition(0), batchOf("none", 1, 26)))).baseOffset, 0);
  });
}

Deno.test("what is wrong far behind in a large batch is found", async () => {
  const world = await createWorld();
  const records = Array.from({ length: 100_000 }, (_, i) => ({
    key: i === 99_999 ? null : Uint8Array.of(1),
    value: new Uint8Array(50),
    headers: [],
    timestamp: 1_000,
  }));
  const batch = buildBatch({ records, compression: "gzip" });
  const answer = await settled(world, produce(world.partition(0), batch, { requireKeys: true }));
  assert.equal(answer.error, "INVALID_RECORD");
  assert.deepEqual(answer.recordFaults?.map(({ index }) => index), [99_999]);
});

/** Lets each look at the clock take so long that a slice is used up; `onRest` is called at every rest. */
function slowClock({ env }: World, onRest: () => void = () => {}): void {
  const [mono, sleep] = [env.mono.bind(env), env.sleep.bind(env)];
  let ticks = 0;
  env.mono = () => mono() + 10 * ++ticks;
  env.sleep = (ms, signal) => {
    onRest();
    return sleep(ms, signal);
  };
}

const small = (options: Partial<BuildBatchOptions> = {}) => batchOf("none", 1, 26, options);
const large = (options: Partial<BuildBatchOptions> = {}) => batchOf("gzip", 20, MEGABYTE, options);

/** A world whose first partitions are awake. */
async function createAwakeWorld(): Promise<World> {
  const world = await createWorld();
  for (const index of [0, 1]) await settled(world, produce(world.partition(index), small()));
  return world;
}

Deno.test("while a large batch is looked at others are served, and its own partition keeps the order", async () => {
  const world = await createAwakeWorld();
  slowClock(world);
  const answered: string[] = [];
  const note = (name: string, asked: Promise<ProduceResult>) =>
    asked.then(({ error, baseOffset }) => void answered.push(`${name} ${error} ${baseOffset}`));
  const all = Promise.all([
    note("large", produce(world.partition(0), large())),
    note("behind it", produce(world.partition(0), small())),
    note("elsewhere", produce(world.partition(1), small())),
  ]);
  await settled(world, all);
  assert.deepEqual(answered, ["elsewhere NONE 1", "large NONE 1", "behind it NONE 21"]);
});

Deno.test("large and small batches of one idempotent producer keep their sequence, and a repetition is known", async () => {
  const world = await createAwakeWorld();
  slowClock(world);
  const producer = { producerId: 7, producerEpoch: 0 };
  const batches = () => [
    large({ ...producer, baseSequence: 0 }),
    small({ ...producer, baseSequence: 20 }),
    large({ ...producer, baseSequence: 21 }),
    small({ ...producer, baseSequence: 41 }),
  ];
  for (const _attempt of ["the first", "again"]) {
    const answers = await settled(
      world,
      Promise.all(batches().map((batch) => produce(world.partition(0), batch))),
    );
    assert.deepEqual(answers.map(({ error }) => error), Array(4).fill("NONE"));
    assert.deepEqual(answers.map(({ baseOffset }) => baseOffset), [1, 21, 22, 42]);
  }
});

for (const when of ["before its turn", "while it is looked at"] as const) {
  Deno.test(`a large batch whose producer gives up ${when} is not stored, and its bytes are let go`, async () => {
    const world = await createAwakeWorld();
    const gone = new AbortController();
    let rests = 0;
    slowClock(world, () => void (++rests === 2 && gone.abort(new Error("gone"))));
    const first = when === "before its turn" ? produce(world.partition(0), large()) : null;
    const { signal } = gone;
    const refused = assert.rejects(produce(world.partition(1), large(), {}, { signal }), /gone/);
    const behind = produce(world.partition(1), small());
    assert.equal((await settled(world, behind)).baseOffset, 1);
    await refused;
    if (first !== null) assert.equal((await first).error, "NONE");
    assert.ok(rests >= 2);
    assert.equal(world.runtime.waitingBytes.bytes, 0);
  });
}

Deno.test("a partition that fails while a large batch is looked at begins anew without it", async () => {
  const world = await createAwakeWorld();
  const { address } = world.partition(0);
  let rests = 0;
  slowClock(world, () => void (++rests === 2 && world.runtime.crash(address, new Error("Crashed"))));
  const refused = assert.rejects(produce(world.partition(0), large()), /Crashed/);
  const behind = produce(world.partition(0), small());
  await world.env.advance(60_000);
  await refused;
  assert.equal((await behind).baseOffset, 1);
  assert.equal(world.runtime.waitingBytes.bytes, 0);
});

Deno.test("a drain waits for the large batch that is looked at", async () => {
  const world = await createAwakeWorld();
  let rests = 0;
  let drained: Promise<{ abandoned: number }> | null = null;
  slowClock(world, () => void (++rests === 2 && (drained = world.runtime.drain())));
  assert.equal((await settled(world, produce(world.partition(0), large()))).error, "NONE");
  assert.ok(drained);
  assert.deepEqual(await settled(world, drained), { drained: 2, abandoned: 0 });
});
