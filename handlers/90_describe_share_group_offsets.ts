/** DescribeShareGroupOffsets (API 90): how far share groups have got (KIP-932), and since version 1 their lag (KIP-1226). */
import type { SharePartitionDescription } from "../actors/messages/share_partition.ts";
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { ZERO_UUID } from "../lib/bytes.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  describeShareGroupOffsets,
  type DescribeShareGroupOffsetsRequest,
  type DescribeShareGroupOffsetsResponse,
} from "../protocol/messages/90_describe_share_group_offsets.ts";
import { answerGroups } from "./group_answers.ts";
import { coordinatorFailure, handler, partitionFailure, type RequestContext } from "./handler.ts";
import { firstOfEach } from "./repeated.ts";
import { hasPartition } from "./topic_lookup.ts";

/** Of a partition in the answer. */
const PARTITION_BYTES = 40;

type DescribedGroup = DescribeShareGroupOffsetsResponse["groups"][number];
type Group = DescribeShareGroupOffsetsRequest["groups"][number];
interface Asked {
  readonly topicName: string;
  readonly topic: TopicImage | null;
  readonly partitions: readonly number[];
}

export const describeShareGroupOffsetsHandler = handler(
  describeShareGroupOffsets,
  serveDescribeShareGroupOffsets,
);

async function serveDescribeShareGroupOffsets(
  request: DescribeShareGroupOffsetsRequest,
  context: RequestContext,
) {
  const groups = await answerGroups(request.groups, {
    groupIdOf: ({ groupId }) => groupId,
    answer: (group) => describeGroup(group, context),
    bytesOf: bytesOfGroup,
    refuse: ({ groupId }, error) => refused(groupId, error, null),
  });
  return { groups };
}

async function describeGroup({ groupId, topics }: Group, context: RequestContext): Promise<DescribedGroup> {
  if (groupId === "") return refused(groupId, "INVALID_GROUP_ID", null);
  try {
    const known = await context.broker.shareGroup(groupId).ask({ type: "listPartitions" });
    if (known === null) {
      return refused(groupId, "GROUP_ID_NOT_FOUND", `Group ${groupId} is not a share group.`);
    }
    const asked = topics === null
      ? allOf(known, context)
      : firstOfEach(topics, ({ topicName }) => topicName).map(({ topicName, partitions }): Asked => ({
        topicName,
        topic: context.broker.metadata.topicsByName.get(topicName) ?? null,
        partitions: [...new Set(partitions)],
      }));
    const described = [];
    for (const each of asked) described.push(await describeTopic(groupId, each, context));
    return { groupId, errorCode: 0, errorMessage: null, topics: described };
  } catch (error) {
    return refused(groupId, coordinatorFailure(error), null);
  }
}

/** Everything that the group has read of the topics that exist. */
function allOf(
  known: readonly { readonly topicId: string; readonly partition: number }[],
  { broker }: RequestContext,
): Asked[] {
  const byTopic = Map.groupBy(known, ({ topicId }) => topicId);
  return Array.from(byTopic, ([topicId, ids]) => ({
    topic: broker.metadata.topicsById.get(topicId) ?? null,
    partitions: ids.map(({ partition }) => partition),
  })).flatMap(({ topic, partitions }) =>
    topic === null ? [] : [{ topicName: topic.name, topic, partitions }]
  );
}

async function describeTopic(
  groupId: string,
  { topicName, topic, partitions }: Asked,
  context: RequestContext,
) {
  const described = [];
  for (const partitionIndex of partitions) {
    described.push({ partitionIndex, ...await describePartition(groupId, topic, partitionIndex, context) });
  }
  return { topicName, topicId: topic?.topicId ?? ZERO_UUID, partitions: described };
}

async function describePartition(
  groupId: string,
  topic: TopicImage | null,
  partition: number,
  context: RequestContext,
) {
  if (topic === null || !hasPartition(topic, partition)) return unknown("UNKNOWN_TOPIC_OR_PARTITION");
  try {
    const found: SharePartitionDescription = await context.broker
      .sharePartition(groupId, topic.topicId, partition)
      .ask({ type: "describe" });
    return { ...found, errorCode: 0, errorMessage: null };
  } catch (error) {
    return unknown(partitionFailure(error));
  }
}

function unknown(error: ErrorName) {
  return { startOffset: -1, leaderEpoch: 0, lag: -1, errorCode: errorCode(error), errorMessage: null };
}

function bytesOfGroup({ topics }: DescribedGroup): number {
  return topics.reduce(
    (sum, { topicName, partitions }) => sum + topicName.length + PARTITION_BYTES * (partitions.length + 1),
    0,
  );
}

function refused(groupId: string, error: ErrorName, errorMessage: string | null): DescribedGroup {
  return { groupId, errorCode: errorCode(error), errorMessage, topics: [] };
}
