/** Skeleton; see the exports. */
import { type Compression, type TimestampType } from "./batch_header.ts";

/** One header of a record to be written. */
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
  records: readonly RecordInput[];
  compression?: Compression;
  producerId?: number;
  producerEpoch?: number;
  baseSequence?: number;
  isTransactional?: boolean;
  isControl?: boolean;
  baseOffset?: number;
  partitionLeaderEpoch?: number;
  timestampType?: TimestampType;
}

/** Builds one batch; needs at least one record. */
export function buildBatch(_options: BuildBatchOptions): Uint8Array {
  throw new Error("not yet");
}
