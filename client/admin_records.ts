/**
 * Deleting the oldest records of partitions, each asked from its leader (DeleteRecords, KIP-107).
 */
import { errorCode } from "../protocol/errors.ts";
import { deleteRecords } from "../protocol/messages/21_delete_records.ts";
import type { CallOptions, Cluster } from "./cluster.ts";
import { asError, BrokerError } from "./errors.ts";
import type { TopicPartition } from "./topic_partition.ts";

export interface DeletedRecords extends TopicPartition {
  /** The first offset that is left; null when it failed. */
  readonly lowWatermark: number | null;
  readonly error: Error | null;
}

type Request = TopicPartition & { readonly beforeOffset: number };

/** Deletes records below an offset (−1: all that are committed); the outcome of each partition, in the order asked. */
export async function deleteRecordsOf(
  cluster: Cluster,
  requests: readonly Request[],
  options: CallOptions = {},
): Promise<DeletedRecords[]> {
  return await Promise.all(requests.map(async (request) => {
    const { topic, partition } = request;
    try {
      const lowWatermark = await cluster.retry(() => deleteOne(cluster, request), options);
      return { topic, partition, lowWatermark, error: null };
    } catch (error) {
      return { topic, partition, lowWatermark: null, error: asError(error) };
    }
  }));
}

async function deleteOne(cluster: Cluster, { topic, partition, beforeOffset }: Request): Promise<number> {
  const known = cluster.knownTopic(topic) ?? await describe(cluster, topic);
  const leader = known.partitions[partition]?.leader;
  if (leader === undefined) throw new BrokerError(errorCode("UNKNOWN_TOPIC_OR_PARTITION"));
  const connection = await cluster.connection(leader);
  const response = await connection.request(deleteRecords, {
    topics: [{ name: topic, partitions: [{ partitionIndex: partition, offset: beforeOffset }] }],
    timeoutMs: cluster.requestTimeoutMs,
  });
  const answer = response.topics[0]?.partitions[0];
  const code = answer?.errorCode ?? errorCode("UNKNOWN_SERVER_ERROR");
  if (code !== 0) {
    cluster.forgetTopic(topic);
    throw new BrokerError(code);
  }
  return answer?.lowWatermark ?? -1;
}

async function describe(cluster: Cluster, topic: string) {
  await cluster.refresh([topic]);
  const known = cluster.knownTopic(topic);
  if (known === null) throw new BrokerError(errorCode("UNKNOWN_TOPIC_OR_PARTITION"));
  return known;
}
