/**
 * What a transaction coordinator is asked and what it answers; shared by the machine in this folder and the messages of
 * `actors/`. Errors are Kafka's newest names: handlers turn them into those of older versions.
 */
import type { ErrorName } from "../../protocol/errors.ts";
import type { KeptAnswer } from "./kept_answer.ts";
import type { RequestTag, TransactionPartition } from "./transaction_state.ts";

export type TransactionError = ErrorName | "NONE";

/** Id and epoch by which a producer names itself. */
export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

export interface InitProducerIdRequest {
  readonly timeoutMs: number;
  /** The id and epoch to go on with (KIP-360), -1 for a new instance, which fences older ones. */
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** -1 and -1 with an error. */
export interface IdentityResult extends ProducerIdentity {
  readonly error: TransactionError;
}

export interface AddToTransactionRequest extends ProducerIdentity {
  readonly partitions: readonly TransactionPartition[];
  /** Groups that the transaction commits offsets of. */
  readonly groups: readonly string[];
}

/** Whether all of these are in the open transaction; changes nothing. */
export type VerifyTransactionRequest = AddToTransactionRequest;

export interface TransactionResult {
  readonly error: TransactionError;
}

export interface EndTransactionRequest extends ProducerIdentity {
  readonly committed: boolean;
  /** EndTxn v5 and later: every end bumps the epoch (KIP-890). */
  readonly bumpsEpoch: boolean;
  /** With a commit: noted with the decision. */
  readonly request?: RequestTag;
  /** With a commit: stored together with the decision. */
  readonly keeps?: KeptAnswer;
}

export type TransactionCommand =
  | ({ readonly type: "initProducerId" } & InitProducerIdRequest)
  | ({ readonly type: "addToTransaction" } & AddToTransactionRequest)
  | ({ readonly type: "verifyTransaction" } & VerifyTransactionRequest)
  | ({ readonly type: "endTransaction" } & EndTransactionRequest)
  | { readonly type: "awaitEnd" };

export type TransactionAnswer = IdentityResult | TransactionResult;
