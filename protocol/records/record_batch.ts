/**
 * Record batches (magic 2): the one import for everyone outside this folder.
 *
 * The parts: `batch_header.ts` (layout, splitting, in-place changes), `build_batch.ts`, `read_records.ts`,
 * `filter_batch.ts`,
 * `validate_batch.ts`, `record_errors.ts`; beside them `compression.ts` and `control_record.ts`.
 * Source: KIP-98, Kafka's `DefaultRecordBatch` and `DefaultRecord`.
 */

export {
  assignOffsets,
  BATCH_OVERHEAD,
  type BatchHeader,
  type BatchView,
  claimsTransaction,
  type Compression,
  hasValidCrc,
  readBatchHeader,
  setLogAppendTime,
  splitBatches,
  type TimestampType,
} from "./batch_header.ts";
export { buildBatch, type BuildBatchOptions, type RecordHeader, type RecordInput } from "./build_batch.ts";
export { recompressBatch, type RecompressOptions, withCompressed } from "./recompress_batch.ts";
export {
  emptyBatch,
  filterBatch,
  type FilteredBatch,
  type FilterRecord,
  spanOffsets,
} from "./filter_batch.ts";
export {
  DECOMPRESSED_BYTES_MAX,
  iterateRecords,
  type KafkaRecord,
  readRecords,
  type ReadRecordsOptions,
} from "./read_records.ts";
export {
  type BatchFault,
  deservesRecordWalk,
  faultOf,
  type RecordFault,
  type TimestampBounds,
  type ValidateBatchOptions,
  validateProducedBatch,
  validateRecords,
  validateRecordsInSteps,
  type ValidateRecordsOptions,
  type ValidRecords,
} from "./validate_batch.ts";
export {
  CorruptRecordError,
  DecompressedTooLargeError,
  RecordError,
  type RecordErrorName,
  UnsupportedCompressionError,
} from "./record_errors.ts";
