/** Transactions over real sockets: both protocols of KIP-98 and KIP-890, what bad clients send, and a restart. */
import assert from "node:assert/strict";
import { Admin, Consumer } from "../client/mod.ts";
import { Connection } from "../client/connection.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { produce } from "../protocol/messages/00_produce.ts";
import { findCoordinator } from "../protocol/messages/10_find_coordinator.ts";
import { initProducerId } from "../protocol/messages/22_init_producer_id.ts";
import { addPartitionsToTxn } from "../protocol/messages/24_add_partitions_to_txn.ts";
import { addOffsetsToTxn } from "../protocol/messages/25_add_offsets_to_txn.ts";
import { endTxn } from "../protocol/messages/26_end_txn.ts";
import { writeTxnMarkers } from "../protocol/messages/27_write_txn_markers.ts";
import { txnOffsetCommit } from "../protocol/messages/28_txn_offset_commit.ts";
import { offsetFetch } from "../protocol/messages/09_offset_fetch.ts";
import { describeProducers } from "../protocol/messages/61_describe_producers.ts";
import { describeTransactions } from "../protocol/messages/65_describe_transactions.ts";
import { listTransactions } from "../protocol/messages/66_list_transactions.ts";
import { buildBatch } from "../protocol/records/record_batch.ts";
import { buildControlBatch } from "../protocol/records/control_record.ts";
import { serveBroker, type ServedBroker } from "./served_broker.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const TOPIC = "t";
/** The last Produce version before KIP-890. */
const OLD_PRODUCE = 11;

interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** One producer's connection. */
async function connect(served: ServedBroker, transactionalId = "x") {
  const connection = await Connection.open(served.env, {
    hostname: "127.0.0.1",
    port: served.port,
    clientId: "test",
    connectTimeoutMs: 5_000,
    requestTimeoutMs: 10_000,
    frameBytesMax: 1 << 20,
  });
  const produceBatch = async (
    records: Uint8Array,
    { versionMax = 12, id = transactionalId as string | null } = {},
  ) => {
    const request = {
      transactionalId: id,
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ name: TOPIC, partitionData: [{ index: 0, records }] }],
    };
    const { responses } = await connection.request(produce, request, { versionMax });
    return responses[0]?.partitionResponses[0]?.errorCode;
  };
  return {
    connection,
    [Symbol.dispose]: () => connection.close(),
    async init(change: Partial<Identity> & { timeoutMs?: number } = {}) {
      const { timeoutMs: transactionTimeoutMs = 60_000, producerId = -1, producerEpoch = -1 } = change;
      return await connection.request(initProducerId, {
        transactionalId,
        transactionTimeoutMs,
        producerId,
        producerEpoch,
      });
    },
    produceBatch,
    produce: (
      identity: Identity,
      baseSequence: number,
      value: string,
      options: { versionMax?: number } = {},
    ) =>
      produceBatch(
        buildBatch({
          records: [{ key: null, value: encoder.encode(value), headers: [], timestamp: 1 }],
          ...identity,
          baseSequence,
          isTransactional: true,
        }),
        options,
      ),
    async addOld({ producerId, producerEpoch }: Identity, topic = TOPIC) {
      const { resultsByTopicV3AndBelow } = await connection.request(addPartitionsToTxn, {
        v3AndBelowTransactionalId: transactionalId,
        v3AndBelowProducerId: producerId,
        v3AndBelowProducerEpoch: producerEpoch,
        v3AndBelowTopics: [{ name: topic, partitions: [0] }],
        transactions: [],
      }, { versionMax: 3 });
      return resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode;
    },
    end: ({ producerId, producerEpoch }: Identity, committed: boolean, versionMax = 5) =>
      connection.request(endTxn, { transactionalId, producerId, producerEpoch, committed }, { versionMax }),
    async commitOffset({ producerId, producerEpoch }: Identity, offset: number, versionMax = 5) {
      const { topics } = await connection.request(txnOffsetCommit, {
        transactionalId,
        groupId: "g",
        producerId,
        producerEpoch,
        topics: [{
          name: TOPIC,
          partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: null }],
        }],
      }, { versionMax });
      return topics[0]?.partitions[0]?.errorCode;
    },
    async offset() {
      const { groups } = await connection.request(offsetFetch, {
        groupId: "",
        topics: [],
        requireStable: true,
        groups: [{ groupId: "g", topics: [{ name: TOPIC, partitionIndexes: [0] }] }],
      }, { versionMax: 9 });
      const found = groups[0]?.topics[0]?.partitions[0];
      return found?.errorCode === 0 ? found.committedOffset : found?.errorCode;
    },
  };
}

