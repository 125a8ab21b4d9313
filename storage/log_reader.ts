/**
 * The reading half of a partition's log: ranges of whole batches, and the search by timestamp.
 *
 * Everything read is checked: the length, last offset and CRC of each batch against its index entry, and that each entry begins
 * where the one before it ended. What is missing below the log start is trimmed data, anything else `CorruptStorageError`;
 * where compaction removed batches, an entry says so. A scan is not a snapshot: entries are written once, below a bound that the
 * caller read first, or replaced by compaction, and what was read meanwhile is read again before it is judged.
 */
import type { LogHead } from "../core/partition/log_head.ts";
import type { StoredBatch } from "../core/partition/retention.ts";
import type { AbortedTransaction } from "../core/partition/transactions.ts";
import { mutant } from "../lib/mutants.ts";
import { BATCH_OVERHEAD, readBatchHeader, readRecords } from "../protocol/records/record_batch.ts";
import { CorruptStorageError, StorageUnavailableError } from "./errors.ts";
import type { BatchIndexEntry } from "./keys/batch_index.ts";
import { baseOffsetOfKey, type PartitionKeys } from "./keys/partition.ts";
import { decodeTrimmedTimestamp } from "./keys/trimmed_timestamp.ts";
import { TIME_ENTRY_BATCHES, TIME_ENTRY_BYTES, type TimeEntry, timeEntryOfKey } from "./keys/time_index.ts";
import { locate, type Located, type LogVerification, VerificationStep } from "./log_verification.ts";
import { timestampBound } from "./log_trim.ts";
import { OffsetTrimmedError } from "./log_errors.ts";
import { readAbortedTransactions } from "./log_transactions.ts";
import type { PartitionSegments, SegmentName } from "./segments.ts";
import type { Storage, StoredEntry } from "./storage.ts";
import { hasStoredCrc, lastOffsetOf } from "./stored_crc.ts";

export interface ReadOptions {
  readonly maxBytes: number;
  /** Kafka's rule: the first batch is returned even if it is larger than `maxBytes`. */
  readonly minOneBatch: boolean;
  /** Exclusive; a durable offset. */
  readonly upTo: number;
}

/** Whole batches, and which of the transactions in them were aborted. */
export interface CommittedRead {
  readonly batches: readonly Uint8Array[];
  readonly aborted: readonly AbortedTransaction[];
}

/** What the reader needs to know of the log's writer: always the newest. */
export interface LogBounds {
  readonly head: LogHead;
  readonly batchCount: number;
  /** Null when no index entry names that file any more. */
  fileOf(number: number): SegmentName | null;
  /** Rises whenever a commit that replaces entries is sent, and when it ended. */
  readonly rewriteCount: number;
  /** Resolves when the one under way has ended; null: none is. */
  readonly rewriting: Promise<void> | null;
}

/** A batch as compaction sees it; a hole has no bytes. */
export interface LocatedBatch {
  readonly baseOffset: number;
  readonly entry: BatchIndexEntry;
  readonly bytes: Uint8Array | null;
}

/** Extents that follow each other in a file are read at once up to this size. */
const RUN_BYTES_MAX = 8 * 1_024 * 1_024;

/** Entries that one step of retention looks at. */
const CLEAN_PAGE = 250;

/** A read that compaction got in the way of again and again is given up. */
const ATTEMPTS_MAX = 8;

/** What one step of a verification reads. */
const VERIFY_PAGE = 100;
const VERIFY_BYTES = 4 * 1_024 * 1_024;

/** Ends of reads that are remembered: as many consumers go on without a look at the entry before. */
const ENDS_MAX = 256;

/** Entries per page when only the index is wanted. */
const SCAN_PAGE = 16;

export interface LogReaderOptions {
  readonly storage: Storage;
  readonly keys: PartitionKeys;
  /** Says in errors which log this is. */
  readonly name: string;
  readonly bounds: LogBounds;
  readonly segments: PartitionSegments | null;
}

