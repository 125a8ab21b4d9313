/**
 * JoinGroup with a member id: a member that joins with the id it was given, rejoins in a rebalance, or starts one.
 */
import type { JoinGroupRequest } from "../group_commands.ts";
import { type ClassicMember, memberError, type RequestId } from "../group_state.ts";
import { type GroupTurn, joinError } from "../group_turn.ts";
import { addMember } from "./join_new_member.ts";
import { updateMember } from "./joining_member.ts";
import { sameProtocols } from "./protocols.ts";
import { joinedResult, rebalanceOrCompleteJoin } from "./rebalance.ts";

export function joinExistingMember(turn: GroupTurn, request: JoinGroupRequest, requestId: RequestId): void {
  const { state } = turn;
  const { memberId, groupInstanceId } = request;
  // An id that was given out in advance belongs to a dynamic member.
  if (groupInstanceId === null && state.pendingMembers.has(memberId)) {
    return addMember(turn, request, memberId, requestId);
  }
  const error = memberError(state, memberId, groupInstanceId);
  const member = state.members.get(memberId);
  if (error !== "NONE" || member === undefined) {
    return turn.reply(requestId, joinError(error, memberId));
  }
  turn.touch(member);
  if (keepsGeneration(turn, member, request)) return turn.reply(requestId, joinedResult(turn, member));
  updateMember(turn, member, request, requestId);
  rebalanceOrCompleteJoin(turn);
}

/**
 * With unchanged protocols the member may only have lost the answer, and gets it again. A leader that rejoins a
 * stable group wants a new assignment, e.g. because a topic has more partitions.
 */
function keepsGeneration({ state }: GroupTurn, member: ClassicMember, request: JoinGroupRequest): boolean {
  const unchanged = sameProtocols(member.stored.protocols, request.protocols);
  switch (state.phase) {
    case "CompletingRebalance":
      return unchanged;
    case "Stable":
      return unchanged && state.leaderId !== member.stored.memberId;
    default:
      return false;
  }
}
