/**
 * The 61-byte header of a record batch (magic 2): where each field lies, reading it, and the few fields that a
 * broker changes in place. This is the boundary between raw log bytes and everything that reasons about them.
 *
 * ```
 * 0 baseOffset i64 | 8 batchLength i32 | 12 partitionLeaderEpoch i32 | 16 magic i8 | 17 crc u32 |
 * 21 attributes i16 | 23 lastOffsetDelta i32 | 27 baseTimestamp i64 | 35 maxTimestamp i64 |
 * 43 producerId i64 | 51 producerEpoch i16 | 53 baseSequence i32 | 57 recordCount i32 | 61 records
 * ```
 * The CRC-32C covers everything from `attributes` to the end, so the base offset and the leader epoch can be
 * assigned without touching it. Source: KIP-98, Kafka's `DefaultRecordBatch`.
 */

import { crc32c } from "../../lib/crc32c.ts";
import { CorruptRecordError, UnsupportedCompressionError } from "./record_errors.ts";

/** Bytes of a batch before its first record. */
export const BATCH_OVERHEAD = 61;
/** Bytes before the part that `batchLength` counts. */
export const LOG_OVERHEAD = 12;

/** Positions of the header's fields, in bytes from the start of the batch. */
export const FIELD = {
  baseOffset: 0,
  batchLength: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
  records: 61,
} as const;

/** Bits of the attributes field. */
export const ATTRIBUTE = {
  compressionMask: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40,
  /** Bits that no version of the format has given a meaning. */
  reservedMask: 0xff80,
} as const;

/** Kafka's codecs in the order of their wire numbers. */
export const COMPRESSIONS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;
export type Compression = typeof COMPRESSIONS[number];

export type TimestampType = "CreateTime" | "LogAppendTime";

/** A batch header as values. Int64 fields are numbers, clamped to ±(2^53−1). */
export interface BatchHeader {
  baseOffset: number;
  /** Bytes that follow the length field. */
  batchLength: number;
  partitionLeaderEpoch: number;
  /** Always 2 here. */
  magic: number;
  /** As stored; uint32. */
  crc: number;
  /** The raw int16, as an unsigned number. */
  attributes: number;
  /** Codec; `readBatchHeader` refuses numbers that Kafka does not define. */
  compression: Compression;
  timestampType: TimestampType;
  isTransactional: boolean;
  isControl: boolean;
  hasDeleteHorizon: boolean;
  lastOffsetDelta: number;
  /** Milliseconds; the delete horizon where `hasDeleteHorizon`. */
  baseTimestamp: number;
  /** Milliseconds; −1 for none. */
  maxTimestamp: number;
  /** −1 for none. */
  producerId: number;
  /** −1 for none. */
  producerEpoch: number;
  /** −1 for none. */
  baseSequence: number;
  recordCount: number;
  /** The whole batch: `batchLength` + 12. */
  sizeInBytes: number;
}

/** One batch inside a record set: its header, where it starts there, and its bytes (a view, not a copy). */
export interface BatchView {
  header: BatchHeader;
  position: number;
  bytes: Uint8Array;
}

const TWO_32 = 4294967296;

/** Reads a big-endian int32; the caller has checked the bounds. */
export function readInt32(bytes: Uint8Array, position: number): number {
  return (bytes[position]! << 24) | (bytes[position + 1]! << 16) | (bytes[position + 2]! << 8) |
    bytes[position + 3]!;
}

