/**
 * Decides whether a batch from a client may enter the log: the boundary between a Produce request and a partition.
 *
 * `validateProducedBatch` holds without decompressing and is what the hot path runs; `validateRecords` walks every
 * record. Both name the error that Kafka answers with. Deliberately stricter than Kafka: bytes after the batch (Kafka cuts
 * them off), the delete-horizon and LogAppendTime flags, unused attribute bits, header timestamps beyond 2^53, a
 * transactional batch without producer id, a negative producer epoch, inner offsets that are not 0, 1, 2… and compressed
 * records whose length field is wrong (Kafka rewrites or ignores those). Where Kafka fails with UNKNOWN_SERVER_ERROR (unknown
 * codec, endless varint), a proper name is given. Deliberately as lenient: a sequence without a producer id, which KafkaJS
 * and Sarama send.
 * Source: Kafka's `ProduceRequest.validateRecords`, `UnifiedLog.analyzeAndValidateRecords`, `LogValidator`.
 */

import { crc32c } from "../../lib/crc32c.ts";
import { runAtOnce, type Steps } from "../../lib/steps.ts";
import {
  ATTRIBUTE,
  BATCH_OVERHEAD,
  type BatchHeader,
  FIELD,
  LOG_OVERHEAD,
  readBatchHeader,
  readInt32,
} from "./batch_header.ts";
import { checkEnd, openRecords, timestampOf } from "./read_records.ts";
import { RECORD_BYTES_MIN, RecordCursor } from "./record_cursor.ts";
import { RecordError, type RecordErrorName } from "./record_errors.ts";

/** Why a batch is refused: Kafka's error name, and words for its `error_message`. */
export interface BatchFault {
  ok: false;
  error: RecordErrorName;
  message: string;
  /** Which records are to blame, when some of them are (KIP-467); at most `RECORD_FAULTS_MAX`. */
  recordFaults?: readonly RecordFault[];
}

/** What is wrong with one record. */
export interface RecordFault {
  /** Within the batch, from 0. */
  readonly index: number;
  readonly message: string;
}

/** More bad records than these are not named. */
const RECORD_FAULTS_MAX = 1_000;

/** Bounds on record timestamps, in milliseconds since 1970 (`message.timestamp.before.max.ms`, `….after.max.ms`). */
export interface TimestampBounds {
  timestampMinMs?: number;
  timestampMaxMs?: number;
}

export interface ValidateBatchOptions extends TimestampBounds {
  /** `max.message.bytes` of the topic. */
  maxMessageBytes: number;
  /** Version of the Produce request: below 7, zstd is refused. */
  produceVersion?: number;
}

export interface ValidateRecordsOptions extends TimestampBounds {
  /** Bound of the decompressed payload, in bytes. */
  maxDecompressedBytes: number;
  /** Compacted topics: a record without a key is INVALID_RECORD. */
  requireKeys?: boolean;
}

/** What only the walk over the records can tell. */
export interface ValidRecords {
  ok: true;
  /** -1 for none. */
  maxTimestamp: number;
  /** The records as they are without compression; a view into the batch when it has none. */
  payload: Uint8Array;
}

const NO_KEY = "Compacted topic cannot accept message without key";

/** Looked at between two places to rest. */
const STEP_RECORDS = 8_192;
const STEP_HEADERS = 32_768;

/** Message size below which even the oldest format's header does not fit. */
const BATCH_LENGTH_MIN = 14;
const NO_TIMESTAMP = -1;

/** Checks what a client sent as the records of one partition, without decompressing it. */
export function validateProducedBatch(
  bytes: Uint8Array,
  options: ValidateBatchOptions,
): { ok: true; header: BatchHeader } | BatchFault {
  const framing = checkFraming(bytes);
  if (framing !== null) return framing;
  if (bytes.length > options.maxMessageBytes) {
    return fault(
      "MESSAGE_TOO_LARGE",
      `The batch has ${bytes.length} bytes, the limit is ${options.maxMessageBytes}`,
    );
  }
  // The CRC before anything that it covers: a flipped bit is corruption, not a wrong request.
  const stored = readInt32(bytes, FIELD.crc) >>> 0;
  const computed = crc32c(bytes, FIELD.attributes);
  if (stored !== computed) {
    return fault("CORRUPT_MESSAGE", `The stored CRC is ${stored}, the computed CRC is ${computed}`);
  }
  let header: BatchHeader;
  try {
    header = readBatchHeader(bytes);
  } catch (error) {
    return faultOf(error);
  }
  return checkHeader(header, options) ?? { ok: true, header };
}

/**
 * True when the header alone cannot be believed: more records than compressed bytes. Such a batch is small and
 * cheap to walk with `validateRecords`, which keeps a few bytes from claiming two thousand million offsets.
 */
