/**
 * What is wrong with transactions and idempotent producers, case by case, with the code that Apache Kafka 4.3.1 answers: run it with
 * BOOTSTRAP at a Kafka to see. Nothing of it is written, and whoever does nothing wrong goes on.
 */
import { Connection } from "../../client/connection.ts";
import { realEnv } from "../../env/real.ts";
import { errorName } from "../../protocol/errors.ts";
import { produce } from "../../protocol/messages/00_produce.ts";
import { listOffsets } from "../../protocol/messages/02_list_offsets.ts";
import { findCoordinator } from "../../protocol/messages/10_find_coordinator.ts";
import { createTopics } from "../../protocol/messages/19_create_topics.ts";
import { initProducerId } from "../../protocol/messages/22_init_producer_id.ts";
import { addPartitionsToTxn } from "../../protocol/messages/24_add_partitions_to_txn.ts";
import { addOffsetsToTxn } from "../../protocol/messages/25_add_offsets_to_txn.ts";
import { endTxn } from "../../protocol/messages/26_end_txn.ts";
import { writeTxnMarkers } from "../../protocol/messages/27_write_txn_markers.ts";
import { txnOffsetCommit } from "../../protocol/messages/28_txn_offset_commit.ts";
import { describeProducers } from "../../protocol/messages/61_describe_producers.ts";
import { describeTransactions } from "../../protocol/messages/65_describe_transactions.ts";
import { buildControlBatch } from "../../protocol/records/control_record.ts";
import { BOOTSTRAP, check, finish, unique } from "./clients/suite.ts";
import { batch, changed } from "./wire/batches.ts";

const SUFFIX = unique();
/** One topic that must stay empty, one for what is right. */
const VICTIM = `victim-${SUFFIX}`;
const HEALTHY = `healthy-${SUFFIX}`;
const GROUP = `group-${SUFFIX}`;
/** The newest versions for clients before KIP-890, and those of after. */
const OLD = { produce: 11, addPartitions: 3, addOffsets: 3, offsetCommit: 4, end: 4 } as const;
const NEW = { produce: 12, addOffsets: 4, offsetCommit: 5, end: 5 } as const;

const COORDINATOR_MS_MAX = 30_000;

interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

const [hostname = "", port = ""] = BOOTSTRAP.split(":");
const env = realEnv();
const connection = await Connection.open(env, {
  hostname,
  port: Number(port),
  clientId: "transaction-codes",
  connectTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  frameBytesMax: 1 << 20,
});
let idCount = 0;

/** A transactional id that nobody has. */
function freshId(): string {
  return `id-${SUFFIX}-${++idCount}`;
}

async function init(
  transactionalId: string | null,
  change: Partial<Identity> & { readonly timeoutMs?: number } = {},
) {
  const { timeoutMs: transactionTimeoutMs = 60_000, producerId = -1, producerEpoch = -1 } = change;
  const request = { transactionalId, transactionTimeoutMs, producerId, producerEpoch };
  for (const giveUpMs = env.mono() + COORDINATOR_MS_MAX;;) {
    const answer = await connection.request(initProducerId, request);
    const name = errorName(answer.errorCode);
    // A coordinator that has just started.
    const isStarting = ["COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR"]
      .includes(name);
    if (!isStarting || env.mono() > giveUpMs) return answer;
    await env.sleep(100);
  }
}

/** Kafka makes its coordinators' topics when somebody asks for them. */
async function findCoordinators(): Promise<void> {
  for (const keyType of [0, 1]) {
    for (const giveUpMs = env.mono() + COORDINATOR_MS_MAX; env.mono() < giveUpMs;) {
      const { coordinators } = await connection.request(findCoordinator, {
        keyType,
        key: "",
        coordinatorKeys: [`any-${SUFFIX}`],
      });
      if (coordinators[0]?.errorCode === 0) break;
      await env.sleep(100);
    }
  }
}

async function send(
  transactionalId: string | null,
  records: Uint8Array,
  { version = NEW.produce as number, topic = VICTIM } = {},
): Promise<string> {
  const { responses } = await connection.request(produce, {
    transactionalId,
    acks: -1,
    timeoutMs: 30_000,
    topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
  }, { versionMax: version });
  return errorName(responses[0]?.partitionResponses[0]?.errorCode ?? -1);
}

