/**
 * Messages of the partition actor (`partition/<topicId>/<index>`), the single writer of one partition's log.
 * Offsets, timestamps and producer ids are numbers; record batches are the bytes the producer sent.
 */
import type { EpochEndOffset } from "../../core/partition/leader_epochs.ts";
import type { CompactionReason, CompactionSettings } from "../../core/partition/compaction.ts";
import type { ProducerState } from "../../core/partition/producer_state.ts";
import type { RetentionSettings } from "../../core/partition/retention.ts";
import type { TransactionMarker } from "../../core/partition/transactions.ts";
import type { ErrorName } from "../../protocol/errors.ts";
import type { Compression, RecordFault } from "../../protocol/records/record_batch.ts";
import type { LogVerification } from "../../storage/log_verification.ts";
import type { Expects } from "../runtime/types.ts";

export type IsolationLevel = "read_uncommitted" | "read_committed";

export interface ProduceResult {
  readonly error: ErrorName | "NONE";
  /** Own words for the client, null when there is nothing to add. */
  readonly errorMessage: string | null;
  /** Offset of the first record; of the original append for a duplicate; -1 with an error. */
  readonly baseOffset: number;
  /** -1 unless the topic uses LogAppendTime. */
  readonly logAppendTimeMs: number;
  /** -1 with most errors. */
  readonly logStartOffset: number;
  /** Which records are to blame, when some of them are (KIP-467). */
  readonly recordFaults?: readonly RecordFault[];
}

/** Appends one record batch (v2). Answered when it is durable. */
export interface Produce extends Expects<ProduceResult> {
  readonly type: "produce";
  /** Owned by the actor from here on: offsets are filled in place. */
  readonly batch: Uint8Array;
  /** `message.max.bytes` and `message.timestamp.type` as the topic has them now. */
  readonly maxMessageBytes: number;
  readonly timestampType: "CreateTime" | "LogAppendTime";
  /** Compacted topics take no records without a key. */
  readonly requireKeys: boolean;
  /** How far timestamps may lie behind and ahead of the clock; left out for no bound. Not with LogAppendTime. */
  readonly timestampBeforeMaxMs?: number;
  readonly timestampAfterMaxMs?: number;
  /** The codec in which the batch is stored; left out for the producer's own. */
  readonly storedCompression?: "producer" | Compression;
  readonly compressionLevel?: number;
  /** Version of the request: before 7, zstd is refused. Left out for a newer one. */
  readonly produceVersion?: number;
  /** Of the request; a transactional batch without one is INVALID_TXN_STATE. */
  readonly transactionalId?: string | null;
  /** Produce v12 and later: in a transaction, a producer that is unknown here begins at sequence 0 (KIP-890). */
  readonly supportsEpochBump?: boolean;
}

/**
 * Ends a transaction of a producer here, if one is open: appends the marker. May be repeated. INVALID_PRODUCER_EPOCH,
 * TRANSACTION_COORDINATOR_FENCED, UNKNOWN_TOPIC_OR_PARTITION.
 */
export interface WriteMarker extends TransactionMarker, Expects<{ readonly error: ErrorName | "NONE" }> {
  readonly type: "writeMarker";
}

export interface ActiveProducer extends ProducerState {
  /** First offset of its open transaction; -1 for none. */
  readonly transactionStartOffset: number;
}

/** The producers that the partition remembers, up to `PRODUCERS_MAX`; those with an open transaction come first. */
export interface DescribeProducers
  extends Expects<{ readonly error: ErrorName | "NONE"; readonly producers: readonly ActiveProducer[] }> {
  readonly type: "describeProducers";
}

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

export interface FetchResult {
  readonly error: ErrorName | "NONE";
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  /** Stored batches, whole, in order; the first may begin before the asked offset. */
  readonly records: readonly Uint8Array[];
  readonly abortedTransactions: readonly AbortedTransaction[];
  /** Where the reader's log and this one may still agree, when it has read something else (KIP-595). */
  readonly divergingEpoch?: EpochEndOffset;
}

/** Reads stored batches from `offset` up to the high watermark (or last stable offset). */
export interface Fetch extends Expects<FetchResult> {
  readonly type: "fetch";
  readonly offset: number;
  readonly maxBytes: number;
  /** Kafka's rule: return the first batch even if it is larger than `maxBytes`. */
  readonly minOneBatch: boolean;
  readonly isolationLevel: IsolationLevel;
  /** -1 when the client does not know it. */
  readonly currentLeaderEpoch: number;
  /** Of the record before `offset`, as the reader has it; left out or -1 when it does not say. */
  readonly lastFetchedEpoch?: number;
}

