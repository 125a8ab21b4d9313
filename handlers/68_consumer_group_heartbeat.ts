/**
 * ConsumerGroupHeartbeat (API 68): the one request of the consumer protocol (KIP-848). The group's actor decides; a
 * coordinator that cannot is told in a retriable error.
 */
import { errorCode } from "../protocol/errors.ts";
import {
  consumerGroupHeartbeat,
  type ConsumerGroupHeartbeatRequest,
} from "../protocol/messages/68_consumer_group_heartbeat.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

const MEMBER_ID_VERSION = 1;

export const consumerGroupHeartbeatHandler = handler(consumerGroupHeartbeat, serveConsumerGroupHeartbeat);

async function serveConsumerGroupHeartbeat(request: ConsumerGroupHeartbeatRequest, context: RequestContext) {
  const { groupId, memberId, memberEpoch } = request;
  if (groupId.trim() === "") {
    return refused("INVALID_REQUEST", "GroupId can't be empty.");
  }
  try {
    const result = await context.broker.group(groupId).ask({
      type: "consumerHeartbeat",
      client: { clientId: context.clientId, clientHost: context.clientHost },
      memberId,
      memberEpoch,
      instanceId: request.instanceId,
      rackId: request.rackId,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs,
      subscribedTopicNames: request.subscribedTopicNames,
      subscribedTopicRegex: request.subscribedTopicRegex,
      serverAssignor: request.serverAssignor,
      topicPartitions: request.topicPartitions,
      requireMemberId: context.apiVersion >= MEMBER_ID_VERSION,
    });
    if (result.error !== "NONE") return refused(result.error, result.errorMessage);
    return {
      errorCode: 0,
      errorMessage: null,
      memberId: result.memberId,
      memberEpoch: result.memberEpoch,
      heartbeatIntervalMs: result.heartbeatIntervalMs,
      assignment: result.assignment === null ? null : {
        topicPartitions: result.assignment.map(({ topicId, partitions }) => ({
          topicId,
          partitions: [...partitions],
        })),
      },
    };
  } catch (error) {
    return refused(coordinatorFailure(error), null);
  }
}

function refused(error: Parameters<typeof errorCode>[0], errorMessage: string | null) {
  return {
    errorCode: errorCode(error),
    errorMessage,
    memberId: null,
    memberEpoch: 0,
    heartbeatIntervalMs: 0,
    assignment: null,
  };
}
