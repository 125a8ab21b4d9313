/** Skeleton; see the exports. */
import { type BatchHeader } from "./batch_header.ts";
import { type RecordErrorName } from "./record_errors.ts";

export interface BatchFault {
  ok: false;
  error: RecordErrorName;
  message: string;
}

export interface ValidateBatchOptions {
  /** `max.message.bytes` of the topic. */
  maxMessageBytes: number;
  /** Produce versions below 7 may not carry zstd. */
  produceVersion?: number;
}

/** Checks what a client sent as the records of one partition, without decompressing. */
export function validateProducedBatch(
  _bytes: Uint8Array,
  _options: ValidateBatchOptions,
): { ok: true; header: BatchHeader } | BatchFault {
  throw new Error("not yet");
}

export interface ValidateRecordsOptions {
  maxDecompressedBytes: number;
  /** Compacted topics: a record without key is INVALID_RECORD. */
  requireKeys?: boolean;
}

/** Walks every record of one batch (decompressed within the bound); returns true maximum timestamp. */
export function validateRecords(
  _batch: Uint8Array,
  _options: ValidateRecordsOptions,
): { ok: true; maxTimestamp: number; decompressedBytes: number } | BatchFault {
  throw new Error("not yet");
}
