/**
 * Deletes what lies below a log's start, low to high and a bounded number of keys at a time. The log start was raised
 * by an earlier commit, so readers already know; a crash in between leaves the rest to the next call.
 */
import { mutant } from "../lib/mutants.ts";
import { addSizes, emptyCommitSize, fits, sizeOfMutations } from "./commit_size.ts";
import { CorruptStorageError } from "./errors.ts";
import { type BatchIndexEntry, decodeBatchIndex } from "./keys/batch_index.ts";
import { baseOffsetOfKey, type PartitionKeys, pieceOfKey } from "./keys/partition.ts";
import { decodeTrimmedTimestamp, encodeTrimmedTimestamp } from "./keys/trimmed_timestamp.ts";
import { timeEntryOfKey } from "./keys/time_index.ts";
import type { Extent } from "./segment_writer.ts";
import type { KeyRange } from "./keys/keyspace.ts";
import type { KvKey, Mutation, Storage, StorageLimits, StoredEntry } from "./storage.ts";

const BATCHES_PER_STEP = 250;
const DELETIONS_PER_STEP = 400;
/** Read at first; then twice as many, as long as they are small. */
const FIRST_PAGE_LENGTH = 8;
/**
 * Values that one step deletes from the store, unless a single one is larger: whoever appends waits behind the commit, which takes
 * the longer the more pages it gives back.
 */
export const STORE_BYTES_PER_STEP = 256 * 1_024;
/** Of segment files, whose space comes back when the last batch in a file is gone. */
const EXTENT_BYTES_PER_STEP = 8 * 1_024 * 1_024;

/** One step of deletion or compaction: what changes in the store, and what that frees. */
export interface TrimPlan {
  readonly mutations: readonly Mutation[];
  /** Entries less; negative when there are more of them. */
  readonly batchCount: number;
  /** Bytes less. */
  readonly sizeBytes: number;
  /** Bytes that are named no more, for each segment file's number. */
  readonly freedBytes: ReadonlyMap<number, number>;
  /** What compaction did; absent: entries are only deleted. */
  readonly rewritten?: {
    /** Batches that it wrote anew into segment files. */
    readonly extents: readonly { readonly extent: Extent; readonly sizeBytes: number }[];
    /** Batches below this offset may be others now. */
    readonly upTo: number;
  };
}

/** Null when nothing is left below the log start. */
export async function planTrim(
  storage: Storage,
  keys: PartitionKeys,
  logStartOffset: number,
): Promise<TrimPlan | null> {
  const { limits } = storage;
  const mutations: Mutation[] = [];
  let size = emptyCommitSize;
  /** Adds all or nothing. */
  const addIfRoom = (added: readonly Mutation[], room: StorageLimits): boolean => {
    const sum = addSizes(size, sizeOfMutations(added));
    if (!fits(sum, room)) return false;
    mutations.push(...added);
    size = sum;
    return true;
  };
  let batchCount = 0;
  let freedSizeBytes = 0;
  let maxTimestamp = -1;
  const freedBytes = new Map<number, number>();
  // Half of a commit at most, so that what comes besides has room.
  const forBatches = shareOf(limits, 2);
  const pageLength = Math.min(BATCHES_PER_STEP, limits.mutationsMax >> 2);
  const piecesPerStep = Math.max(1, Math.floor(STORE_BYTES_PER_STEP / limits.valueBytesMax));
  let storeBytes = 0;
  let first: StoredEntry | null = null;
  for await (const stored of oldestEntries(storage, keys.indexRange(0, logStartOffset), pageLength)) {
    first ??= stored;
    let entry: BatchIndexEntry;
    try {
      entry = decodeBatchIndex(stored.value);
    } catch (error) {
      // What lies before a damaged entry goes all the same.
      if (batchCount > 0 && error instanceof CorruptStorageError) break;
      throw error;
    }
    const { lastOffset, place, sizeBytes } = entry;
    // The batch that contains the log start stays whole.
    if (lastOffset >= logStartOffset && !mutant("trim-too-far")) break;
    const isInStore = place.kind !== "extent";
    if (batchCount > 0 && storeBytes + (isInStore ? sizeBytes : 0) > STORE_BYTES_PER_STEP) break;
    if (batchCount > 0 && freedSizeBytes + sizeBytes > EXTENT_BYTES_PER_STEP) break;
    const baseOffset = baseOffsetOfKey(stored.key);
    const added = deletionsOf(keys, stored.key, entry);
    if (batchCount > 0 && mutations.length + added.length > DELETIONS_PER_STEP) break;
    // The entry is one of them.
    if (added.length - 1 > piecesPerStep || !fits(sizeOfMutations(added), forBatches)) {
      if (batchCount > 0) break;
      // More than one step deletes: from its first piece to its last, and the entry, which names them, with the last of them.
      const left = await piecesLeft(storage, keys, baseOffset, entry);
      const step = left.slice(0, piecesPerStep);
      while (
        step.length > 1 && !fits(sizeOfMutations([...step, { type: "delete", key: stored.key }]), forBatches)
      ) step.pop();
      addIfRoom(step, forBatches);
      if (step.length < left.length) break;
      addIfRoom([{ type: "delete", key: stored.key }], forBatches);
    } else if (!addIfRoom(added, forBatches)) break;
    if (place.kind === "extent") {
      freedBytes.set(place.fileNumber, (freedBytes.get(place.fileNumber) ?? 0) + sizeBytes);
    }
    maxTimestamp = Math.max(maxTimestamp, timestampBound(entry));
    batchCount++;
    freedSizeBytes += sizeBytes;
    if (isInStore) storeBytes += sizeBytes;
  }
  if (batchCount > 0 && first !== null) {
    const isFirstEver = baseOffsetOfKey(first.key) === 0;
    mutations.push(...await rememberTimestamp(storage, keys, maxTimestamp, isFirstEver));
  }
  const forOthers = shareOf(limits, 1.5);
  // The last time entry at or below the log start stays: searches measure their distance from it.
  const times = await storage.list(keys.timeRange(-Infinity, Infinity), { limit: pageLength });
  for (const [i, stored] of times.entries()) {
    const next = times[i + 1];
    if (next === undefined || timeEntryOfKey(next.key).baseOffset > logStartOffset) break;
    if (!addIfRoom([{ type: "delete", key: stored.key }], forOthers)) break;
  }
  // All data of a transaction lies before its marker.
  const aborted = await storage.list(keys.abortedRange(0, logStartOffset), { limit: pageLength });
  for (const { key } of aborted) if (!addIfRoom([{ type: "delete", key }], forOthers)) break;
  return mutations.length === 0 ? null : { mutations, batchCount, sizeBytes: freedSizeBytes, freedBytes };
}