export function deservesRecordWalk(header: BatchHeader): boolean {
  return header.compression !== "none" && header.recordCount > header.sizeInBytes - BATCH_OVERHEAD;
}

/**
 * Walks every record of one batch that `validateProducedBatch` has passed, inflating it within the bound.
 */
export function validateRecords(
  batch: Uint8Array,
  options: ValidateRecordsOptions,
): ValidRecords | BatchFault {
  try {
    return runAtOnce(walk(openRecords(batch, options), options));
  } catch (error) {
    return faultOf(error);
  }
}

/** The same for a batch whose records were inflated to `payload` already, with places to rest. */
export function* validateRecordsInSteps(
  header: BatchHeader,
  payload: Uint8Array,
  options: Omit<ValidateRecordsOptions, "maxDecompressedBytes">,
): Steps<ValidRecords | BatchFault> {
  try {
    return yield* walk({ header, payload, cursor: new RecordCursor(payload) }, options);
  } catch (error) {
    return faultOf(error);
  }
}

/** What a batch is refused for that could not be read. Throws what is not for clients. */
export function faultOf(error: unknown): BatchFault {
  if (error instanceof RecordError) return fault(error.error, error.message);
  throw error;
}

interface OpenBatch {
  readonly header: BatchHeader;
  readonly cursor: RecordCursor;
  readonly payload: Uint8Array;
}

function* walk(
  { header, cursor, payload }: OpenBatch,
  options: Omit<ValidateRecordsOptions, "maxDecompressedBytes">,
): Steps<ValidRecords | BatchFault> {
  const records = new RecordWalk(header, cursor, options);
  while (!records.goOn()) yield;
  return records.verdict ?? { ok: true, maxTimestamp: records.maxTimestamp, payload };
}

/** How far the records of a batch have been looked at. */
class RecordWalk {
  maxTimestamp = NO_TIMESTAMP;
  /** Set when the walk has ended and something is wrong. */
  verdict: BatchFault | null = null;
  readonly #header: BatchHeader;
  readonly #cursor: RecordCursor;
  readonly #requireKeys: boolean;
  readonly #bounds: TimestampBounds;
  readonly #faults: RecordFault[] = [];
  #isTimestampWrong = false;
  #index = 0;
  /** Its headers were not all looked at. */
  #inRecord = false;

  constructor(
    header: BatchHeader,
    cursor: RecordCursor,
    options: TimestampBounds & { readonly requireKeys?: boolean },
  ) {
    this.#header = header;
    this.#cursor = cursor;
    this.#requireKeys = options.requireKeys === true;
    this.#bounds = options;
  }

