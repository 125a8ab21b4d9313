/**
 * The idempotent producer's state in one partition (KIP-98, KIP-360; Kafka's ProducerStateEntry and
 * ProducerAppendInfo): epoch and the last five batches, against which each new batch's sequence is checked.
 */

/** Kafka keeps this many batches for each producer: the idempotent client's largest number of requests in flight. */
export const PRODUCER_BATCHES_KEPT = 5;

export interface ProducerBatch {
  readonly baseSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
  /** The batch's largest timestamp. */
  readonly timestampMs: number;
}

export interface ProducerState {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Wall clock of the last append, for expiry. */
  readonly lastAppendMs: number;
  /** Oldest first, at most `PRODUCER_BATCHES_KEPT`. */
  readonly batches: readonly ProducerBatch[];
  /** Of the transaction coordinator that wrote the last marker, which fences older ones; absent before the first. */
  readonly coordinatorEpoch?: number;
}