function transactional(identity: Identity, baseSequence = 0): Uint8Array {
  const { producerId, producerEpoch } = identity;
  return batch(["x"], { producerId, producerEpoch, baseSequence, isTransactional: true });
}

function idempotent(identity: Identity, baseSequence = 0): Uint8Array {
  const { producerId, producerEpoch } = identity;
  return batch(["x"], { producerId, producerEpoch, baseSequence });
}

async function addPartition(
  transactionalId: string,
  { producerId, producerEpoch }: Identity,
  { topic = VICTIM, partition = 0, version = OLD.addPartitions as number } = {},
): Promise<string> {
  const { resultsByTopicV3AndBelow } = await connection.request(addPartitionsToTxn, {
    v3AndBelowTransactionalId: transactionalId,
    v3AndBelowProducerId: producerId,
    v3AndBelowProducerEpoch: producerEpoch,
    v3AndBelowTopics: [{ name: topic, partitions: [partition] }],
    transactions: [],
  }, { versionMax: version });
  return errorName(resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode ?? -1);
}

async function addGroup(
  transactionalId: string,
  { producerId, producerEpoch }: Identity,
  { groupId = GROUP, version = OLD.addOffsets as number } = {},
): Promise<string> {
  const request = { transactionalId, producerId, producerEpoch, groupId };
  return errorName((await connection.request(addOffsetsToTxn, request, { versionMax: version })).errorCode);
}

async function commitOffset(
  transactionalId: string,
  { producerId, producerEpoch }: Identity,
  {
    groupId = GROUP,
    topic = VICTIM,
    generationId = -1,
    memberId = "",
    version = NEW.offsetCommit as number,
  } = {},
): Promise<string> {
  const { topics } = await connection.request(txnOffsetCommit, {
    transactionalId,
    groupId,
    producerId,
    producerEpoch,
    generationId,
    memberId,
    topics: [{
      name: topic,
      partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }],
    }],
  }, { versionMax: version });
  return errorName(topics[0]?.partitions[0]?.errorCode ?? -1);
}

async function end(
  transactionalId: string,
  { producerId, producerEpoch }: Identity,
  { committed = true, version = NEW.end as number } = {},
): Promise<string> {
  const request = { transactionalId, producerId, producerEpoch, committed };
  return errorName((await connection.request(endTxn, request, { versionMax: version })).errorCode);
}

async function mark(
  { producerId, producerEpoch }: Identity,
  { topic = VICTIM, coordinatorEpoch = 0, transactionVersion = 2 } = {},
): Promise<string> {
  const topics = [{ name: topic, partitionIndexes: [0] }];
  const marker = {
    producerId,
    producerEpoch,
    transactionResult: true,
    topics,
    coordinatorEpoch,
    transactionVersion,
  };
  const { markers } = await connection.request(writeTxnMarkers, { markers: [marker] });
  return errorName(markers[0]?.topics[0]?.partitions[0]?.errorCode ?? -1);
}

/** A producer with a transaction in which there is one record. */
async function open(timeoutMs = 60_000): Promise<{ id: string; me: Identity }> {
  const id = freshId();
  const me = await init(id, { timeoutMs });
  const answer = await send(id, transactional(me), { topic: HEALTHY });
  if (answer !== "NONE") throw new Error(`Cannot open a transaction: ${answer}`);
  return { id, me };
}

/** One whose transaction the coordinator aborts at its timeout. */
async function timedOut(): Promise<{ id: string; me: Identity }> {
  const { id, me } = await open(100);
  await untilComplete(id);
  return { id, me };
}

/** Waits for the markers. */
async function untilComplete(id: string): Promise<void> {
  for (const giveUpMs = env.mono() + COORDINATOR_MS_MAX; env.mono() < giveUpMs; await env.sleep(50)) {
    const { transactionStates } = await connection.request(describeTransactions, { transactionalIds: [id] });
    if (transactionStates[0]?.transactionState.startsWith("Complete") === true) return;
  }
  throw new Error(`Transaction "${id}" does not end`);
}

/** What Apache Kafka answers, and what Kavka does where that is something else on purpose. */
type Case = readonly [name: string, run: () => Promise<string>, kafka: string, kavka?: string];

/** Each with an id of its own that has no transaction open. */
function withId(run: (id: string, me: Identity) => Promise<string>): () => Promise<string> {
  return async () => {
    const id = freshId();
    return await run(id, await init(id));
  };
}

