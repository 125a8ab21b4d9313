/** What a partition remembers of its idempotent producers, and for how long; on a memory store, under virtual time. */
import assert from "node:assert/strict";
import { PARTITION_KIND, TRANSACTION_KIND } from "../../actors/kinds.ts";
import type { PartitionMessage } from "../../actors/messages/partition.ts";
import type { TransactionMessage } from "../../actors/messages/transaction.ts";
import { partitionKey, partitionKind } from "../../actors/partition.ts";
import { ProducerSweep } from "../../actors/producer_sweep.ts";
import { ActorProbe, createTestbed } from "../../actors/runtime/testkit.ts";
import { emptyMetadataImage, type TopicImage } from "../../core/cluster/metadata_image.ts";
import { PRODUCERS_MAX, PRODUCERS_NEW_MAX } from "../../core/partition/producer_expiry.ts";
import { buildBatch } from "../../protocol/records/record_batch.ts";
import { PartitionKeys } from "../../storage/keys/partition.ts";
import { encodeProducer } from "../../storage/keys/producer.ts";
import { MemoryStorage } from "../../storage/memory.ts";
import { ShardStore } from "../../storage/shard.ts";
import type { KvKey, StoredEntry } from "../../storage/storage.ts";

const TOPIC_ID = "3f0e8d4a-1b2c-4d5e-8f90-a1b2c3d4e5f6";
const HOUR_MS = 3_600_000;

/** Counts the reads of producers' states. */
class CountingStorage extends MemoryStorage {
  producerReads: number[] = [];

  override get(key: KvKey): Promise<StoredEntry | null> {
    if (key[0] === "p" && key[3] === "s") this.producerReads.push(key[4] as number);
    return super.get(key);
  }
}

async function createWorld(storage = new CountingStorage(), incarnation = 1) {
  const { env, log, runtime } = createTestbed();
  const opening = ShardStore.open({
    storage,
    env,
    log,
    brokerId: 1,
    incarnation: `00000000-0000-4000-8000-00000000000${incarnation}`,
  });
  await env.runUntilIdle();
  const shards = await opening;
  const verdicts: string[] = [];
  runtime.register(partitionKind({
    shards,
    tailCacheBytesMax: 1 << 20,
    leaderEpochOf: () => 0,
    producerExpirationMs: () => HOUR_MS,
  }));
  runtime.register<TransactionMessage, never>({
    kind: TRANSACTION_KIND,
    activate: () => ({ receive: (_, reply) => reply.sendNow({ error: verdicts.shift() ?? "NONE" }) }),
  });
  const probe = new ActorProbe<PartitionMessage>(runtime, PARTITION_KIND, partitionKey(TOPIC_ID, 0));
  const topic = { name: "t", topicId: TOPIC_ID, partitions: [{}], configs: {} } as unknown as TopicImage;
  const sweep = new ProducerSweep({
    env,
    log,
    storage,
    metadata: () => ({ ...emptyMetadataImage, topicsById: new Map([[TOPIC_ID, topic]]) }),
    partition: () => probe.ref,
    expirationMs: () => HOUR_MS,
  });
  const ask = (
    producerId: number,
    baseSequence: number,
    { isTransactional = false, isVersion2 = false } = {},
  ) =>
    probe.ref.ask({
      type: "produce",
      batch: buildBatch({
        records: [{ key: null, value: new Uint8Array(9), headers: [], timestamp: 1_000 }],
        producerId,
        producerEpoch: 0,
        baseSequence,
        isTransactional,
      }),
      maxMessageBytes: 1_048_588,
      timestampType: "CreateTime",
      requireKeys: false,
      transactionalId: isTransactional ? "t" : null,
      supportsEpochBump: isVersion2,
    });
  return {
    storage,
    env,
    probe,
    verdicts,
    ask,
    async produce(...args: Parameters<typeof ask>) {
      const pending = ask(...args);
      await env.runUntilIdle();
      const { error, baseOffset } = await pending;
      return error === "NONE" ? baseOffset : error;
    },
    async sweep() {
      let isDone = false;
      const swept = sweep.sweep().finally(() => isDone = true);
      while (!isDone) await env.advance(10);
      await swept;
    },
    remembered: () => storage.keys().filter((key) => key[0] === "p" && key[3] === "s").map((key) => key[4]),
  };
}

Deno.test("after a restart each active producer costs one read, however many there are", async () => {
  const before = await createWorld();
  for (let id = 1; id <= 50; id++) await before.produce(id, 0);
  before.storage.producerReads = [];
  const after = await createWorld(before.storage, 2);
  for (let sequence = 1; sequence <= 3; sequence++) {
    for (const id of [3, 30]) assert.equal(typeof await after.produce(id, sequence), "number");
  }
  assert.equal(await after.produce(3, 3), 54, "its duplicates are known");
  assert.deepEqual(after.storage.producerReads, [3, 30]);
});

