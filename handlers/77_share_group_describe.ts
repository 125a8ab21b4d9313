/** ShareGroupDescribe (API 77): share groups with their members (KIP-932). */
import type { ShareGroupDescription } from "../actors/messages/share_group.ts";
import type { Assignment } from "../core/group/modern/assignment.ts";
import { namedTopics } from "../core/group/modern/describe_consumer_group.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  shareGroupDescribe,
  type ShareGroupDescribeRequest,
} from "../protocol/messages/77_share_group_describe.ts";
import { groupOperations } from "./group_operations.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

export const shareGroupDescribeHandler = handler(shareGroupDescribe, serveShareGroupDescribe);

async function serveShareGroupDescribe(request: ShareGroupDescribeRequest, context: RequestContext) {
  const groups = [];
  // Each group once: a small request that repeats one must not become a huge answer.
  for (const groupId of new Set(request.groupIds)) {
    const described = await describeOne(groupId, context);
    groups.push({ ...described, authorizedOperations: groupOperations(request.includeAuthorizedOperations) });
  }
  return { groups };
}

async function describeOne(groupId: string, context: RequestContext) {
  if (groupId === "") return refused(groupId, "INVALID_GROUP_ID", null);
  try {
    const description = await context.broker.shareGroup(groupId).ask({ type: "describe" });
    return description === null
      ? refused(groupId, "GROUP_ID_NOT_FOUND", `Group ${groupId} is not a share group.`)
      : shown(description, context);
  } catch (error) {
    return refused(groupId, coordinatorFailure(error), null);
  }
}

function shown(
  { groupId, state, groupEpoch, assignmentEpoch, members }: ShareGroupDescription,
  context: RequestContext,
) {
  return {
    errorCode: 0,
    errorMessage: null,
    groupId,
    groupState: state,
    groupEpoch,
    assignmentEpoch,
    assignorName: "simple",
    members: members.map(({ assignment, subscribedTopicNames, ...member }) => ({
      ...member,
      subscribedTopicNames: [...subscribedTopicNames],
      assignment: { topicPartitions: topicPartitions(assignment, context) },
    })),
  };
}

function topicPartitions(assignment: Assignment, { broker }: RequestContext) {
  return namedTopics(assignment, broker.metadata).map(({ topicId, topicName, partitions }) => ({
    topicId,
    topicName,
    partitions: [...partitions],
  }));
}

function refused(groupId: string, error: ErrorName, errorMessage: string | null) {
  return {
    errorCode: errorCode(error),
    errorMessage,
    groupId,
    groupState: "Dead",
    groupEpoch: 0,
    assignmentEpoch: 0,
    assignorName: "",
    members: [],
  };
}