const PRODUCE: readonly Case[] = [
  [
    "a transactional batch without a transactional id",
    async () => send(null, transactional(await init(null))),
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
  ],
  [
    "the same from an older client",
    async () => send(null, transactional(await init(null)), { version: OLD.produce }),
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
  ],
  [
    "the same from one before flexible versions",
    async () => send(null, transactional(await init(null)), { version: 8 }),
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
  ],
  [
    "a control batch",
    withId((id, me) =>
      send(id, buildControlBatch({ type: "COMMIT", coordinatorEpoch: 0, timestamp: 1, ...me }))
    ),
    "INVALID_RECORD",
  ],
  [
    "a control batch without a transactional id",
    async () =>
      send(
        null,
        buildControlBatch({ type: "ABORT", coordinatorEpoch: 0, timestamp: 1, ...await init(null) }),
      ),
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
  ],
  [
    "a control batch that is not transactional",
    async () => send(null, changed(idempotent(await init(null)), { attributes: 0x20 })),
    "INVALID_RECORD",
  ],
  [
    "an id that has no producer",
    () => send(freshId(), transactional({ producerId: 999_999, producerEpoch: 0 })),
    "INVALID_PRODUCER_ID_MAPPING",
  ],
  [
    "another producer's id",
    withId(async (id) => send(id, transactional(await init(freshId())))),
    "INVALID_PRODUCER_ID_MAPPING",
  ],
  [
    "another producer's id, older client",
    withId(async (id) => send(id, transactional(await init(freshId())), { version: OLD.produce })),
    "INVALID_PRODUCER_ID_MAPPING",
  ],
  [
    "a newer epoch",
    withId((id, me) => send(id, transactional({ ...me, producerEpoch: 7 }))),
    "INVALID_PRODUCER_EPOCH",
  ],
  [
    "a partition that was not added, older client",
    withId((id, me) => send(id, transactional(me), { version: OLD.produce })),
    "TRANSACTION_ABORTABLE",
  ],
  [
    "a partition that was not added, before TRANSACTION_ABORTABLE",
    withId((id, me) => send(id, transactional(me), { version: 10 })),
    "INVALID_TXN_STATE",
  ],
  [
    "a transactional batch without a producer id",
    withId((id) => send(id, changed(batch(["x"]), { attributes: 0x10 }), { topic: HEALTHY })),
    "NONE",
    "INVALID_PRODUCER_ID_MAPPING",
  ],
  [
    "a negative sequence",
    async () => send(null, changed(idempotent(await init(null)), { baseSequence: -5 })),
    "INVALID_RECORD",
  ],
  [
    "a negative epoch",
    async () => send(null, changed(idempotent(await init(null)), { producerEpoch: -1 }), { topic: HEALTHY }),
    "NONE",
    "INVALID_RECORD",
  ],
  [
    "a transaction that begins at another sequence than 0",
    withId((id, me) => send(id, transactional(me, 3))),
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
  ],
];

const IN_TRANSACTION: readonly Case[] = [
  ["a jump in a transaction", async () => {
    const { id, me } = await open();
    return send(id, transactional(me, 5), { topic: HEALTHY });
  }, "OUT_OF_ORDER_SEQUENCE_NUMBER"],
  ["a plain batch of the producer in its transaction", async () => {
    const { me } = await open();
    return send(null, idempotent(me, 1), { topic: HEALTHY });
  }, "INVALID_TXN_STATE"],
  ["a batch with the epoch before, after the end", async () => {
    const { id, me } = await open();
    await end(id, me);
    await untilComplete(id);
    return send(id, transactional(me, 1), { topic: HEALTHY });
  }, "INVALID_PRODUCER_EPOCH"],
];

