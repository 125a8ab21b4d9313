/**
 * What a produced batch must be before a partition decides about it: sound as a whole and record by record, within the topic's
 * bounds, and compressed as the topic stores it (Kafka's LogValidator).
 */
import { limits } from "../core/config/limits.ts";
import {
  type BatchFault,
  type BatchHeader,
  recompressBatch,
  type TimestampBounds,
  validateProducedBatch,
  validateRecords,
} from "../protocol/records/record_batch.ts";
import type { Produce } from "./messages/partition.ts";

/**
 * The batch as a whole and every record in it, inflated within the bound: what was acknowledged must be readable, as
 * Kafka's LogValidator sees to it. The stored bytes stay as the producer compressed them.
 */
export function validateProduce(
  message: Produce,
  nowMs: number,
): BatchFault | { ok: true; header: BatchHeader; batch: Uint8Array } {
  const { batch, maxMessageBytes, requireKeys, produceVersion } = message;
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
  const maxDecompressedBytes = limits.decompressedBatchBytesMax;
  const bounds = timestampBounds(message, nowMs);
  const records = validateRecords(batch, { maxDecompressedBytes, requireKeys, ...bounds });
  if (!records.ok) return records;
  const header = { ...validated.header, maxTimestamp: records.maxTimestamp };
  const { storedCompression = "producer", compressionLevel } = message;
  if (storedCompression === "producer" || storedCompression === header.compression) {
    return { ok: true, header, batch };
  }
  const recompressed = recompressBatch(batch, {
    compression: storedCompression,
    ...(compressionLevel === undefined ? {} : { level: compressionLevel }),
    payload: records.payload,
    maxTimestamp: records.maxTimestamp,
  });
  const sizeInBytes = recompressed.byteLength;
  if (sizeInBytes > maxMessageBytes) {
    const why =
      `The batch has ${sizeInBytes} bytes with compression ${storedCompression}, the limit is ${maxMessageBytes}`;
    return { ok: false, error: "MESSAGE_TOO_LARGE", message: why };
  }
  return { ok: true, header: { ...header, sizeInBytes }, batch: recompressed };
}

function timestampBounds(message: Produce, nowMs: number): TimestampBounds {
  if (message.timestampType === "LogAppendTime") return {};
  const { timestampBeforeMaxMs = Infinity, timestampAfterMaxMs = Infinity } = message;
  return { timestampMinMs: nowMs - timestampBeforeMaxMs, timestampMaxMs: nowMs + timestampAfterMaxMs };
}
