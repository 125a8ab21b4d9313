/**
 * Notices that the broker fence was taken: the boundary between a store that has another writer now and the process that has to
 * end. Commits are safe without it, since the store refuses them; but a process that nobody writes to would go on answering
 * reads from memory. It looks by itself from time to time, and hears of whatever a commit's resolution has read.
 */
import type { Cancel, Env } from "../lib/env.ts";
import type { ShardStore } from "./shard.ts";

export interface FenceWatchOptions {
  readonly env: Env;
  readonly shards: ShardStore;
  /** Between two looks, milliseconds. */
  readonly intervalMs: number;
  /** Called once. */
  readonly onLost: () => void;
}

export class FenceWatch {
  readonly #options: FenceWatchOptions;
  #cancel: Cancel | null = null;
  #isOver = false;

  constructor(options: FenceWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.shards.onFenceLost = () => this.#lost();
    this.#arm();
  }

  stop(): void {
    this.#isOver = true;
    this.#cancel?.();
  }

  #arm(): void {
    const { env, intervalMs } = this.#options;
    this.#cancel = env.timer(intervalMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    try {
      await this.#options.shards.checkFence();
    } catch {
      // A store that cannot be read says nothing; who needs it tells of that.
    }
    if (!this.#isOver) this.#arm();
  }

  #lost(): void {
    if (this.#isOver) return;
    this.stop();
    this.#options.onLost();
  }
}
