/** ShareGroupDescribe (API 77): share groups with their members (KIP-932). */
import type { ShareGroupDescription } from "../actors/messages/share_group.ts";
import type { Assignment } from "../core/group/modern/assignment.ts";
import { namedTopics } from "../core/group/modern/describe_consumer_group.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  shareGroupDescribe,
  type ShareGroupDescribeRequest,
  type ShareGroupDescribeResponse,
} from "../protocol/messages/77_share_group_describe.ts";
import { answerGroups } from "./group_answers.ts";
import { groupOperations } from "./authorized_operations.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

/** Of a member, and of a topic in its assignment, beside strings and partitions. */
const MEMBER_BYTES = 64;
const TOPIC_BYTES = 20;

type DescribedGroup = Omit<ShareGroupDescribeResponse["groups"][number], "authorizedOperations">;

export const shareGroupDescribeHandler = handler(shareGroupDescribe, serveShareGroupDescribe);

async function serveShareGroupDescribe(request: ShareGroupDescribeRequest, context: RequestContext) {
  const authorizedOperations = groupOperations(request.includeAuthorizedOperations);
  const described = await answerGroups(request.groupIds, {
    groupIdOf: (groupId) => groupId,
    answer: (groupId) => describeOne(groupId, context),
    bytesOf: bytesOfGroup,
    refuse: (groupId, error) => refused(groupId, error, null),
  });
  return { groups: described.map((group) => ({ ...group, authorizedOperations })) };
}

async function describeOne(groupId: string, context: RequestContext): Promise<DescribedGroup> {
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

function bytesOfGroup({ members }: DescribedGroup): number {
  return members.reduce((sum, { memberId, subscribedTopicNames, assignment }) => {
    const names = subscribedTopicNames.reduce((length, name) => length + name.length + 2, 0);
    return sum + MEMBER_BYTES + memberId.length + names + assignment.topicPartitions.reduce(
      (bytes, part) => bytes + TOPIC_BYTES + part.topicName.length + 4 * part.partitions.length,
      0,
    );
  }, 0);
}

function topicPartitions(assignment: Assignment, { broker }: RequestContext) {
  return namedTopics(assignment, broker.metadata).map(({ topicId, topicName, partitions }) => ({
    topicId,
    topicName,
    partitions: [...partitions],
  }));
}

function refused(groupId: string, error: ErrorName, errorMessage: string | null): DescribedGroup {
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
