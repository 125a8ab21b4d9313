/**
 * Growable typed columns and a sort of positions: what keeps ten million operations in a few hundred megabytes.
 *
 * Pure. A column doubles when full; `view()` is only valid until the next `push`.
 */

type TypedArray = Uint8Array | Int32Array | Float64Array;

/** A typed array that grows at its end. */
export class Column<A extends TypedArray> {
  #array: A;
  #make: (length: number) => A;
  length = 0;

  constructor(make: (length: number) => A, capacity = 1024) {
    this.#make = make;
    this.#array = make(capacity);
  }

  push(value: number): void {
    if (this.length === this.#array.length) {
      const larger = this.#make(this.#array.length * 2);
      larger.set(this.#array);
      this.#array = larger;
    }
    this.#array[this.length++] = value;
  }

  at(index: number): number {
    return this.#array[index] ?? 0;
  }

  set(index: number, value: number): void {
    this.#array[index] = value;
  }

  /** The filled part, without a copy. */
  view(): A {
    return this.#array.subarray(0, this.length) as A;
  }
}

export function bytes(): Column<Uint8Array> {
  return new Column((length) => new Uint8Array(length));
}

export function ints(): Column<Int32Array> {
  return new Column((length) => new Int32Array(length));
}

export function floats(): Column<Float64Array> {
  return new Column((length) => new Float64Array(length));
}

/**
 * The positions 0..n-1 in rising order of their keys, equal keys in their old order.
 *
 * A merge sort over the runs that are already there: histories are almost sorted, so it takes a few passes.
 */
export function positionsByKey(keys: Float64Array): Int32Array {
  const count = keys.length;
  let from: Int32Array = new Int32Array(count);
  for (let i = 0; i < count; i++) from[i] = i;
  let runs = runStarts(keys);
  if (runs.length <= 2) return from;
  let to: Int32Array = new Int32Array(count);
  while (runs.length > 2) {
    const merged: number[] = [];
    for (let run = 0; run + 1 < runs.length; run += 2) {
      const start = runs[run] as number;
      const middle = runs[run + 1] as number;
      const end = run + 2 < runs.length ? runs[run + 2] as number : middle;
      merged.push(start);
      mergeRuns(keys, from, to, start, middle, end);
    }
    merged.push(count);
    [from, to] = [to, from];
    runs = merged;
  }
  return from;
}

/** Where rising runs start, and at last the length. */
function runStarts(keys: Float64Array): number[] {
  const starts: number[] = [0];
  for (let i = 1; i < keys.length; i++) {
    if ((keys[i] as number) < (keys[i - 1] as number)) starts.push(i);
  }
  if (keys.length > 0) starts.push(keys.length);
  return starts;
}

function mergeRuns(
  keys: Float64Array,
  from: Int32Array,
  to: Int32Array,
  start: number,
  middle: number,
  end: number,
): void {
  let left = start;
  let right = middle;
  for (let out = start; out < end; out++) {
    const takeLeft = left < middle &&
      (right >= end || (keys[from[left] as number] as number) <= (keys[from[right] as number] as number));
    to[out] = from[takeLeft ? left++ : right++] as number;
  }
}
