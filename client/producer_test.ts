import assert from "node:assert/strict";
import fc from "fast-check";
import { realEnv } from "../env/real.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { produce, type ProduceRequest } from "../protocol/messages/00_produce.ts";
import { readBatchHeader, readRecords } from "../protocol/records/record_batch.ts";
import {
  BrokerError,
  BufferFullError,
  ClientError,
  ClosedError,
  ConfigurationError,
  RecordTooLargeError,
} from "./errors.ts";
import { Producer, type ProducerOptions } from "./producer.ts";
import { CLOSE, FakeBroker, idleTimeEnv, SILENCE } from "./testkit.ts";

const decoder = new TextDecoder();
const RUN_COUNT = 100;

/** A partition's log as a broker keeps it, with the sequence check over the last five batches. */
class Log {
  readonly values: string[] = [];
  readonly #batches = new Map<number, { baseSequence: number; baseOffset: number; next: number }[]>();

  append(bytes: Uint8Array): { errorCode: number; baseOffset: number } {
    const { producerId, baseSequence, recordCount } = readBatchHeader(bytes);
    const known = this.#batches.get(producerId) ?? [];
    const next = baseSequence + recordCount;
    const duplicate = known.find((batch) => batch.baseSequence === baseSequence && batch.next === next);
    if (duplicate !== undefined) return { errorCode: 0, baseOffset: duplicate.baseOffset };
    // Whoever is not known may begin anywhere (KIP-360).
    if (baseSequence !== (known.at(-1)?.next ?? baseSequence)) {
      return { errorCode: errorCode("OUT_OF_ORDER_SEQUENCE_NUMBER"), baseOffset: -1 };
    }
    const baseOffset = this.values.length;
    for (const record of readRecords(bytes)) this.values.push(decoder.decode(record.value ?? undefined));
    this.#batches.set(
      producerId,
      [...known, { baseSequence, baseOffset, next }].slice(-5),
    );
    return { errorCode: 0, baseOffset };
  }
}

function only(request: ProduceRequest): { name: string; index: number; bytes: Uint8Array } {
  const topic = request.topicData[0];
  const partition = topic?.partitionData[0];
  assert.ok(topic !== undefined && partition !== undefined && partition.records !== null);
  return { name: topic.name, index: partition.index, bytes: partition.records };
}

function answer(request: ProduceRequest, result: { errorCode: number; baseOffset: number }) {
  const { name, index } = only(request);
  return { responses: [{ name, partitionResponses: [{ index, ...result }] }] };
}

function newProducer(broker: FakeBroker, options: Partial<ProducerOptions> = {}): Producer {
  return new Producer(broker.env(realEnv()), {
    bootstrapServers: "memory:1",
    lingerMs: 1,
    retryBackoffMs: 1,
    retryBackoffMaxMs: 2,
    ...options,
  });
}

Deno.test("Producer puts what is sent in one go into one batch, and gives each record its offset", async () => {
  const broker = new FakeBroker({ t: 1 });
  const log = new Log();
  broker.on(produce, (request) => answer(request, log.append(only(request).bytes)));
  await using producer = newProducer(broker);
  const sent = await Promise.all(["a", "b", "c"].map((value) => producer.send({ topic: "t", value })));
  assert.deepEqual(sent.map((metadata) => metadata.offset), [0, 1, 2]);
  assert.equal(broker.requestsOf(produce).length, 1);
  assert.deepEqual(log.values, ["a", "b", "c"]);
});

Deno.test("Producer sends again with the same sequence after the connection broke behind the append", async () => {
  const broker = new FakeBroker({ t: 1 });
  const log = new Log();
  let isFirst = true;
  broker.on(produce, (request) => {
    const result = log.append(only(request).bytes);
    if (!isFirst) return answer(request, result);
    isFirst = false;
    return CLOSE;
  });
  await using producer = newProducer(broker);
  assert.equal((await producer.send({ topic: "t", value: "a" })).offset, 0);
  assert.equal((await producer.send({ topic: "t", value: "b" })).offset, 1);
  assert.deepEqual(log.values, ["a", "b"]);
});

Deno.test("Producer rejects the records of a batch that the broker refuses, and goes on with a new identity", async () => {
  const broker = new FakeBroker({ t: 1 });
  const log = new Log();
  const identities: number[] = [];
  broker.on(produce, (request) => {
    const { bytes } = only(request);
    identities.push(readBatchHeader(bytes).producerId);
    if (identities.length === 1) {
      return answer(request, { errorCode: errorCode("INVALID_RECORD"), baseOffset: -1 });
    }
    return answer(request, log.append(bytes));
  });
  await using producer = newProducer(broker);
  await assert.rejects(
    producer.send({ topic: "t", value: "bad" }),
    (error) => error instanceof BrokerError && error.error === "INVALID_RECORD",
  );
  assert.equal((await producer.send({ topic: "t", value: "good" })).offset, 0);
  assert.deepEqual(identities, [1000, 1001]);
});

