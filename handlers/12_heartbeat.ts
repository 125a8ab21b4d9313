/** Heartbeat (API 12): a member of a classic group is alive; REBALANCE_IN_PROGRESS tells it to join again. */
import { errorCode } from "../protocol/errors.ts";
import { heartbeat, type HeartbeatRequest } from "../protocol/messages/12_heartbeat.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

export const heartbeatHandler = handler(heartbeat, serveHeartbeat);

async function serveHeartbeat(request: HeartbeatRequest, context: RequestContext) {
  if (request.groupId === "") return { errorCode: errorCode("INVALID_GROUP_ID") };
  try {
    const { error } = await context.broker.group(request.groupId).ask({
      type: "heartbeat",
      generationId: request.generationId,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
    });
    return { errorCode: errorCode(error) };
  } catch (error) {
    return { errorCode: errorCode(coordinatorFailure(error)) };
  }
}
