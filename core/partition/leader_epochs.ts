/**
 * Where an epoch of the leader ended in the log (KIP-101, KIP-320): by it readers find out whether what they have read
 * was cut off. Source: Kafka's LeaderEpochFileCache.endOffsetFor and Partition.fetchRecords.
 */
import type { LogHead } from "./log_head.ts";

export interface EpochEndOffset {
  /** Largest epoch up to the one in question that the log knows; -1 for none. */
  readonly epoch: number;
  /** Offset after the last record of that epoch; -1 for none. */
  readonly endOffset: number;
}

const UNDEFINED: EpochEndOffset = { epoch: -1, endOffset: -1 };

/** `leaderEpoch` is the current one, which is in the lineage only once it wrote something. */
export function epochEndOffset(head: LogHead, leaderEpoch: number, requested: number): EpochEndOffset {
  const { epochs, logEndOffset } = head;
  if (requested < 0 || requested > leaderEpoch) return UNDEFINED;
  if (requested === leaderEpoch) return { epoch: requested, endOffset: logEndOffset };
  const higher = epochs.find(({ epoch }) => epoch > requested);
  const floor = epochs.findLast(({ epoch }) => epoch <= requested);
  return { epoch: floor?.epoch ?? requested, endOffset: higher?.startOffset ?? logEndOffset };
}

export type Divergence =
  | { readonly type: "none" }
  /** The reader must go back: the logs agree at most up to here. */
  | { readonly type: "diverging"; readonly end: EpochEndOffset }
  /** The reader's epoch is none of this log: OFFSET_OUT_OF_RANGE. */
  | { readonly type: "unknown" };

/** Whether a reader that stands at `offset` after a record of `lastFetchedEpoch` (-1: no check) has read what is here. */
export function decideDivergence(
  head: LogHead,
  leaderEpoch: number,
  { offset, lastFetchedEpoch }: { readonly offset: number; readonly lastFetchedEpoch: number },
): Divergence {
  if (lastFetchedEpoch < 0) return { type: "none" };
  const end = epochEndOffset(head, leaderEpoch, lastFetchedEpoch);
  if (end.endOffset < 0) return { type: "unknown" };
  const diverges = end.epoch < lastFetchedEpoch || end.endOffset < offset;
  return diverges ? { type: "diverging", end } : { type: "none" };
}