  /** Looks at some more; true at the end. Throws `RecordError`s. */
  goOn(): boolean {
    const { recordCount } = this.#header;
    const stop = Math.min(this.#index + STEP_RECORDS, recordCount);
    let headersLeft = STEP_HEADERS;
    while (this.#index < stop) {
      if (!this.#inRecord) this.#cursor.begin();
      headersLeft -= this.#cursor.headersLeft;
      this.#inRecord = !this.#cursor.skipHeaders(STEP_HEADERS);
      if (this.#inRecord) return false;
      if (!this.#judge(this.#index++)) return true;
      if (headersLeft <= 0) break;
    }
    if (this.#index < recordCount) return false;
    checkEnd(this.#cursor);
    const [first] = this.#faults;
    if (first !== undefined) {
      // As in Kafka, one wrong timestamp decides what the batch is refused for.
      const error = this.#isTimestampWrong ? "INVALID_TIMESTAMP" : "INVALID_RECORD";
      this.verdict = {
        ...fault(error, `Record ${first.index}: ${first.message}`),
        recordFaults: this.#faults,
      };
    }
    return true;
  }

  /** False when nothing behind this record matters any more. */
  #judge(index: number): boolean {
    const cursor = this.#cursor;
    if (cursor.offsetDelta !== index) {
      this.verdict = fault("INVALID_RECORD", `Record ${index} has offset delta ${cursor.offsetDelta}`);
      return false;
    }
    const timestamp = timestampOf(this.#header, cursor);
    if (timestamp > this.maxTimestamp) this.maxTimestamp = timestamp;
    const keyFault = this.#requireKeys && cursor.keySize < 0 ? NO_KEY : null;
    const message = keyFault ?? timestampFault(timestamp, this.#bounds);
    if (message === null) return true;
    this.#isTimestampWrong ||= keyFault === null;
    if (this.#faults.length < RECORD_FAULTS_MAX) this.#faults.push({ index, message });
    return true;
  }
}

/** Exactly one batch of magic 2, in the order in which Kafka looks. */
function checkFraming(bytes: Uint8Array): BatchFault | null {
  if (bytes.length < LOG_OVERHEAD) return fault("INVALID_RECORD", "The request holds no record batch");
  const batchLength = readInt32(bytes, FIELD.batchLength);
  if (batchLength < BATCH_LENGTH_MIN) return fault("CORRUPT_MESSAGE", `The batch length is ${batchLength}`);
  if (bytes.length <= FIELD.magic) return fault("INVALID_RECORD", "The request holds no record batch");
  const magic = (bytes[FIELD.magic]! << 24) >> 24;
  if (magic < 0 || magic > 2) return fault("CORRUPT_MESSAGE", `The magic is ${magic}`);
  if (batchLength > bytes.length - LOG_OVERHEAD) {
    return fault(
      "INVALID_RECORD",
      `The batch declares ${batchLength + LOG_OVERHEAD} bytes, there are ${bytes.length}`,
    );
  }
  if (magic !== 2) return fault("INVALID_RECORD", `The batch has magic ${magic}, only 2 is accepted`);
  if (batchLength + LOG_OVERHEAD < BATCH_OVERHEAD) {
    return fault("CORRUPT_MESSAGE", `The batch length is ${batchLength}, below that of a header`);
  }
  const rest = bytes.length - LOG_OVERHEAD - batchLength;
  if (rest > 0) return fault("INVALID_RECORD", `${rest} bytes follow the batch, only one batch is accepted`);
  return null;
}

function checkHeader(header: BatchHeader, options: ValidateBatchOptions): BatchFault | null {
  const { lastOffsetDelta, recordCount, producerId } = header;
  if (header.compression === "zstd" && (options.produceVersion ?? 7) < 7) {
    return fault(
      "UNSUPPORTED_COMPRESSION_TYPE",
      `Produce version ${options.produceVersion} does not allow zstd`,
    );
  }
  if (header.baseOffset !== 0) {
    return fault("INVALID_RECORD", `The base offset is ${header.baseOffset}, not 0`);
  }
  if (lastOffsetDelta < 0) return fault("INVALID_RECORD", `The last offset delta is ${lastOffsetDelta}`);
  if (recordCount <= 0) return fault("INVALID_RECORD", `The record count is ${recordCount}`);
  if (lastOffsetDelta !== recordCount - 1) {
    return fault("INVALID_RECORD", `The last offset delta is ${lastOffsetDelta} with ${recordCount} records`);
  }
  if (header.compression === "none" && recordCount * RECORD_BYTES_MIN > header.sizeInBytes - BATCH_OVERHEAD) {
    return fault("INVALID_RECORD", `The batch is too short for ${recordCount} records`);
  }
  if (header.isControl) return fault("INVALID_RECORD", "Clients are not allowed to write control records");
  if ((header.attributes & ATTRIBUTE.reservedMask) !== 0 || header.hasDeleteHorizon) {
    return fault(
      "INVALID_RECORD",
      `The attributes are 0x${header.attributes.toString(16)}, with bits not for clients`,
    );
  }
  if (producerId >= 0) {
    if (header.baseSequence < 0) {
      return fault("INVALID_RECORD", `The base sequence is ${header.baseSequence}`);
    }
    if (header.producerEpoch < 0) {
      return fault("INVALID_RECORD", `The producer epoch is ${header.producerEpoch}`);
    }
  } else if (header.isTransactional) {
    return fault("INVALID_RECORD", "A transactional batch needs a producer id");
  }
  if (header.timestampType === "LogAppendTime") {
    return fault("INVALID_TIMESTAMP", "Producers must not set the timestamp type to LogAppendTime");
  }
  if (Math.abs(header.baseTimestamp) >= Number.MAX_SAFE_INTEGER) {
    return fault("INVALID_TIMESTAMP", "The base timestamp is beyond 2^53");
  }
  const message = timestampFault(header.maxTimestamp, options);
  return message === null ? null : fault("INVALID_TIMESTAMP", message);
}

function timestampFault(timestamp: number, bounds: TimestampBounds): string | null {
  const min = bounds.timestampMinMs ?? -Infinity;
  const max = bounds.timestampMaxMs ?? Infinity;
  if (Math.abs(timestamp) >= Number.MAX_SAFE_INTEGER) {
    return "A timestamp is beyond 2^53";
  }
  if (timestamp !== NO_TIMESTAMP && (timestamp < min || timestamp > max)) {
    return `Timestamp ${timestamp} is out of range [${min}, ${max}]`;
  }
  return null;
}

function fault(error: RecordErrorName, message: string): BatchFault {
  return { ok: false, error, message };
}
