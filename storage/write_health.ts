/**
 * Whether a store takes writes: the boundary between a commit that failed and a store that is full, read-only or stuck.
 *
 * Every commit and every write of a segment file reports here. While one of the two fails, probes of a realistic size go
 * out instead of the users' data, so that a store that comes back is noticed without a restart and one that
 * takes small commits but no large ones is not taken for sound. Partitions are read meanwhile and refuse writes.
 */
import type { Cancel, Env } from "../lib/env.ts";
import type { Logger } from "../lib/log.ts";
import { isStoreClosed } from "./errors.ts";

/** What can fail by itself: a full disk may still have room inside the store's own file. */
export type WritePath = "store" | "segments";

/** A store's fault that passes sooner is ridden out by whoever met it; a file's was met twice when it is reported. */
const STORE_FAILING_AFTER_MS = 1_000;
const PROBE_PAUSE_MS = 1_000;

export interface WriteHealthOptions {
  readonly env: Env;
  readonly log: Logger;
  /** Writes something of a realistic size there; rejects when that fails. Its success need not be reported. */
  readonly probe: (path: WritePath) => Promise<void>;
}

interface Fault {
  readonly cause: unknown;
  readonly sinceMs: number;
}

export class WriteHealth {
  readonly #options: WriteHealthOptions;
  readonly #faults = new Map<WritePath, Fault>();
  #recovered: (() => void)[] = [];
  #cancelProbe: Cancel | null = null;
  #isProbing = false;
  #isReported = false;
  #isClosed = false;

  constructor(options: WriteHealthOptions) {
    this.#options = options;
  }

  /** Why writes fail, for people; null as long as they work. */
  get fault(): string | null {
    for (const [path, { cause }] of this.#faults) {
      const what = path === "store" ? "The store takes no commits" : "The segment files take no writes";
      return `${what}: ${cause instanceof Error ? cause.message : String(cause)}`;
    }
    return null;
  }

  /** Writes fail, and not just for a moment. */
  get isFailing(): boolean {
    if (this.#faults.has("segments")) return true;
    const fault = this.#faults.get("store");
    return fault !== undefined && this.#options.env.mono() - fault.sinceMs >= STORE_FAILING_AFTER_MS;
  }

  failed(path: WritePath, cause: unknown): void {
    if (this.#isClosed || isStoreClosed(cause)) return;
    if (!this.#faults.has(path)) this.#faults.set(path, { cause, sinceMs: this.#options.env.mono() });
    this.#probeLater();
  }

  succeeded(path: WritePath): void {
    if (this.#faults.size === 0 || !this.#faults.delete(path) || this.#faults.size > 0) return;
    this.#cancelProbe?.();
    this.#cancelProbe = null;
    if (this.#isReported) this.#options.log.info("Writes work again");
    this.#isReported = false;
    for (const wake of this.#recovered.splice(0)) wake();
  }

  /** Resolves as soon as no write path is known to fail: at once, when none is. */
  async recovered(): Promise<void> {
    while (this.#faults.size > 0) await new Promise<void>((resolve) => this.#recovered.push(resolve));
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelProbe?.();
  }

  #probeLater(): void {
    if (this.#isClosed || this.#isProbing || this.#cancelProbe !== null) return;
    this.#cancelProbe = this.#options.env.timer(PROBE_PAUSE_MS, () => {
      this.#cancelProbe = null;
      void this.#probe();
    });
  }

  async #probe(): Promise<void> {
    const { log, probe } = this.#options;
    if (!this.#isReported) {
      this.#isReported = true;
      log.error("Writes fail; what is stored can still be read", { error: this.fault });
    }
    this.#isProbing = true;
    for (const path of [...this.#faults.keys()]) {
      try {
        await probe(path);
        this.succeeded(path);
      } catch {
        // Reported once, when it began.
      }
    }
    this.#isProbing = false;
    if (this.#faults.size > 0) this.#probeLater();
  }
}
