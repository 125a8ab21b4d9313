/**
 * What the log of each partition must have been, from what clients saw of it.
 *
 * The structure that Jepsen's `jepsen.tests.kafka` builds first: which operations are committed, offset -> values, and
 * the dense order of the offsets that hold a value (holes are legal: control records, compaction). Pure.
 */

import { HAS_READ, type History, IN_TXN, INFO, OK, READ, READ_COMMITTED, SEND, WEAK } from "./history.ts";

/** One partition: offsets that hold a value in rising order; the position in these arrays is the index. */
export interface PartitionLog {
  readonly offsets: Float64Array;
  /** The value seen first at that index. */
  readonly values: Int32Array;
  /** Index -> further values that were seen there. */
  readonly conflicts: ReadonlyMap<number, readonly number[]>;
}

export interface LogOrder {
  /** By operation: ok, or unknown but seen to have happened. */
  readonly committed: Uint8Array;
  /** By partition. */
  readonly logs: readonly PartitionLog[];
  /** By value: first and last index that holds it; −1 when it is nowhere in the log. */
  readonly firstIndex: Int32Array;
  readonly lastIndex: Int32Array;
  /** By value: 1 when a poll of an ok operation returned it. */
  readonly isRead: Uint8Array;
}

const PAGE_SIZE = 256;

/** Offsets of one partition while they are collected: pages, so that both dense and far-apart offsets stay small. */
class LogPages {
  #pages = new Map<number, Int32Array>();
  #conflicts = new Map<number, number[]>();
  #lastNumber = -1;
  #lastPage: Int32Array | null = null;

  add(offset: number, value: number): void {
    const number = Math.floor(offset / PAGE_SIZE);
    const page = this.#page(number);
    const slot = offset - number * PAGE_SIZE;
    const held = page[slot] as number;
    if (held < 0) page[slot] = value;
    else if (held !== value) {
      const more = this.#conflicts.get(offset);
      if (more === undefined) this.#conflicts.set(offset, [value]);
      else if (!more.includes(value)) more.push(value);
    }
  }

  #page(number: number): Int32Array {
    if (number === this.#lastNumber && this.#lastPage !== null) return this.#lastPage;
    let page = this.#pages.get(number);
    if (page === undefined) this.#pages.set(number, page = new Int32Array(PAGE_SIZE).fill(-1));
    this.#lastNumber = number;
    this.#lastPage = page;
    return page;
  }

  finish(): PartitionLog {
    const numbers = Float64Array.from(this.#pages.keys()).sort();
    let count = 0;
    for (const page of this.#pages.values()) for (const value of page) if (value >= 0) count++;
    const offsets = new Float64Array(count);
    const values = new Int32Array(count);
    const conflicts = new Map<number, readonly number[]>();
    let index = 0;
    for (const number of numbers) {
      const page = this.#pages.get(number) as Int32Array;
      for (let slot = 0; slot < PAGE_SIZE; slot++) {
        const value = page[slot] as number;
        if (value < 0) continue;
        offsets[index] = number * PAGE_SIZE + slot;
        values[index] = value;
        const more = this.#conflicts.get(number * PAGE_SIZE + slot);
        if (more !== undefined) conflicts.set(index, more);
        index++;
      }
      this.#pages.delete(number);
    }
    return { offsets, values, conflicts };
  }
}

/** Builds the order of all logs: committed writes with a known offset, and whatever any poll returned. */
export function buildLogOrder(history: History): LogOrder {
  const isRead = new Uint8Array(history.values.count);
  const committed = findCommitted(history, isRead);
  const pages = history.partitions.all.map(() => new LogPages());
  const { microStart, microKind, microValue, microOffset, flags } = history;
  for (let op = 0; op < history.operationCount; op++) {
    const trustSends = committed[op] === 1 && ((flags[op] as number) & WEAK) === 0;
    for (let i = microStart[op] as number; i < (microStart[op + 1] as number); i++) {
      const kind = microKind[i];
      const offset = microOffset[i] as number;
      if (offset < 0 || !(kind === READ || (kind === SEND && trustSends))) continue;
      const value = microValue[i] as number;
      pages[history.values.partitionOf(value)]?.add(offset, value);
    }
  }
  const logs = pages.map((page) => page.finish());
  const firstIndex = new Int32Array(history.values.count).fill(-1);
  const lastIndex = new Int32Array(history.values.count).fill(-1);
  const note = (value: number, index: number) => {
    if ((firstIndex[value] as number) < 0) firstIndex[value] = index;
    lastIndex[value] = index;
  };
  for (const log of logs) {
    for (let index = 0; index < log.values.length; index++) {
      note(log.values[index] as number, index);
      if (log.conflicts.size > 0) { for (const value of log.conflicts.get(index) ?? []) note(value, index); }
    }
  }
  return { committed, logs, firstIndex, lastIndex, isRead };
}

/**
 * ok, or info with at least one send that an ok poll returned. A poll at read_uncommitted shows that a transaction
 * wrote, not that it committed.
 */
function findCommitted(history: History, isRead: Uint8Array): Uint8Array {
  const { type, flags, writer, microStart, microKind, microValue } = history;
  const committed = new Uint8Array(history.operationCount);
  for (let op = 0; op < history.operationCount; op++) {
    if (type[op] !== OK) continue;
    committed[op] = 1;
    const bits = flags[op] as number;
    if ((bits & HAS_READ) === 0) continue;
    for (let i = microStart[op] as number; i < (microStart[op + 1] as number); i++) {
      if (microKind[i] !== READ) continue;
      const value = microValue[i] as number;
      isRead[value] = 1;
      const by = writer[value] as number;
      if (by < 0 || type[by] !== INFO) continue;
      if (((flags[by] as number) & IN_TXN) === 0 || (bits & READ_COMMITTED) !== 0) committed[by] = 1;
    }
  }
  return committed;
}

/** The first index of `log` whose offset is at least `offset`; the log's length when there is none. */
export function indexAtOrAfter(log: PartitionLog, offset: number): number {
  const { offsets } = log;
  const guess = offset - (offsets[0] ?? 0);
  if (offsets[guess] === offset) return guess;
  let low = 0;
  let high = offsets.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((offsets[middle] as number) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
