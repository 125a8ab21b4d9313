/**
 * Appending to a partition's log as a pure decision: from the assigned head, the batch's header and the
 * producer's state to Kafka's error, the original offset of a duplicate, or the new head. `applyAppend` is
 * not needed apart: the outcome holds the next state, and recovery reads it back from storage.
 * Source: Kafka's UnifiedLog.append.
 */
import { invariant } from "../../lib/invariant.ts";
import type { LeaderEpochStart, LogHead } from "./log_head.ts";
import type { ProducerState } from "./producer_state.ts";
import { applySequence, decideSequence } from "./sequence.ts";

/** The facts of a batch that deciding needs. */
export interface BatchFacts {
  readonly recordCount: number;
  readonly maxTimestamp: number;
  readonly sizeInBytes: number;
  /** -1 for a producer that is not idempotent. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

export type AppendDecision =
  | {
    readonly type: "append";
    readonly baseOffset: number;
    readonly lastOffset: number;
    readonly head: LogHead;
    readonly producer: ProducerState | null;
  }
  | { readonly type: "duplicate"; readonly baseOffset: number }
  | {
    readonly type: "refused";
    readonly error: "INVALID_PRODUCER_EPOCH" | "OUT_OF_ORDER_SEQUENCE_NUMBER";
    readonly message: string;
  };

/** `head` is the assigned head: it includes appends whose commit is still under way. */
export function decideAppend(
  head: LogHead,
  batch: BatchFacts,
  producer: ProducerState | null,
  leaderEpoch: number,
  nowMs: number,
): AppendDecision {
  const idempotent = batch.producerId >= 0;
  if (idempotent) {
    const decision = decideSequence(producer, batch);
    if (decision.type === "duplicate") return { type: "duplicate", baseOffset: decision.batch.baseOffset };
    if (decision.type === "refused") return decision;
  }
  const baseOffset = head.logEndOffset;
  const lastOffset = baseOffset + batch.recordCount - 1;
  invariant(batch.recordCount > 0, "A batch without records cannot be appended");
  invariant(Number.isSafeInteger(lastOffset), "The log's offsets are used up");
  const risesTimestamp = batch.maxTimestamp > head.maxTimestamp;
  return {
    type: "append",
    baseOffset,
    lastOffset,
    producer: idempotent ? applySequence(producer, batch, baseOffset, nowMs) : null,
    head: {
      logStartOffset: head.logStartOffset,
      logEndOffset: lastOffset + 1,
      leaderEpoch,
      epochs: withEpoch(head.epochs, leaderEpoch, baseOffset),
      maxTimestamp: risesTimestamp ? batch.maxTimestamp : head.maxTimestamp,
      maxTimestampOffset: risesTimestamp ? lastOffset : head.maxTimestampOffset,
      sizeBytes: head.sizeBytes + batch.sizeInBytes,
    },
  };
}

/** The lineage gets an epoch at its first append: an epoch that wrote nothing must not look like history. */
function withEpoch(
  epochs: readonly LeaderEpochStart[],
  epoch: number,
  startOffset: number,
): readonly LeaderEpochStart[] {
  const last = epochs.at(-1);
  if (last?.epoch === epoch) return epochs;
  invariant(last === undefined || last.epoch < epoch, "A leader epoch may only rise");
  return [...epochs, { epoch, startOffset }];
}
