/**
 * The reading half of a partition's log: ranges of whole batches, and the search by timestamp.
 *
 * Everything read is checked: the length and CRC of each batch against its index entry, and that each entry begins
 * where the one before it ended. A hole below the log start is trimmed data, any other is `CorruptStorageError`.
 * A scan is not a snapshot, which is harmless: entries are written once, below a bound that the caller read first.
 */
import type { LogHead } from "../core/partition/log_head.ts";
import type { StoredBatch } from "../core/partition/retention.ts";
import { readRecords } from "../protocol/records/record_batch.ts";
import { CorruptStorageError, StorageUnavailableError } from "./errors.ts";
import { type BatchIndexEntry, decodeBatchIndex } from "./keys/batch_index.ts";
import { baseOffsetOfKey, type PartitionKeys } from "./keys/partition.ts";
import { TIME_ENTRY_BATCHES, TIME_ENTRY_BYTES, type TimeEntry, timeEntryOfKey } from "./keys/time_index.ts";
import { OffsetTrimmedError } from "./log_errors.ts";
import type { PartitionSegments, SegmentName } from "./segments.ts";
import type { Storage, StoredEntry } from "./storage.ts";
import { hasStoredCrc } from "./stored_crc.ts";

export interface ReadOptions {
  readonly maxBytes: number;
  /** Kafka's rule: the first batch is returned even if it is larger than `maxBytes`. */
  readonly minOneBatch: boolean;
  /** Exclusive; a durable offset. */
  readonly upTo: number;
}

/** What the reader needs to know of the log's writer: always the newest. */
export interface LogBounds {
  readonly head: LogHead;
  readonly batchCount: number;
  /** Null when no index entry names that file any more. */
  fileOf(number: number): SegmentName | null;
}

interface Located {
  readonly baseOffset: number;
  readonly entry: BatchIndexEntry;
}

/** Extents that follow each other in a file are read at once up to this size. */
const RUN_BYTES_MAX = 8 * 1_024 * 1_024;