Deno.test("after a commit of unknown outcome each active producer costs one read, and nothing is written twice", async () => {
  for (const [fate, offset] of [["throwAfter", 3], ["throwBefore", 3]] as const) {
    const world = await createWorld();
    for (const id of [1, 2, 3]) await world.produce(id, 0);
    world.storage.next(fate);
    const pending = world.ask(1, 1);
    await world.env.advance(20_000);
    await pending.catch(() => "the client does not know, and asks again");
    world.storage.producerReads = [];
    const again = await world.produce(1, 1);
    assert.equal(again, offset, fate);
    assert.equal(await world.produce(1, 2), offset + 1, fate);
    assert.equal(await world.produce(2, 1), offset + 2, fate);
    assert.ok(world.storage.producerReads.filter((id) => id === 1).length <= 1, fate);
    assert.ok(!world.storage.producerReads.includes(3), fate);
  }
});

Deno.test("producer.id.expiration.ms: an idle producer is forgotten at its time, swept or not", async () => {
  const world = await createWorld();
  await world.produce(1, 0);
  await world.env.advance(HOUR_MS - 1_000);
  assert.equal(await world.produce(1, 7), "OUT_OF_ORDER_SEQUENCE_NUMBER");
  await world.produce(2, 0);
  await world.env.advance(1_000);
  assert.equal(
    await world.produce(1, 7),
    2,
    "it may go on anywhere, as in Kafka, where its code is no UNKNOWN_PRODUCER_ID",
  );
  await world.env.advance(HOUR_MS - 500);
  await world.sweep();
  assert.deepEqual(world.remembered(), [1]);
  assert.equal(await world.produce(1, 8), 3);
});

Deno.test("a producer with an open transaction is not forgotten", async () => {
  const world = await createWorld();
  await world.produce(1, 0, { isTransactional: true });
  await world.env.advance(10 * HOUR_MS);
  await world.sweep();
  assert.deepEqual(world.remembered(), [1]);
  assert.equal(await world.produce(1, 5, { isTransactional: true }), "OUT_OF_ORDER_SEQUENCE_NUMBER");
  assert.equal(await world.produce(1, 1, { isTransactional: true }), 1);
});

Deno.test("a producer that writes while it is to be forgotten stays", async () => {
  const world = await createWorld();
  await world.produce(1, 0);
  await world.produce(2, 0);
  await world.env.advance(HOUR_MS);
  const victims = await Promise.all([
    world.probe.ref.ask({ type: "expireProducers" }),
    world.ask(1, 0),
    world.env.runUntilIdle(),
  ]);
  assert.equal(victims[0], true);
  assert.deepEqual(world.remembered(), [1]);
});

Deno.test("a partition keeps a bounded number of producers, those that wrote last", async () => {
  const storage = new CountingStorage();
  const world = await createWorld(storage);
  await world.produce(0, 0);
  const keys = new PartitionKeys(TOPIC_ID, 0);
  const batches = [{ baseSequence: 0, lastSequence: 0, baseOffset: 0, timestampMs: 0 }];
  const lastAppendMs = world.env.now() - 1_000;
  for (let id = 1; id < PRODUCERS_MAX; id += 500) {
    const mutations = Array.from({ length: 500 }, (_, i) => ({
      type: "set" as const,
      key: keys.producer(id + i),
      value: encodeProducer({ producerId: id + i, producerEpoch: 0, lastAppendMs, batches }),
    }));
    await storage.commit({ checks: [], mutations });
  }
  // As a flood of clients that each get a new id brings them.
  const pending: Promise<unknown>[] = [];
  for (let i = 0; i < PRODUCERS_NEW_MAX; i++) pending.push(world.ask(100_000 + i, 0));
  await world.env.runUntilIdle();
  await Promise.all(pending);
  const count = () => world.remembered().length;
  for (let i = 0; i < 5_000 && count() > PRODUCERS_MAX + 1; i++) await world.env.advance(1);
  assert.ok(count() <= PRODUCERS_MAX + 1, `it looked by itself, and keeps ${count()}`);
  await world.sweep();
  assert.equal(count(), PRODUCERS_MAX);
  assert.ok(world.remembered().includes(100_000));
});

Deno.test("transactions v2: an unknown producer begins at sequence 0, or is OUT_OF_ORDER_SEQUENCE_NUMBER", async () => {
  const world = await createWorld();
  const options = { isTransactional: true, isVersion2: true };
  assert.equal(await world.produce(1, 4, options), "OUT_OF_ORDER_SEQUENCE_NUMBER");
  assert.equal(await world.produce(1, 0, options), 0);
});

Deno.test("batches in flight behind one whose verification failed do not overtake it", async () => {
  const world = await createWorld();
  world.verdicts.push("CONCURRENT_TRANSACTIONS");
  const first = world.ask(1, 0, { isTransactional: true });
  const second = world.ask(1, 1, { isTransactional: true });
  await world.env.runUntilIdle();
  assert.equal((await first).error, "CONCURRENT_TRANSACTIONS");
  assert.equal((await second).error, "OUT_OF_ORDER_SEQUENCE_NUMBER");
  assert.equal(await world.produce(1, 0, { isTransactional: true }), 0);
  assert.equal(await world.produce(1, 1, { isTransactional: true }), 1);
});
