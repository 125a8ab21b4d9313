/** Transactions in the partition actor, with a coordinator that says what the test wants, under virtual time. */
import assert from "node:assert/strict";
import { PARTITION_KIND, TRANSACTION_KIND } from "../../actors/kinds.ts";
import type { IsolationLevel, PartitionMessage } from "../../actors/messages/partition.ts";
import type { TransactionMessage } from "../../actors/messages/transaction.ts";
import { partitionKey, partitionKind } from "../../actors/partition.ts";
import { ActorProbe, createTestbed } from "../../actors/runtime/testkit.ts";
import type { ActorKind } from "../../actors/runtime/types.ts";
import { readControlBatch } from "../../protocol/records/control_record.ts";
import { buildBatch, readBatchHeader } from "../../protocol/records/record_batch.ts";
import { PRODUCERS_MAX } from "../../core/partition/producer_expiry.ts";
import { PartitionKeys } from "../../storage/keys/partition.ts";
import { encodeProducer } from "../../storage/keys/producer.ts";
import { MemoryStorage } from "../../storage/memory.ts";
import { ShardStore } from "../../storage/shard.ts";

const TOPIC_ID = "3f0e8d4a-1b2c-4d5e-8f90-a1b2c3d4e5f6";
const PRODUCER = 70;

/** Answers every verification from `answers`, NONE when that is empty. */
function coordinatorKind(answers: string[], asked: unknown[]): ActorKind<TransactionMessage, never> {
  return {
    kind: TRANSACTION_KIND,
    activate: () => ({
      receive(message, reply) {
        asked.push(message);
        reply.sendNow({ error: answers.shift() ?? "NONE" });
      },
    }),
  };
}

async function createWorld(storage = new MemoryStorage(), incarnation = 1) {
  const testbed = createTestbed();
  const { env, log, runtime } = testbed;
  const opening = ShardStore.open({
    storage,
    env,
    log,
    brokerId: 1,
    incarnation: `00000000-0000-4000-8000-00000000000${incarnation}`,
  });
  await env.runUntilIdle();
  const shards = await opening;
  const answers: string[] = [];
  const asked: unknown[] = [];
  runtime.register(partitionKind({ shards, tailCacheBytesMax: 1 << 20, leaderEpochOf: () => 0 }));
  runtime.register(coordinatorKind(answers, asked));
  const probe = new ActorProbe<PartitionMessage>(runtime, PARTITION_KIND, partitionKey(TOPIC_ID, 0));
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    await env.runUntilIdle();
    return await promise;
  };
  return {
    storage,
    answers,
    asked,
    probe,
    env,
    produce(
      baseSequence: number,
      {
        producerEpoch = 0,
        producerId = PRODUCER,
        isTransactional = true,
        transactionalId = "t" as string | null,
      } = {},
    ) {
      const records = [{ key: null, value: new Uint8Array(9), headers: [], timestamp: 1_000 }];
      const sequence = producerId < 0 ? {} : { producerId, producerEpoch, baseSequence };
      return settled(probe.ref.ask({
        type: "produce",
        batch: buildBatch({ records, isTransactional, ...sequence }),
        maxMessageBytes: 1_048_588,
        timestampType: "CreateTime",
        requireKeys: false,
        transactionalId,
      }));
    },
    mark(committed: boolean, { producerEpoch = 1, coordinatorEpoch = 1, producerId = PRODUCER } = {}) {
      const type = "writeMarker";
      return settled(probe.ref.ask({ type, producerId, producerEpoch, coordinatorEpoch, committed }))
        .then(({ error }) => error);
    },
    fetch(offset: number, isolationLevel: IsolationLevel) {
      return settled(probe.ref.ask({
        type: "fetch",
        offset,
        maxBytes: 1 << 20,
        minOneBatch: true,
        isolationLevel,
        currentLeaderEpoch: -1,
      }));
    },
    latest(isolationLevel: IsolationLevel) {
      const type = "listOffset";
      return settled(probe.ref.ask({ type, timestamp: -1, isolationLevel, currentLeaderEpoch: -1 }))
        .then(({ offset }) => offset);
    },
  };
}

