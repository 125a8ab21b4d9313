/**
 * A look at every partition each interval, one after the other, in the background: what retention, compaction and the forgetting of
 * idle producers share. A partition that fails is looked at again by the next sweep, and stops no other.
 */
import type { MetadataImage, TopicImage } from "../core/cluster/metadata_image.ts";
import type { Env } from "../lib/env.ts";
import type { Logger } from "../lib/log.ts";

export interface PartitionSweepOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly metadata: () => MetadataImage;
  readonly intervalMs: number;
  /** The line that is logged, as a warning, when `look` throws. */
  readonly failure: string;
  /** One partition's turn; throws the signal's reason when it is aborted. */
  readonly look: (topic: TopicImage, partition: number, signal: AbortSignal) => Promise<void>;
  /** Called behind each sweep of an interval. */
  readonly swept?: () => void;
}

export class PartitionSweep {
  readonly #options: PartitionSweepOptions;
  readonly #stopped = new AbortController();

  constructor(options: PartitionSweepOptions) {
    this.#options = options;
  }

  /** Sweeps from now on; the first time after one interval. */
  start(): void {
    void this.#everyInterval();
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** Looks at every partition once. */
  async sweep(): Promise<void> {
    const { metadata, look, log, failure } = this.#options;
    const { signal } = this.#stopped;
    for (const topic of metadata().topicsById.values()) {
      for (let partition = 0; partition < topic.partitions.length; partition++) {
        if (signal.aborted) return;
        try {
          await look(topic, partition, signal);
        } catch (error) {
          if (signal.aborted) return;
          // A partition that is being deleted, or whose store does not answer: the next sweep looks again.
          log.warn(failure, { topic: topic.name, partition, error: String(error) });
        }
      }
    }
  }

  async #everyInterval(): Promise<void> {
    const { env, intervalMs, swept } = this.#options;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        await env.sleep(intervalMs, signal);
      } catch {
        // Stopped: nothing is left to do.
        return;
      }
      await this.sweep();
      swept?.();
    }
  }
}
