/** How a webhook is doing, for whoever asks, counts or watches: its view, metrics, events and log lines come from here. */
import type { ClusterEvent } from "../core/cluster/cluster_events.ts";
import type { WebhookBatch } from "../core/webhook/webhook.ts";
import type { Env } from "../lib/env.ts";
import type { Logger } from "../lib/log.ts";
import type { WebhookCounts, WebhookDelivery, WebhookError } from "./messages/webhook.ts";
import type { ServerMetrics } from "./server_metrics.ts";

export interface WebhookStatusOptions {
  readonly name: string;
  readonly env: Env;
  readonly log: Logger;
  readonly metrics: ServerMetrics;
  readonly publish: (event: ClusterEvent) => void;
}

type Place = Pick<WebhookBatch, "topic" | "partition">;

export class WebhookStatus {
  lastDelivery: WebhookDelivery | null = null;
  lastError: WebhookError | null = null;
  /** Requests that failed since the last one that did not. */
  consecutiveFailures: number;
  readonly #options: WebhookStatusOptions;
  #counts = {
    deliveredRequests: 0,
    failedRequests: 0,
    deliveredRecords: 0,
    deadLetters: 0,
    missedRecords: 0,
  };

  constructor(options: WebhookStatusOptions, consecutiveFailures: number) {
    this.#options = options;
    this.consecutiveFailures = consecutiveFailures;
  }

  get counts(): WebhookCounts {
    return { ...this.#counts };
  }

  delivered({ topic, partition, records }: WebhookBatch, status: number, durationMs: number): void {
    const { name, metrics, publish } = this.#options;
    metrics.webhookRequests.add(1, "delivered");
    metrics.webhookRecords.add(records.length, "delivered");
    this.#counts.deliveredRequests++;
    this.#counts.deliveredRecords += records.length;
    const offset = records[0]?.offset ?? -1;
    const atMs = this.#nowMs();
    this.lastDelivery = { atMs, topic, partition, offset, records: records.length, status, durationMs };
    if (this.consecutiveFailures > 0) publish({ type: "webhookRecovered", webhook: name });
    this.consecutiveFailures = 0;
  }

  failed(batch: WebhookBatch, error: string): void {
    const { name, metrics, publish, log } = this.#options;
    metrics.webhookRequests.add(1, "failed");
    this.#counts.failedRequests++;
    if (this.consecutiveFailures === 0) {
      publish({ type: "webhookFailing", webhook: name, error });
      log.warn("A webhook fails", { webhook: name, error });
    }
    this.consecutiveFailures++;
    this.note(batch, error);
  }

  deadLetters({ topic, partition, records }: WebhookBatch): void {
    const { name, metrics, publish, log } = this.#options;
    this.#counts.deadLetters += records.length;
    metrics.webhookRecords.add(records.length, "dead_letter");
    for (const { offset } of records) {
      publish({ type: "webhookDeadLetter", webhook: name, topic, partition, offset });
      log.warn("A webhook gave up a record", { webhook: name, topic, partition, offset });
    }
  }

  /** Records that were deleted before they were delivered. */
  missed({ topic, partition }: Place, count: number): void {
    const { name, log } = this.#options;
    this.#counts.missedRecords += count;
    log.warn("Records were deleted before a webhook had them", { webhook: name, topic, partition, count });
  }

  paused(reason: string): void {
    this.#options.publish({ type: "webhookPaused", webhook: this.#options.name, reason });
  }

  /** Null: it is not about one partition. */
  note(place: Place | null, error: string): void {
    const atMs = this.#nowMs();
    this.lastError = { atMs, topic: place?.topic ?? null, partition: place?.partition ?? null, error };
  }

  #nowMs(): number {
    return Math.floor(this.#options.env.now());
  }
}
