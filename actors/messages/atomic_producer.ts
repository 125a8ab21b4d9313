/**
 * Messages of the atomic producer (`atomic_producer/<transactional id>`), which writes each request's records as one
 * transaction, so that all of them are stored or none, over any topics and partitions.
 */
import type { RequestKey, RequestOutcome } from "../../core/transaction/kept_answer.ts";
import type { RequestTag, TransactionPartition } from "../../core/transaction/transaction_state.ts";
import type { ErrorName } from "../../protocol/errors.ts";
import type { RecordInput } from "../../protocol/records/record_batch.ts";
import type { Expects } from "../runtime/types.ts";

/** The records of one request that go to one partition, in order. */
export interface AtomicWrite extends TransactionPartition {
  readonly records: readonly RecordInput[];
  /** As the topic has them. */
  readonly settings: {
    readonly maxMessageBytes: number;
    readonly timestampType: "CreateTime" | "LogAppendTime";
    readonly requireKeys: boolean;
  };
}

export interface WrittenRecords {
  readonly baseOffset: number;
  /** -1 unless the topic uses LogAppendTime. */
  readonly logAppendTimeMs: number;
}

export type AtomicProduceResult =
  /** Committed, and read by read_committed; one entry for each write, in their order. */
  | { readonly type: "committed"; readonly written: readonly WrittenRecords[] }
  /** This request was committed before; the producer's position now. */
  | { readonly type: "duplicate"; readonly epoch: number; readonly lastSeq: number }
  | { readonly type: "staleEpoch"; readonly epoch: number }
  /** A new epoch begins with request 0. */
  | { readonly type: "epochStart" }
  | { readonly type: "sequenceGap"; readonly expectedSeq: number }
  /** A request with this Idempotency-Key was committed before, and was answered so. */
  | { readonly type: "answered"; readonly outcome: RequestOutcome }
  /** A request with this Idempotency-Key was committed before, and it was another one. */
  | { readonly type: "keyReused" }
  /** Nothing is stored for readers of committed data. */
  | { readonly type: "refused"; readonly error: ErrorName; readonly message: string | null };

/** A request that names itself; what it says of its records is kept with their place. */
export interface KeyedRequest extends Pick<RequestOutcome, "places" | "nowMs"> {
  readonly key: RequestKey;
}

/**
 * `tag`: how the client numbers the request, `keyed`: how it names it; null where it does not, and never both. Rejects as an ask does:
 * then the outcome is unknown.
 */
export interface AtomicProduce extends Expects<AtomicProduceResult> {
  readonly type: "produce";
  readonly writes: readonly AtomicWrite[];
  readonly tag: RequestTag | null;
  readonly keyed: KeyedRequest | null;
}

export type AtomicProducerMessage = AtomicProduce;
