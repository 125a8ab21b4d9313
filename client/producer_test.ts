import assert from "node:assert/strict";
import fc from "fast-check";
import { realEnv } from "../env/real.ts";
import { errorCode } from "../protocol/errors.ts";
import { produce, type ProduceRequest } from "../protocol/messages/00_produce.ts";
import { readBatchHeader, readRecords } from "../protocol/records/record_batch.ts";
import { BrokerError, BufferFullError, ConfigurationError, RecordTooLargeError } from "./errors.ts";
import { Producer, type ProducerOptions } from "./producer.ts";
import { CLOSE, FakeBroker } from "./testkit.ts";

const decoder = new TextDecoder();

/** A partition's log as a broker keeps it, with the sequence check over the last five batches. */
class Log {
  readonly values: string[] = [];
  readonly #batches = new Map<number, { baseSequence: number; baseOffset: number; next: number }[]>();

  append(bytes: Uint8Array): { errorCode: number; baseOffset: number } {
    const { producerId, baseSequence, recordCount } = readBatchHeader(bytes);
    const known = this.#batches.get(producerId) ?? [];
    const duplicate = known.find((batch) => batch.baseSequence === baseSequence);
    if (duplicate !== undefined) return { errorCode: 0, baseOffset: duplicate.baseOffset };
    if (baseSequence !== (known.at(-1)?.next ?? 0)) {
      return { errorCode: errorCode("OUT_OF_ORDER_SEQUENCE_NUMBER"), baseOffset: -1 };
    }
    const baseOffset = this.values.length;
    for (const record of readRecords(bytes)) this.values.push(decoder.decode(record.value ?? undefined));
    this.#batches.set(
      producerId,
      [...known, { baseSequence, baseOffset, next: baseSequence + recordCount }].slice(-5),
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

Deno.test("Producer stores every record once and in order whatever happens to connections", async () => {
  const faults = fc.array(
    fc.constantFrom("ok", "ok", "lost request", "lost response", "not leader"),
    { minLength: 1, maxLength: 12 },
  );
  await fc.assert(
    fc.asyncProperty(faults, fc.integer({ min: 1, max: 40 }), async (script, count) => {
      const broker = new FakeBroker({ t: 1 });
      const log = new Log();
      let next = 0;
      broker.on(produce, (request) => {
        const fault = script[next++] ?? "ok";
        if (fault === "lost request") return CLOSE;
        if (fault === "not leader") {
          return answer(request, { errorCode: errorCode("NOT_LEADER_OR_FOLLOWER"), baseOffset: -1 });
        }
        const result = log.append(only(request).bytes);
        return fault === "lost response" ? CLOSE : answer(request, result);
      });
      // Small batches, so that several are under way.
      await using producer = newProducer(broker, { lingerMs: 0, batchBytesMax: 60 });
      const values = Array.from({ length: count }, (_, i) => `value ${i}`);
      const sent = await Promise.all(values.map((value) => producer.send({ topic: "t", value })));
      assert.deepEqual(log.values, values);
      assert.deepEqual(sent.map((metadata) => metadata.offset), values.map((_, i) => i));
    }),
    { numRuns: 40 },
  );
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
