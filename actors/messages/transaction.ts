/**
 * Messages of the transaction actor (`transaction/<transactionalId>`), the coordinator of one transactional id. Errors
 * are values with Kafka's newest names; handlers turn them into those of older versions.
 */
import type {
  AddToTransactionRequest,
  EndTransactionRequest,
  IdentityResult,
  InitProducerIdRequest,
  TransactionResult,
  VerifyTransactionRequest,
} from "../../core/transaction/transaction_commands.ts";
import type { KeptAnswer } from "../../core/transaction/kept_answer.ts";
import type { TransactionRecord } from "../../core/transaction/transaction_state.ts";
import type { Expects } from "../runtime/types.ts";

export type { IdentityResult, TransactionError } from "../../core/transaction/transaction_commands.ts";

/** INVALID_TRANSACTION_TIMEOUT, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS. */
export interface InitTransactionalId extends InitProducerIdRequest, Expects<IdentityResult> {
  readonly type: "initProducerId";
}

/** INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS, TRANSACTION_ABORTABLE. */
export interface AddToTransaction extends AddToTransactionRequest, Expects<TransactionResult> {
  readonly type: "addToTransaction";
}

/** The same errors; changes nothing and never waits. */
export interface VerifyTransaction extends VerifyTransactionRequest, Expects<TransactionResult> {
  readonly type: "verifyTransaction";
}

/** Answered when the decision is durable. INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, INVALID_PRODUCER_EPOCH,
 * CONCURRENT_TRANSACTIONS, INVALID_TXN_STATE. */
export interface EndTransaction extends EndTransactionRequest, Expects<IdentityResult> {
  readonly type: "endTransaction";
}

/** Answered NONE when no transaction is ending (any more), CONCURRENT_TRANSACTIONS when that takes long. */
export interface AwaitTransactionEnd extends Expects<TransactionResult> {
  readonly type: "awaitEnd";
}

/** null: unknown. */
export interface DescribeTransaction extends Expects<TransactionRecord | null> {
  readonly type: "describe";
}

/** The answer that is kept for an Idempotency-Key; null: none, or it is too old. */
export interface FindKeptAnswer extends Expects<KeptAnswer | null> {
  readonly type: "findAnswer";
  readonly keyHash: Uint8Array;
}

/** From the sweep: forgets the id if it was not used since. */
export interface ExpireTransaction extends Expects<{ readonly isExpired: boolean }> {
  readonly type: "expire";
  /** Wall clock. */
  readonly beforeMs: number;
}

/** Internal: the transaction may be out of time, its markers are written, or others waited long enough for that. */
export interface TransactionTimer {
  readonly type: "timeout" | "markersWritten" | "endWait";
  readonly producerId: number;
  readonly producerEpoch: number;
}

export type TransactionMessage =
  | InitTransactionalId
  | AddToTransaction
  | VerifyTransaction
  | EndTransaction
  | AwaitTransactionEnd
  | DescribeTransaction
  | FindKeptAnswer
  | ExpireTransaction
  | TransactionTimer;
