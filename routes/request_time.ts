/**
 * What a request takes of the one thread, for the quota `request_percentage`: the pieces between two waits are added up where they are
 * large. Nothing is measured for requests that nobody wants to know it of.
 */
import type { Env } from "../lib/env.ts";

const times = new WeakMap<Request, { busyMs: number }>();

/** From here on `timed` counts for the request. */
export function timeRequest(request: Request): void {
  times.set(request, { busyMs: 0 });
}

export function busyMsOf(request: Request): number {
  return times.get(request)?.busyMs ?? 0;
}

/** Runs it, and counts its time until it returns; what it then waits for is not counted. */
export function timed<T>(request: Request, env: Env, run: () => T): T {
  const time = times.get(request);
  if (time === undefined) return run();
  const startedMs = env.mono();
  try {
    return run();
  } finally {
    time.busyMs += env.mono() - startedMs;
  }
}
