/**
 * One partition's log in a shard: the boundary between a partition, which decides offsets, and the store, which knows
 * only keys. One key range holds everything of it (`keys/keyspace.ts`), and one head says how far it reaches.
 *
 * Copies of a batch's bytes: on the way in one into the index entry when the batch is small and none when it goes into a
 * segment file or is cut into pieces; on the way out none when small or from a file, and one that joins the pieces.
 */
import type { LogHead } from "../core/partition/log_head.ts";
import type { StoredBatch } from "../core/partition/retention.ts";
import type { ProducerState } from "../core/partition/producer_state.ts";
import type { AbortedTransaction, OpenTransactions } from "../core/partition/transactions.ts";
import { invariant } from "../lib/invariant.ts";
import { sweepAttempts, writeAttempt } from "./chunked_append.ts";
import { CorruptStorageError, ShardGoneError, StorageUnavailableError } from "./errors.ts";
import type { BatchIndexEntry } from "./keys/batch_index.ts";
import { decodeLogHead, type LiveLogHead, type LogHeadPayload } from "./keys/log_head.ts";
import { PartitionKeys, partitionOfKey } from "./keys/partition.ts";
import { decodeProducer } from "./keys/producer.ts";
import { decodeShardHead } from "./keys/shard_head.ts";
import { PartitionDeletedError } from "./log_errors.ts";
import {
  type CommittedRead,
  type FoundRecord,
  type LogBounds,
  LogReader,
  type ReadOptions,
} from "./log_reader.ts";
import {
  readAbortedTransactions,
  readLastAbort,
  readOpenTransactions,
  scanProducers,
} from "./log_transactions.ts";
import { locate, type LogVerification } from "./log_verification.ts";
import type { LogRewriter } from "./log_rewrite.ts";
import { planTrim, type TrimPlan } from "./log_trim.ts";
import { type LogAppend, type LogCleanup, type LogEffect, LogWriter } from "./log_writer.ts";
import type { PartitionSegments, SegmentName } from "./segments.ts";
import type { Shard, ShardGuard, ShardStore } from "./shard.ts";

export type { LogHead } from "../core/partition/log_head.ts";
export { OffsetTrimmedError, PartitionDeletedError } from "./log_errors.ts";
export type { FoundRecord, ReadOptions } from "./log_reader.ts";
export type { LogAppend, LogCleanup, LogEffect } from "./log_writer.ts";

export class PartitionLog {
  readonly #shards: ShardStore;
  readonly #keys: PartitionKeys;
  /** Null: it can only be read. */
  readonly #write: { readonly shard: Shard; readonly writer: LogWriter } | null;
  readonly #bounds: LogBounds;
  readonly #reader: LogReader;
  readonly #segments: PartitionSegments | null;

  private constructor(parts: LogParts) {
    const { shards, keys, write, bounds, segments, name } = parts;
    this.#shards = shards;
    this.#keys = keys;
    this.#write = write;
    this.#bounds = bounds;
    this.#segments = segments;
    this.#reader = new LogReader({ storage: shards.storage, keys, name, bounds, segments });
  }

  /**
   * Fences older writers and reads O(1) keys; creates an empty log when there is none. What an older writer left
   * half-written is swept before this returns. With a guard (`topicGuard`) nothing is ever written for a topic that is
   * gone. Throws `PartitionDeletedError`, `FencedError`, `StorageUnavailableError`, `CorruptStorageError`.
   */
  static async open(
    shards: ShardStore,
    topicId: string,
    partition: number,
    guard: ShardGuard | null = null,
  ): Promise<PartitionLog> {
    const keys = new PartitionKeys(topicId, partition);
    const shard = await openUnlessGone(shards, keys, guard);
    if (shard === null) throw new PartitionDeletedError(topicId, partition);
    const payload = decodeLogHead(shard.payload);
    if (payload.state === "deleted") {
      shard.close();
      throw new PartitionDeletedError(topicId, partition);
    }
    let sweptCount: number;
    try {
      [sweptCount] = await Promise.all([
        sweepAttempts(shards, shard, keys),
        checkLogEnd(shards, keys, payload),
      ]);
    } catch (error) {
      shard.close();
      throw error;
    }
    if (sweptCount > 0) {
      shards.log.info("swept unfinished batches", { topicId, partition, count: sweptCount });
    }
    const segments = shards.segments?.partition(topicId, partition) ?? null;
    if (segments !== null) await sweepSegments(shards, segments, payload.writer.files);
    const writer = new LogWriter(shards, shard, keys, payload, segments);
    const name = nameOf(topicId, partition);
    return new PartitionLog({ shards, keys, write: { shard, writer }, bounds: writer, segments, name });
  }