/** Reads a big-endian int64 as a number, clamped to ±(2^53−1); the caller has checked the bounds. */
export function readInt64(bytes: Uint8Array, position: number): number {
  const value = readInt32(bytes, position) * TWO_32 + (readInt32(bytes, position + 4) >>> 0);
  if (value > Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER;
  if (value < Number.MIN_SAFE_INTEGER) return Number.MIN_SAFE_INTEGER;
  return value;
}

/** Writes a big-endian int32. */
export function writeInt32(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >>> 24;
  bytes[position + 1] = value >>> 16;
  bytes[position + 2] = value >>> 8;
  bytes[position + 3] = value;
}

/** Writes a big-endian int64 from an exact integer. */
export function writeInt64(bytes: Uint8Array, position: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  writeInt32(bytes, position, high);
  writeInt32(bytes, position + 4, value - high * TWO_32);
}

/**
 * Reads the header of the batch that starts at `position`, and checks that the whole batch lies in `bytes`; the
 * CRC is not looked at. Throws `CorruptRecordError` when there are too few bytes, the length cannot be right or the magic
 * is not 2, `UnsupportedCompressionError` when the codec is unknown.
 */
export function readBatchHeader(bytes: Uint8Array, position = 0): BatchHeader {
  const remaining = bytes.length - position;
  if (remaining < FIELD.crc) {
    throw new CorruptRecordError(`Cannot read record batch header: ${remaining} bytes are left`);
  }
  const magic = (bytes[position + FIELD.magic]! << 24) >> 24;
  if (magic !== 2) {
    throw new CorruptRecordError(
      `Cannot read record batch: magic ${magic} is not supported`,
      { error: magic === 0 || magic === 1 ? "UNSUPPORTED_FOR_MESSAGE_FORMAT" : "CORRUPT_MESSAGE" },
    );
  }
  const batchLength = readInt32(bytes, position + FIELD.batchLength);
  const sizeInBytes = batchLength + LOG_OVERHEAD;
  if (sizeInBytes < BATCH_OVERHEAD) {
    throw new CorruptRecordError(`Cannot read record batch: length ${batchLength} is below the header's`);
  }
  if (sizeInBytes > remaining) {
    throw new CorruptRecordError(
      `Cannot read record batch: it declares ${sizeInBytes} bytes, ${remaining} are left`,
    );
  }
  const attributes = (bytes[position + FIELD.attributes]! << 8) | bytes[position + FIELD.attributes + 1]!;
  const compression = COMPRESSIONS[attributes & ATTRIBUTE.compressionMask];
  if (compression === undefined) {
    throw new UnsupportedCompressionError(
      `Cannot read record batch: unknown compression ${attributes & ATTRIBUTE.compressionMask}`,
    );
  }
  return {
    baseOffset: readInt64(bytes, position + FIELD.baseOffset),
    batchLength,
    partitionLeaderEpoch: readInt32(bytes, position + FIELD.partitionLeaderEpoch),
    magic,
    crc: readInt32(bytes, position + FIELD.crc) >>> 0,
    attributes,
    compression,
    timestampType: (attributes & ATTRIBUTE.logAppendTime) === 0 ? "CreateTime" : "LogAppendTime",
    isTransactional: (attributes & ATTRIBUTE.transactional) !== 0,
    isControl: (attributes & ATTRIBUTE.control) !== 0,
    hasDeleteHorizon: (attributes & ATTRIBUTE.deleteHorizon) !== 0,
    lastOffsetDelta: readInt32(bytes, position + FIELD.lastOffsetDelta),
    baseTimestamp: readInt64(bytes, position + FIELD.baseTimestamp),
    maxTimestamp: readInt64(bytes, position + FIELD.maxTimestamp),
    producerId: readInt64(bytes, position + FIELD.producerId),
    producerEpoch: (bytes[position + FIELD.producerEpoch]! << 24 >> 16) |
      bytes[position + FIELD.producerEpoch + 1]!,
    baseSequence: readInt32(bytes, position + FIELD.baseSequence),
    recordCount: readInt32(bytes, position + FIELD.recordCount),
    sizeInBytes,
  };
}

/** Whether bytes that may be a batch say that it is transactional; nothing else of them is looked at. */
export function claimsTransaction(bytes: Uint8Array): boolean {
  return bytes.length >= BATCH_OVERHEAD && bytes[FIELD.magic] === 2 &&
    ((bytes[FIELD.attributes + 1] ?? 0) & ATTRIBUTE.transactional) !== 0;
}

/**
 * Walks a record set of one or more batches without copying. With `allowPartial`, a batch that the end of `bytes`
 * cuts short is left out (a Fetch response may end in one); otherwise it is a `CorruptRecordError`.
 */
export function splitBatches(bytes: Uint8Array, options: { allowPartial?: boolean } = {}): BatchView[] {
  const views: BatchView[] = [];
  let position = 0;
  while (position < bytes.length) {
    if (options.allowPartial === true) {
      const remaining = bytes.length - position;
      if (remaining < FIELD.crc) break;
      if (readInt32(bytes, position + FIELD.batchLength) + LOG_OVERHEAD > remaining) break;
    }
    const header = readBatchHeader(bytes, position);
    const end = position + header.sizeInBytes;
    views.push({ header, position, bytes: bytes.subarray(position, end) });
    position = end;
  }
  return views;
}

/** True when the stored CRC is that of the batch's bytes. `batch` is exactly one batch, as `splitBatches` gives it. */
export function hasValidCrc(batch: Uint8Array): boolean {
  return readInt32(batch, FIELD.crc) >>> 0 === crc32c(batch, FIELD.attributes);
}

/** Writes base offset and leader epoch into one batch, in place; the CRC does not cover them. */
export function assignOffsets(batch: Uint8Array, baseOffset: number, partitionLeaderEpoch: number): void {
  writeInt64(batch, FIELD.baseOffset, baseOffset);
  writeInt32(batch, FIELD.partitionLeaderEpoch, partitionLeaderEpoch);
}

/**
 * Stamps one batch with the broker's time, in place: sets the LogAppendTime attribute and the maximum timestamp,
 * which readers then take for every record, and computes the CRC anew.
 */
export function setLogAppendTime(batch: Uint8Array, nowMs: number): void {
  batch[FIELD.attributes + 1]! |= ATTRIBUTE.logAppendTime;
  writeInt64(batch, FIELD.maxTimestamp, nowMs);
  writeCrc(batch);
}

/** Computes the CRC of one batch and writes it in place. */
export function writeCrc(batch: Uint8Array): void {
  writeInt32(batch, FIELD.crc, crc32c(batch, FIELD.attributes));
}
