/**
 * Appends records that came over HTTP, whatever the contract: finds or creates the topic, chooses partitions, makes batches, and
 * tells each record's outcome.
 */
import type { Broker } from "../actors/broker.ts";
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { topicSettings } from "../core/config/topic_settings.ts";
import { internalTopicNames, topicNameFault } from "../core/config/topic_name.ts";
import { partitionForKey } from "../core/partition/partitioner.ts";
import { buildBatch, type RecordHeader, type RecordInput } from "../protocol/records/record_batch.ts";
import { fieldProblem, kafkaProblem, Problem, weatherProblem } from "./problem.ts";
import { errorUnderTopic, unknownTopic } from "./topic_lookup.ts";
import { topicProblem } from "./topics.ts";

/** A record as a client gave it. */
export interface GivenRecord {
  /** Null or absent: none. */
  readonly key?: Uint8Array | null | undefined;
  readonly value: Uint8Array | null;
  readonly headers?: readonly RecordHeader[] | undefined;
  /** Absent: by the key, else any. */
  readonly partition?: number | undefined;
  /** Milliseconds; absent: now. */
  readonly timestamp?: number | undefined;
}

export interface RecordOutcome {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly problem: Problem | null;
}

/** A record on its way, with its place in the request. */
interface PlacedRecord {
  readonly index: number;
  readonly input: RecordInput;
}

/** Throws the problem why not. */
export async function findOrCreateTopic(broker: Broker, name: string): Promise<TopicImage> {
  if (internalTopicNames.has(name)) {
    throw kafkaProblem(
      "TOPIC_AUTHORIZATION_FAILED",
      `Topic "${name}" is internal: clients cannot produce to it`,
    );
  }
  const found = broker.metadata.topicsByName.get(name);
  if (found !== undefined) return found;
  if (topicNameFault(name) !== null || broker.config("auto.create.topics.enable") !== "true") {
    throw unknownTopic(name);
  }
  const outcome = await broker.supervisor.ask({
    type: "createTopic",
    name,
    partitionCount: -1,
    replicationFactor: -1,
    configs: {},
    validateOnly: false,
  });
  if ("topic" in outcome) return outcome.topic;
  const created = broker.metadata.topicsByName.get(name);
  if (created !== undefined) return created;
  throw topicProblem(outcome);
}

/**
 * Appends to all partitions at once; the outcomes are in the order of the records. Throws 400 for a partition that is not there.
 * `unkeyed` chooses the partition of records without key and partition.
 */
export async function appendRecords(
  broker: Broker,
  topic: TopicImage,
  records: readonly GivenRecord[],
  unkeyed: number,
): Promise<RecordOutcome[]> {
  const partitionCount = topic.partitions.length;
  const nowMs = broker.env.now();
  const byPartition = new Map<number, PlacedRecord[]>();
  for (
    const [index, { key = null, value, headers = [], timestamp = nowMs, partition }] of records.entries()
  ) {
    if (partition !== undefined && partition >= partitionCount) {
      const field = records.length === 1 ? "partition" : `records[${index}].partition`;
      throw fieldProblem(field, `the topic has ${partitionCount} partitions, none with index ${partition}`);
    }
    const target = partition ??
      (key === null ? unkeyed % partitionCount : partitionForKey(key, partitionCount));
    const placed = { index, input: { key, value, headers, timestamp } };
    const siblings = byPartition.get(target);
    if (siblings === undefined) byPartition.set(target, [placed]);
    else siblings.push(placed);
  }
  const outcomes = new Array<RecordOutcome>(records.length);
  await Promise.all(
    [...byPartition].map(([partition, placed]) =>
      appendToPartition({ broker, topic, partition, placed, outcomes })
    ),
  );
  return outcomes;
}

interface PartitionAppend {
  readonly broker: Broker;
  readonly topic: TopicImage;
  readonly partition: number;
  readonly placed: readonly PlacedRecord[];
  /** Filled in, by the records' place in the request. */
  readonly outcomes: RecordOutcome[];
}

/** Batches of one partition one after the other; what follows a failed one is not tried, so that the order holds. */
async function appendToPartition(
  { broker, topic, partition, placed, outcomes }: PartitionAppend,
): Promise<void> {
  const settings = topicSettings(topic, (name) => broker.config(name));
  const actor = broker.partition(topic.topicId, partition);
  let notTried: Problem | null = null;
  for (const group of splitBySize(placed, settings.maxMessageBytes)) {
    let baseOffset = -1;
    let appendTimeMs = -1;
    let problem: Problem | null = notTried;
    if (problem === null) {
      try {
        const batch = buildBatch({ records: group.map(({ input }) => input) });
        const result = await actor.ask({ type: "produce", batch, ...settings });
        baseOffset = result.baseOffset;
        appendTimeMs = result.logAppendTimeMs;
        if (result.error !== "NONE") problem = kafkaProblem(result.error, result.errorMessage);
      } catch (error) {
        const known = errorUnderTopic(broker, topic, error);
        problem = known instanceof Problem ? known : weatherProblem(known);
        if (problem === null) throw error;
      }
    }
    for (const [position, { index, input }] of group.entries()) {
      const timestamp = appendTimeMs >= 0 ? appendTimeMs : input.timestamp;
      outcomes[index] = { partition, offset: baseOffset + position, timestamp, problem };
    }
    if (problem !== null) notTried ??= notTriedProblem(problem);
  }
}

/** The failed batch itself may have been stored; those behind it certainly were not. */
function notTriedProblem({ status, options, message }: Problem): Problem {
  return new Problem(status, {
    ...options,
    detail: `Not tried, since an earlier batch of the request failed: ${message}`,
  });
}

/** Bytes of a batch's header, and those of a record and of a header besides their contents (varints at their longest). */
const batchOverheadBytes = 61;
const recordOverheadBytes = 32;
const headerOverheadBytes = 10;

function* splitBySize(placed: readonly PlacedRecord[], maxMessageBytes: number): Generator<PlacedRecord[]> {
  let group: PlacedRecord[] = [];
  let bytes = batchOverheadBytes;
  for (const record of placed) {
    const recordBytes = sizeOf(record.input);
    if (group.length > 0 && bytes + recordBytes > maxMessageBytes) {
      yield group;
      group = [];
      bytes = batchOverheadBytes;
    }
    group.push(record);
    bytes += recordBytes;
  }
  yield group;
}

function sizeOf({ key, value, headers }: RecordInput): number {
  return headers.reduce(
    // A UTF-16 unit is at most three bytes of UTF-8.
    (sum, header) => sum + headerOverheadBytes + header.key.length * 3 + (header.value?.length ?? 0),
    recordOverheadBytes + (key?.length ?? 0) + (value?.length ?? 0),
  );
}
