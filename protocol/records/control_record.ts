/**
 * Control records: the commit and abort markers that end a transaction inside a partition's log.
 *
 * key = version i16, type i16; value = version i16, coordinatorEpoch i32. A control batch holds exactly one record, is
 * transactional and has no sequence. Source: KIP-98, Kafka's `ControlRecordType`, `EndTransactionMarker`.
 */

import { readBatchHeader, readInt32, writeInt32 } from "./batch_header.ts";
import { buildBatch } from "./build_batch.ts";
import { readRecords } from "./read_records.ts";
import { CorruptRecordError } from "./record_errors.ts";

export type EndTransactionType = "ABORT" | "COMMIT";

/** What a transaction marker says. */
export interface EndTransactionMarker {
  type: EndTransactionType;
  coordinatorEpoch: number;
}

export interface BuildControlBatchOptions extends EndTransactionMarker {
  producerId: number;
  producerEpoch: number;
  /** Milliseconds. */
  timestamp: number;
  /** Default 0. */
  baseOffset?: number;
  /** Default −1. */
  partitionLeaderEpoch?: number;
}

/** Wire numbers of the types that end a transaction. */
const TYPE = { ABORT: 0, COMMIT: 1 } as const;
const KEY_BYTES = 4;
const VALUE_BYTES = 6;

/** Builds the control batch of one marker. */
export function buildControlBatch(options: BuildControlBatchOptions): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  key[3] = TYPE[options.type];
  const value = new Uint8Array(VALUE_BYTES);
  writeInt32(value, 2, options.coordinatorEpoch);
  return buildBatch({
    records: [{ key, value, headers: [], timestamp: options.timestamp }],
    producerId: options.producerId,
    producerEpoch: options.producerEpoch,
    isTransactional: true,
    isControl: true,
    baseOffset: options.baseOffset ?? 0,
    partitionLeaderEpoch: options.partitionLeaderEpoch ?? -1,
  });
}

/**
 * Reads the marker of a control batch; null for control types that do not end a transaction, and for a batch that compaction has
 * emptied: readers skip both. Throws `CorruptRecordError` for a batch that is no control batch or holds no readable marker.
 */
export function readControlBatch(batch: Uint8Array): EndTransactionMarker | null {
  if (!readBatchHeader(batch).isControl) throw invalid("it is no control batch");
  const record = readRecords(batch)[0];
  if (record === undefined) return null;
  const { key, value } = record;
  if (key === null || key.length < KEY_BYTES) throw invalid("its key is too short");
  if ((key[0]! & 0x80) !== 0) throw invalid("its key version is negative");
  const typeNumber = (key[2]! << 8) | key[3]!;
  const type = typeNumber === TYPE.ABORT ? "ABORT" : typeNumber === TYPE.COMMIT ? "COMMIT" : null;
  if (type === null) return null;
  if (value === null || value.length < VALUE_BYTES) throw invalid("its value is too short");
  if ((value[0]! & 0x80) !== 0) throw invalid("its value version is negative");
  return { type, coordinatorEpoch: readInt32(value, 2) };
}

function invalid(what: string): CorruptRecordError {
  return new CorruptRecordError(`Cannot read control batch: ${what}`, { error: "INVALID_RECORD" });
}
