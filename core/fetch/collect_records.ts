/**
 * The records of fetched batches as a reader gets them: within bounds, without control records and what was aborted. Pure.
 *
 * Source: Kafka's consumer (CompletedFetch): a producer's transaction is aborted from the offset named up to its next marker.
 */
import type { RecordErrorName } from "../../protocol/records/record_errors.ts";
import {
  iterateRecords,
  type KafkaRecord,
  readBatchHeader,
  RecordError,
} from "../../protocol/records/record_batch.ts";
import { limits } from "../config/limits.ts";

export interface FetchedBatches {
  /** Whole, in order; the first may begin before the asked offset. */
  readonly records: readonly Uint8Array[];
  /** Those that concern the batches; none at read_uncommitted. */
  readonly abortedTransactions: readonly { readonly producerId: number; readonly firstOffset: number }[];
}

export interface CollectBounds {
  readonly maxRecords: number;
  /** Of keys, values and headers; the first record may be larger. */
  readonly maxBytes: number;
}

export interface CollectedRecords {
  readonly records: readonly KafkaRecord[];
  /** Where to read on. */
  readonly nextOffset: number;
  /** Of keys, values and headers. */
  readonly bytes: number;
  /** A batch that cannot be read stands at `nextOffset`, or holds it; null when all could be read. */
  readonly damage: {
    readonly error: RecordErrorName;
    readonly baseOffset: number;
    readonly endOffset: number;
  } | null;
}

/** From `start` on; at least one record when there is any. */
export function collectRecords(
  fetched: FetchedBatches,
  start: number,
  { maxRecords, maxBytes }: CollectBounds,
): CollectedRecords {
  const records: KafkaRecord[] = [];
  const isAborted = abortedBatches(fetched);
  let nextOffset = start;
  let bytes = 0;
  for (const batch of fetched.records) {
    const { isControl, baseOffset, lastOffsetDelta } = readBatchHeader(batch);
    const endOffset = baseOffset + lastOffsetDelta + 1;
    if (!isAborted(batch) && !isControl && endOffset > start) {
      try {
        for (
          const record of iterateRecords(batch, { maxDecompressedBytes: limits.decompressedBatchBytesMax })
        ) {
          if (record.offset < start) continue;
          const own = recordBytes(record);
          const isFull = records.length >= maxRecords || (records.length > 0 && bytes + own > maxBytes);
          if (isFull) return { records, nextOffset, bytes, damage: null };
          records.push(record);
          bytes += own;
          nextOffset = record.offset + 1;
        }
      } catch (error) {
        if (!(error instanceof RecordError)) throw error;
        return { records, nextOffset, bytes, damage: { error: error.error, baseOffset, endOffset } };
      }
    }
    nextOffset = Math.max(nextOffset, endOffset);
  }
  return { records, nextOffset, bytes, damage: null };
}

/** To be asked about every batch, in order. */
function abortedBatches({ abortedTransactions }: FetchedBatches): (batch: Uint8Array) => boolean {
  if (abortedTransactions.length === 0) return () => false;
  const waiting = abortedTransactions.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const aborted = new Set<number>();
  return (batch) => {
    const { baseOffset, lastOffsetDelta, producerId, isControl, isTransactional } = readBatchHeader(batch);
    while (waiting[0] !== undefined && waiting[0].firstOffset <= baseOffset + lastOffsetDelta) {
      aborted.add(waiting.shift()?.producerId ?? -1);
    }
    if (isControl) aborted.delete(producerId);
    return isTransactional && !isControl && aborted.has(producerId);
  };
}

export function recordBytes({ key, value, headers }: KafkaRecord): number {
  return headers.reduce(
    (sum, header) => sum + header.key.length + (header.value?.length ?? 0),
    (key?.length ?? 0) + (value?.length ?? 0),
  );
}
