/**
 * What a workload is: clients that use the SDK, and a history of what they did. It does not know whether its world is
 * simulated: it gets processes to run clients in, addresses to connect to, a clock, and a word when faults are over.
 * Adding one is a file here and a line in `all.ts`.
 */
import type { Env } from "../../lib/env.ts";
import type { HistoryRecorder } from "../history_recorder.ts";
import type { Rng } from "../rng.ts";

/** A process for clients to run in; it may die at any time, and then its promises never settle. */
export interface ClientProcess {
  readonly name: string;
  readonly env: Env;
  readonly isAlive: boolean;
  /** Resolves when it has died. */
  readonly died: Promise<void>;
}

export interface WorkloadContext {
  readonly bootstrapServers: string;
  /** Of the workload itself: no fault touches it. */
  readonly env: Env;
  readonly rng: Rng;
  readonly history: HistoryRecorder;
  /** A new client process, whose name begins with `name` and is nobody else's. `mayDie`: whether faults may kill it. */
  openProcess(name: string, options: { readonly mayDie: boolean }): ClientProcess;
  /** False once everything has healed: then a workload finishes and reads what there is to be read. */
  faultsGoOn(): boolean;
  readonly healed: Promise<void>;
}

/** Names of the checker's profiles. */
export type WorkloadProfile = "idempotent" | "plain" | "compacted" | "compacted-tombstones-stay";

export interface Workload {
  readonly name: string;
  /** One line for `--help`. */
  readonly about: string;
  /** Name of the checker's profile; drawn by the same seed as the run. */
  profileFor(rng: Rng): WorkloadProfile;
  /** False when some topics are gone in the end, so that not every acknowledged record can be read. */
  readonly readsEverything: boolean;
  /** Whether its last reader comes past batches that are damaged for good, and says so; else they are repaired before. */
  readonly readsAroundDamage?: boolean;
  /** Runs to the end. Rejects when a promise was not kept that only a client can see. */
  run(context: WorkloadContext, profile: WorkloadProfile): Promise<void>;
}

export const DIED = Symbol("the process died");

/** The promise's outcome, or `DIED` when the process dies first. */
export function unlessDead<T>(process: ClientProcess, promise: Promise<T>): Promise<T | typeof DIED> {
  return Promise.race([promise, process.died.then((): typeof DIED => DIED)]);
}

/** Tries until it works; for what a person with a shell would repeat. */
export async function untilDone<T>(context: WorkloadContext, attempt: () => Promise<T>): Promise<T> {
  for (let pauseMs = 100;; pauseMs = Math.min(2_000, pauseMs * 2)) {
    try {
      return await attempt();
    } catch {
      // The simulation's deadline ends a world in which it never works.
      await context.env.sleep(pauseMs);
    }
  }
}
