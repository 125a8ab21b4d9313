/**
 * Writes record batches: from records as values to the bytes that a producer sends or a broker stores.
 *
 * Two passes, the first for sizes, so that the batch is written once into memory of the right size. The first
 * record's timestamp is the base that the others are deltas to, as in the Java producer.
 * Source: KIP-98, Kafka's `MemoryRecordsBuilder` and `DefaultRecord`.
 */

import { invariant } from "../../lib/invariant.ts";
import { varintSize, varlongSize } from "../../lib/varint.ts";
import {
  ATTRIBUTE,
  BATCH_OVERHEAD,
  type Compression,
  COMPRESSIONS,
  FIELD,
  LOG_OVERHEAD,
  type TimestampType,
  writeCrc,
  writeInt32,
  writeInt64,
} from "./batch_header.ts";
import { compress } from "./compression.ts";

/** One header of a record. */
export interface RecordHeader {
  key: string;
  value: Uint8Array | null;
}

/** A record to be written. `timestamp` in milliseconds, −1 for none. */
export interface RecordInput {
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: readonly RecordHeader[];
  timestamp: number;
}

export interface BuildBatchOptions {
  /** One or more. */
  records: readonly RecordInput[];
  /** Default "none". */
  compression?: Compression;
  /** Default −1, as for epoch and sequence: no producer id. */
  producerId?: number;
  producerEpoch?: number;
  baseSequence?: number;
  isTransactional?: boolean;
  isControl?: boolean;
  /** Default 0, the only one that a broker accepts from a client. */
  baseOffset?: number;
  /** Default −1, unknown. */
  partitionLeaderEpoch?: number;
  /** Default "CreateTime". */
  timestampType?: TimestampType;
}

const TWO_32 = 4294967296;
/** From here on the engine's bulk copies beat a loop. */
const BULK_COPY_BYTES = 64;
const encoder = new TextEncoder();

/**
 * Builds one batch. Throws `UnsupportedCompressionError` when the runtime lacks the codec, `InvariantError` without
 * records.
 */
export function buildBatch(options: BuildBatchOptions): Uint8Array {
  const { records, compression = "none" } = options;
  const first = records[0];
  invariant(first !== undefined, "A batch needs at least one record");
  const baseTimestamp = first.timestamp;

  const bodySizes = new Array<number>(records.length);
  const headerKeys: Uint8Array[] = [];
  let recordsSize = 0;
  let maxTimestamp = -1;
  for (let i = 0; i < records.length; i++) {
    const record = records[i]!;
    invariant(Number.isSafeInteger(record.timestamp), `A timestamp is a safe integer: ${record.timestamp}`);
    if (record.timestamp > maxTimestamp) maxTimestamp = record.timestamp;
    const size = bodySize(record, i, record.timestamp - baseTimestamp, headerKeys);
    bodySizes[i] = size;
    recordsSize += varintSize(size) + size;
  }

  let batch: Uint8Array;
  if (compression === "none") {
    batch = new Uint8Array(BATCH_OVERHEAD + recordsSize);
    writeRecords(batch, BATCH_OVERHEAD, records, bodySizes, headerKeys, baseTimestamp);
  } else {
    const payload = new Uint8Array(recordsSize);
    writeRecords(payload, 0, records, bodySizes, headerKeys, baseTimestamp);
    const compressed = compress(compression, payload);
    batch = new Uint8Array(BATCH_OVERHEAD + compressed.length);
    batch.set(compressed, BATCH_OVERHEAD);
  }
  writeHeader(batch, options, records.length, baseTimestamp, maxTimestamp);
  return batch;
}

