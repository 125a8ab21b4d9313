/** A look at a log without opening it, and so without a commit: for background work that mostly finds nothing to do. */
import type { LogHead } from "../core/partition/log_head.ts";
import {
  type CleanerCheckpoint,
  type CompactableLog,
  firstDirtyOffset,
  noCheckpoint,
} from "../core/partition/compaction.ts";
import type { StoredBatch } from "../core/partition/retention.ts";
import { decodeBatchIndex } from "./keys/batch_index.ts";
import { decodeCleanerCheckpoint } from "./keys/cleaner_checkpoint.ts";
import { storedBatchOf } from "./log_reader.ts";
import { decodeLogHead } from "./keys/log_head.ts";
import { PartitionKeys } from "./keys/partition.ts";
import { decodeShardHead } from "./keys/shard_head.ts";
import type { Storage } from "./storage.ts";

/**
 * The head and the oldest batch, trimmed or not; null when there is none. Two reads, which are not one snapshot. A hole that
 * compaction left is passed over when a batch follows.
 */
export async function peekOldest(
  storage: Storage,
  topicId: string,
  partition: number,
): Promise<{ readonly head: LogHead; readonly oldest: StoredBatch } | null> {
  const keys = new PartitionKeys(topicId, partition);
  const stored = await storage.get(keys.head);
  if (stored === null) return null;
  const payload = decodeLogHead(decodeShardHead(stored.value).payload);
  if (payload.state !== "live") return null;
  const found = await storage.list(keys.indexRange(0, payload.head.logEndOffset), { limit: 2 });
  const entries = found.map(({ value }) => decodeBatchIndex(value));
  const first = entries.find(({ place }) => place.kind !== "hole") ?? entries[0];
  return first === undefined ? null : { head: payload.head, oldest: storedBatchOf(first) };
}

/** What says whether a log is to be compacted, and how far that came; null when there is no log. Not one snapshot, either. */
export async function peekCompactable(
  storage: Storage,
  topicId: string,
  partition: number,
): Promise<{ readonly log: CompactableLog; readonly checkpoint: CleanerCheckpoint } | null> {
  const keys = new PartitionKeys(topicId, partition);
  const [head, stored] = await storage.getMany([keys.head, keys.cleanerCheckpoint]);
  if (head === null || head === undefined) return null;
  const payload = decodeLogHead(decodeShardHead(head.value).payload);
  if (payload.state !== "live") return null;
  const { logStartOffset, logEndOffset, sizeBytes } = payload.head;
  const checkpoint = stored === null || stored === undefined
    ? noCheckpoint
    : decodeCleanerCheckpoint(stored.value);
  const log = { logStartOffset, lastStableOffset: logEndOffset, sizeBytes, oldestDirtyTimestamp: -1 };
  const from = firstDirtyOffset(log, checkpoint);
  const [first] = await storage.list(keys.indexRange(from, logEndOffset), { limit: 1 });
  if (first === undefined) return { log, checkpoint };
  const { maxTimestamp } = storedBatchOf(decodeBatchIndex(first.value));
  return { log: { ...log, oldestDirtyTimestamp: maxTimestamp }, checkpoint };
}
