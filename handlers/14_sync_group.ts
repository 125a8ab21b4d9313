/** SyncGroup (API 14): the leader hands in the assignment, every member gets its part once it is stored. */
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { syncGroup, type SyncGroupRequest } from "../protocol/messages/14_sync_group.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

/** Members that do not sync are expired by the group's rebalance timeout, so this is only a last bound. */
const DEADLINE_MS = 0x7fff_ffff;

export const syncGroupHandler = handler(syncGroup, serveSyncGroup);

async function serveSyncGroup(request: SyncGroupRequest, context: RequestContext) {
  if (request.groupId === "") return refused("INVALID_GROUP_ID");
  try {
    const result = await context.broker.group(request.groupId).ask({
      type: "syncGroup",
      generationId: request.generationId,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      protocolType: request.protocolType,
      protocolName: request.protocolName,
      assignments: request.assignments,
    }, { deadlineMs: DEADLINE_MS, signal: context.signal });
    return {
      errorCode: errorCode(result.error),
      protocolType: result.protocolType,
      protocolName: result.protocolName,
      assignment: result.assignment,
    };
  } catch (error) {
    return refused(coordinatorFailure(error));
  }
}

function refused(error: ErrorName) {
  return { errorCode: errorCode(error), assignment: new Uint8Array() };
}
