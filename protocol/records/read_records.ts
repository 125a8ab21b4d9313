/** Skeleton; see the exports. */
import { type RecordHeader } from "./build_batch.ts";

/** A record as read. Key, value and header values are views into the batch or its decompressed payload. */
export interface KafkaRecord {
  offset: number;
  /** Milliseconds; the batch's append time where it has one; −1 for none. */
  timestamp: number;
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: RecordHeader[];
}

/** Bound of `readRecords` unless told otherwise. */
export const DECOMPRESSED_BYTES_MAX = 64 * 1024 * 1024;

/** Reads all records of one batch. Throws `RecordError`s only. */
export function readRecords(
  _batch: Uint8Array,
  _options: { maxDecompressedBytes?: number } = {},
): KafkaRecord[] {
  throw new Error("not yet");
}
