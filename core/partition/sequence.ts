/**
 * Sequence numbers of idempotent producers: decides whether a batch is next, a duplicate or out of order.
 * Source: KIP-98, KIP-360; Kafka's ProducerAppendInfo and ProducerStateEntry.
 */
import { mutant } from "../../lib/mutants.ts";
import { PRODUCER_BATCHES_KEPT, type ProducerBatch, type ProducerState } from "./producer_state.ts";

const SEQUENCE_MAX = 0x7fff_ffff;

export interface SequencedBatch {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
  readonly maxTimestamp: number;
  /**
   * Where a producer without batches here must begin at the latest: 0 in transactions v2 (KIP-890), and otherwise where
   * an earlier batch of its was turned away, so that the batches in flight behind that one do not overtake it. Absent:
   * anywhere, since its state may have expired.
   */
  readonly firstSequenceMax?: number;
}

export type SequenceDecision =
  | { readonly type: "next" }
  | { readonly type: "duplicate"; readonly batch: ProducerBatch }
  | {
    readonly type: "refused";
    readonly error: "INVALID_PRODUCER_EPOCH" | "OUT_OF_ORDER_SEQUENCE_NUMBER";
    readonly message: string;
  };

/** Adds `increment` to a sequence number, which wraps from 2^31-1 to 0. */
export function addToSequence(sequence: number, increment: number): number {
  return sequence > SEQUENCE_MAX - increment
    ? increment - (SEQUENCE_MAX - sequence) - 1
    : sequence + increment;
}

/** Judges `batch` against the producer's `state`, null when the partition does not know the producer (any more). */
export function decideSequence(state: ProducerState | null, batch: SequencedBatch): SequenceDecision {
  if (mutant("any-sequence")) return { type: "next" };
  if (state !== null && batch.producerEpoch < state.producerEpoch) {
    return {
      type: "refused",
      error: "INVALID_PRODUCER_EPOCH",
      message:
        `Producer ${batch.producerId} has epoch ${state.producerEpoch}, the batch has ${batch.producerEpoch}`,
    };
  }
  const firstSequenceMax = batch.firstSequenceMax ?? Infinity;
  if ((state === null || state.batches.length === 0) && batch.baseSequence > firstSequenceMax) {
    return outOfOrder(batch, `the partition does not know it, and expects ${firstSequenceMax}`);
  }
  // A producer whose state expired may go on where it was: its older batches cannot be told from lost ones (KIP-360).
  // Kafka has answered no UNKNOWN_PRODUCER_ID since.
  if (state === null) return { type: "next" };
  if (batch.producerEpoch > state.producerEpoch) {
    return batch.baseSequence === 0
      ? { type: "next" }
      : outOfOrder(batch, `a new epoch starts at sequence 0`);
  }
  const lastSequence = addToSequence(batch.baseSequence, batch.recordCount - 1);
  const duplicate = state.batches.find((kept) =>
    kept.baseSequence === batch.baseSequence && kept.lastSequence === lastSequence
  );
  if (duplicate !== undefined) return { type: "duplicate", batch: duplicate };
  const last = state.batches.at(-1);
  const expected = last === undefined ? 0 : addToSequence(last.lastSequence, 1);
  return batch.baseSequence === expected
    ? { type: "next" }
    : outOfOrder(batch, `the next sequence is ${expected}`);
}

function outOfOrder(batch: SequencedBatch, why: string): SequenceDecision {
  return {
    type: "refused",
    error: "OUT_OF_ORDER_SEQUENCE_NUMBER",
    message: `Producer ${batch.producerId} sent sequence ${batch.baseSequence}: ${why}`,
  };
}

/** The state after `batch` was appended at `baseOffset`. */
export function applySequence(
  state: ProducerState | null,
  batch: SequencedBatch,
  baseOffset: number,
  nowMs: number,
): ProducerState {
  const appended: ProducerBatch = {
    baseSequence: batch.baseSequence,
    lastSequence: addToSequence(batch.baseSequence, batch.recordCount - 1),
    baseOffset,
    timestampMs: batch.maxTimestamp,
  };
  const earlier = state !== null && state.producerEpoch === batch.producerEpoch ? state.batches : [];
  return {
    producerId: batch.producerId,
    producerEpoch: batch.producerEpoch,
    lastAppendMs: nowMs,
    batches: [...earlier, appended].slice(-PRODUCER_BATCHES_KEPT),
    ...(state?.coordinatorEpoch === undefined ? {} : { coordinatorEpoch: state.coordinatorEpoch }),
  };
}
