/**
 * The background sweep that compacts logs: looks at every partition of a compacted topic each `log.cleaner.backoff.ms`, and takes those
 * that are due through one round, step by step with a pause between, one partition at a time: that is its budget in time, disk
 * and memory. It looks into the store without opening a log, so that partitions that nobody uses stay passivated.
 * Source: Kafka's LogCleaner with one thread.
 */
import type { MetadataImage, TopicImage } from "../core/cluster/metadata_image.ts";
import {
  compactionDue,
  type CompactionReason,
  type CompactionSettings,
} from "../core/partition/compaction.ts";
import type { Env } from "../lib/env.ts";
import type { Logger } from "../lib/log.ts";
import { peekCompactable } from "../storage/log_peek.ts";
import type { Storage } from "../storage/storage.ts";
import type { PartitionMessage } from "./messages/partition.ts";
import { PartitionSweep } from "./partition_sweep.ts";
import type { ActorRef } from "./runtime/types.ts";

/** Between two steps at least, so that requests come first. */
const STEP_PAUSE_MS = 2;
/** Longest wait before a partition whose round came to nothing is looked at again. */
const BACKOFF_MS_MAX = 3_600_000;

export interface CompactionSweepOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly storage: Storage;
  readonly metadata: () => MetadataImage;
  /** Null: the topic is not compacted. */
  readonly settings: (topic: TopicImage) => CompactionSettings | null;
  readonly partition: (topicId: string, partition: number) => ActorRef<PartitionMessage>;
  /** `log.cleaner.backoff.ms`. */
  readonly intervalMs: number;
  /** `log.cleaner.dedupe.buffer.size`. */
  readonly mapBytesMax: number;
  /** `producer.id.expiration.ms`. */
  readonly producerExpirationMs: () => number;
}

/** A round that came to nothing, and when the next may come. */
interface Idle {
  readonly rounds: number;
  readonly untilMs: number;
}

export class CompactionSweep {
  readonly #options: CompactionSweepOptions;
  readonly #sweep: PartitionSweep;
  readonly #idle = new Map<string, Idle>();
  #roundCount = 0;

  constructor(options: CompactionSweepOptions) {
    this.#options = options;
    const { env, log, metadata } = options;
    this.#sweep = new PartitionSweep({
      env,
      log,
      metadata,
      intervalMs: options.intervalMs,
      failure: "Cannot compact",
      look: (topic, partition, signal) => this.#compact(topic, partition, signal),
      swept: () => this.#forgetDeleted(),
    });
  }

  /** Sweeps from now on; the first time after one interval. */
  start(): void {
    this.#sweep.start();
  }

  stop(): void {
    this.#sweep.stop();
  }

  /** Looks at every partition once, and compacts those that are due. */
  sweep(): Promise<void> {
    return this.#sweep.sweep();
  }

  async #compact(topic: TopicImage, partition: number, signal: AbortSignal): Promise<void> {
    const { env, storage, log, mapBytesMax, producerExpirationMs } = this.#options;
    const settings = this.#options.settings(topic);
    if (settings === null) return;
    const key = `${topic.topicId}/${partition}`;
    const idle = this.#idle.get(key);
    if (idle !== undefined && env.mono() < idle.untilMs) return;
    const peek = await peekCompactable(storage, topic.topicId, partition);
    if (peek === null) return;
    const reason = compactionDue(peek.log, peek.checkpoint, settings, env.now());
    if (reason === null) return;
    const actor = this.#options.partition(topic.topicId, partition);
    const startedMs = env.mono();
    const message = {
      type: "compact",
      roundId: ++this.#roundCount,
      reason,
      settings,
      mapBytesMax,
      producerExpirationMs: producerExpirationMs(),
    } as const;
    let answer: "more" | "done" | "failed" = "more";
    while (answer === "more") {
      const stepMs = env.mono();
      answer = await actor.ask(message, { signal });
      // Half of the time at most: the busier the disk, the less it is asked for.
      if (answer === "more") await env.sleep(Math.max(STEP_PAUSE_MS, env.mono() - stepMs), signal);
    }
    const after = await peekCompactable(storage, topic.topicId, partition);
    const { firstDirtyOffset } = after?.checkpoint ?? peek.checkpoint;
    const isFruitless = answer === "failed" ||
      (firstDirtyOffset === peek.checkpoint.firstDirtyOffset && reason !== "horizon");
    if (isFruitless) return this.#rest(key, idle);
    this.#idle.delete(key);
    log.info("compacted", {
      topic: topic.name,
      partition,
      reason: reason satisfies CompactionReason,
      upTo: firstDirtyOffset,
      bytesBefore: peek.log.sizeBytes,
      bytesAfter: after?.log.sizeBytes ?? 0,
      ms: Math.round(env.mono() - startedMs),
    });
  }

  /** Most is too young, or something cannot be read: to look again at once would be the same work for nothing. */
  #rest(key: string, idle: Idle | undefined): void {
    const { env, intervalMs } = this.#options;
    const rounds = (idle?.rounds ?? 0) + 1;
    const waitMs = Math.min(BACKOFF_MS_MAX, intervalMs * 2 ** Math.min(rounds, 20));
    this.#idle.set(key, { rounds, untilMs: env.mono() + waitMs });
  }

  #forgetDeleted(): void {
    const { topicsById } = this.#options.metadata();
    for (const key of this.#idle.keys()) {
      if (!topicsById.has(key.slice(0, key.indexOf("/")))) this.#idle.delete(key);
    }
  }
}