/** Where the largest epoch up to `leaderEpoch` ended (KIP-320). FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH. */
export interface FindEpochEnd extends Expects<EpochEndOffset & { readonly error: ErrorName | "NONE" }> {
  readonly type: "findEpochEnd";
  readonly leaderEpoch: number;
  /** -1 when the client does not know it. */
  readonly currentLeaderEpoch: number;
}

/** Answered (true) as soon as at least `minBytes` can be read from `offset`; abandon it by signal or deadline. */
export interface AwaitData extends Expects<boolean> {
  readonly type: "awaitData";
  readonly offset: number;
  readonly minBytes: number;
  readonly isolationLevel: IsolationLevel;
}

export interface ListOffsetResult {
  readonly error: ErrorName | "NONE";
  /** -1 when no record qualifies. */
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

/** Offset by timestamp, or by Kafka's special values: -1 latest, -2 earliest, -3 max timestamp, -4 earliest local, -5 latest tiered, -6 earliest pending upload. */
export interface ListOffset extends Expects<ListOffsetResult> {
  readonly type: "listOffset";
  readonly timestamp: number;
  readonly isolationLevel: IsolationLevel;
  readonly currentLeaderEpoch: number;
}

export interface PartitionDescription {
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly leaderEpoch: number;
  readonly sizeBytes: number;
}

export interface DescribePartition extends Expects<PartitionDescription> {
  readonly type: "describe";
}

/** Answered when everything below `offset` (-1: the high watermark) is unreadable for good. OFFSET_OUT_OF_RANGE. */
export interface DeleteRecords
  extends Expects<{ readonly error: ErrorName | "NONE"; readonly lowWatermark: number }> {
  readonly type: "deleteRecords";
  readonly offset: number;
}

/** One bounded step of retention; answered with true while there is more to do. */
export interface CleanPartition extends RetentionSettings, Expects<boolean> {
  readonly type: "clean";
}

/**
 * One bounded step of a round of compaction; the first one of a round begins it. "more": ask again; "failed": the log has
 * something in it that cannot be compacted, or the store does not answer.
 */
export interface CompactPartition extends Expects<"more" | "done" | "failed"> {
  readonly type: "compact";
  /** Another number begins another round. */
  readonly roundId: number;
  readonly reason: CompactionReason;
  readonly settings: CompactionSettings;
  /** `log.cleaner.dedupe.buffer.size`. */
  readonly mapBytesMax: number;
  /** `producer.id.expiration.ms`. */
  readonly producerExpirationMs: number;
}

/**
 * Appends stored batches as they are, at the offsets that they bear, behind the log's end (`partition_restore.ts`); null, or why it
 * cannot. Answered when they are durable.
 */
export interface RestoreBatches extends Expects<{ readonly fault: string | null }> {
  readonly type: "restore";
  /** Whole batches in order; owned by the actor from here on. */
  readonly batches: readonly Uint8Array[];
  /** The log end behind them: what they do not reach of it is a gap. Absent: wherever they end. */
  readonly endOffset?: number;
}

/** Reads and checks what is stored from an offset on, a bounded step at a time, without the cache. */
export interface VerifyLog extends Expects<LogVerification> {
  readonly type: "verify";
  readonly from: number;
}

/** Forgets some of the producers that are idle for too long, or too many; answered with true while there may be more. */
export interface ExpireProducers extends Expects<boolean> {
  readonly type: "expireProducers";
}

/** To itself: forgets those of them that have not written since they were read. */
export interface ForgetProducers extends Expects<void> {
  readonly type: "forgetProducers";
  readonly victims: readonly ProducerState[];
}

/** Fences the log and stops the actor, so that the topic's data can be deleted. */
export interface ClosePartition extends Expects<boolean> {
  readonly type: "close";
}

export type PartitionMessage =
  | Produce
  | Fetch
  | AwaitData
  | ListOffset
  | FindEpochEnd
  | DescribePartition
  | WriteMarker
  | DescribeProducers
  | DeleteRecords
  | CleanPartition
  | CompactPartition
  | RestoreBatches
  | VerifyLog
  | ExpireProducers
  | ForgetProducers
  | ClosePartition;