/** Up to `countMax` entries in order, in pages that grow as long as what they hold is little. */
async function* oldestEntries(
  storage: Storage,
  { start, end }: KeyRange,
  countMax: number,
): AsyncGenerator<StoredEntry, void, void> {
  let from: KvKey = start;
  let left = countMax;
  for (let length = FIRST_PAGE_LENGTH; left > 0;) {
    const limit = Math.min(length, left);
    const page = await storage.list({ start: from, end }, { limit });
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < limit) return;
    from = [...last.key, new Uint8Array()];
    left -= page.length;
    const bytes = page.reduce((sum, { value }) => sum + value.length, 0);
    if (bytes < STORE_BYTES_PER_STEP / 4) length *= 2;
  }
}

/** Whatever is stored of a batch in keys. */
function deletionsOf(keys: PartitionKeys, entryKey: KvKey, { place }: BatchIndexEntry): Mutation[] {
  const deletions: Mutation[] = [{ type: "delete", key: entryKey }];
  for (let k = 0; place.kind === "chunks" && k < place.chunkCount; k++) {
    deletions.push({ type: "delete", key: keys.chunk(baseOffsetOfKey(entryKey), place.attempt, k) });
  }
  return deletions;
}

/** The deletions of those pieces of a batch that earlier steps have left. */
async function piecesLeft(
  storage: Storage,
  keys: PartitionKeys,
  baseOffset: number,
  { place }: BatchIndexEntry,
): Promise<Mutation[]> {
  if (place.kind !== "chunks") return [];
  const { attempt, chunkCount } = place;
  const range = {
    start: keys.chunk(baseOffset, attempt, 0),
    end: keys.chunk(baseOffset, attempt, chunkCount),
  };
  const [first] = await storage.list(range, { limit: 1 });
  const left: Mutation[] = [];
  for (let k = first === undefined ? chunkCount : pieceOfKey(first.key); k < chunkCount; k++) {
    left.push({ type: "delete", key: keys.chunk(baseOffset, attempt, k) });
  }
  return left;
}

/** What a part of a commit may hold. */
function shareOf(limits: StorageLimits, divisor: number): StorageLimits {
  return {
    ...limits,
    mutationsMax: Math.floor(limits.mutationsMax / divisor),
    commitBytesMax: Math.floor(limits.commitBytesMax / divisor),
    commitKeyBytesMax: Math.floor(limits.commitKeyBytesMax / divisor),
  };
}

/** At or above every timestamp that the offsets of the entry ever had: nobody knows those that compaction removed. */
export function timestampBound({ maxTimestamp, crc, chainCrc }: BatchIndexEntry): number {
  return crc === chainCrc ? maxTimestamp : Number.MAX_SAFE_INTEGER;
}

/** Keeps the largest timestamp of all that was ever deleted, if it is known of all. */
async function rememberTimestamp(
  storage: Storage,
  keys: PartitionKeys,
  timestamp: number,
  isFirstEver: boolean,
): Promise<Mutation[]> {
  const key = keys.trimmedTimestamp;
  const stored = await storage.get(key);
  if (stored === null ? !isFirstEver : decodeTrimmedTimestamp(stored.value) >= timestamp) return [];
  return [{ type: "set", key, value: encodeTrimmedTimestamp(timestamp) }];
}