const END: readonly Case[] = [
  ["to commit when nothing is open", withId((id, me) => end(id, me)), "INVALID_TXN_STATE"],
  ["the same, older client", withId((id, me) => end(id, me, { version: OLD.end })), "INVALID_TXN_STATE"],
  [
    "to abort when nothing is open, older client",
    withId((id, me) => end(id, me, { committed: false, version: OLD.end })),
    "INVALID_TXN_STATE",
  ],
  [
    "an unknown transactional id",
    () => end(freshId(), { producerId: 1, producerEpoch: 0 }),
    "INVALID_PRODUCER_ID_MAPPING",
  ],
  [
    "another producer's id",
    withId(async (id) => end(id, await init(freshId()))),
    "INVALID_PRODUCER_ID_MAPPING",
  ],
  ["a newer epoch", withId((id, me) => end(id, { ...me, producerEpoch: 9 })), "PRODUCER_FENCED"],
  [
    "a newer epoch, before PRODUCER_FENCED",
    withId((id, me) => end(id, { ...me, producerEpoch: 9 }, { version: 1 })),
    "INVALID_PRODUCER_EPOCH",
  ],
  ["an empty transactional id", () => end("", { producerId: 1, producerEpoch: 0 }), "INVALID_REQUEST"],
  ["to abort what was committed", async () => {
    const { id, me } = await open();
    await end(id, me);
    await untilComplete(id);
    return end(id, me, { committed: false });
  }, "INVALID_TXN_STATE"],
  [
    "to commit what was aborted",
    async () => {
      const { id, me } = await open();
      await end(id, me, { committed: false });
      await untilComplete(id);
      return end(id, me);
    },
    "INVALID_TXN_STATE",
    "INVALID_PRODUCER_EPOCH",
  ],
  ["the same again", async () => {
    const { id, me } = await open();
    await end(id, me);
    for (;;) {
      const again = await end(id, me);
      if (again !== "CONCURRENT_TRANSACTIONS") return again;
    }
  }, "NONE"],
  ["an instance that was replaced", async () => {
    const { id, me } = await open();
    while ((await init(id)).errorCode !== 0) await env.sleep(50);
    return end(id, me);
  }, "PRODUCER_FENCED"],
];

const TIMED_OUT: readonly Case[] = [
  [
    "a commit",
    async () => {
      const { id, me } = await timedOut();
      return end(id, me);
    },
    "INVALID_TXN_STATE",
    "INVALID_PRODUCER_EPOCH",
  ],
  ["a commit of an older client", async () => {
    const { id, me } = await timedOut();
    return end(id, me, { version: OLD.end });
  }, "PRODUCER_FENCED"],
  ["a commit of a client before PRODUCER_FENCED", async () => {
    const { id, me } = await timedOut();
    return end(id, me, { version: 1 });
  }, "INVALID_PRODUCER_EPOCH"],
  ["an abort", async () => {
    const { id, me } = await timedOut();
    return end(id, me, { committed: false });
  }, "NONE"],
  ["one more batch", async () => {
    const { id, me } = await timedOut();
    return send(id, transactional(me, 1), { topic: HEALTHY });
  }, "INVALID_PRODUCER_EPOCH"],
  ["one more batch of an older client", async () => {
    const { id, me } = await timedOut();
    return send(id, transactional(me, 1), { topic: HEALTHY, version: OLD.produce });
  }, "INVALID_PRODUCER_EPOCH"],
  ["one more partition", async () => {
    const { id, me } = await timedOut();
    return addPartition(id, me);
  }, "PRODUCER_FENCED"],
  ["offsets", async () => {
    const { id, me } = await timedOut();
    return commitOffset(id, me);
  }, "INVALID_PRODUCER_EPOCH"],
  ["an abort, and then the next transaction", async () => {
    const { id, me } = await timedOut();
    const { producerId } = me;
    const answer = await end(id, me, { committed: false });
    const next = { producerId, producerEpoch: me.producerEpoch + 1 };
    return answer === "NONE" ? await send(id, transactional(next), { topic: HEALTHY }) : answer;
  }, "NONE"],
  ["InitProducerId with the epoch from before", async () => {
    const { id, me } = await timedOut();
    return errorName((await init(id, me)).errorCode);
  }, "NONE"],
];

