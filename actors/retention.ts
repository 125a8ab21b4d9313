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
import { PartitionSweep } from "./partition_sweep.ts";
import type { ActorRef } from "./runtime/types.ts";

/** Between two steps at least, so that requests come first: small steps, that retention may keep up with who appends. */
const STEP_PAUSE_MS = 2;

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
  readonly #sweep: PartitionSweep;

  constructor(options: RetentionSweepOptions) {
    this.#options = options;
    const { env, log, metadata } = options;
    this.#sweep = new PartitionSweep({
      env,
      log,
      metadata,
      intervalMs: options.checkIntervalMs,
      failure: "Cannot delete old records",
      look: (topic, partition, signal) => this.#clean(topic, partition, signal),
    });
  }

  /** Sweeps from now on; the first time after one interval. */
  start(): void {
    this.#sweep.start();
  }

  stop(): void {
    this.#sweep.stop();
  }

  /** Looks at every partition once. */
  sweep(): Promise<void> {
    return this.#sweep.sweep();
  }

  async #clean(topic: TopicImage, partition: number, signal: AbortSignal): Promise<void> {
    const { env, storage } = this.#options;
    const settings = this.#settingsOf(topic);
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
      // Looked up for each step: who changes settings means it from now on, however long this goes on.
      const current = this.#options.metadata().topicsById.get(topic.topicId);
      if (current === undefined) return;
      if (!await actor.ask({ type: "clean", ...this.#settingsOf(current) }, { signal })) return;
      // Half of the time at most: the busier the disk, the less it is asked for.
      await env.sleep(Math.max(STEP_PAUSE_MS, env.mono() - stepMs), signal);
    }
  }

  /** Without settings what DeleteRecords left goes all the same. */
  #settingsOf(topic: TopicImage): RetentionSettings {
    return this.#options.settings(topic) ?? { retentionMs: -1, retentionBytes: -1 };
  }
}
