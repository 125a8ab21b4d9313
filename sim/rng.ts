/**
 * Seeded randomness (sfc32), one independent generator for each purpose: a draw more in one place does not reshuffle what
 * happens in another. The same seed text gives the same numbers on every machine. Pure.
 */
export class Rng {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    this.#seed = seed;
    this.#a = fnv(seed, 0x811c9dc5);
    this.#b = fnv(seed, 0x01000193);
    this.#c = fnv(seed, 0x9e3779b9);
    for (let i = 0; i < 12; i++) this.next();
  }

  /** A generator of its own, which depends on the seed and the purpose, not on what was drawn so far. */
  split(purpose: string): Rng {
    return new Rng(`${this.#seed}/${purpose}`);
  }

  /** Uniform in [0, 1). */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum | 0;
    return (sum >>> 0) / 2 ** 32;
  }

  /** A whole number in [0, end). */
  int(end: number): number {
    return Math.floor(this.next() * end);
  }

  /** Uniform in [from, to). */
  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }

  /** Between the two, small values as likely as large ones on a logarithmic scale; `from` > 0. */
  logBetween(from: number, to: number): number {
    return from * (to / from) ** this.next();
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    const item = list[this.int(list.length)];
    if (item === undefined) throw new RangeError("Cannot pick from an empty list");
    return item;
  }

  /** Version 4, 36 characters. */
  uuid(): string {
    let text = "";
    for (let i = 0; i < 32; i++) {
      if (i === 8 || i === 12 || i === 16 || i === 20) text += "-";
      text += i === 12 ? "4" : i === 16 ? "89ab".charAt(this.int(4)) : this.int(16).toString(16);
    }
    return text;
  }
}

/** FNV-1a over UTF-16 code units. */
export function fnv(text: string, basis: number): number {
  let hash = basis;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
