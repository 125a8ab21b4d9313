/**
 * Takes records out of a stored batch, for compaction: the boundary between a decision about records and a batch's bytes. What stays
 * keeps its bytes, offset and timestamp; the header keeps base offset, last offset, producer and sequence, so that a reader
 * and the producer's state see the same batch with gaps. Source: Kafka's `MemoryRecords.filterTo`.
 */
import {
  ATTRIBUTE,
  BATCH_OVERHEAD,
  type BatchHeader,
  FIELD,
  LOG_OVERHEAD,
  writeCrc,
  writeInt32,
  writeInt64,
} from "./batch_header.ts";
import { compress } from "./compression.ts";
import { checkEnd, openRecords, type ReadRecordsOptions, timestampOf } from "./read_records.ts";

/** A record as the filter sees it. */
export interface FilterRecord {
  readonly offset: number;
  /** A view; null for none. */
  readonly key: Uint8Array | null;
  readonly hasValue: boolean;
}

export interface FilteredBatch {
  readonly header: BatchHeader;
  readonly keptCount: number;
  /** Whether a record without a value is among those kept. */
  readonly hasTombstones: boolean;
  /** The batch with what was kept; the given one when that is all, null when it is nothing. */
  readonly bytes: Uint8Array | null;
  /** Of the records kept; −1 for none. */
  readonly maxTimestamp: number;
}

/** Throws `RecordError`s as `readRecords` does. */
export function filterBatch(
  batch: Uint8Array,
  keep: (record: FilterRecord) => boolean,
  options: ReadRecordsOptions = {},
): FilteredBatch {
  const { header, cursor, payload } = openRecords(batch, options);
  const kept: Uint8Array[] = [];
  let keptBytes = 0;
  let hasTombstones = false;
  let maxTimestamp = -1;
  for (let i = 0; i < header.recordCount; i++) {
    cursor.next();
    const { hasValue } = cursor;
    if (!keep({ offset: header.baseOffset + cursor.offsetDelta, key: cursor.key(), hasValue })) continue;
    hasTombstones ||= !hasValue;
    maxTimestamp = Math.max(maxTimestamp, timestampOf(header, cursor));
    kept.push(payload.subarray(cursor.start, cursor.end));
    keptBytes += cursor.end - cursor.start;
  }
  checkEnd(cursor);
  const bytes = kept.length === header.recordCount
    ? batch
    : kept.length === 0
    ? null
    : withRecords(batch, header, kept, keptBytes, maxTimestamp);
  return { header, keptCount: kept.length, hasTombstones, bytes, maxTimestamp };
}

/** The batch without its records: what is left of it is who sent it, and as what. */
export function emptyBatch(batch: Uint8Array): Uint8Array {
  const empty = batch.slice(0, BATCH_OVERHEAD);
  writeInt32(empty, FIELD.batchLength, BATCH_OVERHEAD - LOG_OVERHEAD);
  empty[FIELD.attributes + 1] = (empty[FIELD.attributes + 1] ?? 0) & ~ATTRIBUTE.compressionMask;
  writeInt64(empty, FIELD.baseTimestamp, -1);
  writeInt32(empty, FIELD.recordCount, 0);
  writeCrc(empty);
  return empty;
}

/** Makes a batch without records span `count` offsets, in place. */
export function spanOffsets(batch: Uint8Array, count: number): void {
  writeInt32(batch, FIELD.lastOffsetDelta, count - 1);
  writeCrc(batch);
}

function withRecords(
  batch: Uint8Array,
  header: BatchHeader,
  kept: readonly Uint8Array[],
  keptBytes: number,
  maxTimestamp: number,
): Uint8Array {
  const payload = new Uint8Array(keptBytes);
  let position = 0;
  for (const record of kept) {
    payload.set(record, position);
    position += record.length;
  }
  const body = compress(header.compression, payload);
  const bytes = new Uint8Array(BATCH_OVERHEAD + body.length);
  bytes.set(batch.subarray(0, BATCH_OVERHEAD));
  bytes.set(body, BATCH_OVERHEAD);
  writeInt32(bytes, FIELD.batchLength, bytes.length - LOG_OVERHEAD);
  if (header.timestampType === "CreateTime") writeInt64(bytes, FIELD.maxTimestamp, maxTimestamp);
  writeInt32(bytes, FIELD.recordCount, kept.length);
  writeCrc(bytes);
  return bytes;
}
