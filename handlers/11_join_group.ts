/**
 * JoinGroup (API 11): enters a group or its next generation; the answer is parked until the rebalance completes.
 * Since version 4 a member without an id is given one first (KIP-394), since 5 members can be static (KIP-345),
 * since 9 a static leader may be told to keep the assignment.
 */
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { joinGroup, type JoinGroupRequest } from "../protocol/messages/11_join_group.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

/** The group's own timers end every rebalance, by the longest timeout of its members; this is only a last bound. */
const DEADLINE_MS = 0x7fff_ffff;

export const joinGroupHandler = handler(joinGroup, serveJoinGroup);

async function serveJoinGroup(request: JoinGroupRequest, context: RequestContext) {
  if (request.groupId === "") return refused(request, context, "INVALID_GROUP_ID");
  const rebalanceTimeoutMs = request.rebalanceTimeoutMs >= 0
    ? request.rebalanceTimeoutMs
    : request.sessionTimeoutMs;
  try {
    const result = await context.broker.group(request.groupId).ask({
      type: "joinGroup",
      client: { clientId: context.clientId, clientHost: context.clientHost },
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      protocolType: request.protocolType,
      protocols: request.protocols,
      sessionTimeoutMs: request.sessionTimeoutMs,
      rebalanceTimeoutMs,
      requireKnownMemberId: context.apiVersion >= 4,
      supportsSkippingAssignment: context.apiVersion >= 9,
      reason: request.reason,
    }, { deadlineMs: DEADLINE_MS, signal: context.signal });
    return {
      errorCode: errorCode(result.error),
      generationId: result.generationId,
      protocolType: result.protocolType,
      protocolName: protocolName(result.protocolName, context),
      leader: result.leader,
      skipAssignment: result.skipAssignment,
      memberId: result.memberId,
      members: result.members.map((member) => ({ ...member })),
    };
  } catch (error) {
    return refused(request, context, coordinatorFailure(error));
  }
}

function refused(request: JoinGroupRequest, context: RequestContext, error: ErrorName) {
  return {
    errorCode: errorCode(error),
    generationId: -1,
    protocolName: protocolName(null, context),
    leader: "",
    memberId: request.memberId,
    members: [],
  };
}

/** Before version 7 it could not be null. */
function protocolName(name: string | null, context: RequestContext): string | null {
  return context.apiVersion >= 7 ? name : name ?? "";
}
