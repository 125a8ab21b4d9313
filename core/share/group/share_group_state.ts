/**
 * The members of a share group. Stored are its epoch and who reads what; what a member was given lives in memory and is
 * made anew after a restart, since partitions of a share group are nobody's own.
 */
import { type Assignment, noPartitions } from "../../group/modern/assignment.ts";
import type { SubscribedTopic } from "../../group/modern/consumer_group_record.ts";

/** A member as it is stored. */
export interface ShareMember {
  readonly memberId: string;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** Sorted. */
  readonly subscribedTopicNames: readonly string[];
}

export interface ShareGroupRecord {
  /** Rises with every change that calls for a new assignment. */
  readonly groupEpoch: number;
  /** Wall clock. */
  readonly changedAtMs: number;
}

export interface LiveShareMember {
  stored: ShareMember;
  memberEpoch: number;
  previousMemberEpoch: number;
  assigned: Assignment;
  /** Not heard of since the restart: it may be at any epoch that the group has had. */
  isRestored: boolean;
  /** Monotonic, like the other. */
  sessionDeadlineMs: number;
  lastHeartbeatMs: number;
}

export interface ShareGroupState {
  readonly groupId: string;
  /** null: there is no such group. */
  record: ShareGroupRecord | null;
  readonly members: Map<string, LiveShareMember>;
  /** The group epoch that the targets were made for; -1 after a restart. */
  assignmentEpoch: number;
  targets: ReadonlyMap<string, Assignment>;
  /** What the targets were made for, sorted by id. */
  subscribedTopics: readonly SubscribedTopic[];
  /** Of the topics that the subscriptions were last looked up in. */
  topicsVersion: number;
  /** Rises when members or assignments change: time to tell who watches. */
  membershipVersion: number;
}

export type ShareGroupEvent =
  | { readonly type: "groupRecorded"; readonly record: ShareGroupRecord }
  | { readonly type: "memberRecorded"; readonly member: ShareMember }
  | { readonly type: "memberRemoved"; readonly memberId: string }
  /** Its members have gone before. */
  | { readonly type: "groupRemoved" };

export function newShareGroup(groupId: string): ShareGroupState {
  return {
    groupId,
    record: null,
    members: new Map(),
    assignmentEpoch: -1,
    targets: new Map(),
    subscribedTopics: [],
    topicsVersion: -1,
    membershipVersion: 0,
  };
}

/** `nowMs` (monotonic) is when members that appear by it were last heard of. */
export function applyShareGroupEvent(state: ShareGroupState, event: ShareGroupEvent, nowMs: number): void {
  switch (event.type) {
    case "groupRecorded":
      state.record = event.record;
      return;
    case "memberRecorded": {
      const { member } = event;
      const known = state.members.get(member.memberId);
      if (known !== undefined) known.stored = member;
      else {
        state.members.set(member.memberId, {
          stored: member,
          memberEpoch: 0,
          previousMemberEpoch: 0,
          assigned: noPartitions,
          isRestored: false,
          sessionDeadlineMs: Infinity,
          lastHeartbeatMs: nowMs,
        });
      }
      state.membershipVersion++;
      return;
    }
    case "memberRemoved":
      state.members.delete(event.memberId);
      state.membershipVersion++;
      return;
    case "groupRemoved":
      state.record = null;
      state.assignmentEpoch = -1;
      state.targets = new Map();
      state.subscribedTopics = [];
      return;
  }
}

/** The state that the stored facts make: every member has a full session, and may be at any epoch up to the group's. */
export function restoreShareGroup(
  groupId: string,
  record: ShareGroupRecord | null,
  members: readonly ShareMember[],
  { nowMs, sessionTimeoutMs }: { readonly nowMs: number; readonly sessionTimeoutMs: number },
): ShareGroupState {
  const state = newShareGroup(groupId);
  if (record !== null) applyShareGroupEvent(state, { type: "groupRecorded", record }, nowMs);
  for (const member of members) applyShareGroupEvent(state, { type: "memberRecorded", member }, nowMs);
  for (const member of state.members.values()) {
    member.memberEpoch = record?.groupEpoch ?? 0;
    member.isRestored = true;
    member.sessionDeadlineMs = nowMs + sessionTimeoutMs;
  }
  return state;
}

/** Kafka's spelling. */
export function shareGroupPhase({ record, members }: ShareGroupState): "Dead" | "Empty" | "Stable" {
  if (record === null) return "Dead";
  return members.size === 0 ? "Empty" : "Stable";
}