Deno.test("Producer cuts a batch in two when it is too large for the broker", async () => {
  const broker = new FakeBroker({ t: 1 });
  const log = new Log();
  broker.on(produce, (request) => {
    const { bytes } = only(request);
    if (readBatchHeader(bytes).recordCount > 2) {
      return answer(request, { errorCode: errorCode("MESSAGE_TOO_LARGE"), baseOffset: -1 });
    }
    return answer(request, log.append(bytes));
  });
  await using producer = newProducer(broker);
  const values = Array.from({ length: 9 }, (_, i) => `v${i}`);
  const sent = await Promise.all(values.map((value) => producer.send({ topic: "t", value })));
  assert.deepEqual(log.values, values);
  assert.deepEqual(sent.map((metadata) => metadata.offset), values.map((_, i) => i));
});

/** What a broker, or the network on the way to it, does with a Produce request. */
const RETRIABLE_FAULTS = {
  "ok": { appends: true },
  "lost request": { answers: CLOSE },
  "lost response": { appends: true, answers: CLOSE },
  "not leader": { answers: "NOT_LEADER_OR_FOLLOWER" },
  // A leader that is deposed while it waits for its followers.
  "not leader after append": { appends: true, answers: "NOT_LEADER_OR_FOLLOWER" },
  "too few replicas": { answers: "NOT_ENOUGH_REPLICAS" },
  "too few replicas after append": { appends: true, answers: "NOT_ENOUGH_REPLICAS_AFTER_APPEND" },
  "time out": { answers: "REQUEST_TIMED_OUT" },
  "time out after append": { appends: true, answers: "REQUEST_TIMED_OUT" },
  // The connection breaks, and the broker gets to the request only later.
  "late": { appendsLate: true, answers: CLOSE },
  "silence": { answers: SILENCE },
  "silence after append": { appends: true, answers: SILENCE },
} as const;

const FATAL_FAULTS = {
  "invalid record": { answers: "INVALID_RECORD" },
  "out of order": { answers: "OUT_OF_ORDER_SEQUENCE_NUMBER" },
  "forgotten": { answers: "UNKNOWN_PRODUCER_ID" },
  "fenced": { answers: "INVALID_PRODUCER_EPOCH" },
  "too large": { answers: "MESSAGE_TOO_LARGE" },
  "server error": { answers: "UNKNOWN_SERVER_ERROR" },
  "server error after append": { appends: true, answers: "UNKNOWN_SERVER_ERROR" },
} as const;

interface FaultEffect {
  readonly appends?: boolean;
  readonly appendsLate?: boolean;
  readonly answers?: ErrorName | typeof CLOSE | typeof SILENCE;
}

type RetriableFault = keyof typeof RETRIABLE_FAULTS;
type Fault = RetriableFault | keyof typeof FATAL_FAULTS;
const FAULTS: Readonly<Record<Fault, FaultEffect>> = { ...RETRIABLE_FAULTS, ...FATAL_FAULTS };

/** Sends `count` records, two to a batch, to a broker that does with the n-th request what `script[n]` says. */
async function sendThrough(script: readonly Fault[], count: number, options: Partial<ProducerOptions> = {}) {
  const broker = new FakeBroker({ t: 1 });
  const log = new Log();
  const late: Uint8Array[] = [];
  let next = 0;
  broker.on(produce, (request) => {
    const { bytes } = only(request);
    const { appends, appendsLate, answers } = FAULTS[script[next++] ?? "ok"];
    const result = appends === true ? log.append(bytes) : null;
    for (const overdue of late.splice(0)) log.append(overdue);
    if (appendsLate === true) late.push(bytes);
    if (answers === CLOSE) return CLOSE;
    // Brokers answer in order, so whoever waits behind a silence gets no answer either.
    if (answers === SILENCE) return new Promise<typeof CLOSE>(() => {});
    if (result !== null && result.errorCode !== 0) return answer(request, result);
    if (answers !== undefined) return answer(request, { errorCode: errorCode(answers), baseOffset: -1 });
    assert.ok(result !== null);
    return answer(request, result);
  });
  const env = idleTimeEnv(broker.env(realEnv()));
  const producer = new Producer(env, {
    bootstrapServers: "memory:1",
    lingerMs: 0,
    // Small batches, so that several are under way.
    batchBytesMax: 60,
    retryBackoffMs: 10,
    retryBackoffMaxMs: 20,
    requestTimeoutMs: 50,
    ...options,
  });
  const values = Array.from({ length: count }, (_, i) => `value ${i}`);
  const outcomes = await Promise.allSettled(values.map((value) => producer.send({ topic: "t", value })));
  assert.equal(producer.bufferedBytes, 0);
  await producer.close();
  return { values, outcomes, stored: log.values };
}

/** Nothing here is for good, so every record is stored once, in order, and its offset is known. */
async function storesAll(script: readonly RetriableFault[], count: number): Promise<void> {
  const { values, outcomes, stored } = await sendThrough(script, count);
  const offsets = outcomes.map((sent) => sent.status === "fulfilled" ? sent.value.offset : sent.reason);
  assert.deepEqual(offsets, values.map((_, i) => i));
  assert.deepEqual(stored, values);
}

