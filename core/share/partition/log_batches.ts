/**
 * What a share partition must know about the batches it read: which offsets they span and whether their records may be
 * delivered. Control batches never are; with read_committed those of aborted transactions are not either.
 */
import { readControlBatch } from "../../../protocol/records/control_record.ts";
import { readBatchHeader } from "../../../protocol/records/record_batch.ts";

export interface LogBatch {
  readonly firstOffset: number;
  /** Inclusive. */
  readonly lastOffset: number;
  readonly isDeliverable: boolean;
  readonly bytes: Uint8Array;
}

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** `aborted` as Fetch answers it; empty with read_uncommitted. */
export function logBatches(
  records: readonly Uint8Array[],
  aborted: readonly AbortedTransaction[],
): LogBatch[] {
  const upcoming = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const active = new Set<number>();
  return records.map((bytes) => {
    const { baseOffset, lastOffsetDelta, producerId, isControl, isTransactional } = readBatchHeader(bytes);
    const lastOffset = baseOffset + lastOffsetDelta;
    while ((upcoming[0]?.firstOffset ?? Infinity) <= lastOffset) {
      active.add(upcoming.shift()?.producerId ?? -1);
    }
    const isDeliverable = !isControl && !(isTransactional && active.has(producerId));
    if (isControl && active.has(producerId) && readControlBatch(bytes)?.type === "ABORT") {
      active.delete(producerId);
    }
    return { firstOffset: baseOffset, lastOffset, isDeliverable, bytes };
  });
}