  /**
   * What is stored now, for a store that takes no commits: nobody is fenced, nothing is swept, and appends are refused. What
   * a lost commit may still bring is not seen. Throws `PartitionDeletedError`, `StorageUnavailableError` (also when
   * there is no log yet), `CorruptStorageError`.
   */
  static async openToRead(shards: ShardStore, topicId: string, partition: number): Promise<PartitionLog> {
    const keys = new PartitionKeys(topicId, partition);
    const payload = await readSettledHead(shards, keys);
    if (payload === null) throw notWritable();
    if (payload.state === "deleted") throw new PartitionDeletedError(topicId, partition);
    const { head, writer: { batchCount, files } } = payload;
    const fileOf = (number: number) => files.find((file) => file.number === number) ?? null;
    const bounds = { head, batchCount, fileOf, rewriteCount: 0, rewriting: null };
    const segments = shards.segments?.partition(topicId, partition) ?? null;
    const name = nameOf(topicId, partition);
    return new PartitionLog({ shards, keys, write: null, bounds, segments, name });
  }

  /** It was opened to be read; whoever appends must open it anew. */
  get isReadOnly(): boolean {
    return this.#write === null;
  }

  /** As last committed. */
  get head(): LogHead {
    return this.#bounds.head;
  }

  /**
   * Begins to write a batch that `append` gets later: while a commit is under way, the disk takes the bytes of the next
   * one. May be left out.
   */
  prepare(append: LogAppend): void {
    this.#write?.writer.prepare(append);
  }

  /**
   * Makes a prefix of `effects` durable and returns how many; at least 1 unless it throws. May be called again before
   * the last call ended, with the batches that follow. After an error the log must be opened anew.
   */
  append(effects: readonly LogEffect[]): Promise<number> {
    return this.#write?.writer.append(effects) ?? Promise.reject(notWritable());
  }

  /** Commits a head without a batch: a new leader epoch, a raised log start. Not to be mixed with open appends; see `LogCleanup`. */
  commitHead(head: LogHead): Promise<void> {
    return this.#write?.writer.commitHead(head) ?? Promise.reject(notWritable());
  }

  /** Deletes some of what lies below the log start; true while there is more to do. Bounded work for each call. */
  async trim(): Promise<boolean> {
    const trim = await this.planTrim();
    if (trim === null) return false;
    const { head } = this;
    await this.append([{ headAfter: { ...head, sizeBytes: head.sizeBytes - trim.sizeBytes }, trim }]);
    return true;
  }

