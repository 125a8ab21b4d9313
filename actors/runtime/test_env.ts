/**
 * A world for actor tests: virtual time, seeded randomness, no IO unless a test injects it. The same seed and the
 * same calls give the same run. Needs no permission.
 */
import type {
  Cancel,
  Conn,
  Env,
  Files,
  Listener,
  OutboundRequest,
  RawKv,
  ZlibCodec,
  ZlibOptions,
} from "../../lib/env.ts";
import { zlibAtOnce } from "./test_zlib.ts";

export interface TestEnvOptions {
  /** Of the random numbers and UUIDs; 1 unless given. */
  readonly seed?: number;
  /** Wall clock at the beginning, milliseconds since 1970. */
  readonly startMs?: number;
  /** In-memory stand-ins; what is not given throws when it is used. */
  readonly kv?: Env["kv"];
  readonly files?: Files;
  readonly listen?: Env["listen"];
  readonly connect?: Env["connect"];
  readonly resolve?: Env["resolve"];
  readonly fetch?: Env["fetch"];
}

interface VirtualTimer {
  readonly atMs: number;
  readonly serial: number;
  readonly callback: () => void;
  /** It stays in the heap until its time has come. */
  cancelled: boolean;
}

/** Turns of the microtask queue that count as "everything has settled". */
const SETTLE_TURNS = 256;
/** Timers of zero that breed timers of zero would never end. */
const FIRED_AT_ONCE_MAX = 10_000;
const START_MS = Date.UTC(2026, 0, 1);

export class TestEnv implements Env {
  readonly files: Files;
  readonly #options: TestEnvOptions;
  readonly #startMs: number;
  /** A binary heap by time, then by age. */
  readonly #timers: VirtualTimer[] = [];
  #monoMs = 0;
  #wallOffsetMs = 0;
  #serial = 0;
  #randomState: number;

  constructor(options: TestEnvOptions = {}) {
    this.#options = options;
    this.#startMs = options.startMs ?? START_MS;
    this.#randomState = (options.seed ?? 1) >>> 0;
    this.files = options.files ?? refusingFiles();
  }

  now(): number {
    return this.#startMs + this.#monoMs + this.#wallOffsetMs;
  }

  mono(): number {
    return this.#monoMs;
  }

  /** Lets the wall clock jump, forwards or backwards; the monotonic clock goes on. */
  jumpWallClock(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = this.timer(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  timer(ms: number, callback: () => void): Cancel {
    const timer = {
      atMs: this.#monoMs + Math.max(0, ms),
      serial: this.#serial++,
      callback,
      cancelled: false,
    };
    this.#push(timer);
    return () => {
      timer.cancelled = true;
    };
  }

  /** Mulberry32. */
  random(): number {
    this.#randomState = (this.#randomState + 0x6d2b79f5) >>> 0;
    let t = this.#randomState;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  uuid(): string {
    const digits = Array.from({ length: 32 }, () => Math.floor(this.random() * 16).toString(16));
    digits[12] = "4";
    digits[16] = "89ab".charAt(Math.floor(this.random() * 4));
    return digits.join("").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  kv(path: string | undefined): Promise<RawKv> {
    return this.#options.kv?.(path) ?? refuse("kv");
  }

  listen(options: { hostname: string; port: number }): Promise<Listener> {
    return this.#options.listen?.(options) ?? refuse("listen");
  }

  connect(options: { hostname: string; port: number; signal?: AbortSignal }): Promise<Conn> {
    return this.#options.connect?.(options) ?? refuse("connect");
  }

  resolve(hostname: string): Promise<readonly string[]> {
    return this.#options.resolve?.(hostname) ?? refuse("resolve");
  }

  fetch(url: string, init: OutboundRequest): Promise<Response> {
    return this.#options.fetch?.(url, init) ?? refuse("fetch");
  }

  zlib(codec: ZlibCodec, bytes: Uint8Array, options: ZlibOptions): Promise<Uint8Array[]> {
    return zlibAtOnce(codec, bytes, options);
  }

  /** Timers that wait. */
  get timerCount(): number {
    return this.#timers.filter((timer) => !timer.cancelled).length;
  }

  /** Lets everything happen that needs no time: promises, and timers that are due. */
  async runUntilIdle(): Promise<void> {
    await this.advance(0);
  }

  /** Lets `ms` pass: fires the timers on the way in order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monoMs + ms;
    await settleMicrotasks();
    for (let firedAtOnce = 0; firedAtOnce < FIRED_AT_ONCE_MAX; firedAtOnce++) {
      const timer = this.#shiftDue(untilMs);
      if (timer === undefined) {
        this.#monoMs = untilMs;
        return;
      }
      if (timer.atMs > this.#monoMs) {
        this.#monoMs = timer.atMs;
        firedAtOnce = 0;
      }
      timer.callback();
      await settleMicrotasks();
    }
    throw new Error(`Cannot let time pass: ${FIRED_AT_ONCE_MAX} timers have fired at ${this.#monoMs} ms`);
  }

  #shiftDue(untilMs: number): VirtualTimer | undefined {
    for (let timer = this.#timers[0]; timer !== undefined && timer.atMs <= untilMs; timer = this.#timers[0]) {
      this.#pop();
      if (!timer.cancelled) return timer;
    }
    return undefined;
  }

  #push(timer: VirtualTimer): void {
    const heap = this.#timers;
    let i = heap.length;
    heap.push(timer);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isEarlier(timer, above)) break;
      heap[i] = above;
      heap[parent] = timer;
      i = parent;
    }
  }

  #pop(): void {
    const heap = this.#timers;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    heap[0] = last;
    while (true) {
      let child = 2 * i + 1;
      const left = heap[child];
      if (left === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && isEarlier(right, left)) child++;
      const below = heap[child];
      if (below === undefined || !isEarlier(below, last)) break;
      heap[i] = below;
      heap[child] = last;
      i = child;
    }
  }
}

/** Waits a fixed number of turns of the microtask queue, which is deterministic. */
export async function settleMicrotasks(turns = SETTLE_TURNS): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await null;
}

function isEarlier(a: VirtualTimer, b: VirtualTimer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.serial < b.serial);
}

function refuse(what: string): Promise<never> {
  return Promise.reject(new Error(`Cannot use ${what} in a test: pass one to the TestEnv`));
}

function refusingFiles(): Files {
  return {
    makeDirectory: () => refuse("files"),
    readText: () => refuse("files"),
    writeText: () => refuse("files"),
    remove: () => refuse("files"),
    exists: () => refuse("files"),
    create: () => refuse("files"),
    open: () => refuse("files"),
    list: () => refuse("files"),
    syncDirectory: () => refuse("files"),
    removeDirectory: () => refuse("files"),
    removeInSteps: () => refuse("files"),
    rename: () => refuse("files"),
    lock: () => refuse("files"),
  };
}
