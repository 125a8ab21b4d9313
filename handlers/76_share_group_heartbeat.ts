/** ShareGroupHeartbeat (API 76): joining, staying in and leaving a share group (KIP-932). The group's actor decides. */
import { topicsOf } from "../core/group/modern/assignment.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  shareGroupHeartbeat,
  type ShareGroupHeartbeatRequest,
} from "../protocol/messages/76_share_group_heartbeat.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

export const shareGroupHeartbeatHandler = handler(shareGroupHeartbeat, serveShareGroupHeartbeat);

async function serveShareGroupHeartbeat(request: ShareGroupHeartbeatRequest, context: RequestContext) {
  const { groupId, memberId, memberEpoch, rackId, subscribedTopicNames } = request;
  if (groupId.trim() === "") return refused(request, "INVALID_REQUEST", "GroupId can't be empty.");
  try {
    const result = await context.broker.shareGroup(groupId).ask({
      type: "heartbeat",
      memberId,
      memberEpoch,
      rackId,
      subscribedTopicNames,
      clientId: context.clientId,
      clientHost: context.clientHost,
    });
    if (result.error !== "NONE") return refused(request, result.error, result.errorMessage);
    return {
      errorCode: 0,
      errorMessage: null,
      memberId,
      memberEpoch: result.memberEpoch,
      heartbeatIntervalMs: result.heartbeatIntervalMs,
      assignment: result.assignment === null ? null : { topicPartitions: topicsOf(result.assignment) },
    };
  } catch (error) {
    return refused(request, coordinatorFailure(error), null);
  }
}

function refused(request: ShareGroupHeartbeatRequest, error: ErrorName, errorMessage: string | null) {
  return {
    errorCode: errorCode(error),
    errorMessage,
    memberId: request.memberId,
    memberEpoch: request.memberEpoch,
    heartbeatIntervalMs: 0,
    assignment: null,
  };
}
