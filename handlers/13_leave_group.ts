/** LeaveGroup (API 13): members leave; since version 3 several at once, static ones by their instance id (KIP-345). */
import { errorCode } from "../protocol/errors.ts";
import { leaveGroup, type LeaveGroupRequest } from "../protocol/messages/13_leave_group.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

const BATCHED_VERSION = 3;

export const leaveGroupHandler = handler(leaveGroup, serveLeaveGroup);

async function serveLeaveGroup(request: LeaveGroupRequest, context: RequestContext) {
  if (request.groupId === "") return { errorCode: errorCode("INVALID_GROUP_ID"), members: [] };
  const batched = context.apiVersion >= BATCHED_VERSION;
  const members = batched
    ? request.members
    : [{ memberId: request.memberId, groupInstanceId: null, reason: null }];
  try {
    const result = await context.broker.group(request.groupId).ask({ type: "leaveGroup", members });
    // The older form has one member, whose error is the answer's.
    const single = result.members[0]?.error ?? "NONE";
    const error = batched || result.error !== "NONE" ? result.error : single;
    return {
      errorCode: errorCode(error),
      members: result.members.map(({ memberId, groupInstanceId, error }) => ({
        memberId,
        groupInstanceId,
        errorCode: errorCode(error),
      })),
    };
  } catch (error) {
    return { errorCode: errorCode(coordinatorFailure(error)), members: [] };
  }
}
