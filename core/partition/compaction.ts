/**
 * Compaction as pure decisions: whether a log is due, how far it may go, and what becomes of each batch. The newest record of every key
 * stays; records without a value stay for their time; what a transaction aborted goes, and its marker after it.
 * Source: Kafka's LogCleaner and LogCleanerManager, KIP-58, KIP-354, KIP-534; here a batch is the unit where Kafka's is a segment,
 * and a delete horizon is kept beside the batch and not in it.
 */
import { mutant } from "../../lib/mutants.ts";
import { readControlBatch } from "../../protocol/records/control_record.ts";
import {
  type BatchHeader,
  emptyBatch,
  filterBatch,
  readBatchHeader,
} from "../../protocol/records/record_batch.ts";
import type { OffsetMap } from "./offset_map.ts";
import type { AbortedTransaction } from "./transactions.ts";

export interface CompactionSettings {
  /** Share of bytes not yet compacted beyond which it is worth it. */
  readonly minCleanableDirtyRatio: number;
  readonly minCompactionLagMs: number;
  readonly maxCompactionLagMs: number;
  readonly deleteRetentionMs: number;
}

/** What the last round left. */
export interface CleanerCheckpoint {
  /** Everything below it has been compacted. */
  readonly firstDirtyOffset: number;
  /** Bytes of what is left below it. */
  readonly cleanBytes: number;
  /** The earliest time at which something below it may go that had to stay; -1 for none. */
  readonly nextHorizonMs: number;
  /** As it was then. */
  readonly logStartOffset: number;
}

export const noCheckpoint: CleanerCheckpoint = {
  firstDirtyOffset: 0,
  cleanBytes: 0,
  nextHorizonMs: -1,
  logStartOffset: 0,
};

export interface CompactableLog {
  readonly logStartOffset: number;
  /** Compaction does not go beyond it. */
  readonly lastStableOffset: number;
  readonly sizeBytes: number;
  /** Of the first batch that was not compacted yet; -1 when it has none, or there is no such batch. */
  readonly oldestDirtyTimestamp: number;
}

/** "ratio": enough is dirty; "lag": something waited for too long; "horizon": the time of tombstones or markers is over. */
export type CompactionReason = "ratio" | "lag" | "horizon";

/** Why a log should be compacted now, or null. */
export function compactionDue(
  log: CompactableLog,
  checkpoint: CleanerCheckpoint,
  settings: CompactionSettings,
  nowMs: number,
): CompactionReason | null {
  const firstDirty = firstDirtyOffset(log, checkpoint);
  if (checkpoint.nextHorizonMs >= 0 && nowMs >= checkpoint.nextHorizonMs) return "horizon";
  if (firstDirty >= log.lastStableOffset) return null;
  const { oldestDirtyTimestamp } = log;
  if (oldestDirtyTimestamp >= 0 && nowMs - oldestDirtyTimestamp > settings.maxCompactionLagMs) return "lag";
  if (isTooYoung(oldestDirtyTimestamp, settings, nowMs)) return null;
  const cleanBytes = estimateCleanBytes(log, checkpoint);
  return isDirtyEnough(log.sizeBytes - cleanBytes, cleanBytes, settings) ? "ratio" : null;
}

/** Bytes left of what was compacted, after deletions from its beginning: as if all offsets took the same. */
export function estimateCleanBytes(
  { logStartOffset }: { readonly logStartOffset: number },
  checkpoint: CleanerCheckpoint,
): number {
  const { firstDirtyOffset, cleanBytes } = checkpoint;
  if (logStartOffset <= checkpoint.logStartOffset) return cleanBytes;
  if (logStartOffset >= firstDirtyOffset) return 0;
  const share = (firstDirtyOffset - logStartOffset) / (firstDirtyOffset - checkpoint.logStartOffset);
  return Math.round(cleanBytes * share);
}

/** As Kafka compares: above the ratio, not at it. */
export function isDirtyEnough(
  dirtyBytes: number,
  cleanBytes: number,
  { minCleanableDirtyRatio }: CompactionSettings,
): boolean {
  const totalBytes = Math.max(0, cleanBytes) + Math.max(0, dirtyBytes);
  return dirtyBytes > 0 && dirtyBytes / totalBytes > minCleanableDirtyRatio;
}

export function firstDirtyOffset(
  log: { readonly logStartOffset: number },
  checkpoint: CleanerCheckpoint,
): number {
  return Math.max(log.logStartOffset, checkpoint.firstDirtyOffset);
}

/** Whether min.compaction.lag.ms still protects a batch, and so all behind it. `timestamp` -1: unknown, not protected. */
export function isTooYoung(
  timestamp: number,
  { minCompactionLagMs }: CompactionSettings,
  nowMs: number,
): boolean {
  return minCompactionLagMs > 0 && timestamp > nowMs - minCompactionLagMs;
}

