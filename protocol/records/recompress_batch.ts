/**
 * Gives a batch another codec, for topics whose `compression.type` is not `producer`: the records stay, byte for byte, since
 * nothing in them depends on the codec; header fields and CRC follow.
 * Source: Kafka's `LogValidator`, where source and target codec differ.
 */
import {
  ATTRIBUTE,
  BATCH_OVERHEAD,
  FIELD,
  LOG_OVERHEAD,
  writeCrc,
  writeInt32,
  writeInt64,
} from "./batch_header.ts";
import { compress, type Compression, COMPRESSIONS } from "./compression.ts";

export interface RecompressOptions {
  readonly compression: Compression;
  /** Of the codec, where it has levels. */
  readonly level?: number;
  /** The records of the batch without compression, as validated. */
  readonly payload: Uint8Array;
  /** The largest timestamp of the records, -1 for none. */
  readonly maxTimestamp: number;
}

/** A new batch; `batch` stays. Throws `UnsupportedCompressionError` when this runtime lacks the codec. */
export function recompressBatch(batch: Uint8Array, options: RecompressOptions): Uint8Array {
  const { compression, level, payload, maxTimestamp } = options;
  const body = compress(compression, payload, level === undefined ? {} : { level });
  return withCompressed(batch, { compression, body, maxTimestamp });
}

/** The same, where the records are compressed already. */
export function withCompressed(
  batch: Uint8Array,
  { compression, body, maxTimestamp }: {
    readonly compression: Compression;
    readonly body: Uint8Array;
    readonly maxTimestamp: number;
  },
): Uint8Array {
  const out = new Uint8Array(BATCH_OVERHEAD + body.length);
  out.set(batch.subarray(0, BATCH_OVERHEAD));
  out.set(body, BATCH_OVERHEAD);
  writeInt32(out, FIELD.batchLength, out.length - LOG_OVERHEAD);
  const low = out[FIELD.attributes + 1]!;
  out[FIELD.attributes + 1] = (low & ~ATTRIBUTE.compressionMask) | COMPRESSIONS.indexOf(compression);
  writeInt64(out, FIELD.maxTimestamp, maxTimestamp);
  writeCrc(out);
  return out;
}
