/** ConsumerGroupDescribe (API 69): groups of the consumer protocol with their members (KIP-848). */
import type { ConsumerGroupDescription } from "../actors/messages/consumer_group.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  consumerGroupDescribe,
  type ConsumerGroupDescribeRequest,
} from "../protocol/messages/69_consumer_group_describe.ts";
import { groupOperations } from "./group_operations.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

/** KIP-1099's kinds of members. */
const CLASSIC_MEMBER = 0;
const CONSUMER_MEMBER = 1;

export const consumerGroupDescribeHandler = handler(consumerGroupDescribe, serveConsumerGroupDescribe);

async function serveConsumerGroupDescribe(request: ConsumerGroupDescribeRequest, context: RequestContext) {
  const groups = [];
  for (const groupId of request.groupIds) {
    const described = await describeOne(groupId, context);
    groups.push({ ...described, authorizedOperations: groupOperations(request.includeAuthorizedOperations) });
  }
  return { groups };
}

async function describeOne(groupId: string, context: RequestContext) {
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

function copied(topic: ConsumerGroupDescription["members"][number]["assignment"][number]) {
  return { ...topic, partitions: [...topic.partitions] };
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
