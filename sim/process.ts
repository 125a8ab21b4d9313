/**
 * A simulated process: an `Env` whose clocks, timers, sockets and store belong to the scheduler, and which can be
 * killed, stopped and resumed. Nothing of a dead process runs any more: its timers and answers are dropped, its calls
 * have no effect and never settle, so no `finally` of it runs either, as with kill -9.
 */
import { zlibAtOnce } from "../actors/runtime/test_zlib.ts";
import type { Cancel, Env } from "../lib/env.ts";
import type { FaultLog } from "./fault_log.ts";
import type { SimNetwork } from "./network.ts";
import { Rng } from "./rng.ts";
import type { EventOwner, Scheduler } from "./scheduler.ts";
import { type SimDisk, SimFiles } from "./sim_files.ts";
import { SimKv, type SimStore } from "./sim_kv.ts";
import type { DiskFaults, KvFaults, ProcessFaults } from "./swarm.ts";

const WALL_CLOCK_START_MS = Date.UTC(2026, 0, 1);
/** Time passes between setting a timer and its firing, however short it is set. */
const TIMER_MS_MIN = 0.01;

export interface ProcessOptions {
  readonly name: string;
  readonly hostname: string;
  readonly scheduler: Scheduler;
  readonly network: SimNetwork;
  readonly rng: Rng;
  readonly faultLog: FaultLog;
  readonly disk: SimDisk;
  /** The store under a path; absent for processes that have none. */
  readonly storeAt?: (path: string | undefined) => SimStore;
  readonly kvFaults: () => KvFaults;
  readonly diskFaults: () => DiskFaults;
  readonly processFaults: () => ProcessFaults;
}

export class SimProcess implements EventOwner {
  readonly name: string;
  readonly hostname: string;
  readonly env: Env;
  readonly #options: ProcessOptions;
  readonly #kvs: SimKv[] = [];
  readonly #files: SimFiles;
  readonly #drift: number;
  #state: EventOwner["state"] = "running";
  #wallOffsetMs: number;
  #callsUntilCrash: number | null = null;
  #onDeath: () => void = () => {};

  constructor(options: ProcessOptions) {
    const { scheduler, network, rng, processFaults, faultLog } = options;
    this.#options = options;
    this.name = options.name;
    this.hostname = options.hostname;
    const { driftMax } = processFaults();
    this.#drift = driftMax === 0 ? 0 : rng.between(-driftMax, driftMax);
    if (this.#drift !== 0) faultLog.count("clockDrift");
    this.#wallOffsetMs = driftMax === 0 ? 0 : rng.between(-5_000, 5_000);
    const enter = () => this.#enter();
    this.#files = new SimFiles({
      disk: options.disk,
      owner: this,
      scheduler,
      rng: rng.split("files"),
      faultLog,
      faults: options.diskFaults,
      enter,
    });
    const host = { owner: this, hostname: options.hostname, enter };
    const uuids = rng.split("uuid");
    const randoms = rng.split("random");
    this.env = {
      now: () => Math.floor(WALL_CLOCK_START_MS + this.#wallOffsetMs + scheduler.nowMs * (1 + this.#drift)),
      mono: () => scheduler.nowMs,
      sleep: (ms, signal) => this.#sleep(ms, signal),
      timer: (ms, callback) => this.#timer(ms, "timer", callback),
      random: () => randoms.next(),
      uuid: () => uuids.uuid(),
      kv: (path) => this.#openKv(path),
      files: this.#files,
      listen: (where) => network.listen(host, where),
      connect: (where) => network.connect(host, where),
      resolve: () => Promise.reject(new Error("No names are resolved in the simulated world")),
      fetch: () => Promise.reject(new Error("No other servers are in the simulated world")),
      zlib: zlibAtOnce,
    };
  }

  get state(): EventOwner["state"] {
    return this.#state;
  }

  /** Called once, after the process was killed. */
  set onDeath(callback: () => void) {
    this.#onDeath = callback;
  }

  kill(why: string): void {
    if (this.#state === "dead") return;
    this.#state = "dead";
    this.#options.scheduler.tell(this.name, `dies: ${why}`);
    for (const kv of this.#kvs) kv.ownerDied();
    this.#files.ownerDied();
    this.#options.network.hostDied(this);
    this.#onDeath();
  }

  /** Kills it at one of its next calls to the outside, in the middle of whatever it is doing. */
  killAtCall(callCount: number): void {
    this.#callsUntilCrash = callCount;
  }

  /** As SIGSTOP does. */
  pause(): void {
    if (this.#state !== "running") return;
    this.#state = "paused";
    this.#options.scheduler.tell(this.name, "stops");
  }

  /** As SIGCONT does: it goes on with what it believed. */
  resume(): void {
    if (this.#state !== "paused") return;
    this.#state = "running";
    this.#options.scheduler.tell(this.name, "goes on");
    this.#options.scheduler.resumed(this);
  }

  jumpWallClock(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** As an operator or NTP does once somebody looks: the wall clock says what the others' say. */
  setWallClock(): void {
    this.#wallOffsetMs = 0;
  }

  /** Every call to the outside begins here; false: the process is dead, perhaps since just now. */
  #enter(): boolean {
    if (this.#state === "dead") return false;
    if (this.#callsUntilCrash === null || this.#callsUntilCrash-- > 0) return true;
    this.#callsUntilCrash = null;
    this.#options.faultLog.count("crashAtCall");
    this.kill("at a call");
    return false;
  }

  #timer(ms: number, what: string, callback: () => void): Cancel {
    if (!this.#enter()) return () => {};
    const { scheduler, rng, processFaults, faultLog } = this.#options;
    const { timerLate, timerLateMsMax } = processFaults();
    let lateMs = 0;
    if (rng.chance(timerLate)) {
      faultLog.count("timerLate");
      lateMs = rng.between(0, timerLateMsMax);
    }
    return scheduler.schedule(Math.max(ms, TIMER_MS_MIN) + lateMs, this, what, callback);
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = this.#timer(ms, "wakes", () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  #openKv(path: string | undefined): Promise<SimKv> {
    if (!this.#enter()) return new Promise(() => {});
    const { storeAt, scheduler, rng, faultLog, kvFaults } = this.#options;
    if (storeAt === undefined) return Promise.reject(new Error("This process has no store"));
    const kv = new SimKv({
      store: storeAt(path),
      owner: this,
      scheduler,
      rng: rng.split(`kv ${this.#kvs.length}`),
      faultLog,
      faults: kvFaults,
      enter: () => this.#enter(),
    });
    this.#kvs.push(kv);
    return Promise.resolve(kv);
  }
}
