/**
 * Looking up offsets in the log: earliest, latest, or the first record at or after a timestamp (ListOffsets).
 */
import { errorCode } from "../protocol/errors.ts";
import { listOffsets } from "../protocol/messages/02_list_offsets.ts";
import type { CallOptions, Cluster } from "./cluster.ts";
import { BrokerError, throwIfError } from "./errors.ts";
import { partitionKey, type TopicPartition } from "./topic_partition.ts";

export type IsolationLevel = "read_uncommitted" | "read_committed";

/** On the wire. */
export const ISOLATION_LEVELS = { read_uncommitted: 0, read_committed: 1 } as const;

/** Places in the log with a name, by their timestamp on the wire (KIP-734, KIP-405, KIP-1005, KIP-1023). */
const SPECIAL_TIMESTAMPS = {
  latest: -1,
  earliest: -2,
  "max-timestamp": -3,
  "earliest-local": -4,
  "latest-tiered": -5,
  "earliest-pending-upload": -6,
} as const;

/** A place in the log: one with a name, or the first record that is not older than a timestamp in milliseconds. */
export type OffsetSpec = keyof typeof SPECIAL_TIMESTAMPS | { readonly timestamp: number };

export interface FoundOffset {
  /** −1 when no record is that young. */
  readonly offset: number;
  /** Of the record, for a timestamp; else −1. */
  readonly timestamp: number;
}

/** Asks the leaders, until all have answered; the result is keyed by `partitionKey`. Throws a `ClientError`. */
export async function findOffsets(
  cluster: Cluster,
  requests: readonly (TopicPartition & { readonly spec: OffsetSpec })[],
  isolationLevel: IsolationLevel,
  options: CallOptions = {},
): Promise<Map<string, FoundOffset>> {
  const found = new Map<string, FoundOffset>();
  await cluster.retry(async () => {
    const open = requests.filter((request) => !found.has(partitionKey(request.topic, request.partition)));
    const byLeader = new Map<number, typeof open>();
    for (const request of open) {
      const leader = await leaderOf(cluster, request, options);
      byLeader.set(leader, [...(byLeader.get(leader) ?? []), request]);
    }
    const rounds = [...byLeader].map(([leader, group]) =>
      askLeader(cluster, leader, group, isolationLevel, found)
    );
    // All leaders get their chance before the first failure decides about another round.
    for (const outcome of await Promise.allSettled(rounds)) {
      if (outcome.status === "rejected") throw outcome.reason;
    }
  }, options);
  return found;
}

async function leaderOf(cluster: Cluster, request: TopicPartition, options: CallOptions): Promise<number> {
  const topic = await cluster.topic(request.topic, options);
  const partition = topic.partitions[request.partition];
  if (partition === undefined) {
    throw new BrokerError(
      errorCode("UNKNOWN_TOPIC_OR_PARTITION"),
      `Topic ${request.topic} has no partition ${request.partition}: it has ${topic.partitions.length}`,
    );
  }
  return partition.leader;
}

async function askLeader(
  cluster: Cluster,
  leader: number,
  requests: readonly (TopicPartition & { readonly spec: OffsetSpec })[],
  isolationLevel: IsolationLevel,
  found: Map<string, FoundOffset>,
): Promise<void> {
  try {
    const connection = await cluster.connection(leader);
    const response = await connection.request(listOffsets, {
      replicaId: -1,
      isolationLevel: ISOLATION_LEVELS[isolationLevel],
      topics: [...Map.groupBy(requests, (request) => request.topic)].map(([name, group]) => ({
        name,
        partitions: group.map(({ partition, spec }) => ({
          partitionIndex: partition,
          timestamp: timestampOf(spec),
        })),
      })),
      timeoutMs: cluster.requestTimeoutMs,
    });
    let failure = 0;
    for (const topic of response.topics) {
      for (const answer of topic.partitions) {
        if (answer.errorCode !== 0) failure = answer.errorCode;
        else found.set(partitionKey(topic.name, answer.partitionIndex), answer);
      }
    }
    throwIfError(failure);
  } catch (error) {
    // Somebody else may lead by now.
    for (const { topic } of requests) cluster.forgetTopic(topic);
    throw error;
  }
}

function timestampOf(spec: OffsetSpec): number {
  return typeof spec === "string" ? SPECIAL_TIMESTAMPS[spec] : spec.timestamp;
}