const INIT: readonly Case[] = [
  ["an empty transactional id", async () => errorName((await init("")).errorCode), "INVALID_REQUEST"],
  [
    "a timeout of 0",
    async () => errorName((await init(freshId(), { timeoutMs: 0 })).errorCode),
    "INVALID_TRANSACTION_TIMEOUT",
  ],
  [
    "a negative timeout",
    async () => errorName((await init(freshId(), { timeoutMs: -1 })).errorCode),
    "INVALID_TRANSACTION_TIMEOUT",
  ],
  [
    "a timeout above the broker's",
    async () => errorName((await init(freshId(), { timeoutMs: 900_001 })).errorCode),
    "INVALID_TRANSACTION_TIMEOUT",
  ],
  [
    "a producer id without an epoch",
    withId(async (id, { producerId }) => errorName((await init(id, { producerId })).errorCode)),
    "INVALID_REQUEST",
  ],
  [
    "an epoch without a producer id",
    withId(async (id) => errorName((await init(id, { producerEpoch: 0 })).errorCode)),
    "INVALID_REQUEST",
  ],
  [
    "another producer's id",
    withId(async (id) => errorName((await init(id, await init(freshId()))).errorCode)),
    "PRODUCER_FENCED",
  ],
  [
    "an epoch from long before",
    withId(async (id, me) => {
      await init(id);
      await init(id);
      return errorName((await init(id, me)).errorCode);
    }),
    "PRODUCER_FENCED",
  ],
];

const ADD: readonly Case[] = [
  [
    "an unknown transactional id",
    () => addPartition(freshId(), { producerId: 1, producerEpoch: 0 }),
    "INVALID_PRODUCER_ID_MAPPING",
  ],
  [
    "another producer's id",
    withId(async (id) => addPartition(id, await init(freshId()))),
    "INVALID_PRODUCER_ID_MAPPING",
  ],
  ["a newer epoch", withId((id, me) => addPartition(id, { ...me, producerEpoch: 3 })), "PRODUCER_FENCED"],
  [
    "a newer epoch, before PRODUCER_FENCED",
    withId((id, me) => addPartition(id, { ...me, producerEpoch: 3 }, { version: 1 })),
    "INVALID_PRODUCER_EPOCH",
  ],
  [
    "a topic that is not there",
    withId((id, me) => addPartition(id, me, { topic: `no-${VICTIM}` })),
    "UNKNOWN_TOPIC_OR_PARTITION",
  ],
  [
    "a partition that is not there",
    withId((id, me) => addPartition(id, me, { partition: 99 })),
    "UNKNOWN_TOPIC_OR_PARTITION",
  ],
  [
    "a negative partition",
    withId((id, me) => addPartition(id, me, { partition: -1 })),
    "UNKNOWN_TOPIC_OR_PARTITION",
  ],
  [
    "an empty transactional id",
    () => addPartition("", { producerId: 1, producerEpoch: 0 }),
    "INVALID_REQUEST",
  ],
];

const OFFSETS: readonly Case[] = [
  [
    "AddOffsetsToTxn with an unknown transactional id",
    () => addGroup(freshId(), { producerId: 1, producerEpoch: 0 }),
    "INVALID_PRODUCER_ID_MAPPING",
  ],
  [
    "AddOffsetsToTxn with a newer epoch",
    withId((id, me) => addGroup(id, { ...me, producerEpoch: 3 })),
    "PRODUCER_FENCED",
  ],
  [
    "AddOffsetsToTxn with an empty transactional id",
    () => addGroup("", { producerId: 1, producerEpoch: 0 }),
    "INVALID_REQUEST",
  ],
  [
    "AddOffsetsToTxn without a group",
    withId((id, me) => addGroup(id, me, { groupId: "" })),
    "NONE",
    "INVALID_GROUP_ID",
  ],
  [
    "TxnOffsetCommit with an unknown transactional id",
    () => commitOffset(freshId(), { producerId: 1, producerEpoch: 0 }),
    "INVALID_PRODUCER_ID_MAPPING",
  ],
  [
    "TxnOffsetCommit with another producer's id",
    withId(async (id) => commitOffset(id, await init(freshId()))),
    "INVALID_PRODUCER_ID_MAPPING",
  ],
  [
    "TxnOffsetCommit with a newer epoch",
    withId((id, me) => commitOffset(id, { ...me, producerEpoch: 3 })),
    "INVALID_PRODUCER_EPOCH",
  ],
  [
    "TxnOffsetCommit of a group that was not added, older client",
    withId((id, me) => commitOffset(id, me, { version: OLD.offsetCommit })),
    "TRANSACTION_ABORTABLE",
  ],
  [
    "the same, before TRANSACTION_ABORTABLE",
    withId((id, me) => commitOffset(id, me, { version: 3 })),
    "INVALID_TXN_STATE",
  ],
  [
    "TxnOffsetCommit without a group",
    withId((id, me) => commitOffset(id, me, { groupId: "" })),
    "INVALID_GROUP_ID",
  ],
  [
    "TxnOffsetCommit for a topic that is not there",
    withId((id, me) => commitOffset(id, me, { topic: `no-${VICTIM}` })),
    "UNKNOWN_TOPIC_OR_PARTITION",
  ],
  [
    "TxnOffsetCommit of an unknown member",
    withId((id, me) => commitOffset(id, me, { memberId: "nobody", generationId: 1 })),
    "ILLEGAL_GENERATION",
  ],
  [
    "TxnOffsetCommit of a generation without a member",
    withId((id, me) => commitOffset(id, me, { generationId: 5 })),
    "ILLEGAL_GENERATION",
  ],
];

