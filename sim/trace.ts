/**
 * What happened, in order: a running hash over everything, the last events in a ring, and on demand the story as lines of
 * text, with or without the single steps of which it is made. Two runs of one seed must have the same hash.
 */
import { fnv } from "./rng.ts";

interface TraceEvent {
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
  readonly detail: string | number;
}

const RING_LENGTH = 10_000;

export interface TraceOptions {
  /** Gets what is worth telling as lines of text, for `--trace`. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Every step besides. */
  readonly tellsSteps?: boolean | undefined;
}

export class Trace {
  readonly #onLine: ((line: string) => void) | undefined;
  readonly #tellsSteps: boolean;
  readonly #ring: TraceEvent[] = [];
  readonly #textHashes = new Map<string, number>();
  #low = 0x811c9dc5;
  #high = 0x9e3779b9;
  #count = 0;

  constructor(options: TraceOptions = {}) {
    this.#onLine = options.onLine;
    this.#tellsSteps = options.tellsSteps ?? false;
  }

  /** Whether somebody reads along, so that a longer detail is worth its making. */
  get isTold(): boolean {
    return this.#onLine !== undefined;
  }

  get count(): number {
    return this.#count;
  }

  /** Over all events so far. */
  get hash(): string {
    return this.#high.toString(16).padStart(8, "0") + this.#low.toString(16).padStart(8, "0");
  }

  /** `who` did or suffered `what`; both come from a small set of texts, the detail need not. */
  add(atMs: number, who: string, what: string, detail: string | number = ""): void {
    const event = { atMs, who, what, detail };
    this.#add(event);
    this.#onLine?.(textOf(event));
  }

  /** The same for one of the many steps that others are made of: no part of the story. */
  addStep(atMs: number, who: string, what: string, detail: string | number = ""): void {
    const event = { atMs, who, what, detail };
    this.#add(event);
    if (this.#tellsSteps) this.#onLine?.(textOf(event));
  }

  #add(event: TraceEvent): void {
    const { atMs, who, what, detail } = event;
    this.#ring[this.#count % RING_LENGTH] = event;
    this.#count++;
    this.#mix(Math.round(atMs * 1_000));
    this.#mix(this.#hashOf(who));
    this.#mix(this.#hashOf(what));
    this.#mix(typeof detail === "number" ? detail : fnv(detail, 0x811c9dc5));
  }

  /** For who reads along alone: no part of the hash. */
  note(atMs: number, who: string, what: string, detail: string | number = ""): void {
    this.#onLine?.(textOf({ atMs, who, what, detail }));
  }

  /** Likewise, of a step. */
  noteStep(atMs: number, who: string, what: string, detail: string | number = ""): void {
    if (this.#tellsSteps) this.note(atMs, who, what, detail);
  }

  /** The last events, oldest first. */
  tail(count = RING_LENGTH): string[] {
    const length = Math.min(count, this.#count, RING_LENGTH);
    const lines: string[] = [];
    for (let i = this.#count - length; i < this.#count; i++) {
      const event = this.#ring[i % RING_LENGTH];
      if (event !== undefined) lines.push(textOf(event));
    }
    return lines;
  }

  #hashOf(text: string): number {
    let hash = this.#textHashes.get(text);
    if (hash === undefined) this.#textHashes.set(text, hash = fnv(text, 0x811c9dc5));
    return hash;
  }

  #mix(value: number): void {
    const bits = (value % 0x1_0000_0000) | 0;
    this.#low = Math.imul(this.#low ^ bits, 0x01000193) >>> 0;
    this.#high = (Math.imul(this.#high ^ (this.#low >>> 7), 0x85ebca6b) + bits) >>> 0;
  }
}

function textOf({ atMs, who, what, detail }: TraceEvent): string {
  return `${(atMs / 1_000).toFixed(6).padStart(12)}  ${who.padEnd(14)}  ${what}${
    detail === "" ? "" : ` ${detail}`
  }`;
}
