/**
 * SyncGroup: the leader hands in everyone's assignment; the others wait for theirs.
 * Source: Kafka's GroupMetadataManager.classicGroupSync.
 */
import type { SyncGroupRequest, SyncGroupResult } from "../group_commands.ts";
import { groupIdError, groupLimits } from "../group_config.ts";
import { type ClassicMember, type GroupState, memberError, noBytes, type RequestId } from "../group_state.ts";
import { type GroupTurn, syncError } from "../group_turn.ts";
import { syncAsClassic } from "../modern/classic_side.ts";
import { recordOf } from "./rebalance.ts";

/**
 * INVALID_GROUP_ID, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, INCONSISTENT_GROUP_PROTOCOL,
 * REBALANCE_IN_PROGRESS, UNKNOWN_SERVER_ERROR (assignment too large).
 */
export function decideSync(turn: GroupTurn, request: SyncGroupRequest, requestId: RequestId): void {
  const { state } = turn;
  if (state.consumer !== null) return syncAsClassic(turn, state.consumer, request, requestId);
  const error = syncFault(state, request);
  const member = state.members.get(request.memberId);
  if (error !== "NONE" || member === undefined) return turn.reply(requestId, syncError(error));
  turn.touch(member);

  switch (state.phase) {
    case "Empty":
    case "PreparingRebalance":
      return turn.reply(requestId, syncError("REBALANCE_IN_PROGRESS"));
    case "CompletingRebalance":
      if (state.leaderId !== request.memberId) {
        turn.parkSync(member, requestId);
        return removePendingSync(state, request.memberId);
      }
      if (assignmentBytes(request) > groupLimits.groupBytesMax) {
        return turn.reply(requestId, syncError("UNKNOWN_SERVER_ERROR"));
      }
      turn.parkSync(member, requestId);
      removePendingSync(state, request.memberId);
      return storeAssignment(turn, request);
    case "Stable":
      removePendingSync(state, request.memberId);
      return turn.reply(requestId, assignedResult(state, member));
  }
}

function syncFault(state: GroupState, request: SyncGroupRequest): SyncGroupResult["error"] {
  const { protocolType, protocolName } = request;
  const groupIdFault = groupIdError(state.groupId);
  if (groupIdFault !== "NONE") return groupIdFault;
  const memberFault = memberError(state, request.memberId, request.groupInstanceId);
  if (memberFault !== "NONE") return memberFault;
  if (request.generationId !== state.generationId) return "ILLEGAL_GENERATION";
  // Versions before 5 do not say.
  const inconsistent = (protocolType !== null && protocolType !== state.protocolType) ||
    (protocolName !== null && protocolName !== state.protocolName);
  return inconsistent ? "INCONSISTENT_GROUP_PROTOCOL" : "NONE";
}

/** The group becomes stable, and everyone who waits gets its part; who is not named gets an empty one. */
function storeAssignment(turn: GroupTurn, { assignments }: SyncGroupRequest): void {
  const { state } = turn;
  const byMember = new Map(assignments.map(({ memberId, assignment }) => [memberId, assignment]));
  const members = Array.from(state.members.values(), ({ stored }) => ({
    ...stored,
    // A copy: the request's bytes lie in a network buffer.
    assignment: byMember.get(stored.memberId)?.slice() ?? noBytes,
  }));
  turn.emit({ type: "groupRecorded", record: recordOf(turn, { assigned: true, members }) });
  for (const member of state.members.values()) {
    // A session that ended while the sync was parked was let pass: it starts anew.
    if (turn.completeSync(member, assignedResult(state, member))) turn.restartSession(member);
  }
}

function assignedResult(state: GroupState, { stored }: ClassicMember): SyncGroupResult {
  const { protocolType, protocolName } = state;
  return { error: "NONE", protocolType, protocolName, assignment: stored.assignment };
}

function removePendingSync(state: GroupState, memberId: string): void {
  state.pendingSync.delete(memberId);
  if (state.pendingSync.size === 0) state.syncDeadlineMs = Infinity;
}

function assignmentBytes({ assignments }: SyncGroupRequest): number {
  let size = 0;
  for (const { assignment } of assignments) size += assignment.length;
  return size;
}
