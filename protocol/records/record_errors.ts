/**
 * The errors that reading or compressing record batches can raise; nothing else escapes `protocol/records/`.
 *
 * Each carries the name of the Kafka error that a broker answers with, so that a caller turns it into a
 * protocol value in one place. Source: Kafka's `CorruptRecordException`, `InvalidRecordException`,
 * `RecordTooLargeException` and `UnsupportedCompressionTypeException`.
 */

/** Kafka's names for what can be wrong with a produced batch. */
export type RecordErrorName =
  | "CORRUPT_MESSAGE"
  | "INVALID_RECORD"
  | "INVALID_TIMESTAMP"
  | "MESSAGE_TOO_LARGE"
  | "UNSUPPORTED_COMPRESSION_TYPE"
  | "UNSUPPORTED_FOR_MESSAGE_FORMAT";

/** Base of the three: `error` is Kafka's error name. */
export abstract class RecordError extends Error {
  abstract readonly error: RecordErrorName;
}

/** Bytes that are no valid record batch, compressed payload or record. */
export class CorruptRecordError extends RecordError {
  override readonly name = "CorruptRecordError";
  readonly error: "CORRUPT_MESSAGE" | "INVALID_RECORD" | "UNSUPPORTED_FOR_MESSAGE_FORMAT";

  constructor(
    message: string,
    options: {
      error?: "CORRUPT_MESSAGE" | "INVALID_RECORD" | "UNSUPPORTED_FOR_MESSAGE_FORMAT";
      cause?: unknown;
    } = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.error = options.error ?? "CORRUPT_MESSAGE";
  }
}

/** A payload that would inflate beyond the given bound; nothing near its full size was allocated. */
export class DecompressedTooLargeError extends RecordError {
  override readonly name = "DecompressedTooLargeError";
  readonly error = "MESSAGE_TOO_LARGE";
}

/** A codec that Kafka does not define, or that this runtime lacks (zstd before Deno 2.7). */
export class UnsupportedCompressionError extends RecordError {
  override readonly name = "UnsupportedCompressionError";
  readonly error = "UNSUPPORTED_COMPRESSION_TYPE";
}
