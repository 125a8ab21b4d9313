/**
 * Appends the records of one HTTP request as one transaction, over any topics and partitions: all of them are stored or none,
 * and `read_committed` sees them together, as soon as the request is answered. With Producer-Id, Producer-Epoch and Producer-Seq
 * (Durable Streams' headers), or with an Idempotency-Key, a repeated request is stored once.
 */
import type { Broker } from "../actors/broker.ts";
import type {
  AtomicProduce,
  AtomicProduceResult,
  AtomicWrite,
  WrittenRecords,
} from "../actors/messages/atomic_producer.ts";
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { limits } from "../core/config/limits.ts";
import { topicSettings } from "../core/config/topic_settings.ts";
import { partitionForKey } from "../core/partition/partitioner.ts";
import type { ProducerTag } from "../core/stream/record_note.ts";
import type { KeptWrite, RequestKey, RequestOutcome } from "../core/transaction/kept_answer.ts";
import { InvariantError } from "../lib/invariant.ts";
import type { RecordInput } from "../protocol/records/record_batch.ts";
import type { GivenRecord } from "./append_records.ts";
import { producerOf, streamHeader } from "./durable_streams/stream_headers.ts";
import { jsonResponse } from "./endpoint.ts";
import { idempotencyKeyOf, keyReused, REPLAYED_HEADER, requestKey, withKey } from "./idempotency_key.ts";
import { fieldProblem, kafkaProblem, Problem, weatherProblem } from "./problem.ts";

/** Requests without a Producer-Id that are under way at once, each under a transactional id of its own; the others wait. */
const SLOTS = 32;
const DEADLINE_MS = 60_000;

export interface TopicRecord extends GivenRecord {
  readonly topic: TopicImage;
}

export interface StoredRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
}

interface PlannedWrite extends AtomicWrite {
  readonly records: RecordInput[];
}

let requestCount = 0;

/**
 * The stored records in the order of the request; null: the request was stored before. `scope` sets apart the Producer-Ids of one
 * route or topic from those of others. Throws the problem why not: then none is stored, unless it says that the outcome is unknown.
 */
async function appendAtomically(
  broker: Broker,
  records: readonly TopicRecord[],
  { producer, scope, unkeyed }: {
    readonly producer: ProducerTag | null;
    readonly scope: string;
    readonly unkeyed: number;
  },
): Promise<StoredRecord[] | null> {
  const { writes, places, nowMs } = plan(broker, records, unkeyed);
  const transactionalId = producer === null
    ? `kavka-http-slot/${broker.brokerId}/${requestCount++ % SLOTS}`
    : `kavka-http/${scope}/${producer.id}`;
  const tag = producer === null ? null : { epoch: producer.epoch, seq: producer.seq };
  const result = await ask(broker, transactionalId, { writes, tag, keyed: null });
  if (result.type === "duplicate") return null;
  if (result.type !== "committed") throw refusal(result, producer?.seq ?? 0);
  return storedRecords(records, outcomeOf(writes, result.written, { places, nowMs }));
}

/**
 * Likewise for a request that names itself. Where it was stored before, its records are told as they were then, and `isRepeated`
 * is true. Throws 422 when another request had the key.
 */
async function appendOnce(
  broker: Broker,
  records: readonly TopicRecord[],
  { key, unkeyed }: { readonly key: RequestKey; readonly unkeyed: number },
): Promise<{ readonly stored: StoredRecord[]; readonly isRepeated: boolean }> {
  const { writes, places, nowMs } = plan(broker, records, unkeyed);
  if (writes.length > limits.idempotentPartitionsMax) {
    const detail =
      `A request with an Idempotency-Key writes to at most ${limits.idempotentPartitionsMax} partitions`;
    throw new Problem(400, { detail });
  }
  // By the key alone, so that it is found again after a restart.
  const transactionalId = `kavka-http-keys/${(key.hash[0] ?? 0) % limits.idempotencySlotCount}`;
  const result = await ask(broker, transactionalId, { writes, tag: null, keyed: { key, places, nowMs } });
  switch (result.type) {
    case "committed": {
      const outcome = outcomeOf(writes, result.written, { places, nowMs });
      return { stored: storedRecords(records, outcome), isRepeated: false };
    }
    case "answered":
      return { stored: storedRecords(records, result.outcome), isRepeated: true };
    default:
      throw refusal(result, 0);
  }
}

/** The records with the places that they have; the outcome may be one of long ago. */
function storedRecords(
  records: readonly TopicRecord[],
  { writes, places, nowMs }: RequestOutcome,
): StoredRecord[] {
  const counts = new Uint32Array(writes.length);
  return records.map(({ topic, timestamp = nowMs }, index) => {
    const place = places[index] ?? 0;
    const { partition, baseOffset, logAppendTimeMs } = writes[place] ?? NOWHERE;
    const position = counts[place] ?? 0;
    counts[place] = position + 1;
    return {
      topic: topic.name,
      partition,
      offset: baseOffset + position,
      timestamp: logAppendTimeMs >= 0 ? logAppendTimeMs : timestamp,
    };
  });
}

