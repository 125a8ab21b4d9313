/** Transactions of the producer against a broker in memory: what is sent to whom, and what a failure means for the next one. */
import assert from "node:assert/strict";
import { realEnv } from "../env/real.ts";
import { errorCode } from "../protocol/errors.ts";
import { produce, type ProduceRequest } from "../protocol/messages/00_produce.ts";
import { findCoordinator } from "../protocol/messages/10_find_coordinator.ts";
import { apiVersions } from "../protocol/messages/18_api_versions.ts";
import { endTxn } from "../protocol/messages/26_end_txn.ts";
import { apis } from "../protocol/messages/all.ts";
import { readBatchHeader } from "../protocol/records/record_batch.ts";
import { BrokerError, ConfigurationError, RecordTooLargeError, UnsupportedVersionError } from "./errors.ts";
import { Producer } from "./producer.ts";
import { CLOSE, FakeBroker } from "./testkit.ts";

/** Each end gives the next epoch, as KIP-890 has it. */
function coordinatorOfAll(): FakeBroker {
  const broker = new FakeBroker({ t: 1 });
  broker.on(findCoordinator, ({ keyType, coordinatorKeys: [key = ""] }) => {
    assert.deepEqual([keyType, key], [1, "x"]);
    return { coordinators: [{ key, nodeId: 1, host: "memory", port: 1, errorCode: 0, errorMessage: null }] };
  });
  broker.on(produce, (request) => accepted(request, 0));
  broker.on(endTxn, ({ producerId, producerEpoch }) => ({
    errorCode: 0,
    producerId,
    producerEpoch: producerEpoch + 1,
  }));
  return broker;
}

function accepted({ topicData }: ProduceRequest, code: number) {
  return {
    responses: topicData.map(({ name, topicId }) => ({
      name,
      topicId,
      partitionResponses: [{ index: 0, errorCode: code, baseOffset: code === 0 ? 0 : -1 }],
    })),
  };
}

function newProducer(broker: FakeBroker): Producer {
  return new Producer(broker.env(realEnv()), {
    bootstrapServers: "memory:1",
    transactionalId: "x",
    lingerMs: 0,
    retryBackoffMs: 1,
    retryBackoffMaxMs: 2,
  });
}

const ends = (broker: FakeBroker) =>
  broker.requestsOf(endTxn).map(({ producerEpoch, committed }) => [producerEpoch, committed]);

/** Epoch, sequence and whether it is transactional, of each batch that was sent. */
const batches = (broker: FakeBroker) =>
  broker.requestsOf(produce).map(({ transactionalId, topicData }) => {
    const header = readBatchHeader(topicData[0]?.partitionData[0]?.records ?? new Uint8Array());
    return [transactionalId, header.producerEpoch, header.baseSequence, header.isTransactional];
  });

Deno.test("each transaction has the epoch that the end of the one before gave, and sequences from 0", async () => {
  const broker = coordinatorOfAll();
  await using producer = newProducer(broker);
  await producer.initTransactions();
  for (const committed of [true, false, true]) {
    producer.beginTransaction();
    await producer.send({ topic: "t", value: "a" });
    await producer.send({ topic: "t", value: "b" });
    await (committed ? producer.commitTransaction() : producer.abortTransaction());
  }
  assert.deepEqual(batches(broker), [
    ["x", 0, 0, true],
    ["x", 0, 1, true],
    ["x", 1, 0, true],
    ["x", 1, 1, true],
    ["x", 2, 0, true],
    ["x", 2, 1, true],
  ]);
  assert.deepEqual(ends(broker), [[0, true], [1, false], [2, true]]);
});

