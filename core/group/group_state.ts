/**
 * The state of one group: what is stored (`GroupRecord`, committed offsets) and what lives in memory only (who waits
 * for an answer, deadlines, members in the middle of joining). Classic protocol: Kafka's ClassicGroup.
 *
 * `group_event.ts` alone changes the stored part, live and at recovery. What a member changes while it joins becomes
 * part of the stored picture when the next generation starts.
 */
import type { GroupError, MemberProtocol } from "./group_commands.ts";
import type { OffsetFact } from "./group_event.ts";
import type { ConsumerGroupState } from "./modern/consumer_group_state.ts";

/** Kafka's spelling of the states; a group without a trace is described as Dead. */
export type ClassicGroupPhase = "Empty" | "PreparingRebalance" | "CompletingRebalance" | "Stable";

export const noBytes = new Uint8Array(0);

/** A member as it is stored. */
export interface StoredMember {
  readonly memberId: string;
  /** null: a dynamic member. */
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocols: readonly MemberProtocol[];
  readonly assignment: Uint8Array;
}

/** The group as it is stored: one generation. */
export interface GroupRecord {
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leaderId: string | null;
  /** False between the start of the generation and the leader's assignment. */
  readonly assigned: boolean;
  /** Wall clock; the expiry of an empty group's offsets counts from it. */
  readonly changedAtMs: number;
  readonly members: readonly StoredMember[];
}

export interface StoredOffset {
  readonly topic: string;
  readonly offset: number;
  /** -1 unknown. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  /** Wall clock. */
  readonly committedAtMs: number;
}

/** Offsets of a transaction that has not ended, by topic id and partition. */
export interface PendingOffsets {
  readonly producerEpoch: number;
  readonly offsets: Map<string, OffsetFact>;
}

/** Names an answer that is still owed. */
export type RequestId = number;

export interface ClassicMember {
  stored: StoredMember;
  /** Until its first generation: it can expire while its join is parked. */
  isNew: boolean;
  awaitingJoin: RequestId | null;
  awaitingSync: RequestId | null;
  /** Monotonic; Infinity while a parked request stands in for heartbeats. */
  sessionDeadlineMs: number;
  /** Monotonic. */
  lastHeartbeatMs: number;
}

/** The end of the join phase; `initial` while an empty group waits for its first members. */
export interface JoinTimer {
  readonly atMs: number;
  readonly initial: { readonly delayMs: number; readonly remainingMs: number } | null;
}

export interface GroupState {
  readonly groupId: string;
  /** null: nothing but offsets was ever stored. */
  record: GroupRecord | null;
  /** By topic id, then by partition. */
  readonly offsets: Map<string, Map<number, StoredOffset>>;
  /** By producer id. */
  readonly pendingOffsets: Map<number, PendingOffsets>;

  phase: ClassicGroupPhase;
  /** The rebalance under way is the first of an empty group. */
  initialRebalance: boolean;
  /** Someone joined since the initial delay was last extended. */
  newMemberAdded: boolean;
  generationId: number;
  protocolType: string | null;
  protocolName: string | null;
  leaderId: string | null;
  /** A group of the consumer protocol (KIP-848); the fields of the classic one are as those of an empty group then. */
  consumer: ConsumerGroupState | null;
  /** By member id, in the order of joining. */
  readonly members: Map<string, ClassicMember>;
  readonly memberIdByInstanceId: Map<string, string>;
  /** Members that got an id and have not joined with it (KIP-394), with their deadline (monotonic). */
  readonly pendingMembers: Map<string, number>;
  /** Members of this generation that have not synced. */
  readonly pendingSync: Set<string>;
  joinTimer: JoinTimer | null;
  /** Monotonic; Infinity: none. */
  syncDeadlineMs: number;
  /** No deadline is earlier (monotonic); the host calls `tick` then. */
  wakeAtMs: number;
  /** Rises when members, assignments or owners change: time to tell who watches. */
  membershipVersion: number;
}

export function newGroupState(groupId: string): GroupState {
  return {
    groupId,
    record: null,
    offsets: new Map(),
    pendingOffsets: new Map(),
    phase: "Empty",
    initialRebalance: false,
    newMemberAdded: false,
    generationId: 0,
    protocolType: null,
    protocolName: null,
    leaderId: null,
    consumer: null,
    members: new Map(),
    memberIdByInstanceId: new Map(),
    pendingMembers: new Map(),
    pendingSync: new Set(),
    joinTimer: null,
    syncDeadlineMs: Infinity,
    wakeAtMs: Infinity,
    membershipVersion: 0,
  };
}

/** Whether anything was ever stored or is going on; otherwise Kafka would not know the group. */
export function groupExists(state: GroupState): boolean {
  return state.record !== null || state.consumer !== null || state.offsets.size > 0 ||
    state.members.size > 0 ||
    state.pendingMembers.size > 0 || state.pendingOffsets.size > 0;
}

/** Nobody is in the group or about to be: everything that matters is stored. */
export function isQuiet(state: GroupState): boolean {
  return state.phase === "Empty" && state.pendingMembers.size === 0 &&
    (state.consumer === null || state.consumer.members.size === 0);
}

export function newMember(stored: StoredMember, nowMs: number): ClassicMember {
  return {
    stored,
    isNew: false,
    awaitingJoin: null,
    awaitingSync: null,
    sessionDeadlineMs: Infinity,
    lastHeartbeatMs: nowMs,
  };
}

/** The longest of the members' timeouts. */
export function rebalanceTimeoutMs(state: GroupState): number {
  let longest = 0;
  for (const { stored } of state.members.values()) longest = Math.max(longest, stored.rebalanceTimeoutMs);
  return longest;
}

export function awaitingJoinCount(state: GroupState): number {
  let count = 0;
  for (const member of state.members.values()) if (member.awaitingJoin !== null) count++;
  return count;
}

export function haveAllMembersJoined(state: GroupState): boolean {
  return state.pendingMembers.size === 0 && awaitingJoinCount(state) === state.members.size;
}

/** Takes a member (also a pending one) out of every index; an answer it waits for must be given before. */
export function removeMember(state: GroupState, memberId: string): void {
  state.pendingMembers.delete(memberId);
  state.pendingSync.delete(memberId);
  const member = state.members.get(memberId);
  if (member === undefined) return;
  state.members.delete(memberId);
  const { groupInstanceId } = member.stored;
  if (groupInstanceId !== null) state.memberIdByInstanceId.delete(groupInstanceId);
  if (state.leaderId === memberId) state.leaderId = state.members.keys().next().value ?? null;
  state.membershipVersion++;
}

/**
 * Whether `memberId` is a member, and the one that its instance id stands for (KIP-345).
 * NONE, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID.
 */
export function memberError(state: GroupState, memberId: string, groupInstanceId: string | null): GroupError {
  if (groupInstanceId !== null) {
    const current = state.memberIdByInstanceId.get(groupInstanceId);
    if (current === undefined) return "UNKNOWN_MEMBER_ID";
    if (current !== memberId) return "FENCED_INSTANCE_ID";
  }
  return state.members.has(memberId) ? "NONE" : "UNKNOWN_MEMBER_ID";
}

/** Bytes that a member takes in the stored record, roughly. */
export function memberBytes(member: StoredMember): number {
  const { memberId, groupInstanceId, clientId, clientHost, protocols, assignment } = member;
  let size = memberId.length + (groupInstanceId?.length ?? 0) + clientId.length + clientHost.length + 64;
  for (const { name, metadata } of protocols) size += name.length + metadata.length + 8;
  return size + assignment.length;
}
