/**
 * Topics as DescribeTopicPartitions tells them (KIP-966): with the replicas that may be elected although they are out of
 * sync. Brokers without that API are asked for metadata, which does not tell.
 */
import { errorCode } from "../protocol/errors.ts";
import {
  describeTopicPartitions,
  type DescribeTopicPartitionsResponse,
} from "../protocol/messages/75_describe_topic_partitions.ts";
import type { CallOptions, Cluster, PartitionMetadata, TopicMetadata } from "./cluster.ts";
import { throwIfError, UnsupportedVersionError } from "./errors.ts";

export interface PartitionDescription extends PartitionMetadata {
  /** Null where the broker does not tell. */
  readonly eligibleLeaderReplicas: readonly number[] | null;
  readonly lastKnownElr: readonly number[] | null;
}

export interface TopicDescription extends TopicMetadata {
  readonly partitions: readonly PartitionDescription[];
}

const PARTITIONS_PER_RESPONSE = 2_000;

/** Topics sorted by name; those that do not exist are missing. */
export async function describeTopicsInFull(
  cluster: Cluster,
  names: readonly string[],
  options: CallOptions & { readonly partitionsPerResponse?: number | undefined } = {},
): Promise<TopicDescription[]> {
  if (names.length === 0) return [];
  try {
    return await inPages(cluster, names, options);
  } catch (error) {
    if (!(error instanceof UnsupportedVersionError)) throw error;
    await cluster.refresh(names);
    return names.map((name) => cluster.knownTopic(name)).filter((topic) => topic !== null).map((topic) => ({
      ...topic,
      partitions: topic.partitions.map((each) => ({
        ...each,
        eligibleLeaderReplicas: null,
        lastKnownElr: null,
      })),
    }));
  }
}

type DescribedTopic = DescribeTopicPartitionsResponse["topics"][number];

async function inPages(
  cluster: Cluster,
  names: readonly string[],
  options: CallOptions & { readonly partitionsPerResponse?: number | undefined },
): Promise<TopicDescription[]> {
  const described = new Map<string, TopicDescription>();
  const limit = options.partitionsPerResponse ?? PARTITIONS_PER_RESPONSE;
  let cursor: DescribeTopicPartitionsResponse["nextCursor"] = null;
  do {
    const response: DescribeTopicPartitionsResponse = await cluster.call(describeTopicPartitions, {
      topics: names.map((name) => ({ name })),
      responsePartitionLimit: limit,
      cursor,
    }, options);
    for (const topic of response.topics) {
      if (topic.name === null || topic.errorCode === errorCode("UNKNOWN_TOPIC_OR_PARTITION")) continue;
      throwIfError(topic.errorCode);
      const earlier = described.get(topic.name)?.partitions ?? [];
      described.set(topic.name, {
        name: topic.name,
        topicId: topic.topicId,
        isInternal: topic.isInternal,
        partitions: [...earlier, ...topic.partitions.map(partitionDescription)],
      });
    }
    cursor = response.nextCursor;
  } while (cursor !== null);
  return [...described.values()].sort((a, b) => a.name < b.name ? -1 : 1);
}

function partitionDescription(partition: DescribedTopic["partitions"][number]): PartitionDescription {
  return {
    partition: partition.partitionIndex,
    leader: partition.leaderId,
    leaderEpoch: partition.leaderEpoch,
    replicas: partition.replicaNodes,
    isr: partition.isrNodes,
    offlineReplicas: partition.offlineReplicas,
    eligibleLeaderReplicas: partition.eligibleLeaderReplicas ?? [],
    lastKnownElr: partition.lastKnownElr ?? [],
  };
}
