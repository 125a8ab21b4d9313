/**
 * The facts of a group that are stored, and the one function that turns a fact into state: the same while the group
 * lives and when it is loaded. A loaded group is a new state to which its stored facts were applied.
 */
import type { ConsumerGroupRecord } from "./modern/consumer_group_record.ts";
import { consumerGroupOf } from "./modern/consumer_group_state.ts";
import type { OffsetToCommit } from "./group_commands.ts";
import { type GroupRecord, type GroupState, newMember } from "./group_state.ts";
import { applyPendingOffsets } from "./offsets/pending.ts";

export interface OffsetFact extends OffsetToCommit {
  /** Wall clock. */
  readonly committedAtMs: number;
}

export interface PendingOffsetFact {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly fact: OffsetFact;
}

export interface OffsetPartition {
  readonly topicId: string;
  readonly partition: number;
}

export type GroupEvent =
  /** The whole stored picture of the group: a generation started, was assigned, or has a replaced static member. */
  | { readonly type: "groupRecorded"; readonly record: GroupRecord }
  /** The same for a group of the consumer protocol; whatever kind was recorded last holds. */
  | { readonly type: "consumerGroupRecorded"; readonly record: ConsumerGroupRecord }
  | { readonly type: "offsetsCommitted"; readonly offsets: readonly OffsetFact[] }
  | { readonly type: "offsetsDeleted"; readonly partitions: readonly OffsetPartition[] }
  /** Offsets that wait for their transaction's end, and that end, with all of them. */
  | {
    readonly type: "offsetsPending";
    readonly producerId: number;
    readonly producerEpoch: number;
    readonly offsets: readonly OffsetFact[];
  }
  | {
    readonly type: "transactionEnded";
    readonly producerId: number;
    readonly committed: boolean;
    readonly offsets: readonly OffsetFact[];
  }
  /** The group without members is forgotten; its offsets were deleted before. */
  | { readonly type: "groupRemoved" };

/** Applies one event; `nowMs` (monotonic) is when members that appear by it were last heard of. */
export function applyGroupEvent(state: GroupState, event: GroupEvent, nowMs: number): void {
  switch (event.type) {
    case "groupRecorded":
      return applyRecord(state, event.record, nowMs);
    case "consumerGroupRecorded":
      if (state.consumer === null) clearClassic(state);
      state.consumer = consumerGroupOf(event.record, state.consumer, nowMs);
      state.protocolType = "consumer";
      state.membershipVersion++;
      return;
    case "offsetsCommitted":
      return applyOffsets(state, event.offsets);
    case "offsetsPending":
      return applyPendingOffsets(state, event.producerId, event.producerEpoch, event.offsets);
    case "transactionEnded":
      state.pendingOffsets.delete(event.producerId);
      if (event.committed) applyOffsets(state, event.offsets);
      return;
    case "offsetsDeleted":
      for (const { topicId, partition } of event.partitions) {
        const partitions = state.offsets.get(topicId);
        partitions?.delete(partition);
        if (partitions?.size === 0) state.offsets.delete(topicId);
      }
      return;
    case "groupRemoved":
      clearClassic(state);
      state.consumer = null;
      return;
  }
}

function clearClassic(state: GroupState): void {
  state.record = null;
  state.phase = "Empty";
  state.initialRebalance = false;
  state.generationId = 0;
  state.protocolType = null;
  state.protocolName = null;
  state.leaderId = null;
  state.members.clear();
  state.memberIdByInstanceId.clear();
  state.pendingMembers.clear();
  state.pendingSync.clear();
  state.joinTimer = null;
  state.syncDeadlineMs = Infinity;
}

function applyOffsets(state: GroupState, offsets: readonly OffsetFact[]): void {
  for (const { topic, topicId, partition, offset, leaderEpoch, metadata, committedAtMs } of offsets) {
    let partitions = state.offsets.get(topicId);
    if (partitions === undefined) state.offsets.set(topicId, partitions = new Map());
    partitions.set(partition, { topic, offset, leaderEpoch, metadata, committedAtMs });
  }
}

function applyRecord(state: GroupState, record: GroupRecord, nowMs: number): void {
  state.consumer = null;
  state.record = record;
  state.generationId = record.generationId;
  state.protocolType = record.protocolType;
  state.protocolName = record.protocolName;
  state.leaderId = record.leaderId;
  state.phase = record.members.length === 0 ? "Empty" : record.assigned ? "Stable" : "CompletingRebalance";
  state.initialRebalance = false;

  const recorded = new Set<string>();
  state.memberIdByInstanceId.clear();
  for (const stored of record.members) {
    recorded.add(stored.memberId);
    const member = state.members.get(stored.memberId);
    if (member === undefined) state.members.set(stored.memberId, newMember(stored, nowMs));
    else member.stored = stored;
    if (stored.groupInstanceId !== null) {
      state.memberIdByInstanceId.set(stored.groupInstanceId, stored.memberId);
    }
  }
  for (const memberId of state.members.keys()) if (!recorded.has(memberId)) state.members.delete(memberId);

  // An assigned group keeps the set: members may sync, and be expired for not syncing, after the leader did.
  if (!record.assigned) state.pendingSync.clear();
  if (!record.assigned) { for (const memberId of recorded) state.pendingSync.add(memberId); }
  state.membershipVersion++;
}
