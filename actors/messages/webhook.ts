/** Messages of a webhook (`webhook/<name>`). Null or `absent`: there is none of this name. */
import type { Trouble } from "../../core/webhook/delivery.ts";
import type { Webhook, WebhookConfig } from "../../core/webhook/webhook.ts";
import type { Expects } from "../runtime/types.ts";

export interface WebhookDelivery {
  readonly atMs: number;
  readonly topic: string;
  readonly partition: number;
  /** Of the first record. */
  readonly offset: number;
  readonly records: number;
  readonly status: number;
  readonly durationMs: number;
}

export interface WebhookError {
  readonly atMs: number;
  /** Null: it is not about one partition. */
  readonly topic: string | null;
  readonly partition: number | null;
  readonly error: string;
}

/** Since the webhook's actor was started. */
export interface WebhookCounts {
  readonly deliveredRequests: number;
  readonly failedRequests: number;
  readonly deliveredRecords: number;
  readonly deadLetters: number;
  /** Records that were deleted before they could be delivered, as far as offsets tell. */
  readonly missedRecords: number;
}

export interface WebhookPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly trouble: Trouble;
}

export interface WebhookView {
  readonly webhook: Webhook;
  /** `joining`: it waits for its group; `failing`: the last request failed. */
  readonly state: "paused" | "joining" | "active" | "failing";
  readonly lastDelivery: WebhookDelivery | null;
  readonly lastError: WebhookError | null;
  readonly consecutiveFailures: number;
  readonly counts: WebhookCounts;
  /** Those whose batch failed. */
  readonly troubles: readonly WebhookPartition[];
}

/** Makes it, or changes it. `id` and `secret` are of a new one. */
export interface PutWebhook extends
  Expects<
    | { readonly type: "created" | "changed" | "same"; readonly view: WebhookView }
    | { readonly type: "tooMany" }
    /** It is in the wrong state for this. */
    | { readonly type: "conflict"; readonly message: string }
  > {
  readonly type: "put";
  readonly config: WebhookConfig;
  readonly id: string;
  readonly secret: string;
}

export interface GetWebhook extends Expects<WebhookView | null> {
  readonly type: "get";
}

/** Finishes what is in flight, and leaves the group. */
export interface PauseWebhook extends Expects<WebhookView | null> {
  readonly type: "pause";
  readonly reason: string;
}

export interface ResumeWebhook extends Expects<WebhookView | null> {
  readonly type: "resume";
}

/** The old secret signs too for `graceMs`. */
export interface RotateWebhookSecret extends Expects<WebhookView | null> {
  readonly type: "rotateSecret";
  readonly secret: string;
  readonly graceMs: number;
}

/** False: there was none. The group keeps its offsets. */
export interface RemoveWebhook extends Expects<boolean> {
  readonly type: "remove";
}

/** Internal, and from whoever wakes it: time for a heartbeat. */
export interface WebhookBeat {
  readonly type: "beat";
}

/** Internal: a delivery found that the webhook has to stop. */
export interface WebhookMustPause {
  readonly type: "mustPause";
  readonly reason: string;
  /** What was delivered with another definition says nothing of this one. */
  readonly config: WebhookConfig;
}

export type WebhookMessage =
  | PutWebhook
  | GetWebhook
  | PauseWebhook
  | ResumeWebhook
  | RotateWebhookSecret
  | RemoveWebhook
  | WebhookBeat
  | WebhookMustPause;
