/**
 * OffsetForLeaderEpoch (API 23): where an epoch of the leader ended, so that a consumer finds out whether what it read was
 * cut off (KIP-320). Since version 3 the request says who asks (KIP-392); followers are refused.
 */
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  offsetForLeaderEpoch,
  type OffsetForLeaderEpochRequest,
} from "../protocol/messages/23_offset_for_leader_epoch.ts";
import { handler, readFailure, type RequestContext } from "./handler.ts";
import { hasPartition } from "./topic_lookup.ts";

type Partition = OffsetForLeaderEpochRequest["topics"][number]["partitions"][number];

export const offsetForLeaderEpochHandler = handler(offsetForLeaderEpoch, serveOffsetForLeaderEpoch);

async function serveOffsetForLeaderEpoch(
  { topics, replicaId }: OffsetForLeaderEpochRequest,
  context: RequestContext,
) {
  return {
    topics: await Promise.all(topics.map(async ({ topic, partitions }) => ({
      topic,
      partitions: await Promise.all(
        partitions.map((each) =>
          replicaId >= 0
            ? refused(each.partition, "CLUSTER_AUTHORIZATION_FAILED")
            : findOne(topic, each, context)
        ),
      ),
    }))),
  };
}

async function findOne(name: string, asked: Partition, { broker }: RequestContext) {
  const { partition, leaderEpoch, currentLeaderEpoch } = asked;
  const topic = broker.metadata.topicsByName.get(name);
  if (topic === undefined || !hasPartition(topic, partition)) {
    return refused(partition, "UNKNOWN_TOPIC_OR_PARTITION");
  }
  try {
    const { error, epoch, endOffset } = await broker.partition(topic.topicId, partition)
      .ask({ type: "findEpochEnd", leaderEpoch, currentLeaderEpoch });
    return { errorCode: errorCode(error), partition, leaderEpoch: epoch, endOffset };
  } catch (error) {
    return refused(partition, readFailure(error));
  }
}

function refused(partition: number, error: ErrorName) {
  return { errorCode: errorCode(error), partition, leaderEpoch: -1, endOffset: -1 };
}