Deno.test("a transaction is read by read_committed when it has committed, not before", async () => {
  const world = await createWorld();
  assert.equal((await world.produce(0)).baseOffset, 0);
  assert.equal((await world.produce(1)).baseOffset, 1);
  assert.equal(world.asked.length, 1, "only the first batch is verified");
  const open = await world.fetch(0, "read_committed");
  assert.deepEqual([open.records.length, open.lastStableOffset, open.highWatermark], [0, 0, 2]);
  assert.equal((await world.fetch(0, "read_uncommitted")).records.length, 2);
  assert.deepEqual([await world.latest("read_committed"), await world.latest("read_uncommitted")], [0, 2]);
  assert.equal(await world.mark(true), "NONE");
  const done = await world.fetch(0, "read_committed");
  assert.deepEqual([done.records.length, done.lastStableOffset, done.abortedTransactions], [3, 3, []]);
  const marker = done.records[2] as Uint8Array;
  assert.deepEqual(readControlBatch(marker), { type: "COMMIT", coordinatorEpoch: 1 });
  const header = readBatchHeader(marker);
  assert.deepEqual([header.baseOffset, header.producerId, header.producerEpoch], [2, PRODUCER, 1]);
});

Deno.test("an aborted transaction is named to read_committed readers, to others not", async () => {
  const world = await createWorld();
  await world.produce(0, { producerId: -1, isTransactional: false });
  await world.produce(0);
  await world.mark(false);
  const { abortedTransactions, records } = await world.fetch(0, "read_committed");
  assert.equal(records.length, 3);
  const [aborted] = abortedTransactions;
  assert.deepEqual([aborted?.producerId, aborted?.firstOffset, abortedTransactions.length], [PRODUCER, 1, 1]);
  assert.deepEqual((await world.fetch(0, "read_uncommitted")).abortedTransactions, []);
  assert.deepEqual((await world.fetch(3, "read_committed")).abortedTransactions, [], "behind the marker");
});

for (const source of ["the tail cache", "storage"]) {
  Deno.test(`aborted records from ${source} never go out unnamed when they are deleted meanwhile`, async () => {
    const before = await createWorld();
    for (const sequence of [0, 1, 2]) await before.produce(sequence);
    await before.mark(false);
    await before.produce(0, { producerId: -1, isTransactional: false });
    const world = source === "storage" ? await createWorld(before.storage, 2) : before;
    const { storage, probe } = world;
    assert.equal((await world.fetch(0, "read_committed")).abortedTransactions.length, 1);
    const list = storage.list.bind(storage);
    let isDeleted = false;
    storage.list = async (range, options) => {
      if (!isDeleted && range.start[3] === "a") {
        isDeleted = true;
        await probe.ref.ask({ type: "deleteRecords", offset: 4 });
        while (await probe.ref.ask({ type: "clean", retentionMs: -1, retentionBytes: -1 }));
      }
      return await list(range, options);
    };
    const { error, records, logStartOffset } = await world.fetch(0, "read_committed");
    assert.deepEqual([isDeleted, error, records, logStartOffset], [true, "OFFSET_OUT_OF_RANGE", [], 4]);
    assert.equal((await world.fetch(4, "read_committed")).records.length, 1);
  });
}

Deno.test("open transactions, the aborted index and fencing survive a restart", async () => {
  const before = await createWorld();
  await before.produce(0);
  await before.mark(false, { coordinatorEpoch: 5 });
  await before.produce(0, { producerEpoch: 1 });
  const after = await createWorld(before.storage, 2);
  const fetched = await after.fetch(0, "read_committed");
  assert.deepEqual([fetched.lastStableOffset, fetched.abortedTransactions.length], [2, 1]);
  assert.equal(
    await after.mark(true, { coordinatorEpoch: 4, producerEpoch: 2 }),
    "TRANSACTION_COORDINATOR_FENCED",
  );
  assert.equal(await after.mark(true, { coordinatorEpoch: 5, producerEpoch: 2 }), "NONE");
  assert.equal((await after.fetch(0, "read_committed")).lastStableOffset, 4);
  const late = await after.produce(1, { producerEpoch: 1 });
  assert.equal(late.error, "INVALID_PRODUCER_EPOCH");
});

Deno.test("a marker that comes again writes nothing", async () => {
  const world = await createWorld();
  await world.produce(0);
  for (let i = 0; i < 3; i++) assert.equal(await world.mark(true), "NONE");
  assert.equal(await world.latest("read_uncommitted"), 2);
  assert.equal(await world.mark(true, { producerId: 71 }), "NONE", "for a producer that wrote nothing");
  assert.equal(await world.latest("read_uncommitted"), 2);
});

Deno.test("a marker waits for the data before it, and its answer for its own commit", async () => {
  const world = await createWorld();
  await world.produce(0, { producerId: -1, isTransactional: false });
  world.storage.next("hold");
  const type = "writeMarker";
  let isAnswered = false;
  const produced = world.produce(0);
  const marked = world.probe.ref.ask({
    type,
    producerId: PRODUCER,
    producerEpoch: 1,
    coordinatorEpoch: 1,
    committed: true,
  });
  void marked.then(() => isAnswered = true);
  await world.env.runUntilIdle();
  assert.equal(isAnswered, false);
  assert.equal((await world.fetch(0, "read_uncommitted")).highWatermark, 1);
  world.storage.releaseHeld();
  await world.env.runUntilIdle();
  assert.equal((await produced).error, "NONE");
  assert.equal((await marked).error, "NONE");
});

