/**
 * LeaveGroup: members leave, or an administrator removes static ones by instance id (KIP-345). Several at once cause
 * one rebalance. Source: Kafka's classicGroupLeave.
 */
import type { GroupError, LeaveGroupRequest } from "../group_commands.ts";
import { groupIdError } from "../group_config.ts";
import { memberError, removeMember, type RequestId } from "../group_state.ts";
import { leaveAsClassic } from "../modern/classic_side.ts";
import type { GroupTurn } from "../group_turn.ts";
import { dropMember, rebalanceOrCompleteJoin } from "./rebalance.ts";

/** INVALID_GROUP_ID for all; UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID for each. */
export function decideLeave(turn: GroupTurn, request: LeaveGroupRequest, requestId: RequestId): void {
  const { state } = turn;
  const groupIdFault = groupIdError(state.groupId);
  if (groupIdFault !== "NONE") return turn.reply(requestId, { error: groupIdFault, members: [] });

  if (state.consumer !== null) {
    const members = leaveAsClassic(turn, state.consumer, request);
    return turn.reply(requestId, { error: "NONE", members });
  }
  const members = request.members.map(({ memberId, groupInstanceId }) => ({
    memberId,
    groupInstanceId,
    error: leave(turn, memberId, groupInstanceId),
  }));
  turn.reply(requestId, { error: "NONE", members });
  if (state.phase !== "Empty" && members.some(({ error }) => error === "NONE")) rebalanceOrCompleteJoin(turn);
}

function leave(turn: GroupTurn, requestedId: string, groupInstanceId: string | null): GroupError {
  const { state } = turn;
  if (state.pendingMembers.has(requestedId)) {
    removeMember(state, requestedId);
    return "NONE";
  }
  // An empty member id means whoever is the static member now.
  const current = groupInstanceId === null ? undefined : state.memberIdByInstanceId.get(groupInstanceId);
  const memberId = requestedId === "" ? current ?? "" : requestedId;
  const error = memberError(state, memberId, requestedId === "" ? null : groupInstanceId);
  const member = state.members.get(memberId);
  if (error === "NONE" && member !== undefined) dropMember(turn, member);
  return error;
}