  /** What `trim` would delete, for whoever has appends under way: to be put in line with them as a cleanup. */
  planTrim(): Promise<TrimPlan | null> {
    return planTrim(this.#shards.storage, this.#keys, this.head.logStartOffset);
  }

  /** The oldest batches below `upTo`, without their bytes: as many as one step of retention looks at. */
  oldestBatches(upTo: number): Promise<StoredBatch[]> {
    return this.#reader.oldestBatches(upTo);
  }

  /** Whole batches, the first of which contains `from`; none at the log's end. Throws `OffsetTrimmedError`. */
  read(from: number, options: ReadOptions): Promise<Uint8Array[]> {
    return this.#reader.read(from, options);
  }

  /**
   * The same up to a last stable offset, with the aborted transactions that have data in it; `cached` are the batches if the
   * caller has them. Throws `OffsetTrimmedError`.
   */
  readCommitted(
    from: number,
    options: ReadOptions,
    cached: readonly Uint8Array[] | null = null,
  ): Promise<CommittedRead> {
    return this.#reader.readCommitted(from, options, cached);
  }

  /** The first record whose timestamp is at least `timestamp`, below `upTo`; null when there is none. */
  offsetForTimestamp(timestamp: number, upTo: number): Promise<FoundRecord | null> {
    return this.#reader.offsetForTimestamp(timestamp, upTo);
  }

  /** The first record with the largest timestamp of those that are left; null when there is none. */
  maxTimestampRecord(): Promise<FoundRecord | null> {
    return this.#reader.maxTimestampRecord();
  }

  /** As last committed; null when the producer is unknown here. */
  async producerState(producerId: number): Promise<ProducerState | null> {
    const found = await this.#shards.storage.get(this.#keys.producer(producerId));
    return found === null ? null : decodeProducer(producerId, found.value);
  }

  /** As last committed. */
  openTransactions(): Promise<OpenTransactions> {
    return readOpenTransactions(this.#shards.storage, this.#keys);
  }

  /** Those with data in [`from`, `upTo`), where `upTo` is a last stable offset. */
  abortedTransactions(from: number, upTo: number): Promise<AbortedTransaction[]> {
    return readAbortedTransactions(this.#shards.storage, this.#keys, from, upTo);
  }

  /** Offset of the newest abort marker; -1 when there is none. */
  lastAbort(): Promise<number> {
    return readLastAbort(this.#shards.storage, this.#keys);
  }

  /** Every producer that the partition remembers, page by page, each as committed when its page is read. */
  allProducers(): AsyncGenerator<ProducerState, void, void> {
    return scanProducers(this.#shards.storage, this.#keys);
  }

  /** Forgets producers, in line with the appends: the effect to stage. `headAfter` is the assigned head. */
  forgetProducers(producerIds: readonly number[], headAfter: LogHead): LogCleanup {
    const mutations = producerIds.map((id) => ({ type: "delete", key: this.#keys.producer(id) }) as const);
    return { headAfter, trim: { mutations, batchCount: 0, sizeBytes: 0, freedBytes: new Map() } };
  }

  /** Checks what is stored from `from` on, a bounded step. Throws `StorageUnavailableError`. */
  verify(from: number): Promise<LogVerification> {
    return this.#reader.verify(from);
  }

  /** What compaction needs of this log; it must be writable. */
  rewriter(): LogRewriter {
    invariant(this.#write !== null, "Only a log that takes writes is compacted");
    const { shard, writer } = this.#write;
    const bounds = this.#bounds;
    return {
      storage: this.#shards.storage,
      keys: this.#keys,
      get head() {
        return bounds.head;
      },
      get currentFile() {
        return writer.currentFile;
      },
      window: (from, upTo, options) => this.#reader.window(from, upTo, options),
      abortedTransactions: (from, upTo) => this.abortedTransactions(from, upTo),
      producerState: (producerId) => this.producerState(producerId),
      fits: (size) => writer.fits(size),
      writeExtent: (bytes) => writer.writeExtent(bytes),
      writePieces: (baseOffset, bytes) => writeAttempt(this.#shards, shard, this.#keys, baseOffset, bytes),
    };
  }

  /** Takes no more appends; what is in flight goes on. */
  close(): void {
    this.#write?.shard.close();
    this.#write?.writer.close();
    void this.#segments?.close();
  }
}

/** Null when there is none. A commit that was under way may come between the head and the entry that it is held against. */
async function readSettledHead(shards: ShardStore, keys: PartitionKeys): Promise<LogHeadPayload | null> {
  for (let before = "";;) {
    const found = await shards.storage.get(keys.head);
    if (found === null) return null;
    const payload = decodeLogHead(decodeShardHead(found.value).payload);
    if (payload.state === "deleted") return payload;
    try {
      await checkLogEnd(shards, keys, payload);
      return payload;
    } catch (error) {
      if (!(error instanceof CorruptStorageError) || found.versionstamp === before) throw error;
      before = found.versionstamp;
    }
  }
}

/**
 * Whether the newest index entry ends where the head says, with the CRC that the head has: else one of them is not what was
 * committed last, and an append would go over acknowledged offsets, or leave some out. Throws `CorruptStorageError`.
 */
async function checkLogEnd(
  { storage, log }: ShardStore,
  keys: PartitionKeys,
  { head, writer }: LiveLogHead,
): Promise<void> {
  const [newest] = await storage.list(keys.indexRange(0, Infinity), { limit: 1, reverse: true });
  const { logStartOffset, logEndOffset } = head;
  if (newest === undefined) {
    if (logStartOffset === logEndOffset) return;
    throw endFault(keys, `its head says that it ends at ${logEndOffset}, and no batch is there`);
  }
  let entry: BatchIndexEntry;
  try {
    ({ entry } = locate(newest));
  } catch (error) {
    if (!(error instanceof CorruptStorageError)) throw error;
    // The head is whole. Reading that batch is refused, and nothing else.
    const { topicId, partition } = partitionOfKey(keys.head);
    log.error("The newest batch of a log is damaged", { topicId, partition, error: error.message });
    return;
  }
  if (entry.lastOffset + 1 !== logEndOffset) {
    throw endFault(
      keys,
      `its head says that it ends at ${logEndOffset}, its newest batch ends at ${entry.lastOffset + 1}`,
    );
  }
  if (entry.chainCrc !== writer.lastCrc) {
    throw endFault(keys, "its newest batch is not the one that its head knows");
  }
}

function endFault(keys: PartitionKeys, why: string): CorruptStorageError {
  const { topicId, partition } = partitionOfKey(keys.head);
  return new CorruptStorageError(`Cannot open log of topic ${topicId}, partition ${partition}: ${why}`);
}

/** Null when the guard says that there is to be no log. */
async function openUnlessGone(
  shards: ShardStore,
  keys: PartitionKeys,
  guard: ShardGuard | null,
): Promise<Shard | null> {
  try {
    return await shards.openShard(keys.head, guard);
  } catch (error) {
    if (error instanceof ShardGoneError) return null;
    throw error;
  }
}

interface LogParts {
  readonly shards: ShardStore;
  readonly keys: PartitionKeys;
  readonly write: { readonly shard: Shard; readonly writer: LogWriter } | null;
  readonly bounds: LogBounds;
  readonly segments: PartitionSegments | null;
  /** Says in errors which log this is. */
  readonly name: string;
}

function nameOf(topicId: string, partition: number): string {
  return `topic ${topicId}, partition ${partition}`;
}

function notWritable(): StorageUnavailableError {
  return new StorageUnavailableError("Cannot append: the store takes no writes");
}

/** The head that was just fenced says which files live, once and for all; whatever else lies there is of older writers. */
async function sweepSegments(
  shards: ShardStore,
  segments: PartitionSegments,
  live: readonly SegmentName[],
): Promise<void> {
  try {
    const count = await segments.sweep(live);
    if (count > 0) shards.log.info("removed segment files that no batch lies in", { count });
  } catch (error) {
    // It costs space, not safety: the next opening tries again.
    shards.log.warn("Cannot look through segment files", { error: String(error) });
  }
}