Deno.test("Producer sends nothing new while it is unknown whether a batch is stored", async () => {
  // A broker remembers five batches. Were a sixth stored before the first, whose response was lost, is answered,
  // the first would be neither a duplicate that the broker knows nor the next one.
  await storesAll(
    ["lost response", "not leader", "ok", "ok", "ok", "ok", "not leader"],
    11,
  );
  await storesAll(["ok", "time out after append", "ok", "ok", "ok", "ok", "not leader"], 14);
});

Deno.test("Producer awaits its first acknowledgement, as a broker takes any sequence from a producer it does not know", async () => {
  await storesAll(["not leader"], 4);
});

Deno.test("Producer stores every record once and in order whatever happens to connections", async () => {
  const faults = Object.keys(RETRIABLE_FAULTS) as RetriableFault[];
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...faults, "ok" as const, "ok" as const), { minLength: 1, maxLength: 16 }),
      fc.integer({ min: 1, max: 40 }),
      storesAll,
    ),
    { numRuns: RUN_COUNT },
  );
});

Deno.test("Producer stores no record twice nor out of order when it gives up some", async () => {
  const faults = Object.keys(FAULTS) as Fault[];
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...faults, "ok" as const, "ok" as const, "ok" as const), {
        minLength: 1,
        maxLength: 16,
      }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 10, max: 300 }),
      async (script, count, deliveryTimeoutMs) => {
        const { values, outcomes, stored } = await sendThrough(script, count, { deliveryTimeoutMs });
        assert.equal(new Set(stored).size, stored.length, "A record is stored twice");
        const acknowledged: number[] = [];
        outcomes.forEach((sent, i) => {
          if (sent.status === "rejected") return assert.ok(sent.reason instanceof ClientError, sent.reason);
          assert.equal(stored[sent.value.offset], values[i]);
          acknowledged.push(sent.value.offset);
        });
        assert.deepEqual(acknowledged, acknowledged.toSorted((a, b) => a - b));
        // What comes late from a broken connection may have been given up meanwhile.
        if (script.includes("late")) return;
        const order = stored.map((value) => values.indexOf(value));
        assert.deepEqual(order, order.toSorted((a, b) => a - b));
      },
    ),
    { numRuns: RUN_COUNT },
  );
});

Deno.test("Producer knows that nothing is stored when it could not even connect", async () => {
  const broker = new FakeBroker({ t: 1 });
  const log = new Log();
  let isFenced = false;
  broker.on(produce, (request) => {
    const { bytes } = only(request);
    const { producerId } = readBatchHeader(bytes);
    if (isFenced && producerId === 1000) {
      return answer(request, { errorCode: errorCode("INVALID_PRODUCER_EPOCH"), baseOffset: -1 });
    }
    return answer(request, log.append(bytes));
  });
  let refusals = 0;
  const env = idleTimeEnv(broker.env(realEnv()));
  await using producer = new Producer({
    ...env,
    connect: (options) => refusals-- > 0 ? Promise.reject(new Error("refused")) : env.connect(options),
  }, { bootstrapServers: "memory:1" });
  assert.equal((await producer.send({ topic: "t", value: "a" })).offset, 0);
  broker.disconnect();
  await realEnv().sleep(0);
  refusals = 1;
  isFenced = true;
  // Sent again under another identity, which a batch that may be in the log never is.
  assert.equal((await producer.send({ topic: "t", value: "b" })).offset, 1);
  assert.deepEqual(log.values, ["a", "b"]);
  assert.ok(refusals <= 0);
});

Deno.test("Producer rejects once, when it is closed, what no broker has answered", async () => {
  const broker = new FakeBroker({ t: 1 });
  broker.on(produce, () => new Promise<typeof CLOSE>(() => {}));
  const producer = new Producer(idleTimeEnv(broker.env(realEnv())), { bootstrapServers: "memory:1" });
  const sent = assert.rejects(producer.send({ topic: "t", value: "a" }), ClosedError);
  await producer.close({ timeoutMs: 100 });
  await sent;
  await realEnv().sleep(0);
  assert.equal(producer.bufferedBytes, 0);
});

Deno.test("Producer refuses what can never work", async () => {
  const broker = new FakeBroker({ t: 1 });
  assert.throws(() => newProducer(broker, { idempotent: true, acks: 1 }), ConfigurationError);
  broker.on(produce, (request) => answer(request, { errorCode: 0, baseOffset: 0 }));
  await using producer = newProducer(broker, { requestBytesMax: 1000, bufferBytesMax: 100, lingerMs: 50 });
  await assert.rejects(producer.send({ topic: "t", value: new Uint8Array(1000) }), RecordTooLargeError);
  await assert.rejects(producer.send({ topic: "t", partition: 7, value: "a" }), ConfigurationError);
  const first = producer.send({ topic: "t", value: new Uint8Array(60) });
  await assert.rejects(producer.send({ topic: "t", value: new Uint8Array(60) }), BufferFullError);
  await producer.ready();
  await first;
});
