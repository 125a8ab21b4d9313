/**
 * The background sweep that lets partitions forget idle producers: looks at every partition's producers each ten minutes,
 * and asks those with some to forget for one bounded step after the other. Like retention's, it looks into the store
 * without opening a log, so that partitions that nobody uses stay passivated.
 */
import type { MetadataImage } from "../core/cluster/metadata_image.ts";
import { ProducerExpiry, PRODUCERS_MAX } from "../core/partition/producer_expiry.ts";
import type { Env } from "../lib/env.ts";
import type { Logger } from "../lib/log.ts";
import { PartitionKeys } from "../storage/keys/partition.ts";
import { readOpenTransactions, scanProducers } from "../storage/log_transactions.ts";
import type { Storage } from "../storage/storage.ts";
import type { PartitionMessage } from "./messages/partition.ts";
import { PartitionSweep } from "./partition_sweep.ts";
import type { ActorRef } from "./runtime/types.ts";

/** Kafka's producer.id.expiration.check.interval.ms. */
const SWEEP_INTERVAL_MS = 600_000;
/** Between two partitions, and between two steps, so that requests come first. */
const PAUSE_MS = 5;
/** Steps of one partition in one sweep; the next one goes on. */
const STEPS_MAX = 200;

export interface ProducerSweepOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly storage: Storage;
  readonly metadata: () => MetadataImage;
  readonly partition: (topicId: string, partition: number) => ActorRef<PartitionMessage>;
  /** `producer.id.expiration.ms` */
  readonly expirationMs: () => number;
}

export class ProducerSweep {
  readonly #options: ProducerSweepOptions;
  readonly #sweep: PartitionSweep;

  constructor(options: ProducerSweepOptions) {
    this.#options = options;
    const { env, log, metadata } = options;
    this.#sweep = new PartitionSweep({
      env,
      log,
      metadata,
      intervalMs: SWEEP_INTERVAL_MS,
      failure: "Cannot forget idle producers",
      look: ({ topicId }, partition, signal) => this.#expire(topicId, partition, signal),
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

  async #expire(topicId: string, partition: number, signal: AbortSignal): Promise<void> {
    const { env } = this.#options;
    if (!await this.#isDue(topicId, partition, signal)) return;
    const actor = this.#options.partition(topicId, partition);
    for (let step = 0; step < STEPS_MAX; step++) {
      if (!await actor.ask({ type: "expireProducers" }, { signal })) return;
      await env.sleep(PAUSE_MS, signal);
    }
  }

  async #isDue(topicId: string, partition: number, signal: AbortSignal): Promise<boolean> {
    const { env, storage, expirationMs } = this.#options;
    const keys = new PartitionKeys(topicId, partition);
    const [first] = await storage.list(keys.producers(), { limit: 1 });
    if (first === undefined) return false;
    await env.sleep(PAUSE_MS, signal);
    const open = await readOpenTransactions(storage, keys);
    const settings = { expirationMs: expirationMs(), countMax: PRODUCERS_MAX };
    const expiry = new ProducerExpiry(settings, open, env.now());
    for await (const producer of scanProducers(storage, keys)) expiry.look(producer);
    return expiry.victims(1).length > 0;
  }
}
