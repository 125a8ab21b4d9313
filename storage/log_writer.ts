/**
 * The writing half of a partition's log: turns batches into the mutations of one shard commit.
 *
 * The index entry with the batch (or with its pieces beside it), the producer's state, the sparse time entry and the
 * head go into the same commit, so that the log and what is known about it never disagree. The staged state runs
 * ahead of the durable one: batches may be staged while a commit is in flight. When a commit fails, what was staged
 * behind it was staged on an assumption, so the writer is of no use any more and the log is opened anew.
 */
import type { LogHead } from "../core/partition/log_head.ts";
import type { ProducerState } from "../core/partition/producer_state.ts";
import type { TransactionChange } from "../core/partition/transactions.ts";
import { invariant } from "../lib/invariant.ts";
import { mutant } from "../lib/mutants.ts";
import { writeAttempt } from "./chunked_append.ts";
import { StorageUnavailableError } from "./errors.ts";
import { addSizes, type CommitSize, emptyCommitSize, sizeOfMutations } from "./commit_size.ts";
import { BATCH_INDEX_OVERHEAD_BYTES, type BatchPlace, encodeBatchIndex } from "./keys/batch_index.ts";
import { SAME_COMMIT, splitIntoChunks } from "./keys/chunk.ts";
import {
  encodeLogHead,
  LIVE_SEGMENT_BYTES,
  type LiveSegment,
  logHeadBytes,
  type LogWriterState,
} from "./keys/log_head.ts";
import type { PartitionKeys } from "./keys/partition.ts";
import { encodeProducer } from "./keys/producer.ts";
import type { CommitToken } from "./keys/shard_head.ts";
import { TIME_ENTRY_BATCHES, TIME_ENTRY_BYTES, timeIndexValue } from "./keys/time_index.ts";
import { type Extent, SegmentWriter } from "./segment_writer.ts";
import type { TrimPlan } from "./log_trim.ts";
import type { PartitionSegments, SegmentName } from "./segments.ts";
import { transactionMutations } from "./log_transactions.ts";
import type { Shard, ShardStore } from "./shard.ts";
import type { Mutation } from "./storage.ts";
import { storedCrc } from "./stored_crc.ts";

/** A log larger than this many files of that size gets larger files, so that its head stays small. */
const FILES_WANTED_MAX = 64;
/** Files of one log; beyond it, as after very many restarts, larger batches go into the store. */
const FILES_MAX = 1_024;
/** They take at most this share of the head, so that what makes them fewer always has room. */
const FILES_HEAD_SHARE = 2;
/** Files that a log may get between the planning of a cleanup and its commit. */
const FILES_MARGIN = 8;

/** One batch to append, and everything that changes with it. */
export interface LogAppend {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly leaderEpoch: number;
  /** One whole record batch with its offsets filled in; immutable from here on. */
  readonly bytes: Uint8Array;
  /** Milliseconds, -1 for none. */
  readonly maxTimestamp: number;
  /** Wall clock, for a batch without timestamps. */
  readonly appendedMs?: number;
  /** The producer's state after this batch; null when it has none. */
  readonly producer: ProducerState | null;
  /** The transaction that the batch opens or ends; absent for every other batch. */
  readonly transaction?: TransactionChange;
  readonly headAfter: LogHead;
}

/** A change of the log that brings no batch: a raised log start, deletions below it, what compaction replaces. */
export interface LogCleanup {
  readonly headAfter: LogHead;
  readonly trim: TrimPlan | null;
}

/** What a log makes durable, in order. */
export type LogEffect = LogAppend | LogCleanup;

interface LogState {
  readonly head: LogHead;
  readonly writer: LogWriterState;
}

interface Staged extends LogState {
  readonly count: number;
  readonly mutations: Mutation[];
  readonly extents: readonly Extent[];
  /** Files that nothing names any more once it is durable. */
  readonly dropped: readonly SegmentName[];
  /** Whether it replaces entries that readers may know. */
  readonly isRewrite: boolean;
}

/** A batch on its way into a segment file. */
interface PendingExtent {
  extent: Extent | null;
  fault: Error | null;
  /** Never rejects. */
  readonly ready: Promise<void>;
}

