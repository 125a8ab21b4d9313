/** The transaction actor with real partitions and groups on a memory store, under virtual time. */
import assert from "node:assert/strict";
import { CONSUMER_GROUP_KIND, consumerGroupKind } from "../../actors/consumer_group.ts";
import { PARTITION_KIND, TRANSACTION_KIND } from "../../actors/kinds.ts";
import type { ConsumerGroupMessage } from "../../actors/messages/consumer_group.ts";
import type { PartitionMessage } from "../../actors/messages/partition.ts";
import type { TransactionMessage } from "../../actors/messages/transaction.ts";
import { partitionKey, partitionKind } from "../../actors/partition.ts";
import { createTestbed } from "../../actors/runtime/testkit.ts";
import { transactionKind } from "../../actors/transaction.ts";
import { TransactionDirectory } from "../../actors/transaction_directory.ts";
import { emptyMetadataImage } from "../../core/cluster/metadata_image.ts";
import { buildBatch } from "../../protocol/records/record_batch.ts";
import { GroupShards } from "../../storage/group_store.ts";
import { MemoryStorage } from "../../storage/memory.ts";
import { ShardStore } from "../../storage/shard.ts";
import { TransactionShards } from "../../storage/transaction_store.ts";

const TOPIC_ID = "3f0e8d4a-1b2c-4d5e-8f90-a1b2c3d4e5f6";

interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** A process: another incarnation on the same store is a restart after kill -9. */
async function createWorld(storage = new MemoryStorage(), process = 1) {
  const testbed = createTestbed();
  const { env, log, runtime } = testbed;
  const incarnation = `00000000-0000-4000-8000-00000000000${process}`;
  const opening = ShardStore.open({ storage, env, log, brokerId: 1, incarnation });
  await env.runUntilIdle();
  const shards = await opening;
  let nextId = process * 1_000;
  runtime.register(partitionKind({ shards, tailCacheBytesMax: 1 << 20, leaderEpochOf: () => 0 }));
  runtime.register(
    consumerGroupKind({ groupShards: new GroupShards(shards), topics: () => emptyMetadataImage }),
  );
  const transactionShards = new TransactionShards(shards);
  runtime.register(transactionKind({
    transactionShards,
    nextProducerId: () => Promise.resolve(nextId++),
    timeoutMsMax: 900_000,
    keeping: { countMax: 3, expirationMs: () => 1_000 },
  }));
  const partition = (index: number) =>
    runtime.ref<PartitionMessage>(PARTITION_KIND, partitionKey(TOPIC_ID, index));
  const transaction = runtime.ref<TransactionMessage>(TRANSACTION_KIND, "t");
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    await env.runUntilIdle();
    return await promise;
  };
  return {
    ...testbed,
    storage,
    transaction,
    transactionShards,
    settled,
    init: (timeoutMs = 60_000) =>
      settled(
        transaction.ask({ type: "initProducerId", timeoutMs, producerId: -1, producerEpoch: -1 }),
      ),
    add: ({ producerId, producerEpoch }: Identity, partitions: number[], groups: string[] = []) =>
      settled(transaction.ask({
        type: "addToTransaction",
        producerId,
        producerEpoch,
        partitions: partitions.map((index) => ({ topicId: TOPIC_ID, partition: index })),
        groups,
      })).then(({ error }) => error),
    askEnd: ({ producerId, producerEpoch }: Identity, committed: boolean, bumpsEpoch = true) =>
      transaction.ask({ type: "endTransaction", producerId, producerEpoch, committed, bumpsEpoch }),
    produce: ({ producerId, producerEpoch }: Identity, index: number, baseSequence = 0) =>
      settled(
        partition(index).ask({
          type: "produce",
          batch: buildBatch({
            records: [{ key: null, value: new Uint8Array(5), headers: [], timestamp: 1 }],
            producerId,
            producerEpoch,
            baseSequence,
            isTransactional: true,
          }),
          maxMessageBytes: 1 << 20,
          timestampType: "CreateTime",
          requireKeys: false,
          transactionalId: "t",
        }),
      ).then(({ error }) => error),
    commitOffset: ({ producerId, producerEpoch }: Identity, offset: number) =>
      settled(
        runtime.ref<ConsumerGroupMessage>(CONSUMER_GROUP_KIND, "g").ask({
          type: "txnOffsetCommit",
          transactionalId: "t",
          producerId,
          producerEpoch,
          generationId: -1,
          memberId: "",
          groupInstanceId: null,
          offsets: [{ topic: "in", topicId: TOPIC_ID, partition: 0, offset, leaderEpoch: -1, metadata: "" }],
        }),
      ).then(({ error }) => error),
    async offset() {
      const { offsets } = await settled(
        runtime.ref<ConsumerGroupMessage>(CONSUMER_GROUP_KIND, "g").ask({
          type: "offsetFetch",
          partitions: [{ topic: "in", topicId: TOPIC_ID, partition: 0 }],
          memberId: null,
          memberEpoch: -1,
          requireStable: true,
        }),
      );
      return offsets[0]?.isUnstable === true ? "unstable" : offsets[0]?.offset;
    },
    /** What read_committed sees: last stable offset, and whether it is all. */
    async stable(index: number) {
      const { lastStableOffset, highWatermark } = await settled(partition(index).ask({ type: "describe" }));
      return `${lastStableOffset}/${highWatermark}`;
    },
    async state() {
      return (await settled(transaction.ask({ type: "describe" })))?.state;
    },
  };
}