export class LogReader {
  readonly #storage: Storage;
  readonly #keys: PartitionKeys;
  readonly #name: string;
  readonly #bounds: LogBounds;
  readonly #segments: PartitionSegments | null;
  /** What the last look for the largest timestamp found, where the largest that ever was is gone. */
  #largestLeft: {
    readonly record: FoundRecord | null;
    readonly upTo: number;
    readonly rewriteCount: number;
  } | null = null;
  /** Where reads ended lately, and the chain's CRC there. */
  readonly #ends = new Map<number, number>();

  constructor(options: LogReaderOptions) {
    this.#storage = options.storage;
    this.#keys = options.keys;
    this.#name = options.name;
    this.#bounds = options.bounds;
    this.#segments = options.segments;
  }

  /**
   * Whole batches, the first of which contains `from`, or is the first behind it that compaction left. Throws
   * `OffsetTrimmedError`, `CorruptStorageError`.
   */
  read(from: number, options: ReadOptions): Promise<Uint8Array[]> {
    return this.#stable(() => this.#read(from, options));
  }

  /**
   * As `read`, with the aborted transactions that have data in those batches, both of the same moment: what retention or
   * compaction took away between the two would leave aborted records that nothing names. `cached` are batches from `from` on that
   * the caller has already. Throws `StorageUnavailableError` when compaction gets in the way again and again, too.
   */
  async readCommitted(
    from: number,
    options: ReadOptions,
    cached: readonly Uint8Array[] | null = null,
  ): Promise<CommittedRead> {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const before = this.#bounds.rewriteCount;
      const batches = attempt === 1 && cached !== null ? cached : await this.read(from, options);
      const last = batches.at(-1);
      if (last === undefined) return { batches, aborted: [] };
      const { baseOffset, lastOffsetDelta } = readBatchHeader(last);
      const upTo = baseOffset + lastOffsetDelta + 1;
      const aborted = await readAbortedTransactions(this.#storage, this.#keys, from, upTo);
      const { rewriteCount, rewriting, head } = this.#bounds;
      // The index of what lies below the log start may be gone.
      if (from < head.logStartOffset) throw new OffsetTrimmedError(from, head.logStartOffset);
      if (rewriteCount === before && rewriting === null) return { batches, aborted };
      await rewriting;
    }
    throw new StorageUnavailableError(`${this.#at(from)}: it is being compacted`);
  }

  async #read(from: number, options: ReadOptions): Promise<Uint8Array[]> {
    const { head } = this.#bounds;
    if (from < head.logStartOffset) throw new OffsetTrimmedError(from, head.logStartOffset);
    const upTo = Math.min(options.upTo, head.logEndOffset);
    const chosen: Located[] = [];
    let previous: Located | undefined;
    let size = 0;
    let next = from;
    while (next < upTo) {
      const limit = this.#pageFor(options.maxBytes - size);
      const page = await this.#entriesFrom(next, upTo, limit).catch((error: unknown) => {
        // What lies before a damaged or missing entry can be read; whoever asks for that next is told.
        if (chosen.length > 0 && error instanceof CorruptStorageError) return [];
        throw error;
      });
      const [first] = page;
      if (first === undefined) break;
      const fault = previous === undefined
        ? await this.#startFault(first)
        : this.#chainFault(previous, first);
      if (fault !== null) {
        // Of two that do not fit together nobody knows which is the wrong one, unless it shows.
        if (chosen.at(-1) === previous && !await this.#isDamaged(first)) chosen.pop();
        if (chosen.length === 0) throw fault;
        break;
      }
      for (const located of page) {
        const isKept = size + located.entry.sizeBytes <= options.maxBytes ||
          (chosen.length === 0 && options.minOneBatch);
        if (!isKept) {
          if (previous !== undefined) this.#rememberEnd(previous);
          return this.#soundBytesOf(chosen);
        }
        previous = located;
        if (located.entry.place.kind !== "hole") chosen.push(located);
        size += located.entry.sizeBytes;
        next = located.entry.lastOffset + 1;
      }
    }
    if (previous !== undefined) this.#rememberEnd(previous);
    return this.#soundBytesOf(chosen);
  }

  /** The bytes up to the first batch that is damaged; throws when that is the first one. So what lies before it can be read. */
  async #soundBytesOf(located: readonly Located[]): Promise<Uint8Array[]> {
    try {
      return await this.#bytesOf(located);
    } catch (error) {
      if (!(error instanceof CorruptStorageError) || located.length < 2) throw error;
    }
    const sound: Uint8Array[] = [];
    for (const each of located) {
      try {
        sound.push(...await this.#bytesOf([each]));
      } catch (error) {
        if (mutant("damage-skipped")) continue;
        if (!(error instanceof CorruptStorageError) || sound.length === 0) throw error;
        break;
      }
    }
    return sound;
  }

  /** Entries with their bytes, the first of which contains `from`, in about `maxBytes`; at least one. For the log's own writer. */
  async window(
    from: number,
    upTo: number,
    { maxBytes, maxCount }: { readonly maxBytes: number; readonly maxCount: number },
  ): Promise<LocatedBatch[]> {
    const limit = Math.min(maxCount, this.#pageFor(maxBytes));
    const { entries, fault } = await this.#pageFrom(from, upTo, limit);
    // What does not follow from what is before it must not decide what stays of it.
    if (fault !== null) throw fault;
    let size = 0;
    let count = 0;
    for (; count < entries.length && (count === 0 || size < maxBytes); count++) {
      size += entries[count]?.entry.sizeBytes ?? 0;
    }
    const chosen = entries.slice(0, count);
    const stored = chosen.filter(({ entry }) => entry.place.kind !== "hole");
    const bytes = await this.#bytesOf(stored);
    return chosen.map((located) => ({ ...located, bytes: bytes[stored.indexOf(located)] ?? null }));
  }

  /** Checks what is stored from `from` on; what compaction was at work on is looked at again. */
  async verify(from: number): Promise<LogVerification> {
    for (let attempt = 1;; attempt++) {
      const before = this.#bounds.rewriteCount;
      const found = await this.#verify(Math.max(from, this.#bounds.head.logStartOffset));
      const { rewriteCount, rewriting, head } = this.#bounds;
      const isCertain = (rewriteCount === before && rewriting === null && head.logStartOffset <= from) ||
        attempt === ATTEMPTS_MAX;
      if (found.faults.length === 0 || isCertain) return found;
      await rewriting;
    }
  }

  async #verify(from: number): Promise<LogVerification> {
    const { logEndOffset } = this.#bounds.head;
    const [containing] = await this.#storage.list(this.#keys.indexRange(0, from + 1), {
      limit: 1,
      reverse: true,
    });
    const start = containing === undefined ? from : baseOffsetOfKey(containing.key);
    const page = await this.#storage.list(this.#keys.indexRange(start, logEndOffset), { limit: VERIFY_PAGE });
    const step = new VerificationStep(from, logEndOffset);
    let isLast = page.length < VERIFY_PAGE;
    for (const [i, stored] of page.entries()) {
      const located = step.decode(stored);
      if (located === null || located.entry.lastOffset < from) continue;
      try {
        const [bytes] = located.entry.place.kind === "hole" ? [] : await this.#bytesOf([located]);
        if (bytes !== undefined) step.compare(located, bytes);
      } catch (error) {
        if (!(error instanceof CorruptStorageError)) throw error;
        step.fault(located.baseOffset, error);
      }
      if (step.sizeBytes < VERIFY_BYTES) continue;
      isLast &&= i === page.length - 1;
      break;
    }
    return step.end(isLast);
  }

  /** What a read finds wrong is only wrong when no compaction was at work meanwhile: then it reads again. */
  async #stable<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1;; attempt++) {
      const before = this.#bounds.rewriteCount;
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof CorruptStorageError) || attempt === ATTEMPTS_MAX) throw error;
        const { rewriteCount, rewriting } = this.#bounds;
        if (rewriteCount === before && rewriting === null) throw error;
        await rewriting;
      }
    }
  }

  /** A search whose beginning was deleted under it begins again at the new log start. */
  async #fromStart<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#stable(work);
      } catch (error) {
        if (!(error instanceof OffsetTrimmedError) || attempt === ATTEMPTS_MAX) throw error;
      }
    }
  }

  /** The oldest batches below `upTo`; none when there is none. For the log's own writer. */
  async oldestBatches(upTo: number): Promise<StoredBatch[]> {
    const { logStartOffset, logEndOffset } = this.#bounds.head;
    const end = Math.min(upTo, logEndOffset);
    if (logStartOffset >= end) return [];
    const found = await this.#entriesFrom(logStartOffset, end, CLEAN_PAGE);
    return found.map(({ entry }) => storedBatchOf(entry));
  }

  /** The first record at or above the log start and below `upTo` whose timestamp is at least `timestamp`. */
  offsetForTimestamp(timestamp: number, upTo: number): Promise<FoundRecord | null> {
    return this.#fromStart(() => this.#offsetForTimestamp(timestamp, upTo));
  }

  async #offsetForTimestamp(timestamp: number, upTo: number): Promise<FoundRecord | null> {
    const { head } = this.#bounds;
    if (head.maxTimestamp < timestamp) return null;
    const end = Math.min(upTo, head.logEndOffset);
    let from = head.logStartOffset;
    const candidate = await this.#firstReaching(timestamp);
    if (candidate === "none") return null;
    if (candidate !== "unknown") from = Math.max(from, candidate);
    while (from < end) {
      const page = await this.#entriesFrom(from, end, SCAN_PAGE);
      for (const located of page) {
        from = located.entry.lastOffset + 1;
        if (located.entry.maxTimestamp < timestamp || located.entry.place.kind === "hole") continue;
        const [bytes] = await this.#bytesOf([located]);
        for (const record of readRecords(bytes as Uint8Array)) {
          const isInside = record.offset >= head.logStartOffset && record.offset < end;
          if (isInside && record.timestamp >= timestamp) {
            return { offset: record.offset, timestamp: record.timestamp };
          }
        }
      }
    }
    return null;
  }

  /** The first record of those with the largest timestamp that is left in the log; null when none has a timestamp. */
  maxTimestampRecord(): Promise<FoundRecord | null> {
    return this.#fromStart(() => this.#maxTimestampRecord());
  }

  async #maxTimestampRecord(): Promise<FoundRecord | null> {
    const { maxTimestamp, maxTimestampOffset, logStartOffset, logEndOffset } = this.#bounds.head;
    if (maxTimestamp < 0) return null;
    // Most often the largest that ever was is still there.
    const found = maxTimestampOffset < logStartOffset
      ? null
      : await this.#offsetForTimestamp(maxTimestamp, logEndOffset);
    if (found !== null) return found;
    const { rewriteCount } = this.#bounds;
    const known = this.#largestLeft;
    const isKnown = known !== null && known.rewriteCount === rewriteCount &&
      (known.record === null || known.record.offset >= logStartOffset);
    const from = isKnown ? Math.max(known.upTo, logStartOffset) : logStartOffset;
    const record = await this.#largestFrom(from, logEndOffset, isKnown ? known.record : null);
    this.#largestLeft = { record, upTo: logEndOffset, rewriteCount };
    return record;
  }

  /** `known`, or the record above its timestamp that no other in [`from`, `end`) is above. */
  async #largestFrom(from: number, end: number, known: FoundRecord | null): Promise<FoundRecord | null> {
    let best = known;
    const looked = new Set<number>();
    while (true) {
      const candidate = await this.#largestEntry(from, end, { above: best?.timestamp ?? -1, looked });
      if (candidate === null) return best;
      looked.add(candidate.baseOffset);
      const [bytes] = await this.#bytesOf([candidate]);
      for (const { offset, timestamp } of readRecords(bytes as Uint8Array)) {
        // The batch that contains the log start has records below it.
        const isInside = offset >= this.#bounds.head.logStartOffset;
        if (isInside && timestamp > (best?.timestamp ?? -1)) best = { offset, timestamp };
      }
      if (best?.timestamp === candidate.entry.maxTimestamp) return best;
    }
  }

  /** The first of the entries with the largest timestamp; batches without records are passed over. */
  async #largestEntry(
    start: number,
    end: number,
    { above, looked }: { readonly above: number; readonly looked: ReadonlySet<number> },
  ): Promise<Located | null> {
    let largest: Located | null = null;
    for (let from = start; from < end;) {
      for (const located of await this.#entriesFrom(from, end, SCAN_PAGE)) {
        from = located.entry.lastOffset + 1;
        const { maxTimestamp, sizeBytes, place } = located.entry;
        const hasRecords = place.kind !== "hole" && sizeBytes > BATCH_OVERHEAD;
        if (!hasRecords || maxTimestamp <= (largest?.entry.maxTimestamp ?? above)) continue;
        if (!looked.has(located.baseOffset)) largest = located;
      }
    }
    return largest;
  }

  /**
   * An offset at or below the first batch that reaches `timestamp`, near it, by the sparse index; "unknown" when only a scan
   * from the log start tells, because batches below the log start reach it, which those above it were not measured by.
   */
  async #firstReaching(timestamp: number): Promise<number | "none" | "unknown"> {
    // -1 is what a batch without a timestamp has, and never rises.
    if (timestamp <= -1) return "unknown";
    const { logStartOffset, logEndOffset } = this.#bounds.head;
    const [lower, upper] = await Promise.all([
      this.#timeEntry(-Infinity, timestamp, true),
      this.#timeEntry(timestamp, Infinity, false),
    ]);
    if (upper !== null && upper.baseOffset < logStartOffset) return "unknown";
    let from = lower?.baseOffset ?? 0;
    if (from < logStartOffset) {
      if (await this.#mayReachBelowStart(timestamp, logStartOffset)) return "unknown";
      from = logStartOffset;
    }
    // Without a lower entry the first rise is the upper one.
    if (lower === null && upper !== null) return upper.baseOffset;
    const end = upper?.baseOffset ?? logEndOffset;
    let batches = 0;
    let bytes = 0;
    // One more than the distance, for the lower entry itself.
    while (from < end && batches <= TIME_ENTRY_BATCHES && bytes <= TIME_ENTRY_BYTES) {
      for (const { baseOffset, entry } of await this.#entriesFrom(from, end, SCAN_PAGE)) {
        if (entry.maxTimestamp >= timestamp) return baseOffset;
        // The batch that the index was measured by may have been among those that compaction took away.
        const wasCompacted = entry.chainCrc !== entry.crc;
        if (wasCompacted) return baseOffset;
        from = entry.lastOffset + 1;
        batches++;
        if (baseOffset !== lower?.baseOffset) bytes += entry.sizeBytes;
      }
    }
    return upper === null ? "none" : upper.baseOffset;
  }

  /** Whether a batch that was deleted, or soon will be, may have reached the timestamp. */
  async #mayReachBelowStart(timestamp: number, logStartOffset: number): Promise<boolean> {
    const [stored, below] = await Promise.all([
      this.#storage.get(this.#keys.trimmedTimestamp),
      this.#storage.list(this.#keys.indexRange(0, logStartOffset), { limit: 2 }),
    ]);
    const [first, second] = below.map((each) => this.#locate(each));
    // One entry may reach over the log start; more are not yet deleted, and not yet counted.
    if (second !== undefined) return true;
    if (first !== undefined && timestampBound(first.entry) >= timestamp) return true;
    if (stored !== null) return decodeTrimmedTimestamp(stored.value) >= timestamp;
    return first?.baseOffset !== 0;
  }

  async #timeEntry(from: number, to: number, reverse: boolean): Promise<TimeEntry | null> {
    const [found] = await this.#storage.list(this.#keys.timeRange(from, to), { limit: 1, reverse });
    return found === undefined ? null : timeEntryOfKey(found.key);
  }

  /**
   * Up to `limit` entries in order, the first of which contains `from`, and no further than to one that is damaged or missing or
   * does not follow the one before it; never empty when `from` < `upTo`.
   */
  async #entriesFrom(from: number, upTo: number, limit: number): Promise<readonly Located[]> {
    return (await this.#pageFrom(from, upTo, limit)).entries;
  }

  /** The same, and why the next entry does not follow them, when it can be read but does not. */
  async #pageFrom(from: number, upTo: number, limit: number): Promise<Page> {
    const stored = await this.#storage.list(this.#keys.indexRange(from, upTo), { limit });
    const entries: Located[] = [];
    // Whoever keeps up asks at a batch's first offset; else the batch began before it.
    if (stored[0] === undefined || baseOffsetOfKey(stored[0].key) !== from) {
      const range = this.#keys.indexRange(0, from);
      const before = (await this.#storage.list(range, { limit: 1, reverse: true })).map((each) =>
        this.#locate(each)
      )[0];
      if (before === undefined || before.entry.lastOffset < from) this.#throwHole(from);
      entries.push(before);
    }
    for (const each of stored) {
      const last = entries.at(-1);
      if (last !== undefined && baseOffsetOfKey(each.key) > last.entry.lastOffset + 1) break;
      let located: Located;
      try {
        located = this.#locate(each);
      } catch (error) {
        if (last === undefined || !(error instanceof CorruptStorageError)) throw error;
        break;
      }
      const fault = last === undefined ? null : this.#chainFault(last, located);
      if (fault !== null) return { entries, fault };
      entries.push(located);
    }
    return { entries, fault: null };
  }

  /**
   * Whether the first entry of a read follows the one before it, which readers that go on where they were know already. An
   * entry before it that is damaged itself says nothing.
   */
  async #startFault(first: Located): Promise<CorruptStorageError | null> {
    const { baseOffset, entry } = first;
    if (baseOffset === 0 || this.#ends.get(baseOffset) === entry.previousCrc) return null;
    const [stored] = await this.#storage.list(this.#keys.indexRange(0, baseOffset), {
      limit: 1,
      reverse: true,
    });
    if (stored === undefined) return null;
    let before: Located;
    try {
      before = this.#locate(stored);
    } catch (error) {
      if (!(error instanceof CorruptStorageError)) throw error;
      return null;
    }
    // Offsets that are missing, or an end that is wrong: whoever reads there is told.
    if (before.entry.lastOffset + 1 !== baseOffset) return null;
    const fault = this.#chainFault(before, first);
    return fault === null || await this.#isDamaged(before) ? null : fault;
  }

  /** Whether a batch is not what its entry says. */
  async #isDamaged(located: Located): Promise<boolean> {
    if (located.entry.place.kind === "hole") return false;
    try {
      await this.#bytesOf([located]);
      return false;
    } catch (error) {
      if (!(error instanceof CorruptStorageError)) throw error;
      return true;
    }
  }

  #rememberEnd({ entry }: Located): void {
    const end = entry.lastOffset + 1;
    this.#ends.delete(end);
    this.#ends.set(end, entry.chainCrc);
    if (this.#ends.size <= ENDS_MAX) return;
    for (const oldest of this.#ends.keys()) {
      this.#ends.delete(oldest);
      return;
    }
  }

  #locate(stored: StoredEntry): Located {
    try {
      return locate(stored);
    } catch (cause) {
      if (!(cause instanceof CorruptStorageError)) throw cause;
      throw new CorruptStorageError(`${this.#at(baseOffsetOfKey(stored.key))}: ${cause.message}`, { cause });
    }
  }

  /** How many entries to ask for: small batches lie in their entries, so a page of many may be large. */
  #pageFor(bytes: number): number {
    const { batchCount, head } = this.#bounds;
    const average = batchCount > 0 ? Math.max(1, head.sizeBytes / batchCount) : 1;
    const wanted = Math.ceil(Math.max(0, bytes) / average) + 1;
    return Math.min(wanted, this.#storage.limits.listPageMax);
  }

  #chainFault(before: Located, after: Located): CorruptStorageError | null {
    const isNext = after.baseOffset === before.entry.lastOffset + 1;
    if (isNext && after.entry.previousCrc === before.entry.chainCrc) return null;
    const why = "it does not follow the batch before it";
    return new CorruptStorageError(`${this.#at(after.baseOffset)}: ${why}`);
  }

  #throwHole(offset: number): never {
    const { logStartOffset } = this.#bounds.head;
    if (offset < logStartOffset) throw new OffsetTrimmedError(offset, logStartOffset);
    throw new CorruptStorageError(`${this.#at(offset)}: no index entry`);
  }

  async #bytesOf(located: readonly Located[]): Promise<Uint8Array[]> {
    const [chunks, extents] = await Promise.all([this.#chunksOf(located), this.#extentsOf(located)]);
    return located.map(({ baseOffset, entry }) => {
      const bytes = entry.place.kind === "inline"
        ? entry.place.bytes
        : chunks.get(baseOffset) ?? extents.get(baseOffset);
      if (bytes === undefined) {
        if (baseOffset < this.#bounds.head.logStartOffset) this.#throwHole(baseOffset);
        throw new CorruptStorageError(`${this.#at(baseOffset)}: pieces are missing`);
      }
      const isWhole = bytes.length === entry.sizeBytes && hasStoredCrc(bytes, entry.crc);
      const isInPlace = isWhole && lastOffsetOf(baseOffset, bytes) === entry.lastOffset;
      if (!isInPlace && !mutant("damage-served")) {
        throw new CorruptStorageError(`${this.#at(baseOffset)}: its bytes are not those that were written`);
      }
      return bytes;
    });
  }

  /** Reads the batches that lie in segment files; what a file does not have is left out. */
  async #extentsOf(located: readonly Located[]): Promise<Map<number, Uint8Array>> {
    const found = new Map<number, Uint8Array>();
    for (const run of runsOf(located)) {
      const name = this.#bounds.fileOf(run.fileNumber);
      // Trimmed meanwhile, or missing; the caller tells.
      if (name === null || this.#segments === null) continue;
      const bytes = new Uint8Array(run.end - run.start);
      let length: number;
      try {
        length = await this.#segments.use(name, (file) => file.read(bytes, run.start));
      } catch (cause) {
        // Trimmed between the two lines, or the disk fails.
        if (this.#bounds.fileOf(run.fileNumber) === null) continue;
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new StorageUnavailableError(`${this.#at(run.batches[0]?.baseOffset ?? 0)}: ${why}`, { cause });
      }
      for (const { baseOffset, entry, position } of run.batches) {
        const at = position - run.start;
        if (at + entry.sizeBytes <= length) found.set(baseOffset, bytes.subarray(at, at + entry.sizeBytes));
      }
    }
    return found;
  }

  /** Joins the pieces of the batches that have some: one scan over all of them, one copy of each piece. */
  async #chunksOf(located: readonly Located[]): Promise<Map<number, Uint8Array>> {
    const joined = new Map<number, Uint8Array>();
    const wanted = new Map<number, { readonly located: Located; readonly bytes: Uint8Array; left: number }>();
    let first = Infinity;
    let last = -1;
    for (const batch of located) {
      const { entry, baseOffset } = batch;
      if (entry.place.kind !== "chunks") continue;
      wanted.set(baseOffset, {
        located: batch,
        bytes: new Uint8Array(entry.sizeBytes),
        left: entry.place.chunkCount,
      });
      first = Math.min(first, baseOffset);
      last = baseOffset;
    }
    if (wanted.size === 0) return joined;
    const { end } = this.#keys.chunkRange(first, last + 1);
    let { start } = this.#keys.chunkRange(first, last + 1);
    let left = 0;
    for (const batch of wanted.values()) left += batch.left;
    while (left > 0) {
      const page = await this.#storage.list({ start, end }, { limit: left });
      if (page.length === 0) return joined;
      for (const piece of page) {
        const baseOffset = piece.key[4] as number;
        const batch = wanted.get(baseOffset);
        const place = batch?.located.entry.place;
        // Pieces of another attempt, not yet swept, may lie between.
        if (batch === undefined || place?.kind !== "chunks" || place.attempt !== piece.key[5]) continue;
        const at = (piece.key[6] as number) * place.chunkBytes;
        if (at + piece.value.length > batch.bytes.length) {
          throw new CorruptStorageError(`${this.#at(baseOffset)}: a piece is too long`);
        }
        batch.bytes.set(piece.value, at);
        left--;
        if (--batch.left === 0) joined.set(baseOffset, batch.bytes);
      }
      // The least key after the last one read.
      start = [...(page[page.length - 1] as StoredEntry).key, new Uint8Array()];
    }
    return joined;
  }

  #at(offset: number): string {
    return `Cannot read ${this.#name}, offset ${offset}`;
  }
}

