/** AlterShareGroupOffsets (API 91): sets where a share group without members goes on, or where a new one begins (KIP-932). */
import { ZERO_UUID } from "../lib/bytes.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  alterShareGroupOffsets,
  type AlterShareGroupOffsetsRequest,
} from "../protocol/messages/91_alter_share_group_offsets.ts";
import { coordinatorFailure, handler, partitionFailure, type RequestContext } from "./handler.ts";
import { hasPartition } from "./topic_lookup.ts";

type Topic = AlterShareGroupOffsetsRequest["topics"][number];
type Partition = Topic["partitions"][number];

export const alterShareGroupOffsetsHandler = handler(alterShareGroupOffsets, serveAlterShareGroupOffsets);

async function serveAlterShareGroupOffsets(request: AlterShareGroupOffsetsRequest, context: RequestContext) {
  const error = await alterableGroupError(request.groupId, context);
  if (error !== "NONE") return { errorCode: errorCode(error), errorMessage: null, responses: [] };
  const responses = [];
  for (const topic of request.topics) responses.push(await alterTopic(request.groupId, topic, context));
  return { errorCode: 0, errorMessage: null, responses };
}

/** As below, but a group that is not there is made; GROUP_ID_NOT_FOUND when the name is another kind of group's. */
async function alterableGroupError(groupId: string, context: RequestContext): Promise<ErrorName> {
  const error = await emptyGroupError(groupId, context);
  if (error !== "GROUP_ID_NOT_FOUND") return error;
  try {
    return await context.broker.shareGroup(groupId).ask({ type: "ensure" });
  } catch (failure) {
    return coordinatorFailure(failure);
  }
}

/** Whether the group's offsets may be changed: INVALID_GROUP_ID, GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP. */
export async function emptyGroupError(groupId: string, context: RequestContext): Promise<ErrorName> {
  if (groupId === "") return "INVALID_GROUP_ID";
  try {
    return await context.broker.shareGroup(groupId).ask({ type: "checkEmpty" });
  } catch (error) {
    return coordinatorFailure(error);
  }
}

async function alterTopic(groupId: string, { topicName, partitions }: Topic, context: RequestContext) {
  const topic = context.broker.metadata.topicsByName.get(topicName);
  const alter = async ({ partitionIndex, startOffset }: Partition): Promise<ErrorName> => {
    if (topic === undefined || !hasPartition(topic, partitionIndex)) return "UNKNOWN_TOPIC_OR_PARTITION";
    if (startOffset < 0) return "INVALID_REQUEST";
    try {
      const ref = context.broker.sharePartition(groupId, topic.topicId, partitionIndex);
      await ref.ask({ type: "reset", startOffset });
      return "NONE";
    } catch (error) {
      return partitionFailure(error);
    }
  };
  const altered = [];
  for (const partition of partitions) {
    const { partitionIndex } = partition;
    altered.push({ partitionIndex, errorCode: errorCode(await alter(partition)), errorMessage: null });
  }
  return { topicName, topicId: topic?.topicId ?? ZERO_UUID, partitions: altered };
}
