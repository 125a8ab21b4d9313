/** A group of the consumer protocol as it lives: the stored record, indexed, and the members' clocks in memory. */
import { type TopicRegex } from "../regex/topic_regex.ts";
import type { ConsumerGroupRecord, ConsumerMember } from "./consumer_group_record.ts";

export interface MemberClock {
  /** Monotonic, like the others. */
  sessionDeadlineMs: number;
  /** Until when it must have given up partitions, or joined or synced as a classic member; Infinity: nothing is due. */
  rebalanceDeadlineMs: number;
  lastHeartbeatMs: number;
}

/** Topics that a regular expression matched. */
export interface ResolvedRegex {
  readonly regex: TopicRegex;
  /** Of the topics. */
  readonly version: number;
  readonly names: readonly string[];
}

export interface ConsumerGroupState {
  readonly record: ConsumerGroupRecord;
  readonly members: ReadonlyMap<string, ConsumerMember>;
  readonly memberIdByInstanceId: ReadonlyMap<string, string>;
  readonly clocks: Map<string, MemberClock>;
  readonly regexes: Map<string, ResolvedRegex>;
  /** Of the topics that the subscriptions were last looked up in. */
  topicsVersion: number;
}

/** The state that the record makes; clocks of members that stay go on. */
export function consumerGroupOf(
  record: ConsumerGroupRecord,
  before: ConsumerGroupState | null,
  nowMs: number,
): ConsumerGroupState {
  const clocks = new Map<string, MemberClock>();
  const members = new Map<string, ConsumerMember>();
  const memberIdByInstanceId = new Map<string, string>();
  const expressions = new Set<string>();
  for (const member of record.members) {
    const { memberId, instanceId, subscribedTopicRegex } = member;
    members.set(memberId, member);
    if (instanceId !== null) memberIdByInstanceId.set(instanceId, memberId);
    if (subscribedTopicRegex !== null) expressions.add(subscribedTopicRegex);
    clocks.set(
      memberId,
      before?.clocks.get(memberId) ??
        { sessionDeadlineMs: Infinity, rebalanceDeadlineMs: Infinity, lastHeartbeatMs: nowMs },
    );
  }
  const regexes = before?.regexes ?? new Map<string, ResolvedRegex>();
  for (const expression of regexes.keys()) if (!expressions.has(expression)) regexes.delete(expression);
  return {
    record,
    members,
    memberIdByInstanceId,
    clocks,
    regexes,
    topicsVersion: before?.topicsVersion ?? -1,
  };
}