const ADMIN: readonly Case[] = [
  [
    "a marker for a topic that is not there",
    () => mark({ producerId: 1, producerEpoch: 0 }, { topic: `no-${VICTIM}` }),
    "UNKNOWN_TOPIC_OR_PARTITION",
  ],
  ["a marker with an older epoch", async () => {
    const { id, me } = await open();
    await end(id, me);
    return mark({ ...me, producerEpoch: 0 }, { topic: HEALTHY, coordinatorEpoch: 9 });
  }, "INVALID_PRODUCER_EPOCH"],
  ["a marker with the epoch of the data", async () => {
    const { me } = await open();
    return mark(me, { topic: HEALTHY });
  }, "INVALID_PRODUCER_EPOCH"],
  [
    "DescribeTransactions of an unknown id",
    async () =>
      errorName(
        (await connection.request(describeTransactions, { transactionalIds: [freshId()] }))
          .transactionStates[0]?.errorCode ?? -1,
      ),
    "TRANSACTIONAL_ID_NOT_FOUND",
  ],
  [
    "DescribeTransactions of an empty id",
    async () =>
      errorName(
        (await connection.request(describeTransactions, { transactionalIds: [""] })).transactionStates[0]
          ?.errorCode ?? -1,
      ),
    "INVALID_REQUEST",
  ],
  [
    "DescribeProducers of a topic that is not there",
    async () =>
      errorName(
        (await connection.request(describeProducers, {
          topics: [{ name: `no-${VICTIM}`, partitionIndexes: [0] }],
        })).topics[0]?.partitions[0]?.errorCode ?? -1,
      ),
    "UNKNOWN_TOPIC_OR_PARTITION",
  ],
];

async function createTopic(name: string): Promise<void> {
  const { topics } = await connection.request(createTopics, {
    // The batches are of 2023.
    topics: [{
      name,
      numPartitions: 1,
      replicationFactor: 1,
      assignments: [],
      configs: [{ name: "retention.ms", value: "-1" }],
    }],
    timeoutMs: 30_000,
  });
  if (topics[0]?.errorCode !== 0) throw new Error(`Cannot create topic "${name}": ${topics[0]?.errorCode}`);
}

/** How far the log reaches, control records included. */
async function logEnd(topic: string): Promise<number> {
  const partitions = [{ partitionIndex: 0, timestamp: -1, currentLeaderEpoch: -1 }];
  const { topics } = await connection.request(listOffsets, {
    replicaId: -1,
    topics: [{ name: topic, partitions }],
  });
  return topics[0]?.partitions[0]?.offset ?? -1;
}

await findCoordinators();
await createTopic(VICTIM);
await createTopic(HEALTHY);
const GROUPS = {
  Produce: PRODUCE,
  "Produce in a transaction": IN_TRANSACTION,
  EndTxn: END,
  "after a timeout": TIMED_OUT,
  InitProducerId: INIT,
  AddPartitionsToTxn: ADD,
  offsets: OFFSETS,
  administration: ADMIN,
};
for (const [group, cases] of Object.entries(GROUPS)) {
  for (const [name, run, kafka, kavka] of cases) {
    await check(`${group}: ${name}`, async () => {
      const answer = await run();
      // Nobody says which of the two is asked.
      if (answer !== kafka && answer !== kavka) throw new Error(`${answer}, not ${kavka ?? kafka}`);
      return answer;
    });
  }
}
await check("nothing was written", async () => {
  const found = await logEnd(VICTIM);
  if (found !== 0) throw new Error(`the log ends at ${found}`);
});
connection.close();
finish();
