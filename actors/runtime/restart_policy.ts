/**
 * When a failed actor is started again: exponential back-off with jitter, and a limit per window beyond which
 * it is escalated. Pure; after Erlang's restart intensity, with delays.
 */
import type { ActorOptions } from "./types.ts";

export type RestartOptions = Pick<
  ActorOptions,
  "restartDelayMs" | "restartDelayMsMax" | "restartCountMax" | "restartWindowMs"
>;

export interface RestartDecision {
  /** Times of the failures that still count; to be passed in next time. */
  readonly failureTimesMs: readonly number[];
  readonly delayMs: number;
  /** More failures than allowed: stay down for the longest delay and refuse messages meanwhile. */
  readonly escalated: boolean;
}

/**
 * Decides about a failure at `nowMs`. `random` in [0, 1) takes up to a half off the delay, so that actors that
 * died together do not come back together.
 */
export function decideRestart(
  failureTimesMs: readonly number[],
  nowMs: number,
  random: number,
  options: RestartOptions,
): RestartDecision {
  const recent = failureTimesMs.filter((atMs) => nowMs - atMs < options.restartWindowMs);
  recent.push(nowMs);
  // The oldest of too many says no more than "too many".
  if (recent.length > options.restartCountMax + 1) recent.shift();
  if (recent.length > options.restartCountMax) {
    return { failureTimesMs: recent, delayMs: options.restartDelayMsMax, escalated: true };
  }
  const fullMs = Math.min(options.restartDelayMs * 2 ** (recent.length - 1), options.restartDelayMsMax);
  return { failureTimesMs: recent, delayMs: fullMs * (1 - random / 2), escalated: false };
}
