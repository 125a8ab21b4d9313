/** Messages of the actor of all subscriptions to streams (`stream_subscriptions/all`). Offsets are the streams' own. */
import type { StreamLink, Subscription, SubscriptionConfig, Wake } from "../../core/stream/subscription.ts";
import type { Expects } from "../runtime/types.ts";

export interface SubscriptionView {
  readonly subscription: Subscription;
  readonly links: ReadonlyMap<string, StreamLink>;
}

export interface PutSubscription extends
  Expects<
    | (SubscriptionView & { readonly outcome: "created" | "same" | "different" })
    | { readonly outcome: "tooMany" }
  > {
  readonly type: "put";
  readonly id: string;
  readonly config: SubscriptionConfig;
  readonly streamRoot: string;
}

export interface GetSubscription extends Expects<SubscriptionView | null> {
  readonly type: "get";
  readonly id: string;
}

export interface DeleteSubscription extends Expects<boolean> {
  readonly type: "delete";
  readonly id: string;
}

/** Names more streams, or no longer names one; false when there is no such subscription. */
export interface LinkStreams extends Expects<boolean> {
  readonly type: "linkStreams";
  readonly id: string;
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

export interface WakeView {
  readonly subscription: Subscription;
  readonly wake: Wake;
  readonly links: ReadonlyMap<string, StreamLink>;
}

export interface ClaimWake extends
  Expects<
    | { readonly type: "claimed"; readonly view: WakeView }
    | { readonly type: "absent" }
    | { readonly type: "held"; readonly holder: string; readonly generation: number }
    | { readonly type: "nothingPending" }
  > {
  readonly type: "claim";
  readonly id: string;
  readonly worker: string;
}

/** What a worker says of the wake it has; stale ones are `fenced`. */
export interface SettleWake extends
  Expects<
    | { readonly type: "ok"; readonly nextWake: boolean }
    | { readonly type: "absent" }
    | { readonly type: "fenced" }
  > {
  readonly type: "settle";
  readonly id: string;
  readonly wakeId: string;
  readonly generation: number;
  readonly token: string;
  readonly acks: readonly { readonly path: string; readonly offset: number }[];
  /** Whether the worker gives the wake back; else its lease is extended. */
  readonly done: boolean;
}

/** Tell: a stream has new records, or is new. */
export interface StreamChanged {
  readonly type: "changed";
  readonly path: string;
  readonly tail: number;
}

/** Tell: a stream was deleted. */
export interface StreamRemoved {
  readonly type: "removed";
  readonly path: string;
}

/** The public half of the key that webhooks are signed with. */
export interface GetSigningKey extends Expects<{ readonly kid: string; readonly x: string }> {
  readonly type: "signingKey";
}

/** Internal: a lease or a retry may be due; a delivery ended. */
export interface SubscriptionTick {
  readonly type: "tick";
}
export interface WebhookAnswered {
  readonly type: "answered";
  readonly id: string;
  readonly wakeId: string;
  readonly outcome: "done" | "accepted" | "failed";
}

export type SubscriptionMessage =
  | PutSubscription
  | GetSubscription
  | DeleteSubscription
  | LinkStreams
  | ClaimWake
  | SettleWake
  | StreamChanged
  | StreamRemoved
  | GetSigningKey
  | SubscriptionTick
  | WebhookAnswered;
