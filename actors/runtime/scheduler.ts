/**
 * Gives turns to the actors that have something to do. Many messages are taken in one turn and all turns of a
 * round share one microtask; no message has a microtask or a timer of its own. Two rules keep it fair: a turn ends
 * after 256 messages, and when actors have kept the thread for a slice the event loop gets to run before the next round.
 */
import type { Cancel, Env } from "../../lib/env.ts";
import { Ring } from "./ring.ts";

/** An actor as the scheduler sees it. */
export interface Runnable {
  /** Kept by the scheduler: true while it waits for its turn. */
  scheduled: boolean;
  /** Takes a turn; returns how many messages it took. */
  run(): number;
}

/** Messages that one actor takes before the next one has its turn. */
export const TURN_MESSAGES_MAX = 256;
/** How long, and for how many messages, actors run before sockets and timers get the thread. */
export const SLICE_MS_MAX = 8;
export const SLICE_MESSAGES_MAX = 8192;
/** A turn looks at the clock every so many messages, each of which may take some milliseconds (a batch of a megabyte). */
const CLOCK_CHECK_MESSAGES = 4;

export class Scheduler {
  readonly #env: Env;
  readonly #queue = new Ring<Runnable>();
  readonly #round = () => this.#runRound();
  #roundPending = false;
  /** Used up since the event loop last ran for certain. */
  #busyMs = 0;
  #messageCount = 0;
  #roundStartedAtMs = 0;
  /** Armed when half of the slice is used up: if it fires, the event loop has run. */
  #yieldTimer: Cancel | null = null;
  #yielding = false;

  constructor(env: Env) {
    this.#env = env;
  }

  schedule(runnable: Runnable): void {
    if (runnable.scheduled) return;
    runnable.scheduled = true;
    this.#queue.push(runnable);
    this.#arm();
  }

  /** Whether a turn that has taken `count` messages must end. */
  turnOver(count: number): boolean {
    if (count >= TURN_MESSAGES_MAX) return true;
    return count % CLOCK_CHECK_MESSAGES === 0 && count > 0 && this.#sliceUsed();
  }

  close(): void {
    this.#yieldTimer?.();
    this.#yieldTimer = null;
  }

  #arm(): void {
    if (this.#roundPending || this.#yielding || this.#queue.length === 0) return;
    this.#roundPending = true;
    Promise.resolve().then(this.#round);
  }

  #runRound(): void {
    this.#roundPending = false;
    this.#roundStartedAtMs = this.#env.mono();
    let checkAt = this.#messageCount + CLOCK_CHECK_MESSAGES;
    // Only those that wait now: promises that this round settles are looked after before the next one.
    for (let waiting = this.#queue.length; waiting > 0; waiting--) {
      const runnable = this.#queue.shift();
      if (runnable === undefined) break;
      runnable.scheduled = false;
      this.#messageCount += runnable.run() + 1;
      if (this.#messageCount < checkAt) continue;
      checkAt = this.#messageCount + CLOCK_CHECK_MESSAGES;
      if (this.#sliceUsed()) break;
    }
    this.#busyMs += this.#env.mono() - this.#roundStartedAtMs;
    this.#roundStartedAtMs = Infinity;
    this.#yieldIfDue();
    this.#arm();
  }

  #sliceUsed(): boolean {
    if (this.#messageCount >= SLICE_MESSAGES_MAX) return true;
    return this.#busyMs + this.#env.mono() - this.#roundStartedAtMs >= SLICE_MS_MAX;
  }

  #yieldIfDue(): void {
    const share = Math.max(this.#busyMs / SLICE_MS_MAX, this.#messageCount / SLICE_MESSAGES_MAX);
    if (share < 0.5) return;
    this.#yieldTimer ??= this.#env.timer(0, () => {
      this.#yieldTimer = null;
      this.#yielding = false;
      this.#busyMs = 0;
      this.#messageCount = 0;
      this.#arm();
    });
    this.#yielding = share >= 1;
  }
}
