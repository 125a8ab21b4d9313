/**
 * Deadlines of request bodies: one coarse timer for all that are on their way, because a timer for each costs more than
 * reading a small body. A deadline passes up to one sweep late.
 */
import type { Cancel, Env } from "../lib/env.ts";

const SWEEP_MS = 1_000;

interface Waiting {
  readonly deadlineMs: number;
  readonly expire: () => void;
}

export class BodyDeadlines {
  readonly #env: Env;
  readonly #waiting = new Set<Waiting>();
  #cancel: Cancel | null = null;

  constructor(env: Env) {
    this.#env = env;
  }

  /** What `promise` comes to, or a rejection with what `late` makes after `ms`. */
  within<T>(ms: number, promise: Promise<T>, late: () => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const entry = { deadlineMs: this.#env.mono() + ms, expire: () => reject(late()) };
      this.#waiting.add(entry);
      this.#cancel ??= this.#env.timer(SWEEP_MS, () => this.#sweep());
      promise.then((value) => {
        this.#waiting.delete(entry);
        resolve(value);
      }, (error) => {
        this.#waiting.delete(entry);
        reject(error);
      });
    });
  }

  #sweep(): void {
    this.#cancel = null;
    const nowMs = this.#env.mono();
    for (const entry of this.#waiting) {
      if (entry.deadlineMs > nowMs) continue;
      this.#waiting.delete(entry);
      entry.expire();
    }
    if (this.#waiting.size > 0) this.#cancel = this.#env.timer(SWEEP_MS, () => this.#sweep());
  }
}

const ofEnv = new WeakMap<Env, BodyDeadlines>();

/** The ones of this process. */
export function bodyDeadlines(env: Env): BodyDeadlines {
  const found = ofEnv.get(env) ?? new BodyDeadlines(env);
  ofEnv.set(env, found);
  return found;
}