async function serve(options: Parameters<typeof serveBroker>[0] = {}): Promise<ServedBroker> {
  const served = await serveBroker(options);
  await using admin = new Admin(served.env, { bootstrapServers: served.bootstrapServers });
  await admin.createTopic({ name: TOPIC, partitionCount: 1 });
  return served;
}

/** What a read_committed consumer gets until nothing more comes. */
async function committed(served: ServedBroker, count: number): Promise<string[]> {
  const { env, bootstrapServers } = served;
  await using consumer = new Consumer(env, { bootstrapServers, isolationLevel: "read_committed" });
  await consumer.assignTopic(TOPIC, { start: "earliest" });
  const values: string[] = [];
  while (true) {
    const records = await consumer.poll({ timeoutMs: values.length < count ? 5_000 : 100 });
    if (records.length === 0) return values;
    values.push(...records.map(({ value }) => decoder.decode(value ?? new Uint8Array())));
  }
}

function is(code: number | undefined, name: ErrorName, why?: string): void {
  assert.equal(code, errorCode(name), why);
}

Deno.test("KIP-890: writing adds the partition, every end bumps the epoch, offsets commit with the data", async () => {
  await using served = await serve();
  using client = await connect(served);
  let me: Identity = await client.init();
  for (const [round, isCommit] of [true, false, true].entries()) {
    is(await client.produce(me, 0, `v${round}`), "NONE");
    is(await client.commitOffset(me, round + 1), "NONE");
    is(await client.offset(), "UNSTABLE_OFFSET_COMMIT");
    const ended = await client.end(me, isCommit);
    assert.deepEqual([ended.errorCode, ended.producerEpoch], [0, me.producerEpoch + 1]);
    me = ended;
  }
  assert.deepEqual(await committed(served, 2), ["v0", "v2"]);
  assert.equal(await client.offset(), 3);
});

Deno.test("older clients: partitions and groups are added first, the epoch stays", async () => {
  await using served = await serve();
  using client = await connect(served);
  const me = await client.init();
  const old = { versionMax: OLD_PRODUCE };
  is(await client.produce(me, 0, "early", old), "TRANSACTION_ABORTABLE", "not added");
  is(
    await client.produce(me, 0, "early", { versionMax: 10 }),
    "INVALID_TXN_STATE",
    "the name before version 11",
  );
  is(await client.commitOffset(me, 1, 4), "TRANSACTION_ABORTABLE");
  for (let round = 0; round < 2; round++) {
    is(await client.addOld(me), "NONE");
    is(await client.produce(me, round, `v${round}`, old), "NONE");
    const { producerId, producerEpoch } = me;
    const added = await client.connection.request(addOffsetsToTxn, {
      transactionalId: "x",
      producerId,
      producerEpoch,
      groupId: "g",
    }, { versionMax: 3 });
    is(added.errorCode, "NONE");
    is(await client.commitOffset(me, round + 1, 3), "NONE");
    is((await client.end(me, true, 4)).errorCode, "NONE");
  }
  assert.deepEqual(await committed(served, 2), ["v0", "v1"]);
  assert.equal(await client.offset(), 2);
});