Deno.test("a transaction over partitions and a group commits as one", async () => {
  const world = await createWorld();
  const me = await world.init();
  assert.equal(await world.produce(me, 0), "TRANSACTION_ABORTABLE", "before it was added");
  assert.equal(await world.commitOffset(me, 5), "TRANSACTION_ABORTABLE");
  assert.equal(await world.add(me, [0, 1], ["g"]), "NONE");
  for (const index of [0, 1]) assert.equal(await world.produce(me, index), "NONE");
  assert.equal(await world.commitOffset(me, 5), "NONE");
  assert.deepEqual([await world.stable(0), await world.stable(1), await world.offset()], [
    "0/1",
    "0/1",
    "unstable",
  ]);
  const ended = await world.settled(world.askEnd(me, true));
  assert.deepEqual(ended, { error: "NONE", producerId: me.producerId, producerEpoch: 1 });
  assert.deepEqual([await world.stable(0), await world.stable(1), await world.offset()], ["2/2", "2/2", 5]);
  assert.equal(await world.state(), "CompleteCommit");
  assert.equal(await world.produce(me, 0, 1), "INVALID_PRODUCER_EPOCH", "the old epoch writes nothing more");
});

Deno.test("the next transaction waits for the markers of the one before, and gets in", async () => {
  const world = await createWorld();
  const me = await world.init();
  await world.add(me, [0]);
  await world.produce(me, 0);
  const ending = world.askEnd(me, true);
  const next = { ...me, producerEpoch: 1 };
  const adding = world.add(next, [0]);
  assert.equal((await world.settled(ending)).error, "NONE");
  assert.equal(await adding, "NONE");
  assert.equal(await world.produce(next, 0), "NONE");
});

Deno.test("nothing is answered before it is stored", async () => {
  const world = await createWorld();
  const me = await world.init();
  await world.add(me, [0]);
  await world.produce(me, 0);
  world.storage.next("hold");
  let isAnswered = false;
  const ending = world.askEnd(me, true).then(() => isAnswered = true);
  await world.env.runUntilIdle();
  assert.deepEqual([isAnswered, await world.stable(0)], [false, "0/1"]);
  world.storage.releaseHeld();
  await world.settled(ending);
  assert.equal(await world.stable(0), "2/2");
});

Deno.test("a coordinator that dies after its decision writes the markers when it comes back", async () => {
  for (const committed of [true, false]) {
    const world = await createWorld();
    const me = await world.init();
    await world.add(me, [0], ["g"]);
    await world.produce(me, 0);
    await world.commitOffset(me, 5);
    // The decision is stored; the commits of the markers, which follow, never return.
    let commitCount = 0;
    world.storage.fateOf = () => ++commitCount === 1 ? "apply" : "crash";
    const ending = world.askEnd(me, committed);
    await world.env.runUntilIdle();
    assert.equal((await ending).error, "NONE");
    assert.equal(await world.stable(0), "0/1");
    assert(commitCount > 1, "the markers were on their way");
    world.storage.fateOf = () => "apply";
    const after = await createWorld(world.storage, 2);
    await after.state();
    await after.env.runUntilIdle();
    assert.equal(await after.stable(0), "2/2");
    assert.equal(await after.offset(), committed ? 5 : -1);
    assert.equal(await after.state(), committed ? "CompleteCommit" : "CompleteAbort");
    // The client did not hear: its retry is answered.
    assert.equal((await after.settled(after.askEnd(me, committed))).producerEpoch, 1);
    const { error } = await after.settled(after.askEnd(me, !committed));
    // Who commits what was aborted may have been timed out meanwhile (KAFKA-20785).
    assert.equal(error, committed ? "INVALID_TXN_STATE" : "INVALID_PRODUCER_EPOCH");
  }
});

