/** ConsumerGroupDescribe (API 69): groups of the consumer protocol with their members (KIP-848). */
import type { ConsumerGroupDescription } from "../actors/messages/consumer_group.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  consumerGroupDescribe,
  type ConsumerGroupDescribeRequest,
  type ConsumerGroupDescribeResponse,
} from "../protocol/messages/69_consumer_group_describe.ts";
import { answerGroups } from "./group_answers.ts";
import { groupOperations } from "./authorized_operations.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

/** KIP-1099's kinds of members. */
const CLASSIC_MEMBER = 0;
const CONSUMER_MEMBER = 1;
/** Of a member, and of a topic in its assignments, beside strings and partitions. */
const MEMBER_BYTES = 64;
const TOPIC_BYTES = 20;

type DescribedGroup = Omit<ConsumerGroupDescribeResponse["groups"][number], "authorizedOperations">;

export const consumerGroupDescribeHandler = handler(consumerGroupDescribe, serveConsumerGroupDescribe);

async function serveConsumerGroupDescribe(request: ConsumerGroupDescribeRequest, context: RequestContext) {
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
    const { description } = await context.broker.group(groupId).ask({ type: "describeConsumer" });
    return description === null
      ? refused(groupId, "GROUP_ID_NOT_FOUND", `Group ${groupId} is not a consumer group.`)
      : shown(description);
  } catch (error) {
    return refused(groupId, coordinatorFailure(error), null);
  }
}

function shown(
  { groupId, state, groupEpoch, assignmentEpoch, assignorName, members }: ConsumerGroupDescription,
) {
  return {
    errorCode: 0,
    errorMessage: null,
    groupId,
    groupState: state,
    groupEpoch,
    assignmentEpoch,
    assignorName,
    members: members.map(({ isClassic, subscribedTopicNames, assignment, targetAssignment, ...member }) => ({
      ...member,
      subscribedTopicNames: [...subscribedTopicNames],
      assignment: { topicPartitions: assignment.map(copied) },
      targetAssignment: { topicPartitions: targetAssignment.map(copied) },
      memberType: isClassic ? CLASSIC_MEMBER : CONSUMER_MEMBER,
    })),
  };
}

function bytesOfGroup({ members }: DescribedGroup): number {
  return members.reduce((sum, { memberId, subscribedTopicNames, subscribedTopicRegex, ...member }) => {
    const { assignment, targetAssignment } = member;
    const names = subscribedTopicNames.reduce((length, name) => length + name.length + 2, 0);
    const parts = [...assignment.topicPartitions, ...targetAssignment.topicPartitions];
    return sum + MEMBER_BYTES + memberId.length + names + (subscribedTopicRegex?.length ?? 0) +
      parts.reduce(
        (bytes, part) => bytes + TOPIC_BYTES + part.topicName.length + 4 * part.partitions.length,
        0,
      );
  }, 0);
}

function copied(topic: ConsumerGroupDescription["members"][number]["assignment"][number]) {
  return { ...topic, partitions: [...topic.partitions] };
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
