/**
 * The facts of a group of the consumer protocol (KIP-848) that are stored: one immutable picture, replaced by each
 * change. Source: the ConsumerGroup… records of Kafka's `__consumer_offsets`.
 */
import type { MemberProtocol } from "../group_commands.ts";
import type { Assignment } from "./assignment.ts";

/**
 * - stable: the member has what its epoch gives it.
 * - unrevoked: it must give up partitions before it goes on to the next epoch.
 * - unreleased: it is at the newest epoch, but others have yet to give up partitions for it.
 */
export type MemberState = "stable" | "unrevoked" | "unreleased";

/** A member of the classic protocol in a group of the new one, while clients are upgraded. */
export interface ClassicSide {
  readonly sessionTimeoutMs: number;
  readonly protocols: readonly MemberProtocol[];
}

export interface ConsumerMember {
  readonly memberId: string;
  /** null: a dynamic member. */
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  /** Sorted. */
  readonly subscribedTopicNames: readonly string[];
  readonly subscribedTopicRegex: string | null;
  readonly serverAssignor: string | null;
  readonly state: MemberState;
  /** −2: a static member that left for a while. */
  readonly memberEpoch: number;
  readonly previousMemberEpoch: number;
  readonly assigned: Assignment;
  /** Taken away, not yet given up. */
  readonly pendingRevocation: Assignment;
  /** What it is to own, as of the record's assignment epoch. */
  readonly target: Assignment;
  /** null: a member of the consumer protocol. */
  readonly classic: ClassicSide | null;
}

/** What an assignment was made for: it is made anew when this changes. */
export interface SubscribedTopic {
  readonly topicId: string;
  readonly partitionCount: number;
}

export interface ConsumerGroupRecord {
  /** Rises with every change that calls for a new assignment. */
  readonly groupEpoch: number;
  /** The group epoch that the targets were made for. */
  readonly assignmentEpoch: number;
  readonly assignorName: string;
  /** Sorted by id. */
  readonly subscribedTopics: readonly SubscribedTopic[];
  /** Wall clock; the expiry of an empty group's offsets counts from it. */
  readonly changedAtMs: number;
  readonly members: readonly ConsumerMember[];
}

/** Left for a while, as a static member does. */
export const LEFT_STATIC_EPOCH = -2;
export const JOIN_EPOCH = 0;

export function hasReached(member: ConsumerMember, assignmentEpoch: number): boolean {
  return member.state === "stable" && member.memberEpoch === assignmentEpoch;
}

/** Kafka's spelling: Empty, Assigning, Reconciling, Stable. */
export function consumerGroupState(record: ConsumerGroupRecord): string {
  if (record.members.length === 0) return "Empty";
  if (record.groupEpoch > record.assignmentEpoch) return "Assigning";
  return record.members.every((member) => hasReached(member, record.assignmentEpoch))
    ? "Stable"
    : "Reconciling";
}

/** Bytes that a member takes in the stored record without its partitions, roughly. */
export function consumerMemberBytes(member: ConsumerMember): number {
  const { memberId, instanceId, rackId, clientId, clientHost, subscribedTopicNames, classic } = member;
  let size = memberId.length + (instanceId?.length ?? 0) + (rackId?.length ?? 0) + clientId.length +
    clientHost.length + (member.subscribedTopicRegex?.length ?? 0) + 64;
  for (const name of subscribedTopicNames) size += name.length + 2;
  for (const { name, metadata } of classic?.protocols ?? []) size += name.length + metadata.length + 8;
  return size;
}
