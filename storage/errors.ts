/** Storage's typed failures. */

/** The commit may or may not have been applied. Resolved inside `shard.ts` by reading the token back. */
export class UnknownOutcomeError extends Error {
  override readonly name = "UnknownOutcomeError";
}

/** Another writer owns the shard now: whoever gets this stops and is not restarted. */
export class FencedError extends Error {
  override readonly name = "FencedError";
}

/** The store cannot be reached or refuses work; retriable, nothing is known to be lost. */
export class StorageUnavailableError extends Error {
  override readonly name = "StorageUnavailableError";
}

/** This process has closed the store: no other try helps. */
export class StoreClosedError extends StorageUnavailableError {
  constructor() {
    super("Cannot use store: it is closed");
  }
}

/** Whether a call failed because this process has closed the store, which is no fault of the store. */
export function isStoreClosed(error: unknown): boolean {
  return error instanceof StoreClosedError ||
    (error instanceof UnknownOutcomeError && error.cause instanceof StoreClosedError);
}

/** What the shard belongs to is being deleted, or was: it gets no keys any more. */
export class ShardGoneError extends StorageUnavailableError {}

/** Stored bytes are not what was written (CRC, length, chain): a storage error, never a silent skip. */
export class CorruptStorageError extends Error {
  override readonly name = "CorruptStorageError";
}

/** The data directory cannot be used: permission, in use by another process, newer layout. One clear line, exit 1. */
export class DataDirectoryError extends Error {
  override readonly name = "DataDirectoryError";
}