Deno.test("a transaction is aborted at its timeout, also if the process died meanwhile", async () => {
  const world = await createWorld();
  const me = await world.init(10_000);
  await world.add(me, [0]);
  await world.produce(me, 0);
  await world.env.advance(9_000);
  assert.equal(await world.state(), "Ongoing");
  const after = await createWorld(world.storage, 2);
  await after.state();
  await after.env.advance(10_001);
  assert.equal(await after.state(), "CompleteAbort");
  assert.equal(await after.stable(0), "2/2");
  assert.equal((await after.settled(after.askEnd(me, true))).error, "INVALID_PRODUCER_EPOCH");
  assert.equal(await after.produce(me, 0, 1), "INVALID_PRODUCER_EPOCH");
});

Deno.test("a new instance takes over at once: the old one's transaction is aborted, the old one fenced", async () => {
  const world = await createWorld();
  const old = await world.init();
  await world.add(old, [0]);
  await world.produce(old, 0);
  const me = await world.init();
  assert.deepEqual(me, { error: "NONE", producerId: old.producerId, producerEpoch: 2 });
  assert.equal(await world.stable(0), "2/2");
  assert.equal((await world.settled(world.askEnd(old, true))).error, "PRODUCER_FENCED");
  assert.equal(await world.produce(old, 0, 1), "INVALID_PRODUCER_EPOCH");
  assert.equal(await world.add(old, [0]), "PRODUCER_FENCED");
});

Deno.test("older clients, whose epoch stays, commit one transaction after the other", async () => {
  const world = await createWorld();
  const me = await world.init();
  for (let round = 0; round < 3; round++) {
    assert.equal(await world.add(me, [0]), "NONE");
    assert.equal(await world.produce(me, 0, round), "NONE");
    const { error, producerEpoch } = await world.settled(world.askEnd(me, true, false));
    assert.deepEqual([error, producerEpoch], ["NONE", 0]);
    assert.equal(await world.produce(me, 0, round + 1), "TRANSACTION_ABORTABLE", "no write hangs outside");
  }
  assert.equal(await world.stable(0), "6/6");
});

Deno.test("ids that nobody uses are forgotten after their time, and begin anew", async () => {
  const world = await createWorld();
  const me = await world.init();
  await world.add(me, [0]);
  const directory = new TransactionDirectory({
    env: world.env,
    log: world.log,
    transactionShards: world.transactionShards,
    transaction: () => world.transaction,
    expirationMs: 1_000,
  });
  await world.env.advance(2_000);
  await world.settled(directory.sweep());
  assert.equal(await world.state(), "Ongoing", "not while a transaction is open");
  await world.settled(world.askEnd(me, false));
  await world.env.advance(999);
  await world.settled(directory.sweep());
  assert.equal((await world.settled(directory.list())).length, 1);
  await world.env.advance(2);
  await world.settled(directory.sweep());
  assert.deepEqual(await world.settled(directory.list()), []);
  assert.equal(await world.add(me, [0]), "INVALID_PRODUCER_ID_MAPPING");
  assert.deepEqual(await world.init(), { error: "NONE", producerId: me.producerId + 1, producerEpoch: 0 });
});

Deno.test("a partition that fails for a while gets its marker later; the client hears of the commit at once", async () => {
  const world = await createWorld();
  const me = await world.init();
  await world.add(me, [0, 1]);
  for (const index of [0, 1]) await world.produce(me, index);
  const ending = world.askEnd(me, true);
  world.storage.next("apply", "throwBefore", "throwBefore");
  await world.env.advance(30_000);
  assert.equal((await ending).error, "NONE");
  assert.deepEqual([await world.stable(0), await world.stable(1)], ["2/2", "2/2"]);
  assert.equal(await world.state(), "CompleteCommit");
});
