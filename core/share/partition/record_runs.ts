/**
 * Consecutive offsets with one fate each, as runs: what a share partition knows about the records between its start and
 * its end offset. Kafka's SharePartition keeps batches that fall apart into offsets; runs that split and merge are both.
 */
import { invariant } from "../../../lib/invariant.ts";

/** Kafka's RecordState. Acknowledged and archived are final: such a record is never delivered again. */
export type RecordState = "available" | "acquired" | "acknowledged" | "archived";

export interface RecordRun {
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
  readonly state: RecordState;
  /** How often the records were handed out; 0 where that no longer matters. */
  readonly deliveryCount: number;
  /** Member that holds the lock; null unless acquired. */
  readonly holder: string | null;
  /** When the lock runs out (monotonic); Infinity unless acquired. */
  readonly lockUntilMs: number;
}

export type RunFate = Omit<RecordRun, "first" | "last">;

export const ACKNOWLEDGED: RunFate = final("acknowledged");
export const ARCHIVED: RunFate = final("archived");

export function available(deliveryCount: number): RunFate {
  return { state: "available", deliveryCount, holder: null, lockUntilMs: Infinity };
}

export function isFinal({ state }: RunFate): boolean {
  return state === "acknowledged" || state === "archived";
}

export function runLength({ first, last }: RecordRun): number {
  return last - first + 1;
}

/** Runs without gaps between them, in order; equal neighbours are one. */
export class RecordRuns {
  #runs: RecordRun[] = [];

  get all(): readonly RecordRun[] {
    return this.#runs;
  }

  get count(): number {
    return this.#runs.length;
  }

  /** Adds records behind the last one. */
  append(run: RecordRun): void {
    const previous = this.#runs.at(-1);
    invariant(run.first <= run.last, `A run ends before it begins: ${run.first} to ${run.last}`);
    invariant(previous === undefined || previous.last + 1 === run.first, "Runs have a gap between them");
    if (previous !== undefined && haveSameFate(previous, run)) {
      this.#runs[this.#runs.length - 1] = { ...previous, last: run.last };
    } else this.#runs.push(run);
  }

  /** The runs with records from `first` to `last`, cut to that range. */
  within(first: number, last: number): RecordRun[] {
    const cut: RecordRun[] = [];
    for (let i = this.#indexFrom(first); i < this.#runs.length; i++) {
      const run = this.#runs[i];
      if (run === undefined || run.first > last) break;
      cut.push(
        run.first >= first && run.last <= last
          ? run
          : { ...run, first: Math.max(run.first, first), last: Math.min(run.last, last) },
      );
    }
    return cut;
  }

  /** Gives the records from `first` to `last` a new fate; null leaves a run as it is. Returns how many records changed. */
  change(first: number, last: number, fateOf: (run: RecordRun) => RunFate | null): number {
    const begin = this.#indexFrom(first);
    let end = begin;
    let changedCount = 0;
    const replaced: RecordRun[] = [];
    for (; end < this.#runs.length; end++) {
      const run = this.#runs[end];
      if (run === undefined || run.first > last) break;
      const from = Math.max(run.first, first);
      const to = Math.min(run.last, last);
      const fate = fateOf({ ...run, first: from, last: to });
      if (fate === null || haveSameFate(run, fate)) {
        replaced.push(run);
        continue;
      }
      changedCount += to - from + 1;
      if (run.first < from) replaced.push({ ...run, last: from - 1 });
      replaced.push({ ...fate, first: from, last: to });
      if (run.last > to) replaced.push({ ...run, first: to + 1 });
    }
    if (changedCount > 0) this.#replace(begin, end, replaced);
    return changedCount;
  }

  /** Forgets the records below `offset`. */
  dropBelow(offset: number): void {
    const begin = this.#indexFrom(offset);
    const kept = begin === 0 ? this.#runs : this.#runs.slice(begin);
    const head = kept[0];
    if (head !== undefined && head.first < offset) kept[0] = { ...head, first: offset };
    this.#runs = kept;
  }

  clear(): void {
    this.#runs = [];
  }

  /** Puts `replaced` in the place of the runs from `begin` to `end`, and merges equal neighbours there. */
  #replace(begin: number, end: number, replaced: readonly RecordRun[]): void {
    const before = Math.max(begin - 1, 0);
    const merged: RecordRun[] = [];
    for (const run of [...this.#runs.slice(before, begin), ...replaced, ...this.#runs.slice(end, end + 1)]) {
      const previous = merged.at(-1);
      if (previous !== undefined && haveSameFate(previous, run)) {
        merged[merged.length - 1] = { ...previous, last: run.last };
      } else merged.push(run);
    }
    // Not splice(...merged): an argument list has a bound.
    this.#runs = [...this.#runs.slice(0, before), ...merged, ...this.#runs.slice(end + 1)];
  }

  /** Index of the first run that ends at `offset` or later. */
  #indexFrom(offset: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#runs[middle]?.last ?? Infinity) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function haveSameFate(a: RunFate, b: RunFate): boolean {
  return a.state === b.state && a.deliveryCount === b.deliveryCount && a.holder === b.holder &&
    a.lockUntilMs === b.lockUntilMs;
}

function final(state: RecordState): RunFate {
  return { state, deliveryCount: 0, holder: null, lockUntilMs: Infinity };
}