/** Whether a batch's records were taken back. `aborted` are the transactions that overlap it. */
export function isAborted(header: BatchHeader, aborted: readonly AbortedTransaction[]): boolean {
  if (!header.isTransactional || header.isControl) return false;
  const { producerId, baseOffset } = header;
  return aborted.some((each) =>
    each.producerId === producerId && each.firstOffset <= baseOffset && baseOffset < each.lastOffset
  );
}

/** Puts the keys of one batch into the map. Throws `RecordError`s. */
export function mapBatch(batch: Uint8Array, map: OffsetMap, aborted: readonly AbortedTransaction[]): void {
  const header = readBatchHeader(batch);
  if (header.isControl || (isAborted(header, aborted) && !mutant("aborted-supersedes"))) return;
  filterBatch(batch, ({ key, offset }) => {
    if (key !== null) map.put(key, offset);
    return true;
  });
}

export type BatchDecision =
  | { readonly type: "keep"; readonly deleteHorizonMs: number }
  | {
    readonly type: "replace";
    readonly bytes: Uint8Array;
    readonly maxTimestamp: number;
    readonly deleteHorizonMs: number;
  }
  | { readonly type: "remove" };

export interface StoredForCompaction {
  readonly bytes: Uint8Array;
  readonly deleteHorizonMs: number;
}

/** What the decisions of one pass over the log share. */
export interface PassContext {
  readonly map: OffsetMap;
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
  /** The pass ends below it; its last batch stays, if only its header, so that readers come past the end. */
  readonly endOffset: number;
  /** Whether the batch holds the newest that its producer is known by, while it may still come back. */
  readonly isLastOfProducer: (header: BatchHeader) => boolean;
}

/** One pass over the log, from its start. Remembers which transactions still have batches. */
export class CompactionPass {
  readonly #context: PassContext;
  /** Producers whose present transaction has a batch that this pass met. */
  readonly #withBatches = new Set<number>();

  constructor(context: PassContext) {
    this.#context = context;
  }

  /** Batches are given in order. Throws `RecordError`s when a batch cannot be read. */
  decide(batch: StoredForCompaction, aborted: readonly AbortedTransaction[]): BatchDecision {
    const header = readBatchHeader(batch.bytes);
    return header.isControl ? this.#marker(batch, header) : this.#data(batch, header, aborted);
  }

  /** A marker goes when no batch of its transaction is left, and then only after the time of tombstones. */
  #marker({ bytes, deleteHorizonMs }: StoredForCompaction, header: BatchHeader): BatchDecision {
    const { nowMs, deleteRetentionMs } = this.#context;
    const keep = (horizonMs: number): BatchDecision => ({ type: "keep", deleteHorizonMs: horizonMs });
    if (header.recordCount > 0) {
      if (readControlBatch(bytes) === null) return keep(deleteHorizonMs);
      if (this.#withBatches.delete(header.producerId)) return keep(-1);
      if (deleteHorizonMs < 0) return keep(nowMs + deleteRetentionMs);
      if (nowMs < deleteHorizonMs) return keep(deleteHorizonMs);
    }
    return this.#withoutRecords(bytes, header);
  }

  #data(
    { bytes, deleteHorizonMs }: StoredForCompaction,
    header: BatchHeader,
    aborted: readonly AbortedTransaction[],
  ): BatchDecision {
    const { map, nowMs, deleteRetentionMs } = this.#context;
    if (header.isTransactional) this.#withBatches.add(header.producerId);
    if (isAborted(header, aborted)) return this.#withoutRecords(bytes, header);
    const keepsTombstones = (deleteHorizonMs < 0 || nowMs < deleteHorizonMs) && !mutant("tombstones-at-once");
    const filtered = filterBatch(
      bytes,
      ({ key, offset, hasValue }) => key !== null && offset >= map.get(key) && (hasValue || keepsTombstones),
    );
    if (filtered.bytes === null) return this.#withoutRecords(bytes, header);
    const isNew = filtered.hasTombstones && deleteHorizonMs < 0;
    const horizonMs = isNew ? nowMs + deleteRetentionMs : filtered.hasTombstones ? deleteHorizonMs : -1;
    if (filtered.bytes === bytes) return { type: "keep", deleteHorizonMs: horizonMs };
    const { maxTimestamp } = filtered;
    return { type: "replace", bytes: filtered.bytes, maxTimestamp, deleteHorizonMs: horizonMs };
  }

  #withoutRecords(bytes: Uint8Array, header: BatchHeader): BatchDecision {
    const { endOffset, isLastOfProducer } = this.#context;
    const stays = header.baseOffset + header.lastOffsetDelta + 1 === endOffset ||
      (header.producerId >= 0 && isLastOfProducer(header));
    if (!stays) return { type: "remove" };
    if (header.recordCount === 0) return { type: "keep", deleteHorizonMs: -1 };
    return {
      type: "replace",
      bytes: emptyBatch(bytes),
      maxTimestamp: header.maxTimestamp,
      deleteHorizonMs: -1,
    };
  }
}
