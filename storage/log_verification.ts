/**
 * One step of a look through a log that is in use: every entry decoded, in its place in the chain of offsets and CRCs. The bytes are
 * the reader's to check. For a store that nobody uses there is `storage_check.ts`, which also finds what no entry names.
 */
import { iterateRecords, readBatchHeader, RecordError } from "../protocol/records/record_batch.ts";
import { CorruptStorageError } from "./errors.ts";
import { type BatchIndexEntry, decodeBatchIndex } from "./keys/batch_index.ts";
import { baseOffsetOfKey } from "./keys/partition.ts";
import type { StoredEntry } from "./storage.ts";

export interface LogVerification {
  /** Where the next step begins; null at the log's end. */
  readonly next: number | null;
  readonly batchCount: number;
  readonly sizeBytes: number;
  /** One line each; none when all is well. */
  readonly faults: readonly string[];
}

/** An index entry and where it stands. */
export interface Located {
  readonly baseOffset: number;
  readonly entry: BatchIndexEntry;
}

/** Throws `CorruptStorageError`. */
export function locate(stored: StoredEntry): Located {
  const baseOffset = baseOffsetOfKey(stored.key);
  const entry = decodeBatchIndex(stored.value);
  if (entry.lastOffset >= baseOffset) return { baseOffset, entry };
  throw new CorruptStorageError(`Cannot read batch index entry: it ends at ${entry.lastOffset}`);
}

/** What an entry says otherwise than its batch, whose bytes are sound; entries without a seal may be damaged unnoticed. */
export function entryFault(baseOffset: number, entry: BatchIndexEntry, batch: Uint8Array): string | null {
  const { maxTimestamp, lastOffsetDelta } = readBatchHeader(batch);
  if (baseOffset + lastOffsetDelta !== entry.lastOffset) return `its entry ends at ${entry.lastOffset}`;
  if (maxTimestamp === entry.maxTimestamp) return null;
  // Producers may write anything into that field; the entry has what the records say.
  let recordsMax = -1;
  try {
    for (const { timestamp } of iterateRecords(batch)) recordsMax = Math.max(recordsMax, timestamp);
  } catch (error) {
    if (error instanceof RecordError) return `its records cannot be read: ${error.message}`;
    throw error;
  }
  return recordsMax === entry.maxTimestamp ? null : `its entry has timestamp ${entry.maxTimestamp}`;
}

export class VerificationStep {
  readonly #upTo: number;
  #next: number;
  #previous: Located | null = null;
  /** Behind an entry that could not be read. */
  #isLost = false;
  #batchCount = 0;
  #sizeBytes = 0;
  readonly #faults: string[] = [];

  /** From an offset at an entry or in one. */
  constructor(from: number, upTo: number) {
    this.#next = from;
    this.#upTo = upTo;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** The entry, counted and held against the one before; null when it cannot be read. */
  decode(stored: StoredEntry): Located | null {
    const baseOffset = baseOffsetOfKey(stored.key);
    let located: Located;
    try {
      located = locate(stored);
    } catch (error) {
      if (!(error instanceof CorruptStorageError)) throw error;
      this.fault(baseOffset, error);
      this.#previous = null;
      this.#isLost = true;
      this.#next = Math.max(this.#next, baseOffset + 1);
      return null;
    }
    const { entry } = located;
    const previous = this.#previous;
    // Behind an entry that cannot be read nobody knows where the next one should begin.
    if (baseOffset > this.#next && !this.#isLost) {
      this.#faults.push(`offsets ${this.#next} to ${baseOffset} are missing`);
    } else if (previous !== null && entry.previousCrc !== previous.entry.chainCrc) {
      this.#faults.push(`offset ${baseOffset}: it does not follow the batch before it`);
    }
    this.#isLost = false;
    this.#previous = located;
    if (entry.lastOffset < this.#next) return located;
    this.#next = entry.lastOffset + 1;
    this.#batchCount++;
    this.#sizeBytes += entry.sizeBytes;
    return located;
  }

  /** `batch`: the bytes that were read for it. */
  compare({ baseOffset, entry }: Located, batch: Uint8Array): void {
    const fault = entryFault(baseOffset, entry, batch);
    if (fault !== null) this.#faults.push(`offset ${baseOffset}: ${fault}`);
  }

  fault(baseOffset: number, error: Error): void {
    const { message } = error;
    this.#faults.push(message.includes("offset") ? message : `offset ${baseOffset}: ${message}`);
  }

  /** `isLast`: no entry follows those that were given. */
  end(isLast: boolean): LogVerification {
    if (isLast && this.#next < this.#upTo && !this.#isLost) {
      this.#faults.push(`offsets ${this.#next} to ${this.#upTo} are missing`);
    }
    return {
      next: isLast || this.#next >= this.#upTo ? null : this.#next,
      batchCount: this.#batchCount,
      sizeBytes: this.#sizeBytes,
      faults: this.#faults,
    };
  }
}
