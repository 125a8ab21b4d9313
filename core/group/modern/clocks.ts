/** Sessions and rebalance timeouts of a consumer group's members. Source: KIP-848. */
import type { GroupState } from "../group_state.ts";
import type { GroupTurn } from "../group_turn.ts";
import type { ConsumerMember } from "./consumer_group_record.ts";

/** The member was heard of: it has a full session from now on. */
export function restartConsumerSession(turn: GroupTurn, member: ConsumerMember): void {
  const clock = turn.state.consumer?.clocks.get(member.memberId);
  if (clock === undefined) return;
  clock.lastHeartbeatMs = turn.now.monoMs;
  clock.sessionDeadlineMs = turn.wakeAfter(
    member.classic?.sessionTimeoutMs ?? turn.config.consumerSessionTimeoutMs,
  );
}

/** Starts the member's rebalance timeout unless it runs already. */
export function startRebalanceTimeout(turn: GroupTurn, member: ConsumerMember): void {
  const clock = turn.state.consumer?.clocks.get(member.memberId);
  if (clock === undefined || clock.rebalanceDeadlineMs !== Infinity) return;
  clock.rebalanceDeadlineMs = turn.wakeAfter(member.rebalanceTimeoutMs);
}

export function stopRebalanceTimeout(turn: GroupTurn, memberId: string): void {
  const clock = turn.state.consumer?.clocks.get(memberId);
  if (clock !== undefined) clock.rebalanceDeadlineMs = Infinity;
}

/** Gives every member of a restored group a full session, and who has to give up partitions the time to do so. */
export function resumeConsumerGroup(turn: GroupTurn): void {
  for (const member of turn.state.consumer?.members.values() ?? []) {
    restartConsumerSession(turn, member);
    if (member.state === "unrevoked") startRebalanceTimeout(turn, member);
  }
}

/** Members whose time is over. */
export function expiredMembers(turn: GroupTurn): string[] {
  const expired: string[] = [];
  for (const [memberId, { sessionDeadlineMs, rebalanceDeadlineMs }] of turn.state.consumer?.clocks ?? []) {
    if (Math.min(sessionDeadlineMs, rebalanceDeadlineMs) <= turn.now.monoMs) expired.push(memberId);
  }
  return expired;
}

export function nextConsumerDeadline(state: GroupState): number {
  let next = Infinity;
  for (const { sessionDeadlineMs, rebalanceDeadlineMs } of state.consumer?.clocks.values() ?? []) {
    next = Math.min(next, sessionDeadlineMs, rebalanceDeadlineMs);
  }
  return next;
}