const NOWHERE: KeptWrite = { partition: -1, baseOffset: -1, logAppendTimeMs: -1 };

function outcomeOf(
  writes: readonly AtomicWrite[],
  written: readonly WrittenRecords[],
  rest: Pick<RequestOutcome, "places" | "nowMs">,
): RequestOutcome {
  const places = writes.map(({ partition }, index) => ({ ...NOWHERE, ...written[index], partition }));
  return { ...rest, writes: places };
}

/** How a request that is stored once is known again, and whose it is. */
export interface OnceOptions {
  readonly request: Request;
  readonly producer: ProducerTag | null;
  /** Null unless there is no producer. */
  readonly idempotencyKey: string | null;
  readonly scope: string;
  readonly unkeyed: number;
}

/** What makes a request be stored once; null for both where it is not. Throws 400. */
export function onceHeaders(headers: Headers): Pick<OnceOptions, "producer" | "idempotencyKey"> {
  const producer = producerOf(headers);
  const idempotencyKey = idempotencyKeyOf(headers);
  if (producer !== null && idempotencyKey !== null) {
    throw fieldProblem("Idempotency-Key", "excludes Producer-Id");
  }
  return { producer, idempotencyKey };
}

/** Appends atomically and answers: 200 with what `document` makes of the stored records, or 204 for a producer's repetition. */
export async function answerAtomically(
  broker: Broker,
  records: readonly TopicRecord[],
  { request, producer, idempotencyKey, scope, unkeyed }: OnceOptions,
  document: (stored: readonly StoredRecord[]) => unknown,
): Promise<Response> {
  if (idempotencyKey === null) {
    const headers = producerHeaders(producer);
    const stored = await appendAtomically(broker, records, { producer, scope, unkeyed });
    if (stored === null) return new Response(null, { status: 204, headers });
    return jsonResponse(200, document(stored), headers);
  }
  const key = requestKey(request, idempotencyKey, scope, records);
  const { stored, isRepeated } = await withKey(
    broker,
    key,
    () => appendOnce(broker, records, { key, unkeyed }),
  );
  return jsonResponse(200, document(stored), isRepeated ? { [REPLAYED_HEADER]: "true" } : {});
}

/** Of the answer to a request that a producer numbered. */
function producerHeaders(producer: ProducerTag | null): Record<string, string> {
  if (producer === null) return {};
  return {
    [streamHeader.producerEpoch]: String(producer.epoch),
    [streamHeader.producerSeq]: String(producer.seq),
  };
}

async function ask(
  broker: Broker,
  transactionalId: string,
  request: Omit<AtomicProduce, "type">,
): Promise<AtomicProduceResult> {
  try {
    return await broker.atomicProducer(transactionalId)
      .ask({ type: "produce", ...request }, { deadlineMs: DEADLINE_MS });
  } catch (error) {
    throw weatherProblem(error) ?? error;
  }
}

function plan(broker: Broker, records: readonly TopicRecord[], unkeyed: number) {
  const writes: PlannedWrite[] = [];
  const places: number[] = [];
  const indexes = new Map<string, number>();
  const nowMs = Math.floor(broker.env.now());
  for (const [index, record] of records.entries()) {
    const { topic, key = null, value, headers = [], timestamp = nowMs } = record;
    const partitionCount = topic.partitions.length;
    const partition = record.partition ??
      (key === null ? unkeyed % partitionCount : partitionForKey(key, partitionCount));
    if (partition >= partitionCount) {
      throw fieldProblem(
        `records[${index}].partition`,
        `the topic has ${partitionCount} partitions, none with index ${partition}`,
      );
    }
    const name = `${topic.topicId}/${partition}`;
    let write = indexes.get(name);
    if (write === undefined) {
      write = writes.length;
      indexes.set(name, write);
      const settings = topicSettings(topic, (setting) => broker.config(setting));
      writes.push({ topicId: topic.topicId, partition, records: [], settings });
    }
    places.push(write);
    writes[write]?.records.push({ key, value, headers: [...headers], timestamp });
  }
  return { writes, places, nowMs };
}

function refusal(result: AtomicProduceResult, receivedSeq: number): Problem {
  switch (result.type) {
    case "refused":
      return kafkaProblem(result.error, result.message);
    case "keyReused":
      return keyReused();
    case "staleEpoch":
      return new Problem(403, {
        detail: "A newer epoch of this producer writes here",
        headers: { [streamHeader.producerEpoch]: String(result.epoch) },
      });
    case "epochStart":
      return new Problem(400, { detail: "A new epoch begins with Producer-Seq 0" });
    case "sequenceGap":
      return new Problem(409, {
        detail: "Producer-Seq leaves a gap",
        headers: {
          [streamHeader.producerExpectedSeq]: String(result.expectedSeq),
          [streamHeader.producerReceivedSeq]: String(receivedSeq),
        },
      });
    case "committed":
    case "duplicate":
    case "answered":
      throw new InvariantError(`An atomic request that is ${result.type} is no failure`);
  }
}
