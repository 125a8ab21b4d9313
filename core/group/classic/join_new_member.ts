/**
 * JoinGroup with an empty member id: a dynamic member's first join, or a static member's first one or its restart.
 */
import type { JoinGroupRequest } from "../group_commands.ts";
import { groupLimits } from "../group_config.ts";
import { newMember, type RequestId } from "../group_state.ts";
import { type GroupTurn, joinError } from "../group_turn.ts";
import { joiningMember, withOwnBytes } from "./joining_member.ts";
import { joinReplacedStaticMember } from "./join_static_member.ts";
import { rebalanceOrCompleteJoin } from "./rebalance.ts";

export function joinNewMember(turn: GroupTurn, request: JoinGroupRequest, requestId: RequestId): void {
  const { state, now } = turn;
  const { groupInstanceId } = request;
  const memberId = `${groupInstanceId ?? request.client.clientId}-${now.uuid}`;
  if (groupInstanceId !== null) {
    const replacedId = state.memberIdByInstanceId.get(groupInstanceId);
    if (replacedId === undefined) addMember(turn, request, memberId, requestId);
    else joinReplacedStaticMember(turn, { request, replacedId, memberId, requestId });
    return;
  }
  if (!request.requireKnownMemberId) return addMember(turn, request, memberId, requestId);

  if (state.pendingMembers.size >= groupLimits.pendingMemberCountMax) {
    return turn.reply(requestId, joinError("GROUP_MAX_SIZE_REACHED", ""));
  }
  // A client whose answer is lost would otherwise leave a member behind that nobody heartbeats for.
  state.pendingMembers.set(memberId, turn.wakeAfter(request.sessionTimeoutMs));
  turn.reply(requestId, joinError("MEMBER_ID_REQUIRED", memberId));
}

/** Puts a member into the group and parks its join. */
export function addMember(
  turn: GroupTurn,
  request: JoinGroupRequest,
  memberId: string,
  requestId: RequestId,
): void {
  const { state, now } = turn;
  if (state.phase === "PreparingRebalance" && state.initialRebalance) state.newMemberAdded = true;
  if (state.members.size === 0) state.protocolType = request.protocolType;

  const stored = joiningMember(withOwnBytes(request), memberId);
  const member = newMember(stored, now.monoMs);
  member.isNew = true;
  state.pendingMembers.delete(memberId);
  state.members.set(memberId, member);
  state.membershipVersion++;
  if (stored.groupInstanceId !== null) state.memberIdByInstanceId.set(stored.groupInstanceId, memberId);
  state.leaderId ??= memberId;
  turn.parkJoin(member, requestId);
  turn.restartSession(member, groupLimits.newMemberJoinTimeoutMs);
  rebalanceOrCompleteJoin(turn);
}
