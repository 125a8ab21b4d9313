/**
 * Transactions as one partition sees them: which producers have one open, from which offset on, and so the last stable
 * offset; and what a marker does. Id and epoch of the marker name the transaction that it ends; a marker for none is
 * already done, so that a coordinator may send it again after a crash.
 * Source: KIP-98, KIP-890; Kafka's ProducerStateManager and ProducerAppendInfo.appendEndTxnMarker.
 */
import { invariant } from "../../lib/invariant.ts";
import type { ProducerState } from "./producer_state.ts";

/** Open transactions of one partition, in the order of their first offsets. One per producer id. */
export class OpenTransactions {
  readonly #firstOffsets = new Map<number, number>();
  #lastFirstOffset = 0;

  /** `open` in the order of their first offsets. */
  constructor(open: Iterable<readonly [producerId: number, firstOffset: number]> = []) {
    for (const [producerId, firstOffset] of open) this.apply({ type: "opened", producerId, firstOffset });
  }

  copy(): OpenTransactions {
    return new OpenTransactions(this.#firstOffsets);
  }

  get count(): number {
    return this.#firstOffsets.size;
  }

  /** In the order of their first offsets. */
  get producerIds(): readonly number[] {
    return [...this.#firstOffsets.keys()];
  }

  /** null: none is open. */
  firstOffsetOf(producerId: number): number | null {
    return this.#firstOffsets.get(producerId) ?? null;
  }

  /** Below it every transaction has ended. `without` says what it would be if that producer's had. */
  lastStableOffset(highWatermark: number, without = -1): number {
    for (const [producerId, firstOffset] of this.#firstOffsets) {
      if (producerId !== without) return Math.min(firstOffset, highWatermark);
    }
    return highWatermark;
  }

  apply(change: TransactionChange): void {
    if (change.type === "ended") {
      invariant(this.#firstOffsets.delete(change.producerId), "Only an open transaction can end");
      return;
    }
    const { producerId, firstOffset } = change;
    invariant(!this.#firstOffsets.has(producerId), "A producer has one transaction at a time");
    invariant(firstOffset >= this.#lastFirstOffset, "Transactions are opened in the order of the log");
    this.#firstOffsets.set(producerId, firstOffset);
    this.#lastFirstOffset = firstOffset;
  }
}

/** A transaction that was aborted, for `read_committed`: its data lies from `firstOffset` up to the marker. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Offset of the marker. */
  readonly lastOffset: number;
  /** The last stable offset once it had ended: whatever ends later began at or above it. */
  readonly lastStableOffset: number;
}

/** What a batch does to the open transactions; stored in the batch's own commit. */
export type TransactionChange =
  | { readonly type: "opened"; readonly producerId: number; readonly firstOffset: number }
  | { readonly type: "ended"; readonly producerId: number; readonly aborted: AbortedTransaction | null };

export interface TransactionMarker {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  readonly committed: boolean;
  /** From 2 on (KIP-890) a marker has a higher epoch than the data that it ends (KIP-1228). */
  readonly transactionVersion?: number;
}

export type MarkerDecision =
  /** Append the marker at the log's end. */
  | { readonly type: "append"; readonly change: TransactionChange; readonly producer: ProducerState }
  | { readonly type: "done" }
  | {
    readonly type: "refused";
    readonly error: "INVALID_PRODUCER_EPOCH" | "TRANSACTION_COORDINATOR_FENCED";
  };

/** `offset` is where the marker would lie; `producer` the state of its producer, null when unknown. */
export function decideMarker(
  open: OpenTransactions,
  producer: ProducerState | null,
  marker: TransactionMarker,
  offset: number,
  nowMs: number,
): MarkerDecision {
  const { producerId, producerEpoch, coordinatorEpoch, committed } = marker;
  const firstOffset = open.firstOffsetOf(producerId);
  if (producer !== null) {
    const mustRise = (marker.transactionVersion ?? 0) >= 2 && firstOffset !== null;
    const isOld = producerEpoch < producer.producerEpoch ||
      mustRise && producerEpoch === producer.producerEpoch;
    if (isOld) return { type: "refused", error: "INVALID_PRODUCER_EPOCH" };
    if (coordinatorEpoch < (producer.coordinatorEpoch ?? -1)) {
      return { type: "refused", error: "TRANSACTION_COORDINATOR_FENCED" };
    }
  }
  if (firstOffset === null) return { type: "done" };
  const lastStableOffset = open.lastStableOffset(offset + 1, producerId);
  const aborted = committed ? null : { producerId, firstOffset, lastOffset: offset, lastStableOffset };
  return {
    type: "append",
    change: { type: "ended", producerId, aborted },
    producer: {
      producerId,
      producerEpoch,
      lastAppendMs: nowMs,
      // With a new epoch the sequences start again; older clients go on with theirs.
      batches: producer !== null && producer.producerEpoch === producerEpoch ? producer.batches : [],
      coordinatorEpoch,
    },
  };
}

export type TransactionalBatchDecision = "continues" | "opens" | "INVALID_TXN_STATE";

/** Whether a batch that is next in its producer's sequence belongs to an open transaction, opens one, or is out of place. */
export function decideTransactionalBatch(
  open: OpenTransactions,
  producer: ProducerState | null,
  batch: { readonly producerId: number; readonly producerEpoch: number; readonly isTransactional: boolean },
): TransactionalBatchDecision {
  const isOpen = batch.producerId >= 0 && open.firstOffsetOf(batch.producerId) !== null;
  if (!isOpen) return batch.isTransactional ? "opens" : "continues";
  // Nothing but its own transactional batches comes between a transaction's first batch and its marker.
  const isOwn = batch.isTransactional && producer?.producerEpoch === batch.producerEpoch;
  return isOwn ? "continues" : "INVALID_TXN_STATE";
}

/** Of `aborted`, in the order of their markers, those with data in [`from`, `upTo`). */
export function overlapping(
  aborted: readonly AbortedTransaction[],
  from: number,
  upTo: number,
): AbortedTransaction[] {
  return aborted.filter(({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < upTo);
}