function writeHeader(
  batch: Uint8Array,
  options: BuildBatchOptions,
  recordCount: number,
  baseTimestamp: number,
  maxTimestamp: number,
): void {
  let attributes = COMPRESSIONS.indexOf(options.compression ?? "none");
  if (options.timestampType === "LogAppendTime") attributes |= ATTRIBUTE.logAppendTime;
  if (options.isTransactional === true) attributes |= ATTRIBUTE.transactional;
  if (options.isControl === true) attributes |= ATTRIBUTE.control;
  const epoch = options.producerEpoch ?? -1;
  writeInt64(batch, FIELD.baseOffset, options.baseOffset ?? 0);
  writeInt32(batch, FIELD.batchLength, batch.length - LOG_OVERHEAD);
  writeInt32(batch, FIELD.partitionLeaderEpoch, options.partitionLeaderEpoch ?? -1);
  batch[FIELD.magic] = 2;
  batch[FIELD.attributes + 1] = attributes;
  writeInt32(batch, FIELD.lastOffsetDelta, recordCount - 1);
  writeInt64(batch, FIELD.baseTimestamp, baseTimestamp);
  writeInt64(batch, FIELD.maxTimestamp, maxTimestamp);
  writeInt64(batch, FIELD.producerId, options.producerId ?? -1);
  batch[FIELD.producerEpoch] = epoch >> 8;
  batch[FIELD.producerEpoch + 1] = epoch;
  writeInt32(batch, FIELD.baseSequence, options.baseSequence ?? -1);
  writeInt32(batch, FIELD.recordCount, recordCount);
  writeCrc(batch);
}

/** Bytes of a record after its length; the header keys' UTF-8 is appended to `headerKeys` for the second pass. */
function bodySize(
  record: RecordInput,
  offsetDelta: number,
  timestampDelta: number,
  headerKeys: Uint8Array[],
): number {
  const { key, value, headers } = record;
  let size = 1 + varlongSize(timestampDelta) + varintSize(offsetDelta) + varintSize(headers.length);
  size += key === null ? 1 : varintSize(key.length) + key.length;
  size += value === null ? 1 : varintSize(value.length) + value.length;
  for (const header of headers) {
    const headerKey = encoder.encode(header.key);
    headerKeys.push(headerKey);
    size += varintSize(headerKey.length) + headerKey.length;
    size += header.value === null ? 1 : varintSize(header.value.length) + header.value.length;
  }
  return size;
}

function writeRecords(
  out: Uint8Array,
  start: number,
  records: readonly RecordInput[],
  bodySizes: readonly number[],
  headerKeys: readonly Uint8Array[],
  baseTimestamp: number,
): void {
  let position = start;
  let headerIndex = 0;
  for (let i = 0; i < records.length; i++) {
    const record = records[i]!;
    position = writeVarint(out, position, bodySizes[i]!);
    out[position++] = 0;
    position = writeVarlong(out, position, record.timestamp - baseTimestamp);
    position = writeVarint(out, position, i);
    position = writeNullable(out, position, record.key);
    position = writeNullable(out, position, record.value);
    position = writeVarint(out, position, record.headers.length);
    for (const header of record.headers) {
      position = writeNullable(out, position, headerKeys[headerIndex++]!);
      position = writeNullable(out, position, header.value);
    }
  }
  invariant(position === out.length, `Records take ${out.length - start} bytes, wrote ${position - start}`);
}

function writeNullable(out: Uint8Array, position: number, bytes: Uint8Array | null): number {
  if (bytes === null) {
    out[position] = 1; // −1 in zigzag
    return position + 1;
  }
  const length = bytes.length;
  position = writeVarint(out, position, length);
  if (length < BULK_COPY_BYTES) { for (let i = 0; i < length; i++) out[position + i] = bytes[i]!; }
  else out.set(bytes, position);
  return position + length;
}

/** Writes a non-negative int32 as a zigzag varint. */
function writeVarint(out: Uint8Array, position: number, value: number): number {
  let rest = (value << 1) >>> 0;
  for (; rest >= 0x80; rest >>>= 7) out[position++] = rest | 0x80;
  out[position++] = rest;
  return position;
}

/** Writes an integer up to ±2^54 as a zigzag varlong. */
function writeVarlong(out: Uint8Array, position: number, value: number): number {
  // −v−1 and v share their bits in zigzag; the sign is the lowest bit of the first byte.
  const sign = value < 0 ? 1 : 0;
  let magnitude = sign === 1 ? -(value + 1) : value;
  let byte = ((magnitude % 64) << 1) | sign;
  magnitude = Math.floor(magnitude / 64);
  while (magnitude > 0) {
    out[position++] = byte | 0x80;
    if (magnitude < TWO_32) {
      byte = magnitude & 0x7f;
      magnitude >>>= 7;
    } else {
      byte = magnitude % 128;
      magnitude = Math.floor(magnitude / 128);
    }
  }
  out[position++] = byte;
  return position;
}
