/**
 * The tail cache: the newest durable batches of each partition, so that consumers that keep up never touch storage.
 * All partitions of a process share one budget; over it, the batches that were cached first are dropped first.
 */
import { invariant } from "../lib/invariant.ts";

export interface CachedBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly bytes: Uint8Array;
}

/** Spent entries of the order that are not worth tidying up. */
const ENTRIES_KEPT = 1_024;

/** The budget that the partitions of one process share. */
export class TailCacheBudget {
  readonly #bytesMax: number;
  #bytes = 0;
  readonly onRead: (isHit: boolean) => void;
  /** In the order of caching, over all partitions; a hole is a batch that its partition dropped itself. */
  #order: TailCache[] = [];
  #first = 0;
  /** About how many entries belong to partitions that stopped. */
  #abandonedCount = 0;

  /** `onRead` is told of each read whether the cache had it. */
  constructor(bytesMax: number, onRead: (isHit: boolean) => void = () => {}) {
    this.#bytesMax = bytesMax;
    this.onRead = onRead;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** `entryCount` entries of a partition that stopped will drop nothing any more. */
  abandoned(entryCount: number): void {
    this.#abandonedCount += entryCount;
    if (this.#abandonedCount < ENTRIES_KEPT || this.#abandonedCount * 2 < this.#order.length) return;
    this.#order = this.#order.slice(this.#first).filter((cache) => !cache.isCleared);
    this.#first = 0;
    this.#abandonedCount = 0;
  }

  /** Accounts for a batch of `cache` and drops the oldest ones over the budget. */
  added(cache: TailCache, byteLength: number): void {
    this.#bytes += byteLength;
    this.#order.push(cache);
    while (this.#bytes > this.#bytesMax && this.#first < this.#order.length) {
      this.#order[this.#first++]?.dropOldest();
    }
    if (this.#first > ENTRIES_KEPT && this.#first * 2 > this.#order.length) {
      this.#order = this.#order.slice(this.#first);
      this.#first = 0;
    }
  }

  removed(byteLength: number): void {
    this.#bytes -= byteLength;
    invariant(this.#bytes >= 0, "The tail cache gave back more than it took");
  }
}

/** One partition's part: a contiguous run of batches that ends at the high watermark. */
export class TailCache {
  readonly #budget: TailCacheBudget;
  /** Below `#first` are holes, so that nothing of what was dropped is kept. */
  #batches: (CachedBatch | undefined)[] = [];
  #first = 0;
  #cleared = false;

  constructor(budget: TailCacheBudget) {
    this.#budget = budget;
  }

  /** Adds the batch that follows the last one. */
  add(batch: CachedBatch): void {
    if (this.#cleared) return;
    const last = this.#batches.at(-1);
    invariant(
      this.#first === this.#batches.length || last?.lastOffset === batch.baseOffset - 1,
      "The tail cache must be contiguous",
    );
    this.#batches.push({ ...batch, bytes: unpinned(batch.bytes) });
    this.#budget.added(this, batch.bytes.byteLength);
  }

  dropOldest(): void {
    const batch = this.#batches[this.#first];
    if (batch === undefined) return;
    this.#batches[this.#first++] = undefined;
    this.#budget.removed(batch.bytes.byteLength);
    if (this.#first > 256 && this.#first * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Drops the batches that begin below `offset`, which are not those of the log any more. */
  dropBelow(offset: number): void {
    while ((this.#batches[this.#first]?.baseOffset ?? Infinity) < offset) this.dropOldest();
  }

  /** Gives everything back; used when the partition's actor stops. */
  clear(): void {
    const count = this.#batches.length - this.#first;
    while (this.#first < this.#batches.length) this.dropOldest();
    this.#batches = [];
    this.#first = 0;
    this.#cleared = true;
    this.#budget.abandoned(count);
  }

  /** Whether the partition has stopped. */
  get isCleared(): boolean {
    return this.#cleared;
  }

  /**
   * Whole batches from the one that holds `offset` up to `upTo` (exclusive), or null when the cache does not reach back
   * that far. With `minOneBatch` the first batch is returned even if it is larger than `maxBytes`.
   */
  read(offset: number, upTo: number, maxBytes: number, minOneBatch: boolean): Uint8Array[] | null {
    let index = this.#indexOf(offset);
    this.#budget.onRead(index !== null);
    if (index === null) return null;
    const found: Uint8Array[] = [];
    let bytes = 0;
    for (; index < this.#batches.length; index++) {
      const batch = this.#batches[index];
      if (batch === undefined || batch.baseOffset >= upTo) break;
      const fits = bytes + batch.bytes.byteLength <= maxBytes;
      if (!fits && !(minOneBatch && found.length === 0)) break;
      found.push(batch.bytes);
      bytes += batch.bytes.byteLength;
    }
    return found;
  }

  /**
   * Bytes from the batch that holds `offset` up to `upTo` (exclusive), or until there are `atLeast`; null when the cache
   * does not reach back that far.
   */
  bytesFrom(offset: number, atLeast: number, upTo = Infinity): number | null {
    let index = this.#indexOf(offset);
    if (index === null) return null;
    let bytes = 0;
    for (; index < this.#batches.length && bytes < atLeast; index++) {
      const batch = this.#batches[index];
      if (batch === undefined || batch.baseOffset >= upTo) break;
      bytes += batch.bytes.byteLength;
    }
    return bytes;
  }

  #indexOf(offset: number): number | null {
    let low = this.#first;
    let high = this.#batches.length - 1;
    const oldest = this.#batches[low];
    if (oldest === undefined || offset < oldest.baseOffset) return null;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const batch = this.#batches[middle];
      if (batch !== undefined && batch.lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The bytes without the request frame around them, when that is much more than they: the cache would keep all of it. */
function unpinned(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength * 2 < bytes.buffer.byteLength ? bytes.slice() : bytes;
}