/** Entries that one step of retention looks at. */
const CLEAN_PAGE = 100;

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

  constructor(options: LogReaderOptions) {
    this.#storage = options.storage;
    this.#keys = options.keys;
    this.#name = options.name;
    this.#bounds = options.bounds;
    this.#segments = options.segments;
  }

  /** Whole batches, the first of which contains `from`. Throws `OffsetTrimmedError`, `CorruptStorageError`. */
  async read(from: number, options: ReadOptions): Promise<Uint8Array[]> {
    const { head } = this.#bounds;
    if (from < head.logStartOffset) throw new OffsetTrimmedError(from, head.logStartOffset);
    const upTo = Math.min(options.upTo, head.logEndOffset);
    const chosen: Located[] = [];
    let size = 0;
    let next = from;
    while (next < upTo) {
      const limit = this.#pageFor(options.maxBytes - size);
      const page = await this.#entriesFrom(next, upTo, limit);
      for (const located of page) {
        const isKept = size + located.entry.sizeBytes <= options.maxBytes ||
          (chosen.length === 0 && options.minOneBatch);
        if (!isKept) return this.#bytesOf(chosen);
        this.#checkChain(chosen[chosen.length - 1], located);
        chosen.push(located);
        size += located.entry.sizeBytes;
        next = located.entry.lastOffset + 1;
      }
    }
    return this.#bytesOf(chosen);
  }

  /** The oldest batches below `upTo`; none when there is none. */
  async oldestBatches(upTo: number): Promise<StoredBatch[]> {
    const { logStartOffset, logEndOffset } = this.#bounds.head;
    const end = Math.min(upTo, logEndOffset);
    if (logStartOffset >= end) return [];
    const found = await this.#entriesFrom(logStartOffset, end, CLEAN_PAGE);
    return found.map(({ entry: { lastOffset, maxTimestamp, sizeBytes } }) => ({
      lastOffset,
      maxTimestamp,
      sizeBytes,
    }));
  }

  /** The first record at or above the log start and below `upTo` whose timestamp is at least `timestamp`. */
  async offsetForTimestamp(timestamp: number, upTo: number): Promise<FoundRecord | null> {
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
        if (located.entry.maxTimestamp < timestamp) continue;
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

  /**
   * Base offset of the first batch that reaches `timestamp`, by the sparse index; "unknown" when part of what the index
   * speaks of is trimmed, so that only a scan from the log start tells.
   */
  async #firstReaching(timestamp: number): Promise<number | "none" | "unknown"> {
    // -1 is what a batch without a timestamp has, and never rises.
    if (timestamp <= -1) return "unknown";
    const { logStartOffset, logEndOffset } = this.#bounds.head;
    const [lower, upper] = await Promise.all([
      this.#timeEntry(-Infinity, timestamp, true),
      this.#timeEntry(timestamp, Infinity, false),
    ]);
    if (lower === null) {
      if (upper === null || upper.baseOffset < logStartOffset) return "unknown";
      return upper.baseOffset;
    }
    if (lower.baseOffset < logStartOffset) return "unknown";
    const end = upper?.baseOffset ?? logEndOffset;
    let from = lower.baseOffset;
    let batches = 0;
    let bytes = 0;
    // One more than the distance, for the lower entry itself.
    while (from < end && batches <= TIME_ENTRY_BATCHES && bytes <= TIME_ENTRY_BYTES) {
      for (const { baseOffset, entry } of await this.#entriesFrom(from, end, SCAN_PAGE)) {
        if (entry.maxTimestamp >= timestamp) return baseOffset;
        from = entry.lastOffset + 1;
        batches++;
        if (baseOffset !== lower.baseOffset) bytes += entry.sizeBytes;
      }
    }
    return upper === null ? "none" : upper.baseOffset;
  }

  async #timeEntry(from: number, to: number, reverse: boolean): Promise<TimeEntry | null> {
    const [found] = await this.#storage.list(this.#keys.timeRange(from, to), { limit: 1, reverse });
    return found === undefined ? null : timeEntryOfKey(found.key);
  }

  /** Up to `limit` entries in order, the first of which contains `from`; never empty when `from` < `upTo`. */
  async #entriesFrom(from: number, upTo: number, limit: number): Promise<Located[]> {
    const found = (await this.#storage.list(this.#keys.indexRange(from, upTo), { limit })).map(locate);
    // Whoever keeps up asks at a batch's first offset; else the batch began before it.
    if (found[0]?.baseOffset !== from) {
      const range = this.#keys.indexRange(0, from);
      const before = (await this.#storage.list(range, { limit: 1, reverse: true })).map(locate)[0];
      if (before === undefined || before.entry.lastOffset < from) this.#throwHole(from);
      found.unshift(before);
    }
    for (let i = 1; i < found.length; i++) this.#checkChain(found[i - 1], found[i] as Located);
    return found;
  }

  /** How many entries to ask for: small batches lie in their entries, so a page of many may be large. */
  #pageFor(bytes: number): number {
    const { batchCount, head } = this.#bounds;
    const average = batchCount > 0 ? Math.max(1, head.sizeBytes / batchCount) : 1;
    const wanted = Math.ceil(Math.max(0, bytes) / average) + 1;
    return Math.min(wanted, this.#storage.limits.listPageMax);
  }

  #checkChain(before: Located | undefined, after: Located): void {
    if (before === undefined) return;
    const isNext = after.baseOffset === before.entry.lastOffset + 1;
    if (!isNext) this.#throwHole(before.entry.lastOffset + 1);
    if (after.entry.previousCrc !== before.entry.crc) {
      throw new CorruptStorageError(`${this.#at(after.baseOffset)}: it does not follow the batch before it`);
    }
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
      if (bytes.length !== entry.sizeBytes || !hasStoredCrc(bytes, entry.crc)) {
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

function locate(stored: StoredEntry): Located {
  return { baseOffset: baseOffsetOfKey(stored.key), entry: decodeBatchIndex(stored.value) };
}
