/**
 * Names and values as small integers, so that the rules compare and index numbers.
 *
 * Pure. Integer values lie in an open-addressing table over typed arrays (about 25 bytes each), strings in a Map.
 */

import { floats, ints } from "./columns.ts";
import type { Value } from "./history_format.ts";

/** Strings to dense ids and back. */
export class Names {
  #ids = new Map<string, number>();
  readonly all: string[] = [];

  id(name: string): number {
    let id = this.#ids.get(name);
    if (id === undefined) {
      id = this.all.length;
      this.#ids.set(name, id);
      this.all.push(name);
    }
    return id;
  }

  /** The id of a name that was seen, or -1. */
  find(name: string): number {
    return this.#ids.get(name) ?? -1;
  }

  name(id: number): string {
    return this.all[id] ?? `#${id}`;
  }
}

/** Pairs (partition, value) to dense ids and back. */
export class Values {
  #slots = new Int32Array(1024).fill(-1);
  #partition = ints();
  /** The integer itself, or NaN for a string, which then lies in `#strings`. */
  #number = floats();
  #strings = new Map<number, string>();
  #stringIds: Map<string, number>[] = [];

  get count(): number {
    return this.#partition.length;
  }

  /** The id of the pair, a new one when it was never seen. */
  id(partition: number, value: Value): number {
    if (typeof value === "string") return this.#stringId(partition, value);
    const slot = this.#slot(partition, value);
    const known = this.#slots[slot] as number;
    if (known >= 0) return known;
    const id = this.#add(partition, value);
    this.#slots[slot] = id;
    if (this.count * 2 > this.#slots.length) this.#grow();
    return id;
  }

  /** The id of a pair that was seen, or -1. */
  find(partition: number, value: Value): number {
    if (typeof value === "string") return this.#stringIds[partition]?.get(value) ?? -1;
    return this.#slots[this.#slot(partition, value)] as number;
  }

  partitionOf(id: number): number {
    return this.#partition.at(id);
  }

  valueOf(id: number): Value {
    return this.#strings.get(id) ?? this.#number.at(id);
  }

  #stringId(partition: number, value: string): number {
    const ids = this.#stringIds[partition] ??= new Map();
    let id = ids.get(value);
    if (id === undefined) {
      id = this.#add(partition, NaN);
      ids.set(value, id);
      this.#strings.set(id, value);
    }
    return id;
  }

  #add(partition: number, value: number): number {
    this.#partition.push(partition);
    this.#number.push(value);
    return this.count - 1;
  }

  /** The slot of the pair, or the empty one where it belongs. */
  #slot(partition: number, value: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash(partition, value) & mask;
    for (;;) {
      const id = this.#slots[slot] as number;
      if (id < 0 || (this.#number.at(id) === value && this.#partition.at(id) === partition)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1);
    for (let id = 0; id < this.count; id++) {
      const value = this.#number.at(id);
      if (!Number.isNaN(value)) this.#slots[this.#slot(this.#partition.at(id), value)] = id;
    }
  }
}

function hash(partition: number, value: number): number {
  const high = Math.floor(value / 0x100000000);
  let mixed = Math.imul(value | 0, 0x9e3779b1) ^ Math.imul(high | 0, 0x85ebca6b) ^
    Math.imul(partition + 1, 0xc2b2ae35);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}
