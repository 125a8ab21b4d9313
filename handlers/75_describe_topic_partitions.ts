/**
 * DescribeTopicPartitions (API 75): topics and their partitions in pages, in the order of names (KIP-966). With one store
 * there are no eligible leader replicas beside the in-sync ones.
 */
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { topicNameFault } from "../core/config/topic_name.ts";
import { ZERO_UUID } from "../lib/bytes.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  describeTopicPartitions,
  type DescribeTopicPartitionsRequest,
} from "../protocol/messages/75_describe_topic_partitions.ts";
import { topicOperations } from "./authorized_operations.ts";
import { handler, type RequestContext } from "./handler.ts";

/** Kafka's `max.request.partition.size.limit`. */
const PARTITIONS_PER_ANSWER_MAX = 2_000;

export const describeTopicPartitionsHandler = handler(describeTopicPartitions, serveDescribeTopicPartitions);

function serveDescribeTopicPartitions(request: DescribeTopicPartitionsRequest, context: RequestContext) {
  const { topicsByName } = context.broker.metadata;
  const asked = request.topics.map((topic) => topic.name);
  const names = (asked.length === 0 ? [...topicsByName.keys()] : [...new Set(asked)]).sort();
  const { cursor } = request;
  if (
    cursor !== null && (cursor.partitionIndex < 0 || (asked.length > 0 && !asked.includes(cursor.topicName)))
  ) {
    return { topics: names.map((name) => refused(name, "INVALID_REQUEST")), nextCursor: null };
  }
  let room = Math.min(Math.max(request.responsePartitionLimit, 1), PARTITIONS_PER_ANSWER_MAX);
  const topics = [];
  for (const name of names) {
    if (cursor !== null && name < cursor.topicName) continue;
    const topic = topicsByName.get(name);
    const from = cursor !== null && name === cursor.topicName ? Math.max(cursor.partitionIndex, 0) : 0;
    if (room === 0) return { topics, nextCursor: { topicName: name, partitionIndex: from } };
    if (topic === undefined) {
      const error = topicNameFault(name) === null ? "UNKNOWN_TOPIC_OR_PARTITION" : "INVALID_TOPIC_EXCEPTION";
      topics.push(refused(name, error));
      continue;
    }
    topics.push(described(topic, from, from + room));
    const to = Math.min(from + room, topic.partitions.length);
    room -= Math.max(to - from, 0);
    if (to < topic.partitions.length) return { topics, nextCursor: { topicName: name, partitionIndex: to } };
  }
  return { topics, nextCursor: null };
}

function described(topic: TopicImage, from: number, to: number) {
  return {
    errorCode: 0,
    name: topic.name,
    topicId: topic.topicId,
    partitions: topic.partitions.slice(from, to).map((partition, index) => ({
      errorCode: errorCode(partition.leader < 0 ? "LEADER_NOT_AVAILABLE" : "NONE"),
      partitionIndex: from + index,
      leaderId: partition.leader,
      leaderEpoch: partition.leaderEpoch,
      replicaNodes: [...partition.replicas],
      isrNodes: [...partition.isr],
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
      offlineReplicas: [],
    })),
    topicAuthorizedOperations: topicOperations(true),
  };
}

function refused(name: string, error: ErrorName) {
  return {
    errorCode: errorCode(error),
    name,
    topicId: ZERO_UUID,
    partitions: [],
    topicAuthorizedOperations: topicOperations(true),
  };
}