export interface FoundRecord {
  readonly offset: number;
  readonly timestamp: number;
}

/** Entries that follow each other. */
interface Page {
  readonly entries: readonly Located[];
  readonly fault: CorruptStorageError | null;
}

/** Extents of one file, one behind the other. */
interface Run {
  readonly fileNumber: number;
  readonly start: number;
  end: number;
  readonly batches: (Located & { readonly position: number })[];
}

function runsOf(located: readonly Located[]): Run[] {
  const runs: Run[] = [];
  for (const batch of located) {
    const { place, sizeBytes } = batch.entry;
    if (place.kind !== "extent") continue;
    const { fileNumber, position } = place;
    const last = runs[runs.length - 1];
    const isNext = last?.fileNumber === fileNumber && last.end === position &&
      last.end + sizeBytes - last.start <= RUN_BYTES_MAX;
    const run = isNext ? last : { fileNumber, start: position, end: position, batches: [] };
    if (!isNext) runs.push(run);
    run.batches.push({ ...batch, position });
    run.end = position + sizeBytes;
  }
  return runs;
}

/** What retention needs to know: a batch without timestamps is as old as its append. */
export function storedBatchOf(
  { lastOffset, maxTimestamp, appendedMs, sizeBytes }: BatchIndexEntry,
): StoredBatch {
  return { lastOffset, maxTimestamp: maxTimestamp >= 0 ? maxTimestamp : appendedMs, sizeBytes };
}
