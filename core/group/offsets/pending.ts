/** Offsets of transactions that have not ended, as part of a group's state. */
import type { OffsetFact } from "../group_event.ts";
import type { GroupState, PendingOffsets } from "../group_state.ts";

/** Whether the producer's open transaction has been here before, so that it need not be verified again. */
export function isTransactionKnown(
  state: GroupState,
  { producerId, producerEpoch }: { readonly producerId: number; readonly producerEpoch: number },
): boolean {
  return state.pendingOffsets.get(producerId)?.producerEpoch === producerEpoch;
}

/** Whether a transaction that has not ended would change the partition's offset. */
export function hasPendingOffset(state: GroupState, topicId: string, partition: number): boolean {
  const key = offsetKey({ topicId, partition });
  for (const { offsets } of state.pendingOffsets.values()) if (offsets.has(key)) return true;
  return false;
}

export function offsetKey(
  { topicId, partition }: { readonly topicId: string; readonly partition: number },
): string {
  return `${topicId}/${partition}`;
}

export function applyPendingOffsets(
  state: GroupState,
  producerId: number,
  producerEpoch: number,
  offsets: readonly OffsetFact[],
): void {
  let pending: PendingOffsets | undefined = state.pendingOffsets.get(producerId);
  if (pending === undefined || pending.producerEpoch !== producerEpoch) {
    state.pendingOffsets.set(
      producerId,
      pending = { producerEpoch, offsets: new Map(pending?.offsets ?? []) },
    );
  }
  for (const fact of offsets) pending.offsets.set(offsetKey(fact), fact);
}
