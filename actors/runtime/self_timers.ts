/**
 * The volatile timers of one activation: keyed, replaceable, delivered as messages. A timer that was cancelled or
 * replaced is not delivered, even when its message already waits in the mailbox.
 */
import type { Cancel, Env } from "../../lib/env.ts";

interface SelfTimer {
  cancel: Cancel;
}

export class SelfTimers {
  readonly #env: Env;
  /** Sends `message` to the actor; it is dropped if it is no longer wanted when its turn comes. */
  readonly #deliver: (message: unknown, wanted: () => boolean) => void;
  readonly #timers = new Map<string, SelfTimer>();

  constructor(env: Env, deliver: (message: unknown, wanted: () => boolean) => void) {
    this.#env = env;
    this.#deliver = deliver;
  }

  set(timerKey: string, ms: number, message: unknown): void {
    this.cancel(timerKey);
    const wanted = () => {
      if (this.#timers.get(timerKey) !== timer) return false;
      this.#timers.delete(timerKey);
      return true;
    };
    const timer: SelfTimer = { cancel: this.#env.timer(ms, () => this.#deliver(message, wanted)) };
    this.#timers.set(timerKey, timer);
  }

  cancel(timerKey: string): void {
    this.#timers.get(timerKey)?.cancel();
    this.#timers.delete(timerKey);
  }

  cancelAll(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }
}
