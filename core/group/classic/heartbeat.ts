/** Heartbeat: keeps a session alive and tells the member of a rebalance. Source: Kafka's classicGroupHeartbeat. */
import type { GroupError, GroupHeartbeatRequest } from "../group_commands.ts";
import { groupIdError } from "../group_config.ts";
import { memberError, type RequestId } from "../group_state.ts";
import { heartbeatAsClassic } from "../modern/classic_side.ts";
import type { GroupTurn } from "../group_turn.ts";

/** INVALID_GROUP_ID, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS. */
export function decideHeartbeat(turn: GroupTurn, request: GroupHeartbeatRequest, requestId: RequestId): void {
  turn.reply(requestId, { error: heartbeat(turn, request) });
}

function heartbeat(turn: GroupTurn, request: GroupHeartbeatRequest): GroupError {
  const { state } = turn;
  const groupIdFault = groupIdError(state.groupId);
  if (groupIdFault !== "NONE") return groupIdFault;
  if (state.consumer !== null) return heartbeatAsClassic(turn, state.consumer, request);
  const memberFault = memberError(state, request.memberId, request.groupInstanceId);
  if (memberFault !== "NONE") return memberFault;
  if (request.generationId !== state.generationId) return "ILLEGAL_GENERATION";
  const member = state.members.get(request.memberId);
  if (member === undefined) return "UNKNOWN_MEMBER_ID";
  turn.touch(member);
  turn.restartSession(member);
  return state.phase === "PreparingRebalance" ? "REBALANCE_IN_PROGRESS" : "NONE";
}
