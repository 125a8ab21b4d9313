/**
 * JoinGroup: who may join, and as whom. The answer is parked until the next generation starts, unless it is an error
 * or the member only lost the answer of the present generation.
 *
 * Source: KIP-62 (rebalance timeout), KIP-345 (static members), KIP-394 (member ids first); Kafka's
 * GroupMetadataManager.classicGroupJoin and GroupCoordinatorService.joinGroup.
 */
import type { JoinGroupRequest } from "../group_commands.ts";
import { groupIdError, groupLimits } from "../group_config.ts";
import {
  awaitingJoinCount,
  type GroupState,
  memberBytes,
  removeMember,
  type RequestId,
} from "../group_state.ts";
import { type GroupTurn, joinError } from "../group_turn.ts";
import { joinAsClassic } from "../modern/classic_side.ts";
import { leaveConsumerProtocol } from "../modern/convert.ts";
import { joiningMember } from "./joining_member.ts";
import { joinExistingMember } from "./join_existing_member.ts";
import { joinNewMember } from "./join_new_member.ts";
import { completeJoinIfAllJoined } from "./rebalance.ts";
import { supportsProtocols } from "./protocols.ts";

/**
 * INVALID_GROUP_ID, INVALID_SESSION_TIMEOUT, INVALID_REQUEST, UNKNOWN_SERVER_ERROR (metadata too large),
 * GROUP_MAX_SIZE_REACHED, INCONSISTENT_GROUP_PROTOCOL, MEMBER_ID_REQUIRED, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID,
 * REBALANCE_IN_PROGRESS (another join of the same member took this one's place).
 */
export function decideJoin(turn: GroupTurn, request: JoinGroupRequest, requestId: RequestId): void {
  const { state, config } = turn;
  const { memberId } = request;
  const fault = requestFault(turn, request);
  if (fault !== "NONE") return turn.reply(requestId, joinError(fault, memberId));

  if (state.consumer !== null) {
    if (state.consumer.members.size > 0) return joinAsClassic(turn, state.consumer, request, requestId);
    leaveConsumerProtocol(turn, state.consumer);
  }
  if (!isAccepted(state, memberId, config.memberCountMax)) {
    removeMember(state, memberId);
    // The others need not wait for it any more.
    completeJoinIfAllJoined(turn);
    return turn.reply(requestId, joinError("GROUP_MAX_SIZE_REACHED", ""));
  }
  if (!fitsGroup(state, request)) return turn.reply(requestId, joinError("GROUP_MAX_SIZE_REACHED", memberId));
  if (!supportsProtocols(state, request.protocolType, request.protocols)) {
    return turn.reply(requestId, joinError("INCONSISTENT_GROUP_PROTOCOL", memberId));
  }
  if (memberId === "") joinNewMember(turn, request, requestId);
  else joinExistingMember(turn, request, requestId);
}

function requestFault({ state, config }: GroupTurn, request: JoinGroupRequest) {
  const { sessionTimeoutMs, protocols } = request;
  const groupIdFault = groupIdError(state.groupId);
  if (groupIdFault !== "NONE") return groupIdFault;
  if (sessionTimeoutMs < config.sessionTimeoutMsMin || sessionTimeoutMs > config.sessionTimeoutMsMax) {
    return "INVALID_SESSION_TIMEOUT";
  }
  if (protocols.length > groupLimits.memberProtocolCountMax) return "INVALID_REQUEST";
  return memberBytes(joiningMember(request, "")) > groupLimits.memberBytesMax
    ? "UNKNOWN_SERVER_ERROR"
    : "NONE";
}

/** `group.max.size`; while members gather, the last ones to come are turned away. */
function isAccepted(state: GroupState, memberId: string, memberCountMax: number): boolean {
  const member = state.members.get(memberId);
  switch (state.phase) {
    case "Empty":
      return true;
    case "PreparingRebalance":
      return (member !== undefined && member.awaitingJoin !== null) ||
        awaitingJoinCount(state) < memberCountMax;
    case "CompletingRebalance":
    case "Stable":
      return member !== undefined || state.members.size < memberCountMax;
  }
}

function fitsGroup(state: GroupState, request: JoinGroupRequest): boolean {
  let size = memberBytes(joiningMember(request, request.memberId));
  for (const { stored } of state.members.values()) {
    if (stored.memberId !== request.memberId) size += memberBytes(stored);
  }
  return size <= groupLimits.groupBytesMax;
}
