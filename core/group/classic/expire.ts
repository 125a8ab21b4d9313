/**
 * What happens when time passes: sessions end, members that were promised do not come, the join phase closes, members
 * that do not sync are dropped. Source: Kafka's expireClassicGroupMemberHeartbeat, expirePendingSync.
 */
import { type ClassicMember, haveAllMembersJoined, removeMember } from "../group_state.ts";
import { nextConsumerDeadline } from "../modern/clocks.ts";
import { expireConsumerMembers } from "../modern/remove_members.ts";
import type { GroupTurn } from "../group_turn.ts";
import { completeJoinPhase, dropMember, joinTimerExpired, prepareRebalance } from "./rebalance.ts";

/** Carries out every deadline that is due, and finds the next one. */
export function decideTick(turn: GroupTurn): void {
  const { state, now } = turn;
  expireConsumerMembers(turn);
  for (const [memberId, deadlineMs] of [...state.pendingMembers]) {
    if (deadlineMs <= now.monoMs) expirePendingMember(turn, memberId);
  }
  for (const member of [...state.members.values()]) {
    // An expiry before this one may have removed or renewed it.
    const isMember = state.members.get(member.stored.memberId) === member;
    if (isMember && member.sessionDeadlineMs <= now.monoMs) expireSession(turn, member);
  }
  if (state.joinTimer !== null && state.joinTimer.atMs <= now.monoMs) joinTimerExpired(turn);
  if (state.syncDeadlineMs <= now.monoMs) expirePendingSync(turn);
  findNextDeadline(turn);
}

function expirePendingMember(turn: GroupTurn, memberId: string): void {
  const { state } = turn;
  removeMember(state, memberId);
  if (state.phase === "PreparingRebalance" && haveAllMembersJoined(state)) completeJoinPhase(turn);
}

function expireSession(turn: GroupTurn, member: ClassicMember): void {
  const { state } = turn;
  // A parked request stands in for heartbeats, except for a new member, whose client may be gone.
  if (!member.isNew && (member.awaitingJoin !== null || member.awaitingSync !== null)) {
    member.sessionDeadlineMs = Infinity;
    return;
  }
  dropMember(turn, member);
  if (state.phase === "PreparingRebalance") {
    if (haveAllMembersJoined(state)) completeJoinPhase(turn);
  } else {
    prepareRebalance(turn);
  }
}

function expirePendingSync(turn: GroupTurn): void {
  const { state } = turn;
  state.syncDeadlineMs = Infinity;
  if (state.pendingSync.size === 0) return;
  for (const memberId of [...state.pendingSync]) {
    const member = state.members.get(memberId);
    if (member !== undefined) dropMember(turn, member);
  }
  prepareRebalance(turn);
}

function findNextDeadline({ state }: GroupTurn): void {
  let next = Math.min(nextConsumerDeadline(state), state.syncDeadlineMs, state.joinTimer?.atMs ?? Infinity);
  for (const deadlineMs of state.pendingMembers.values()) next = Math.min(next, deadlineMs);
  for (const { sessionDeadlineMs } of state.members.values()) next = Math.min(next, sessionDeadlineMs);
  state.wakeAtMs = next;
}
