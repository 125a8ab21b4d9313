/**
 * One attempt to deliver a batch of a webhook, and the end of all attempts: the POST, signed, and what its outcome means; the dead letter.
 */
import type { AttemptOutcome, Trouble } from "../core/webhook/delivery.ts";
import {
  type Webhook,
  type WebhookBatch,
  webhookBody,
  type WebhookConfig,
  webhookMessageId,
} from "../core/webhook/webhook.ts";
import type { AddressRange } from "../core/webhook/address_ranges.ts";
import type { Env } from "../lib/env.ts";
import type { ServerMetrics } from "./server_metrics.ts";
import { appendDeadLetters, type DeadLetterPorts } from "./webhook_dead_letters.ts";
import { postWebhook } from "./webhook_post.ts";
import { signedHeaders } from "./webhook_signature.ts";
import type { WebhookStatus } from "./webhook_status.ts";

export interface WebhookAttemptsOptions {
  readonly env: Env;
  readonly name: string;
  readonly metrics: ServerMetrics;
  readonly status: WebhookStatus;
  /** Private addresses that webhooks may go to, as configured at the moment. */
  readonly allowed: () => readonly AddressRange[];
  readonly deadLetters: DeadLetterPorts;
  /** As it is now; null: it is gone. */
  readonly webhook: () => Webhook | null;
  /** The webhook has to pause, which loses nothing: the records stay where they are. */
  readonly stop: (config: WebhookConfig, reason: string) => void;
}

const stopped = { type: "stop" } as const;

export class WebhookAttempts {
  readonly #options: WebhookAttemptsOptions;

  constructor(options: WebhookAttemptsOptions) {
    this.#options = options;
  }

  /** `stop`: nothing more is to be sent. Rejects only when the signal is aborted. */
  async post(
    config: WebhookConfig,
    batch: WebhookBatch,
    signal: AbortSignal,
  ): Promise<AttemptOutcome | typeof stopped> {
    const { env, name, metrics, status, allowed, stop } = this.#options;
    const webhook = this.#options.webhook();
    if (webhook === null) return stopped;
    // In the form that the batch was collected for, whatever the webhook has become since.
    const body = webhookBody(name, { config }, batch);
    const headers = signedHeaders(webhook, webhookMessageId(webhook, batch), body, env.now());
    const startedMs = env.mono();
    const { url, timeoutMs } = config;
    const outcome = await postWebhook(
      env,
      { url, headers, body: body.text, timeoutMs, allowed: allowed() },
      signal,
    );
    signal.throwIfAborted();
    const durationMs = Math.round(env.mono() - startedMs);
    metrics.webhookSeconds.observe(durationMs / 1_000);
    if (outcome.type === "answered" && outcome.status >= 200 && outcome.status <= 299) {
      status.delivered(batch, outcome.status, durationMs);
      return { type: "delivered" };
    }
    const error = outcome.type === "answered"
      ? `The receiver answered ${outcome.status}`
      : outcome.type === "failed"
      ? `The receiver: ${outcome.reason}`
      : outcome.reason;
    status.failed(batch, error);
    if (outcome.type === "refused") {
      stop(config, error);
      return stopped;
    }
    // Source: Standard Webhooks: the endpoint is not in use any more.
    if (outcome.type === "answered" && outcome.status === 410) {
      stop(config, `${error}: it is gone`);
      return stopped;
    }
    const retryAfterMs = outcome.type === "answered" ? outcome.retryAfterMs : null;
    const isTooLarge = outcome.type === "answered" && outcome.status === 413;
    return { type: "failed", error, retryAfterMs, isTooLarge };
  }

  /** Null when it is stored; else why not. */
  async deadLetter(config: WebhookConfig, batch: WebhookBatch, trouble: Trouble): Promise<string | null> {
    const { name, status, deadLetters } = this.#options;
    const fault = await appendDeadLetters(deadLetters, config.deadLetterTopic, name, batch, trouble);
    if (fault !== null) {
      status.note(batch, `Cannot store a dead letter: ${fault}`);
      return fault;
    }
    status.deadLetters(batch);
    return null;
  }
}