Deno.test("an end whose answer is lost is asked for again with the same epoch; what was never used needs none", async () => {
  const broker = coordinatorOfAll();
  let isFirst = true;
  broker.on(endTxn, ({ producerId, producerEpoch }) => {
    const answer = { errorCode: 0, producerId, producerEpoch: producerEpoch + 1 };
    if (!isFirst) return answer;
    isFirst = false;
    return CLOSE;
  });
  await using producer = newProducer(broker);
  await producer.initTransactions();
  producer.beginTransaction();
  await producer.commitTransaction();
  producer.beginTransaction();
  await producer.send({ topic: "t", value: "a" });
  await producer.commitTransaction();
  assert.deepEqual(ends(broker), [[0, true], [0, true]]);
});

Deno.test("a transaction that lost a record cannot be committed, sends no more, and can be aborted", async () => {
  const broker = coordinatorOfAll();
  broker.on(produce, (request) => accepted(request, errorCode("INVALID_RECORD")));
  await using producer = newProducer(broker);
  await producer.initTransactions();
  producer.beginTransaction();
  const isInvalid = (error: unknown) => error instanceof BrokerError && error.error === "INVALID_RECORD";
  await assert.rejects(producer.send({ topic: "t", value: "a" }), isInvalid);
  await assert.rejects(producer.send({ topic: "t", value: "b" }), isInvalid);
  assert.equal(batches(broker).length, 1);
  await assert.rejects(producer.commitTransaction(), isInvalid);
  assert.deepEqual(ends(broker), []);
  await producer.abortTransaction();
  broker.on(produce, (request) => accepted(request, 0));
  producer.beginTransaction();
  await assert.rejects(producer.send({ topic: "t", value: new Uint8Array(2 << 20) }), RecordTooLargeError);
  await assert.rejects(producer.commitTransaction(), RecordTooLargeError);
  await producer.abortTransaction();
  producer.beginTransaction();
  await producer.send({ topic: "t", value: "c" });
  await producer.commitTransaction();
  assert.deepEqual(batches(broker).at(-1), ["x", 1, 0, true]);
  assert.deepEqual(ends(broker), [[0, false], [1, true]]);
});

Deno.test("a producer whose epoch is no longer good is fenced, and does not go on with a new identity", async () => {
  const broker = coordinatorOfAll();
  broker.on(produce, (request) => accepted(request, errorCode("INVALID_PRODUCER_EPOCH")));
  await using producer = newProducer(broker);
  await producer.initTransactions();
  producer.beginTransaction();
  await assert.rejects(producer.send({ topic: "t", value: "a" }), BrokerError);
  assert.equal(batches(broker).length, 1);
});

Deno.test("what is called in the wrong order is refused, as is a broker of the old transactions", async () => {
  const broker = coordinatorOfAll();
  await using producer = newProducer(broker);
  assert.throws(() => producer.beginTransaction(), ConfigurationError);
  await assert.rejects(producer.send({ topic: "t", value: "a" }), ConfigurationError);
  await producer.initTransactions();
  await assert.rejects(producer.commitTransaction(), /Cannot commit: no transaction is open/);
  producer.beginTransaction();
  assert.throws(() => producer.beginTransaction(), /Cannot begin a transaction: a transaction is open/);
  await producer.commitTransaction();
  assert.throws(
    () => new Producer(realEnv(), { bootstrapServers: "memory:1", transactionalId: "x", acks: 1 }),
    ConfigurationError,
  );
  broker.on(apiVersions, () => ({
    errorCode: 0,
    apiKeys: apis.map(({ key, minVersion, maxVersion }) => ({
      apiKey: key,
      minVersion,
      maxVersion: key === endTxn.key ? 4 : maxVersion,
    })),
  }));
  await using old = newProducer(broker);
  await assert.rejects(old.initTransactions(), UnsupportedVersionError);
});

Deno.test("closing aborts what is open", async () => {
  const broker = coordinatorOfAll();
  const producer = newProducer(broker);
  await producer.initTransactions();
  producer.beginTransaction();
  await producer.send({ topic: "t", value: "a" });
  await producer.close();
  assert.deepEqual(ends(broker), [[0, false]]);
});
