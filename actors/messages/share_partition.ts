/**
 * Messages of the share-partition actor (`share_partition/<topicId>/<partition>/<groupId>`): the single writer of how far
 * one share group has got in one partition. Errors are values with Kafka's names.
 */
import type { AcknowledgementBatch, AcknowledgeResult } from "../../core/share/partition/acknowledge.ts";
import type { AcquiredRange } from "../../core/share/partition/acquire.ts";
import type { ShareOffsetReset } from "../../core/share/share_config.ts";
import type { ErrorName } from "../../protocol/errors.ts";
import type { Expects } from "../runtime/types.ts";

export interface AcquireRecordsResult {
  readonly error: ErrorName;
  /** Stored batches, whole; only the records in `ranges` are the member's. */
  readonly records: readonly Uint8Array[];
  readonly ranges: readonly AcquiredRange[];
  readonly recordCount: number;
  /** How long they are locked, in milliseconds. */
  readonly lockDurationMs: number;
}

/**
 * Locks records for a member; none when none is available. UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, and what reading
 * the log answers.
 */
export interface AcquireRecords extends Expects<AcquireRecordsResult> {
  readonly type: "acquire";
  readonly memberId: string;
  readonly maxRecords: number;
  readonly maxBytes: number;
  /** Whether the last batch is taken whole although that is more than `maxRecords`. */
  readonly wholeBatches: boolean;
  /** null: as the group is configured. */
  readonly lockDurationMs: number | null;
  /** Where to begin if nothing was read yet; null: as the group is configured. */
  readonly offsetReset: ShareOffsetReset | null;
}

/** Answered (true) as soon as there may be something to acquire; abandon it by signal or deadline. */
export interface AwaitRecords extends Expects<boolean> {
  readonly type: "awaitRecords";
  readonly minBytes: number;
}

export interface AcknowledgeRecordsResult extends Omit<AcknowledgeResult, "isChanged"> {
  /** How long renewed locks last, in milliseconds. */
  readonly lockDurationMs: number;
}

/** All batches or none; answered when it is durable. INVALID_REQUEST, INVALID_RECORD_STATE. */
export interface AcknowledgeRecords extends Expects<AcknowledgeRecordsResult> {
  readonly type: "acknowledge";
  readonly memberId: string;
  readonly batches: readonly AcknowledgementBatch[];
  /** Whether the request may renew locks. */
  readonly isRenewal: boolean;
  /** null: as the group is configured. */
  readonly lockDurationMs: number | null;
}

/** The member is gone: what it holds goes back. */
export interface ReleaseShareMember extends Expects<boolean> {
  readonly type: "releaseMember";
  readonly memberId: string;
}

export interface SharePartitionDescription {
  /** -1 when nothing was read yet. */
  readonly startOffset: number;
  readonly leaderEpoch: number;
  /** Records that are still to be done; -1 when unknown. */
  readonly lag: number;
}

export interface DescribeSharePartition extends Expects<SharePartitionDescription> {
  readonly type: "describe";
}

/** Begins anew at an offset, whatever was done before. */
export interface ResetSharePartition extends Expects<boolean> {
  readonly type: "reset";
  readonly startOffset: number;
}

/** Forgets the partition. */
export interface RemoveSharePartition extends Expects<boolean> {
  readonly type: "remove";
}

/** Internal: locks may have run out. */
export interface SharePartitionTimer {
  readonly type: "timer";
}

export type SharePartitionMessage =
  | AcquireRecords
  | AwaitRecords
  | AcknowledgeRecords
  | ReleaseShareMember
  | DescribeSharePartition
  | ResetSharePartition
  | RemoveSharePartition
  | SharePartitionTimer;
