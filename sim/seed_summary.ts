/** What is left of a run when its history and its world are gone: plain values that travel between workers. Pure. */
import type { FaultKind } from "./fault_log.ts";
import type { RunResult } from "./simulate.ts";
import type { StoreProfile } from "./swarm.ts";

/** Events that are kept for the report of a failure. */
const TAIL_LINES = 60;

export interface SeedSummary {
  readonly seed: string;
  readonly workload: string;
  readonly profile: StoreProfile;
  readonly stepCount: number;
  readonly recordCount: number;
  readonly virtualMs: number;
  readonly traceHash: string;
  readonly faults: readonly (readonly [kind: FaultKind, count: number])[];
  /** What was broken; null when nothing was. */
  readonly violation: string | null;
  /** The last events; empty when nothing was broken. */
  readonly tail: readonly string[];
}

export function summarize(result: RunResult): SeedSummary {
  const { seed, workload, swarm, stepCount, recordCount, virtualMs, traceHash, faults, violation } = result;
  return {
    seed,
    workload,
    profile: swarm.profile,
    stepCount,
    recordCount,
    virtualMs,
    traceHash,
    faults: faults.counts,
    violation,
    tail: violation === null ? [] : result.tail(TAIL_LINES),
  };
}
