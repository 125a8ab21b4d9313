/**
 * What a produced batch must be before a partition decides about it: sound as a whole and record by record, within the topic's
 * bounds, and compressed as the topic stores it (Kafka's LogValidator). Batches that would hold the thread for long are
 * for `large_produce.ts`.
 */
import { limits } from "../core/config/limits.ts";
import {
  BATCH_OVERHEAD,
  type BatchFault,
  type BatchHeader,
  type Compression,
  recompressBatch,
  type TimestampBounds,
  validateProducedBatch,
  validateRecords,
} from "../protocol/records/record_batch.ts";
import type { Produce } from "./messages/partition.ts";

export interface ValidProduce {
  readonly ok: true;
  readonly header: BatchHeader;
  /** As it is to be stored. */
  readonly batch: Uint8Array;
}

export type ProduceVerdict = BatchFault | ValidProduce;

/** Its records are too many bytes to be looked at at once. */
export interface LargeProduce {
  readonly ok: "large";
  readonly header: BatchHeader;
}

/**
 * The batch as a whole and every record in it, inflated within the bound: what was acknowledged must be readable, as
 * Kafka's LogValidator sees to it. The stored bytes stay as the producer compressed them.
 */
export function validateProduce(message: Produce, nowMs: number): ProduceVerdict | LargeProduce {
  const { batch, maxMessageBytes, produceVersion } = message;
  const version = produceVersion === undefined ? {} : { produceVersion };
  const validated = validateProducedBatch(batch, { maxMessageBytes, ...version });
  if (!validated.ok) return validated;
  if (validated.header.producerId >= Number.MAX_SAFE_INTEGER) {
    // No broker hands out such an id, and beyond it ids are no longer told apart here.
    return {
      ok: false,
      error: "INVALID_RECORD",
      message: "The producer id is larger than any that was given out",
    };
  }
  const large: LargeProduce = { ok: "large", header: validated.header };
  const maxDecompressedBytes = limits.inflatedAtOnceBytesMax;
  if (batch.length - BATCH_OVERHEAD > maxDecompressedBytes) return large;
  const records = validateRecords(batch, { maxDecompressedBytes, ...recordRules(message, nowMs) });
  // That is what inflating beyond the bound is called.
  if (!records.ok) return records.error === "MESSAGE_TOO_LARGE" ? large : records;
  const { maxTimestamp, payload } = records;
  const header = { ...validated.header, maxTimestamp };
  const compression = storedCompressionOf(message, header);
  if (compression === null) return { ok: true, header, batch };
  if (payload.length > limits.recompressedAtOnceBytesMax) return large;
  const { compressionLevel: level } = message;
  const options = { compression, payload, maxTimestamp, ...(level === undefined ? {} : { level }) };
  return stored(recompressBatch(batch, options), message, header);
}

/** What holds for the records of the topic. */
export function recordRules(
  message: Produce,
  nowMs: number,
): TimestampBounds & { readonly requireKeys: boolean } {
  const { requireKeys } = message;
  if (message.timestampType === "LogAppendTime") return { requireKeys };
  const { timestampBeforeMaxMs = Infinity, timestampAfterMaxMs = Infinity } = message;
  return {
    requireKeys,
    timestampMinMs: nowMs - timestampBeforeMaxMs,
    timestampMaxMs: nowMs + timestampAfterMaxMs,
  };
}

/** The codec that the batch is to be given; null when it stays as it is. */
export function storedCompressionOf(message: Produce, header: BatchHeader): Compression | null {
  const { storedCompression = "producer" } = message;
  return storedCompression === "producer" || storedCompression === header.compression
    ? null
    : storedCompression;
}

/** The verdict about a batch that was compressed anew. */
export function stored(batch: Uint8Array, message: Produce, header: BatchHeader): ProduceVerdict {
  const { maxMessageBytes, storedCompression } = message;
  const sizeInBytes = batch.byteLength;
  if (sizeInBytes <= maxMessageBytes) return { ok: true, header: { ...header, sizeInBytes }, batch };
  const why =
    `The batch has ${sizeInBytes} bytes with compression ${storedCompression}, the limit is ${maxMessageBytes}`;
  return { ok: false, error: "MESSAGE_TOO_LARGE", message: why };
}