Deno.test("what bad clients send is refused with Kafka's code, and nothing is written", async () => {
  await using served = await serve();
  using client = await connect(served);
  using other = await connect(served, "y");
  const me = await client.init();
  const record = { key: null, value: encoder.encode("bad"), headers: [], timestamp: 1 };
  const flagged = buildBatch({ records: [record], ...me, baseSequence: 0, isTransactional: true });
  for (const versionMax of [8, OLD_PRODUCE, 12]) {
    const answer = await client.produceBatch(flagged.slice(), { id: null, versionMax });
    is(answer, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "no transactional id");
  }
  const control = buildControlBatch({ type: "COMMIT", coordinatorEpoch: 0, timestamp: 1, ...me });
  is(await client.produceBatch(control), "INVALID_RECORD", "a control batch");
  const unknown = { producerId: 999, producerEpoch: 0 };
  is(await client.produce(unknown, 0, "bad"), "INVALID_PRODUCER_ID_MAPPING");
  is(await other.produce(me, 0, "bad"), "INVALID_PRODUCER_ID_MAPPING", "another's transactional id");
  is((await client.end(me, true)).errorCode, "INVALID_TXN_STATE", "nothing to commit");
  is((await client.end({ ...me, producerEpoch: 5 }, true)).errorCode, "PRODUCER_FENCED");
  is((await client.end({ ...me, producerEpoch: 5 }, true, 1)).errorCode, "INVALID_PRODUCER_EPOCH");
  is((await other.end(me, true)).errorCode, "INVALID_PRODUCER_ID_MAPPING");
  is((await client.init({ timeoutMs: 900_001 })).errorCode, "INVALID_TRANSACTION_TIMEOUT");
  is((await client.init({ producerId: 4 })).errorCode, "INVALID_REQUEST", "an id without an epoch");
  is(await client.addOld(me, "nowhere"), "UNKNOWN_TOPIC_OR_PARTITION");
  is(await client.commitOffset(unknown, 3), "INVALID_PRODUCER_ID_MAPPING");
  using nameless = await connect(served, "");
  is((await nameless.init()).errorCode, "INVALID_REQUEST");
  is((await nameless.end(me, true)).errorCode, "INVALID_REQUEST");

  is(await client.produce(me, 0, "first"), "NONE");
  is(await client.produce(me, 7, "jump"), "OUT_OF_ORDER_SEQUENCE_NUMBER");
  const plain = buildBatch({ records: [record], ...me, baseSequence: 1 });
  is(await client.produceBatch(plain), "INVALID_TXN_STATE", "not transactional inside a transaction");
  const next = await client.end(me, true);
  is((await client.end(me, false)).errorCode, "INVALID_TXN_STATE", "another decision");
  is(await client.produce(me, 1, "late"), "INVALID_PRODUCER_EPOCH", "after the end");
  is(await client.produce(next, 3, "jump"), "OUT_OF_ORDER_SEQUENCE_NUMBER", "a new epoch starts at 0");
  assert.deepEqual(await committed(served, 1), ["first"]);
});

Deno.test("an idempotent producer's sequences that go backwards, jump or come with an old epoch are refused", async () => {
  await using served = await serve();
  using client = await connect(served);
  const plain = { id: null };
  const send = (producerId: number, producerEpoch: number, baseSequence: number, value: string) =>
    client.produceBatch(
      buildBatch({
        records: [{ key: null, value: encoder.encode(value), headers: [], timestamp: Date.now() }],
        producerId,
        producerEpoch,
        baseSequence,
      }),
      plain,
    );
  const { producerId } = await client.init();
  for (let i = 0; i < 7; i++) is(await send(producerId, 1, i, String(i)), "NONE");
  is(await send(producerId, 1, 6, "6"), "NONE", "a duplicate is answered as the original");
  is(await send(producerId, 1, 0, "0"), "OUT_OF_ORDER_SEQUENCE_NUMBER", "older than the five that are kept");
  is(await send(producerId, 1, 9, "jump"), "OUT_OF_ORDER_SEQUENCE_NUMBER");
  is(await send(producerId, 0, 7, "zombie"), "INVALID_PRODUCER_EPOCH");
  is(await send(producerId, 2, 7, "new epoch"), "OUT_OF_ORDER_SEQUENCE_NUMBER", "a new epoch begins at 0");
  // Kafka 4.3 takes a producer that it does not know at any sequence; UNKNOWN_PRODUCER_ID is history.
  is(await send(999_999, 0, 5, "unknown"), "NONE");
  assert.deepEqual(await committed(served, 8), ["0", "1", "2", "3", "4", "5", "6", "unknown"]);
});

