/**
 * The newest offset of each key, in memory of a known size: what compaction holds against every record. Keys are kept as 128-bit
 * hashes in typed arrays, 24 bytes each, so a million keys take some 40 MB whatever their length.
 * Source: Kafka's SkimpyOffsetMap, which keeps MD5 hashes.
 */
import { hash128 } from "../../lib/hash128.ts";

const ENTRY_BYTES = 24;
const FIRST_SLOTS = 1_024;
/** Beyond it the table is made larger, up to its bound. */
const LOAD_MAX = 0.75;
/** `log.cleaner.io.buffer.load.factor`: how full the largest table becomes. */
const LOAD_FULL = 0.9;
/** Kafka refuses to start with less than a few thousand entries. */
const BYTES_MIN = 1_048_576;

export class OffsetMap {
  readonly #seed: number;
  readonly #slotsMax: number;
  #slots = FIRST_SLOTS;
  #hashes = new Uint32Array(FIRST_SLOTS * 4);
  /** Offset + 1; 0 is an empty slot. */
  #offsets = new Float64Array(FIRST_SLOTS);
  #size = 0;
  readonly #hash = new Uint32Array(4);

  /** `bytesMax` as in `log.cleaner.dedupe.buffer.size`; the seed should be random. */
  constructor(bytesMax: number, seed: number) {
    this.#seed = seed | 0;
    this.#slotsMax = 2 ** Math.floor(Math.log2(Math.max(BYTES_MIN, bytesMax) / ENTRY_BYTES));
  }

  /** Number of keys. */
  get size(): number {
    return this.#size;
  }

  get byteLength(): number {
    return this.#slots * ENTRY_BYTES;
  }

  /** Whether it should take no further batch. One more still finds its place. */
  get isFull(): boolean {
    return this.#size >= this.#slotsMax * LOAD_FULL;
  }

  /** The newest offset put for the key; -1 for none. */
  get(key: Uint8Array): number {
    return (this.#offsets[this.#slotOf(key)] ?? 0) - 1;
  }

  /** Offsets are put in rising order. */
  put(key: Uint8Array, offset: number): void {
    const load = this.#slots < this.#slotsMax ? LOAD_MAX : (1 + LOAD_FULL) / 2;
    if (this.#size >= this.#slots * load) this.#grow();
    const slot = this.#slotOf(key);
    if (this.#offsets[slot] === 0) {
      this.#hashes.set(this.#hash, slot * 4);
      this.#size++;
    }
    this.#offsets[slot] = offset + 1;
  }

  /** The key's slot, or the empty one where it belongs. Leaves its hash in `#hash`. */
  #slotOf(key: Uint8Array): number {
    hash128(key, this.#seed, this.#hash);
    const [a = 0, b = 0, c = 0, d = 0] = this.#hash;
    return this.#find(a, b, c, d);
  }

  #find(a: number, b: number, c: number, d: number): number {
    const hashes = this.#hashes;
    const mask = this.#slots - 1;
    let slot = a & mask;
    while (this.#offsets[slot] !== 0) {
      const at = slot * 4;
      if (hashes[at] === a && hashes[at + 1] === b && hashes[at + 2] === c && hashes[at + 3] === d) {
        return slot;
      }
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #grow(): void {
    const hashes = this.#hashes;
    const offsets = this.#offsets;
    this.#slots *= 2;
    this.#hashes = new Uint32Array(this.#slots * 4);
    this.#offsets = new Float64Array(this.#slots);
    for (let slot = 0; slot < offsets.length; slot++) {
      const offset = offsets[slot] ?? 0;
      if (offset === 0) continue;
      const at = slot * 4;
      const to = this.#find(hashes[at] ?? 0, hashes[at + 1] ?? 0, hashes[at + 2] ?? 0, hashes[at + 3] ?? 0);
      this.#hashes.set(hashes.subarray(at, at + 4), to * 4);
      this.#offsets[to] = offset;
    }
  }
}
