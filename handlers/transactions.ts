/** What the handlers of transactions share: errors by version, and what a transactional id may be. */
import type { TransactionError } from "../actors/messages/transaction.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";

/** It is part of a key of the store. */
const TRANSACTIONAL_ID_LENGTH_MAX = 600;

export function isTransactionalId(transactionalId: string): boolean {
  return transactionalId.length > 0 && transactionalId.length <= TRANSACTIONAL_ID_LENGTH_MAX;
}

/** Since which version of an API its clients know two of the newer errors. */
export interface ErrorVersions {
  /** PRODUCER_FENCED (KIP-588); INVALID_PRODUCER_EPOCH before. */
  readonly fenced: number;
  /** TRANSACTION_ABORTABLE (KIP-890); INVALID_TXN_STATE before. */
  readonly abortable: number;
}

export function transactionErrorCode(
  error: TransactionError,
  apiVersion: number,
  versions: ErrorVersions,
): number {
  return errorCode(transactionError(error, apiVersion, versions));
}

export function transactionError(
  error: TransactionError,
  apiVersion: number,
  { fenced, abortable }: ErrorVersions,
): ErrorName {
  if (error === "PRODUCER_FENCED" && apiVersion < fenced) return "INVALID_PRODUCER_EPOCH";
  if (error === "TRANSACTION_ABORTABLE" && apiVersion < abortable) return "INVALID_TXN_STATE";
  return error;
}
