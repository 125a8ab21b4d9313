/** Members that leave a consumer group or are expired; with the last one of the consumer protocol it may become classic. */
import type { GroupTurn } from "../group_turn.ts";
import { expiredMembers } from "./clocks.ts";
import { downgrade, mayDowngrade } from "./convert.ts";
import { GroupChange } from "./group_change.ts";

export function removeConsumerMembers(turn: GroupTurn, memberIds: readonly string[]): void {
  const group = turn.state.consumer;
  if (group === null || memberIds.length === 0) return;
  const removed = new Set(memberIds);
  const remaining = [...group.members.values()].filter(({ memberId }) => !removed.has(memberId));
  if (mayDowngrade(turn, remaining)) return downgrade(turn, group, remaining);
  const change = new GroupChange(turn, group);
  for (const memberId of removed) change.remove(memberId);
  // The others get the partitions with their next heartbeats.
  change.bump();
  change.commit();
}

/** Carries out the deadlines that are due. */
export function expireConsumerMembers(turn: GroupTurn): void {
  removeConsumerMembers(turn, expiredMembers(turn));
}