Deno.test("two-phase commit (InitProducerId v6) is not offered, as Kafka does not while it is unstable", async () => {
  await using served = await serve();
  using client = await connect(served);
  assert.equal(client.connection.version(initProducerId), 5);
});

Deno.test("a timeout aborts and fences; a commit that comes late is told so", async () => {
  await using served = await serve();
  using client = await connect(served);
  const me = await client.init({ timeoutMs: 150 });
  is(await client.produce(me, 0, "slow"), "NONE");
  await served.env.sleep(400);
  is((await client.end(me, true)).errorCode, "INVALID_PRODUCER_EPOCH");
  is(await client.produce(me, 1, "late"), "INVALID_PRODUCER_EPOCH");
  const next = await client.end(me, false);
  assert.deepEqual([next.errorCode, next.producerEpoch], [0, me.producerEpoch + 1], "it is aborted");
  assert.deepEqual(await committed(served, 0), []);
  is(await client.produce(next, 0, "goes on"), "NONE");
  is((await client.end(next, true)).errorCode, "NONE");
  const again = await client.init();
  is(await client.produce(next, 0, "replaced"), "INVALID_PRODUCER_EPOCH");
  is(await client.produce(again, 0, "again"), "NONE");
  is((await client.end(again, true)).errorCode, "NONE");
  assert.deepEqual(await committed(served, 2), ["goes on", "again"]);
});

Deno.test("transactions are found, listed, described, and aborted by the administrator", async () => {
  await using served = await serve();
  using client = await connect(served);
  const found = await client.connection.request(findCoordinator, {
    keyType: 1,
    key: "",
    coordinatorKeys: ["x"],
  });
  assert.deepEqual([found.coordinators[0]?.errorCode, found.coordinators[0]?.nodeId], [0, 1]);
  const me = await client.init();
  is(await client.produce(me, 0, "hangs"), "NONE");
  const list = async (stateFilters: string[], transactionalIdPattern: string | null = null) => {
    const asked = { stateFilters, producerIdFilters: [], transactionalIdPattern };
    return (await client.connection.request(listTransactions, asked)).transactionStates;
  };
  assert.equal((await list(["Ongoing"]))[0]?.transactionalId, "x");
  assert.deepEqual([await list(["Empty"]), await list([], "y.*")], [[], []]);
  assert.equal((await list([], "[x-z]")).length, 1);
  const { transactionStates } = await client.connection.request(describeTransactions, {
    transactionalIds: ["x", "nobody"],
  });
  assert.deepEqual(transactionStates[0]?.topics, [{ topic: TOPIC, partitions: [0] }]);
  is(transactionStates[1]?.errorCode, "TRANSACTIONAL_ID_NOT_FOUND");
  const topics = [{ name: TOPIC, partitionIndexes: [0] }];
  const described = await client.connection.request(describeProducers, { topics });
  const producer = described.topics[0]?.partitions[0]?.activeProducers[0];
  assert.equal(producer?.currentTxnStartOffset, 0);
  const { producerId, producerEpoch } = me;
  const marker = { producerId, producerEpoch, transactionResult: false, coordinatorEpoch: 0, topics };
  const { markers } = await client.connection.request(writeTxnMarkers, { markers: [marker] });
  is(markers[0]?.topics[0]?.partitions[0]?.errorCode, "NONE");
  const after = await client.connection.request(describeProducers, { topics });
  assert.equal(after.topics[0]?.partitions[0]?.activeProducers[0]?.currentTxnStartOffset, -1);
  assert.deepEqual(await committed(served, 0), []);
});

Deno.test("a transaction that was open at the end of the process goes on in the next", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = `${dir}/kavka.sqlite`;
    let me: Identity;
    {
      await using served = await serve({ path });
      using client = await connect(served);
      me = await client.init();
      is(await client.produce(me, 0, "before"), "NONE");
      is(await client.commitOffset(me, 9), "NONE");
    }
    await using served = await serveBroker({ path });
    using client = await connect(served);
    is(await client.produce(me, 1, "after"), "NONE");
    is((await client.end(me, true)).errorCode, "NONE");
    assert.deepEqual(await committed(served, 2), ["before", "after"]);
    assert.equal(await client.offset(), 9);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
