/**
 * The background sweep that lets old records go: looks at every partition each `log.retention.check.interval.ms`, and asks those with
 * something to delete for one bounded step after the other, one partition at a time, with a pause between steps: that is its
 * budget. It looks into the store without opening a log, so that partitions that nobody uses stay passivated.
 */
import type { MetadataImage, TopicImage } from "../core/cluster/metadata_image.ts";
import { decideRetention, type RetentionSettings } from "../core/partition/retention.ts";
import type { Env } from "../lib/env.ts";
import type { Logger } from "../lib/log.ts";
import { peekOldest } from "../storage/log_peek.ts";
import type { Storage } from "../storage/storage.ts";
import type { PartitionMessage } from "./messages/partition.ts";
import type { ActorRef } from "./runtime/types.ts";

/** Between two steps at least, so that requests come first. */
const STEP_PAUSE_MS = 10;

export interface RetentionSweepOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly storage: Storage;
  readonly metadata: () => MetadataImage;
  readonly settings: (topic: TopicImage) => RetentionSettings | null;
  readonly partition: (topicId: string, partition: number) => ActorRef<PartitionMessage>;
  /** `log.retention.check.interval.ms`. */
  readonly checkIntervalMs: number;
}

export class RetentionSweep {
  readonly #options: RetentionSweepOptions;
  readonly #stopped = new AbortController();

  constructor(options: RetentionSweepOptions) {
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
    const { metadata, settings, log } = this.#options;
    for (const topic of metadata().topicsById.values()) {
      for (let partition = 0; partition < topic.partitions.length; partition++) {
        if (this.#stopped.signal.aborted) return;
        try {
          // Without settings what DeleteRecords left goes all the same.
          await this.#clean(topic, partition, settings(topic) ?? { retentionMs: -1, retentionBytes: -1 });
        } catch (error) {
          if (this.#stopped.signal.aborted) return;
          // A partition that is being deleted, or whose store does not answer: the next sweep looks again.
          log.warn("Cannot delete old records", { topic: topic.name, partition, error: String(error) });
        }
      }
    }
  }

  async #clean(topic: TopicImage, partition: number, settings: RetentionSettings): Promise<void> {
    const { env, storage } = this.#options;
    const { signal } = this.#stopped;
    const peek = await peekOldest(storage, topic.topicId, partition);
    if (peek === null) return;
    const { head, oldest } = peek;
    const isDue = oldest.lastOffset < head.logStartOffset ||
      (oldest.maxTimestamp < 0 && settings.retentionMs >= 0) ||
      decideRetention(head, [oldest], settings, env.now()) > head.logStartOffset;
    if (!isDue) return;
    const actor = this.#options.partition(topic.topicId, partition);
    while (true) {
      const stepMs = env.mono();
      if (!await actor.ask({ type: "clean", ...settings }, { signal })) return;
      // Half of the time at most: the busier the disk, the less it is asked for.
      await env.sleep(Math.max(STEP_PAUSE_MS, env.mono() - stepMs), signal);
    }
  }

  async #everyInterval(): Promise<void> {
    const { env, checkIntervalMs } = this.#options;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        await env.sleep(checkIntervalMs, signal);
      } catch {
        // Stopped: nothing is left to do.
        return;
      }
      await this.sweep();
    }
  }
}
