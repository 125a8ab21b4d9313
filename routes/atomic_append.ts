/**
 * Appends the records of one HTTP request as one transaction, over any topics and partitions: all of them are stored or none,
 * and `read_committed` sees them together, as soon as the request is answered. With Producer-Id, Producer-Epoch and Producer-Seq
 * (Durable Streams' headers) a repeated request is stored once.
 */
import type { Broker } from "../actors/broker.ts";
import type { AtomicProduceResult, AtomicWrite } from "../actors/messages/atomic_producer.ts";
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { topicSettings } from "../core/config/topic_settings.ts";
import { partitionForKey } from "../core/partition/partitioner.ts";
import type { ProducerTag } from "../core/stream/record_note.ts";
import type { RecordInput } from "../protocol/records/record_batch.ts";
import type { GivenRecord } from "./append_records.ts";
import { streamHeader } from "./durable_streams/stream_headers.ts";
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

/** What a client may do with a record's place in the request. */
interface Place {
  readonly write: number;
  readonly position: number;
}

interface PlannedWrite extends AtomicWrite {
  readonly topic: string;
  readonly records: RecordInput[];
}

let requestCount = 0;

/**
 * The stored records in the order of the request; null: the request was stored before. `scope` sets apart the Producer-Ids of one
 * route or topic from those of others. Throws the problem why not: then none is stored, unless it says that the outcome is unknown.
 */
export async function appendAtomically(
  broker: Broker,
  records: readonly TopicRecord[],
  { producer, scope, unkeyed }: {
    readonly producer: ProducerTag | null;
    readonly scope: string;
    readonly unkeyed: number;
  },
): Promise<StoredRecord[] | null> {
  const { writes, places } = plan(broker, records, unkeyed);
  const transactionalId = producer === null
    ? `kavka-http-slot/${broker.brokerId}/${requestCount++ % SLOTS}`
    : `kavka-http/${scope}/${producer.id}`;
  const tag = producer === null ? null : { epoch: producer.epoch, seq: producer.seq };
  const result = await ask(broker, transactionalId, writes, tag);
  switch (result.type) {
    case "committed":
      return places.map(({ write, position }) => {
        const { topic, partition, records: inputs } = writes[write] as PlannedWrite;
        const { baseOffset, logAppendTimeMs } = result.written[write] ??
          { baseOffset: -1, logAppendTimeMs: -1 };
        const timestamp = logAppendTimeMs >= 0 ? logAppendTimeMs : inputs[position]?.timestamp ?? -1;
        return { topic, partition, offset: baseOffset + position, timestamp };
      });
    case "duplicate":
      return null;
    case "refused":
      throw kafkaProblem(result.error, result.message);
    default:
      throw outOfPlace(result, producer?.seq ?? 0);
  }
}

/** Of the answer to a request that a producer numbered. */
export function producerHeaders(producer: ProducerTag | null): Record<string, string> {
  if (producer === null) return {};
  return {
    [streamHeader.producerEpoch]: String(producer.epoch),
    [streamHeader.producerSeq]: String(producer.seq),
  };
}

async function ask(
  broker: Broker,
  transactionalId: string,
  writes: readonly AtomicWrite[],
  tag: { readonly epoch: number; readonly seq: number } | null,
): Promise<AtomicProduceResult> {
  try {
    return await broker.atomicProducer(transactionalId)
      .ask({ type: "produce", writes, tag }, { deadlineMs: DEADLINE_MS });
  } catch (error) {
    throw weatherProblem(error) ?? error;
  }
}

function plan(broker: Broker, records: readonly TopicRecord[], unkeyed: number) {
  const writes: PlannedWrite[] = [];
  const places: Place[] = [];
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
      writes.push({ topic: topic.name, topicId: topic.topicId, partition, records: [], settings });
    }
    const inputs = writes[write]?.records ?? [];
    places.push({ write, position: inputs.length });
    inputs.push({ key, value, headers: [...headers], timestamp });
  }
  return { writes, places };
}

function outOfPlace(
  result: Exclude<AtomicProduceResult, { readonly type: "committed" | "duplicate" | "refused" }>,
  receivedSeq: number,
): Problem {
  switch (result.type) {
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
  }
}