Deno.test("a batch whose transaction is not open is refused and nothing is written", async () => {
  const world = await createWorld();
  const cases: [verified: string, answered: string][] = [
    ["TRANSACTION_ABORTABLE", "TRANSACTION_ABORTABLE"],
    ["CONCURRENT_TRANSACTIONS", "CONCURRENT_TRANSACTIONS"],
    ["INVALID_PRODUCER_ID_MAPPING", "INVALID_PRODUCER_ID_MAPPING"],
    ["PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH"],
  ];
  for (const [verified, answered] of cases) {
    world.answers.push(verified);
    assert.equal((await world.produce(0)).error, answered);
  }
  assert.equal((await world.produce(0, { transactionalId: null })).error, "INVALID_TXN_STATE");
  assert.equal(await world.latest("read_uncommitted"), 0);
});

Deno.test("nothing but its own batches enters a producer's open transaction; duplicates are answered", async () => {
  const world = await createWorld();
  await world.produce(0);
  assert.equal((await world.produce(1, { isTransactional: false })).error, "INVALID_TXN_STATE");
  assert.equal((await world.produce(0, { producerEpoch: 1 })).error, "INVALID_TXN_STATE");
  assert.equal((await world.produce(0)).baseOffset, 0, "a duplicate");
  assert.equal((await world.produce(5)).error, "OUT_OF_ORDER_SEQUENCE_NUMBER");
  assert.equal(await world.latest("read_uncommitted"), 1);
});

Deno.test("with the epoch of the marker the sequences start again; older clients go on with theirs", async () => {
  const world = await createWorld();
  await world.produce(0);
  await world.mark(true, { producerEpoch: 0 });
  assert.equal((await world.produce(0)).baseOffset, 0, "a duplicate after its transaction");
  assert.equal((await world.produce(1)).baseOffset, 2);
  await world.mark(true, { producerEpoch: 1 });
  assert.equal((await world.produce(2, { producerEpoch: 1 })).error, "OUT_OF_ORDER_SEQUENCE_NUMBER");
  assert.equal((await world.produce(0, { producerEpoch: 1 })).baseOffset, 4);
});

Deno.test("who waits for committed data is woken by the marker", async () => {
  const world = await createWorld();
  let isWoken = false;
  const waiting = world.probe.ref.ask({
    type: "awaitData",
    offset: 0,
    minBytes: 1,
    isolationLevel: "read_committed",
  }, { deadlineMs: 60_000 }).then(() => isWoken = true);
  await world.produce(0);
  assert.equal(isWoken, false);
  await world.mark(true);
  await waiting;
  assert(isWoken);
});

Deno.test("a hanging transaction is described first, among however many producers with lower ids", async () => {
  const world = await createWorld();
  const keys = new PartitionKeys(TOPIC_ID, 0);
  const idle = { producerEpoch: 0, lastAppendMs: 1, batches: [] };
  await world.produce(0, { producerId: 90_000 });
  await world.produce(0, { producerId: 80_000 });
  for (let first = 0; first < 2 * PRODUCERS_MAX; first += 500) {
    const mutations = Array.from({ length: 500 }, (_, i) => first + i).map((producerId) => ({
      type: "set" as const,
      key: keys.producer(producerId),
      value: encodeProducer({ producerId, ...idle }),
    }));
    await world.storage.commit({ checks: [], mutations });
  }
  const asked = world.probe.ref.ask({ type: "describeProducers" });
  await world.env.runUntilIdle();
  const { producers } = await asked;
  const shown = producers.map((each) => [each.producerId, each.transactionStartOffset]);
  assert.deepEqual(shown.slice(0, 4), [[90_000, 0], [80_000, 1], [0, -1], [1, -1]]);
  assert.equal(producers.length, PRODUCERS_MAX);
});

Deno.test("described producers show their open transactions", async () => {
  const world = await createWorld();
  await world.produce(0);
  await world.produce(0, { producerId: 71, isTransactional: false });
  const asked = world.probe.ref.ask({ type: "describeProducers" });
  await world.env.runUntilIdle();
  const { producers } = await asked;
  assert.deepEqual(producers.map((each) => [each.producerId, each.transactionStartOffset]), [[70, 0], [
    71,
    -1,
  ]]);
});
