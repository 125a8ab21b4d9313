/** The patience of one storage operation: pauses that grow, and a deadline on the monotonic clock. */
import type { Env } from "../lib/env.ts";
import { StorageUnavailableError, StoreClosedError } from "./errors.ts";

const FIRST_PAUSE_MS = 2;
const PAUSE_MS_MAX = 1_000;

export class Retry {
  readonly #env: Env;
  readonly #deadline: number;
  #pauseMs = FIRST_PAUSE_MS;

  constructor(env: Env, patienceMs: number) {
    this.#env = env;
    this.#deadline = env.mono() + patienceMs;
  }

  /**
   * Waits, longer each time and by chance a little less; throws `StorageUnavailableError` once time is up, and at once when the
   * store is closed.
   */
  async pause(action: string, cause: unknown): Promise<void> {
    if (cause instanceof StoreClosedError) throw cause;
    const left = this.#deadline - this.#env.mono();
    if (left <= 0) {
      const why = cause instanceof Error ? cause.message : "the store refuses it again and again";
      throw new StorageUnavailableError(`Cannot ${action}: ${why}`, { cause });
    }
    const pauseMs = this.#pauseMs * (0.5 + this.#env.random() / 2);
    this.#pauseMs = Math.min(PAUSE_MS_MAX, this.#pauseMs * 2);
    await this.#env.sleep(Math.min(left, pauseMs));
  }
}
