/**
 * Reads the records of a stored or fetched batch as values.
 *
 * The caller says how many bytes a compressed payload may become. A payload of tiny records becomes many more bytes of
 * objects than it has itself: whoever reads batches of strangers walks them with `iterateRecords`.
 * Source: Kafka's `DefaultRecordBatch.streamingIterator`.
 */

import { BATCH_OVERHEAD, type BatchHeader, hasValidCrc, readBatchHeader } from "./batch_header.ts";
import { type RecordHeader } from "./build_batch.ts";
import { decompress } from "./compression.ts";
import { RecordCursor } from "./record_cursor.ts";
import { CorruptRecordError } from "./record_errors.ts";

/** A record as read. Key, value and header values are views into the batch or its decompressed payload. */
export interface KafkaRecord {
  offset: number;
  /** Milliseconds; the batch's append time where it has one; −1 for none. */
  timestamp: number;
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: readonly RecordHeader[];
}

export interface ReadRecordsOptions {
  /** Bound of the decompressed payload, in bytes; default `DECOMPRESSED_BYTES_MAX`. */
  maxDecompressedBytes?: number;
  /** Compare the CRC first, as consumers do (`check.crcs`); default false. */
  checkCrc?: boolean;
}

/** Bound of a decompressed payload unless told otherwise, in bytes. */
export const DECOMPRESSED_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Reads all records of one batch. Throws nothing but `RecordError`s: `CorruptRecordError`, `DecompressedTooLargeError`,
 * `UnsupportedCompressionError`.
 */
export function readRecords(batch: Uint8Array, options: ReadRecordsOptions = {}): KafkaRecord[] {
  const { header, cursor } = openRecords(batch, options);
  const records: KafkaRecord[] = [];
  for (let i = 0; i < header.recordCount; i++) records.push(nextRecord(header, cursor));
  checkEnd(cursor);
  return records;
}

/** Like `readRecords`, one record at a time. */
export function* iterateRecords(batch: Uint8Array, options: ReadRecordsOptions = {}): Generator<KafkaRecord> {
  const { header, cursor } = openRecords(batch, options);
  for (let i = 0; i < header.recordCount; i++) yield nextRecord(header, cursor);
  checkEnd(cursor);
}

/** The header of one batch and a cursor before its first record. */
export function openRecords(
  batch: Uint8Array,
  options: ReadRecordsOptions,
): { header: BatchHeader; cursor: RecordCursor; payload: Uint8Array } {
  const header = readBatchHeader(batch);
  const bytes = batch.length === header.sizeInBytes ? batch : batch.subarray(0, header.sizeInBytes);
  if (options.checkCrc === true && !hasValidCrc(bytes)) {
    throw new CorruptRecordError(`Cannot read record batch: stored CRC ${header.crc} does not match`);
  }
  if (header.recordCount < 0) {
    throw new CorruptRecordError(`Cannot read record batch: record count ${header.recordCount}`, {
      error: "INVALID_RECORD",
    });
  }
  let payload = bytes.subarray(BATCH_OVERHEAD);
  // A batch that compaction has emptied keeps its codec but has no payload.
  if (header.recordCount > 0) {
    payload = decompress(header.compression, payload, {
      maxBytes: options.maxDecompressedBytes ?? DECOMPRESSED_BYTES_MAX,
    });
  }
  return { header, cursor: new RecordCursor(payload), payload };
}

/** Fails when bytes are left after the last record. */
export function checkEnd(cursor: RecordCursor): void {
  if (cursor.hasRemaining) {
    throw new CorruptRecordError("Cannot read record batch: bytes are left after the last record", {
      error: "INVALID_RECORD",
    });
  }
}

/** The timestamp of the cursor's record, clamped to ±(2^53−1). */
export function timestampOf(header: BatchHeader, cursor: RecordCursor): number {
  if (header.timestampType === "LogAppendTime") return header.maxTimestamp;
  const timestamp = header.baseTimestamp + cursor.timestampDelta;
  if (timestamp > Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER;
  return timestamp < Number.MIN_SAFE_INTEGER ? Number.MIN_SAFE_INTEGER : timestamp;
}

function nextRecord(header: BatchHeader, cursor: RecordCursor): KafkaRecord {
  cursor.next();
  return {
    offset: header.baseOffset + cursor.offsetDelta,
    timestamp: timestampOf(header, cursor),
    key: cursor.key(),
    value: cursor.value(),
    headers: cursor.headers(),
  };
}