export class LogWriter {
  readonly #shards: ShardStore;
  readonly #shard: Shard;
  readonly #keys: PartitionKeys;
  #durable: LogState;
  #staged: LogState;
  /** The end of the line while a large batch is being written; null: stage at once. */
  #line: Promise<void> | null = null;
  readonly #segments: PartitionSegments | null;
  readonly #extentBytesMin: number;
  readonly #filesMax: number;
  readonly #segmentWriter: SegmentWriter | null = null;
  readonly #extents = new WeakMap<LogEffect, PendingExtent>();
  #rewriteCount = 0;
  #rewriting: Promise<void> | null = null;

  constructor(
    shards: ShardStore,
    shard: Shard,
    keys: PartitionKeys,
    state: LogState,
    segments: PartitionSegments | null,
  ) {
    this.#shards = shards;
    this.#shard = shard;
    this.#keys = keys;
    this.#durable = state;
    this.#staged = state;
    this.#segments = segments;
    this.#extentBytesMin = segments?.extentBytesMin ?? Infinity;
    const { valueBytesMax } = shards.storage.limits;
    this.#filesMax = Math.min(FILES_MAX, Math.floor(valueBytesMax / FILES_HEAD_SHARE / LIVE_SEGMENT_BYTES));
    if (segments !== null) {
      const { incarnation, opening } = shard.nextToken;
      this.#segmentWriter = new SegmentWriter({
        segments,
        incarnation,
        opening,
        firstNumber: state.writer.nextFileNumber,
        health: shards.health,
        fileBytesMax: () => Math.max(segments.fileBytesMax, this.#staged.head.sizeBytes / FILES_WANTED_MAX),
      });
    }
  }

  get head(): LogHead {
    return this.#durable.head;
  }

  get batchCount(): number {
    return this.#durable.writer.batchCount;
  }

  /** Rises when a commit that replaces entries is sent, and when it ended. */
  get rewriteCount(): number {
    return this.#rewriteCount;
  }

  /** Resolves when the commit that replaces entries has ended; null: there is none. */
  get rewriting(): Promise<void> | null {
    return this.#rewriting;
  }

  /** The file that appends go to; null when there is none. */
  get currentFile(): number | null {
    return this.#segmentWriter?.currentFile ?? null;
  }

  /** Whether one commit takes these mutations along with the head. */
  fits(mutations: CommitSize): boolean {
    const { head, writer } = this.#staged;
    // The head may have grown a little until then.
    return this.#shard.fits(mutations, logHeadBytes(head, writer.files.length + FILES_MARGIN));
  }

  /** Writes bytes that a cleanup will name; null when they do not belong into a segment file. */
  async writeExtent(bytes: Uint8Array): Promise<Extent | null> {
    const writer = this.#segmentWriter;
    if (writer === null || bytes.length < this.#extentBytesMin) return null;
    return this.#staged.writer.files.length >= this.#filesMax ? null : await writer.write(bytes);
  }

  /** Null when no index entry names the file (any more). */
  fileOf(number: number): SegmentName | null {
    return this.#durable.writer.files.find((file) => file.number === number) ?? null;
  }

  /**
   * Begins to write the bytes of a larger batch, so that they are on the disk when the commits before it are done. The
   * batch must be appended later, in the same order, or the log given up.
   */
  prepare(append: LogAppend): void {
    const writer = this.#segmentWriter;
    if (writer === null || append.bytes.length < this.#extentBytesMin || this.#extents.has(append)) return;
    if (this.#staged.writer.files.length >= this.#filesMax) return;
    const pending: PendingExtent = {
      extent: null,
      fault: null,
      ready: writer.write(append.bytes).then(
        (extent) => void (pending.extent = extent),
        (error: Error) => void (pending.fault = error),
      ),
    };
    this.#extents.set(append, pending);
  }

  /** Makes a prefix durable and returns its length. Throws what `Shard.commit` throws. */
  append(appends: readonly LogEffect[]): Promise<number> {
    const [first] = appends;
    if (first === undefined) return Promise.resolve(0);
    for (const append of appends) if ("bytes" in append) this.prepare(append);
    const pending = this.#extents.get(first);
    if (this.#line === null && (pending === undefined || pending.extent !== null)) {
      // Staged at once, not in a later turn, so that calls keep their order.
      try {
        const staged = this.#stage(appends);
        if (staged !== null) return this.#commit(staged);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return this.#inLine(async () => {
      await pending?.ready;
      const staged = this.#stage(appends) ?? await this.#stageLarge(first);
      return { done: this.#commit(staged) };
    });
  }

  /** Commits a head without a batch. */
  commitHead(head: LogHead): Promise<void> {
    return this.#inLine(() => Promise.resolve({ done: this.#commitState({ ...this.#staged, head }, []) }));
  }

  /** Takes no more batches. */
  close(): void {
    this.#segmentWriter?.close();
  }

  async #commitState(state: LogState, mutations: readonly Mutation[]): Promise<void> {
    await this.#commit({
      ...state,
      count: 0,
      mutations: [...mutations],
      extents: [],
      dropped: [],
      isRewrite: false,
    });
  }

  /** Runs `work` after everything in line; what it returns is not waited for by the next. */
  #inLine<T>(work: () => Promise<{ readonly done: Promise<T> }>): Promise<T> {
    const started = (this.#line ?? Promise.resolve()).then(work);
    const line: Promise<void> = started.then(() => undefined, () => undefined).then(() => {
      if (this.#line === line) this.#line = null;
    });
    this.#line = line;
    return started.then((result) => result.done);
  }

  async #commit(staged: Staged): Promise<number> {
    this.#staged = staged;
    if (mutant("unlink-first")) { for (const file of staged.dropped) this.#segments?.drop(file); }
    const done = this.#shard.commit({
      mutations: staged.mutations,
      payload: encodeLogHead({ state: "live", head: staged.head, writer: staged.writer }),
    });
    if (staged.isRewrite) this.#rewrite(done);
    await done;
    this.#durable = { head: staged.head, writer: staged.writer };
    for (const extent of staged.extents) this.#segmentWriter?.settled(extent);
    for (const file of staged.dropped) this.#segments?.drop(file);
    return staged.count;
  }

  /** Tells readers that what they read meanwhile may be half old and half new. */
  #rewrite(done: Promise<void>): void {
    this.#rewriteCount++;
    const rewriting: Promise<void> = done.then(() => undefined, () => undefined).then(() => {
      this.#rewriteCount++;
      if (this.#rewriting === rewriting) this.#rewriting = null;
    });
    this.#rewriting = rewriting;
  }

  /** As many appends as one commit takes; null when not even the first fits. */
  #stage(appends: readonly LogEffect[]): Staged | null {
    // What was staged behind a commit that failed is void.
    if (this.#shard.fault !== null) throw this.#shard.fault;
    const token = this.#shard.nextToken;
    const producers = new Map<number, { readonly mutation: Mutation; readonly size: CommitSize }>();
    const mutations: Mutation[] = [];
    const extents: Extent[] = [];
    const dropped: SegmentName[] = [];
    let state = this.#staged;
    let size = emptyCommitSize;
    let count = 0;
    let isRewrite = false;
    for (const append of appends) {
      if (!("bytes" in append)) {
        const sum = addSizes(size, sizeOfMutations(append.trim?.mutations ?? []));
        if (!this.#shard.fits(sum, logHeadBytes(append.headAfter, fileCountAfter(state, append)))) break;
        mutations.push(...append.trim?.mutations ?? []);
        for (const { extent } of append.trim?.rewritten?.extents ?? []) extents.push(extent);
        isRewrite ||= append.trim?.rewritten !== undefined;
        state = this.#cleaned(append, state, dropped);
        size = sum;
        count++;
        continue;
      }
      const pending = this.#extents.get(append);
      if (pending !== undefined && pending.fault !== null) {
        if (count > 0) break;
        throw pending.fault;
      }
      // Still being written: the batches before it need not wait.
      if (pending !== undefined && pending.extent === null) break;
      const extent = pending?.extent ?? null;
      const place = extent === null ? this.#placeOf(append) : placeIn(extent);
      const added = this.#mutationsOf(
        append,
        extent === null ? state : withFile(state, extent),
        token,
        place,
      );
      let sum = addSizes(size, sizeOfMutations(added.mutations));
      const producer = append.producer === null ? null : this.#producerOf(append.producer);
      if (producer !== null && append.producer !== null) {
        sum = addSizes(sum, producer.size);
        // Only the last state of each producer is written.
        const older = producers.get(append.producer.producerId);
        if (older !== undefined) sum = subtract(sum, older.size);
      }
      if (!this.#shard.fits(sum, logHeadBytes(append.headAfter, added.state.writer.files.length))) break;
      if (producer !== null && append.producer !== null) producers.set(append.producer.producerId, producer);
      mutations.push(...added.mutations);
      if (extent !== null) extents.push(extent);
      state = added.state;
      size = sum;
      count++;
    }
    if (count === 0) return null;
    for (const { mutation } of producers.values()) {
      if (!mutant("producer-state-apart")) mutations.push(mutation);
      else {void this.#shard.commit({ mutations: [mutation] }).catch(() =>
          "the commit that follows fails, too"
        );}
    }
    return { ...state, count, mutations, extents, dropped, isRewrite };
  }

  /** The state without what was trimmed; files that nothing names any more are added to `dropped`. */
  #cleaned({ headAfter, trim }: LogCleanup, before: LogState, dropped: SegmentName[]): LogState {
    invariant(headAfter.logEndOffset === before.head.logEndOffset, "A cleanup leaves the log end as it is");
    if (trim === null) return { head: headAfter, writer: before.writer };
    let grown = before;
    for (const { extent, sizeBytes } of trim.rewritten?.extents ?? []) {
      grown = withLiveBytes(withFile(grown, extent), extent.file.number, sizeBytes);
    }
    const files: LiveSegment[] = [];
    for (const file of grown.writer.files) {
      const liveBytes = file.liveBytes - (trim.freedBytes.get(file.number) ?? 0);
      if (liveBytes <= 0 && (this.#segmentWriter?.mayDrop(file.number) ?? true)) dropped.push(file);
      else files.push({ ...file, liveBytes });
    }
    const batchCount = Math.max(0, before.writer.batchCount - trim.batchCount);
    return { head: headAfter, writer: { ...grown.writer, batchCount, files } };
  }

  /** Writes the first append's pieces; the commit that this returns makes them a batch. */
  async #stageLarge(append: LogEffect): Promise<Staged> {
    if (!("bytes" in append)) {
      // It did when it was planned; appends have brought more files since than were reckoned with.
      throw new StorageUnavailableError("Cannot clean the log: its head has no room for more files");
    }
    const attempt = await writeAttempt(
      this.#shards,
      this.#shard,
      this.#keys,
      append.baseOffset,
      append.bytes,
    );
    const place = this.#chunksOf(append.bytes, attempt);
    const { mutations, state } = this.#mutationsOf(append, this.#staged, this.#shard.nextToken, place);
    mutations.push({ type: "delete", key: this.#keys.attempt(attempt) });
    if (append.producer !== null) mutations.push(this.#producerOf(append.producer).mutation);
    return { ...state, count: 1, mutations, extents: [], dropped: [], isRewrite: false };
  }

  #placeOf(append: LogAppend): BatchPlace {
    const { bytes } = append;
    const isSmall = bytes.length + BATCH_INDEX_OVERHEAD_BYTES <= this.#shards.storage.limits.valueBytesMax;
    return isSmall ? { kind: "inline", bytes } : this.#chunksOf(bytes, SAME_COMMIT);
  }

  #chunksOf(bytes: Uint8Array, attempt: string): BatchPlace {
    const chunkBytes = this.#shards.storage.limits.valueBytesMax;
    return { kind: "chunks", chunkBytes, chunkCount: Math.ceil(bytes.length / chunkBytes), attempt };
  }

  #mutationsOf(
    append: LogAppend,
    before: LogState,
    token: CommitToken,
    place: BatchPlace,
  ): { readonly mutations: Mutation[]; readonly state: LogState } {
    const { bytes, baseOffset, lastOffset, maxTimestamp, headAfter } = append;
    invariant(baseOffset === before.head.logEndOffset, "An appended batch must begin at the log end");
    invariant(headAfter.logEndOffset === lastOffset + 1, "The log must end behind the appended batch");
    const crc = storedCrc(bytes);
    const value = encodeBatchIndex({
      leaderEpoch: append.leaderEpoch,
      token,
      lastOffset,
      maxTimestamp,
      sizeBytes: bytes.length,
      crc,
      previousCrc: before.writer.lastCrc,
      ...(append.appendedMs !== undefined && { appendedMs: append.appendedMs }),
      place,
    });
    const mutations: Mutation[] = [{ type: "set", key: this.#keys.index(baseOffset), value }];
    if (append.transaction !== undefined) {
      mutations.push(...transactionMutations(this.#keys, append.transaction));
    }
    if (place.kind === "chunks" && place.attempt === SAME_COMMIT) {
      for (const [k, chunk] of splitIntoChunks(bytes, place.chunkBytes).entries()) {
        mutations.push({ type: "set", key: this.#keys.chunk(baseOffset, SAME_COMMIT, k), value: chunk });
      }
    }
    const { files } =
      (place.kind === "extent" ? withLiveBytes(before, place.fileNumber, bytes.length) : before).writer;
    const { writer } = before;
    const isRise = maxTimestamp > before.head.maxTimestamp;
    const isDue = !writer.hasTimeEntry || writer.batchesSinceTimeEntry >= TIME_ENTRY_BATCHES ||
      writer.bytesSinceTimeEntry >= TIME_ENTRY_BYTES;
    if (isRise && isDue) {
      const key = this.#keys.time(maxTimestamp, baseOffset);
      mutations.push({ type: "set", key, value: timeIndexValue });
    }
    const isEntry = isRise && isDue;
    const state: LogState = {
      head: headAfter,
      writer: {
        batchCount: writer.batchCount + 1,
        lastCrc: crc,
        batchesSinceTimeEntry: isEntry ? 0 : writer.batchesSinceTimeEntry + 1,
        bytesSinceTimeEntry: isEntry ? 0 : writer.bytesSinceTimeEntry + bytes.length,
        hasTimeEntry: writer.hasTimeEntry || isEntry,
        nextFileNumber: writer.nextFileNumber,
        files,
      },
    };
    return { mutations, state };
  }

  #producerOf(state: ProducerState): { readonly mutation: Mutation; readonly size: CommitSize } {
    const key = this.#keys.producer(state.producerId);
    const mutation: Mutation = { type: "set", key, value: encodeProducer(state) };
    return { mutation, size: sizeOfMutations([mutation]) };
  }
}

/** Files that the head names once a cleanup is done, before those go that it empties. */
function fileCountAfter({ writer: { files } }: LogState, { trim }: LogCleanup): number {
  const numbers = new Set(files.map((file) => file.number));
  for (const { extent } of trim?.rewritten?.extents ?? []) numbers.add(extent.file.number);
  return numbers.size;
}

function placeIn({ file, position }: Extent): BatchPlace {
  return { kind: "extent", fileNumber: file.number, position };
}

/** The state with the extent's file in it. */
function withFile(state: LogState, { file }: Extent): LogState {
  const { files } = state.writer;
  if (files.some((each) => each.number === file.number)) return state;
  const writer = {
    ...state.writer,
    nextFileNumber: Math.max(state.writer.nextFileNumber, file.number + 1),
    files: [...files, { ...file, liveBytes: 0 }],
  };
  return { ...state, writer };
}

/** The state with more of that file named. */
function withLiveBytes(state: LogState, number: number, bytes: number): LogState {
  const files = state.writer.files.map((file) =>
    file.number === number ? { ...file, liveBytes: file.liveBytes + bytes } : file
  );
  return { ...state, writer: { ...state.writer, files } };
}

function subtract(a: CommitSize, b: CommitSize): CommitSize {
  return {
    bytes: a.bytes - b.bytes,
    keyBytes: a.keyBytes - b.keyBytes,
    mutations: a.mutations - b.mutations,
    checks: a.checks - b.checks,
  };
}
