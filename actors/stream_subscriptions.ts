/**
 * The actor of all subscriptions to streams (`stream_subscriptions/all`): it knows what each has acknowledged, wakes workers
 * when a stream has more, and fences those whose wake is over. Webhooks are sent beside the mailbox, signed, and tried again.
 *
 * It hears of appends from whoever made them over HTTP. At activation it looks at every linked stream, so that nothing that came
 * while it was away is missed. Source: PROTOCOL.md §6 and §7.
 */
import { limits } from "../core/config/limits.ts";
import {
  isSameConfig,
  matchesPattern,
  type StreamLink,
  type Subscription,
  type Wake,
} from "../core/stream/subscription.ts";
import type { AddressRange } from "../core/webhook/address_ranges.ts";
import { retryDelayMs } from "../core/webhook/retry_delay.ts";
import type { Env } from "../lib/env.ts";
import type { ShardStore } from "../storage/shard.ts";
import { type SubscriptionChange, SubscriptionStore } from "../storage/subscription_store.ts";
import type { StreamMessage, StreamRegistryMessage } from "./messages/stream.ts";
import type {
  ClaimWake,
  LinkStreams,
  PutSubscription,
  SettleWake,
  SubscriptionMessage,
  WebhookAnswered,
} from "./messages/subscription.ts";
import type { ActorContext, ActorHost, ActorKind, ActorRef, Reply } from "./runtime/types.ts";
import { STREAM_KIND } from "./stream.ts";
import { STREAM_REGISTRY_KEY, STREAM_REGISTRY_KIND } from "./stream_registry.ts";
import { generateSigningKey, WebhookSender } from "./webhook_sender.ts";

export const STREAM_SUBSCRIPTIONS_KIND = "stream_subscriptions";
export const STREAM_SUBSCRIPTIONS_KEY = "all";

export interface StreamSubscriptionsOptions {
  readonly open: () => Promise<{ store: SubscriptionStore; sender: WebhookSender }>;
}

interface Effect {
  readonly changes: readonly SubscriptionChange[];
  readonly then: () => void;
}
type Context = ActorContext<SubscriptionMessage, Effect>;

/** The stored subscriptions, and a sender with the stored key. */
export async function openSubscriptions(
  shards: ShardStore,
  env: Env,
  allowed: () => readonly AddressRange[],
): Promise<{ store: SubscriptionStore; sender: WebhookSender }> {
  const store = await SubscriptionStore.open(shards);
  const key = await store.signingKey(shards, generateSigningKey);
  return { store, sender: await WebhookSender.open({ env, key, allowed }) };
}

export function streamSubscriptionsKind(
  options: StreamSubscriptionsOptions,
): ActorKind<SubscriptionMessage, Effect> {
  return {
    kind: STREAM_SUBSCRIPTIONS_KIND,
    options: { idleAfterMs: 0 },
    async activate(context) {
      const { store, sender } = await options.open();
      const host = new StreamSubscriptionsHost(context, store, sender);
      await host.catchUp();
      return host;
    },
  };
}

interface Entry {
  subscription: Subscription;
  readonly links: Map<string, StreamLink>;
}

class StreamSubscriptionsHost implements ActorHost<SubscriptionMessage, Effect> {
  readonly #context: Context;
  readonly #store: SubscriptionStore;
  readonly #sender: WebhookSender;
  readonly #registry: ActorRef<StreamRegistryMessage>;
  readonly #entries = new Map<string, Entry>();
  /** The ends of the streams that any subscription is linked to. */
  readonly #tails = new Map<string, number>();

  constructor(context: Context, store: SubscriptionStore, sender: WebhookSender) {
    this.#context = context;
    this.#store = store;
    this.#sender = sender;
    this.#registry = context.ref<StreamRegistryMessage>(STREAM_REGISTRY_KIND, STREAM_REGISTRY_KEY);
    for (const subscription of store.subscriptions) {
      this.#entries.set(subscription.id, { subscription, links: new Map() });
    }
    for (const { id, path, link } of store.links) this.#entries.get(id)?.links.set(path, link);
  }

  /** Looks at the streams' ends and wakes whoever has work. */
  async catchUp(): Promise<void> {
    for (const path of new Set([...this.#entries.values()].flatMap(({ links }) => [...links.keys()]))) {
      await this.#lookUpTail(path);
    }
    for (const entry of this.#entries.values()) {
      const { wake } = entry.subscription;
      // A delivery that a restart interrupted is made again.
      if (wake !== null && entry.subscription.config.type === "webhook" && wake.nextAttemptMs === null) {
        this.#setWake(entry, { ...wake, nextAttemptMs: this.#nowMs() }, () => {});
      }
      this.#wakeIfPending(entry);
    }
    this.#arm();
  }

  receive(message: SubscriptionMessage, reply: Reply<unknown>): void | Promise<void> {
    switch (message.type) {
      case "put":
        return this.#put(message, reply);
      case "get": {
        const entry = this.#entries.get(message.id);
        return reply.send(entry === undefined ? null : { ...entry, links: new Map(entry.links) });
      }
      case "delete":
        return this.#delete(message.id, reply);
      case "linkStreams":
        return this.#linkStreams(message, reply);
      case "claim":
        return this.#claim(message, reply);
      case "settle":
        return this.#settle(message, reply);
      case "changed":
        return this.#changed(message.path, message.tail);
      case "removed":
        return this.#removed(message.path);
      case "signingKey":
        return reply.sendNow(this.#sender.publicKey);
      case "tick":
        return this.#tick();
      case "answered":
        return this.#answered(message);
    }
  }

  async commit(effects: readonly Effect[]): Promise<void> {
    await this.#store.commit(effects.flatMap((effect) => effect.changes));
    for (const { then } of effects) then();
  }

  stop(): void {
    this.#store.close();
  }

  inspect(): Record<string, unknown> {
    return { subscriptions: this.#entries.size, linkedStreams: this.#tails.size };
  }

  async #put({ id, config, streamRoot }: PutSubscription, reply: Reply<unknown>): Promise<void> {
    const existing = this.#entries.get(id);
    if (existing !== undefined) {
      const outcome = isSameConfig(existing.subscription.config, config) ? "same" : "different";
      return reply.send({ ...existing, links: new Map(existing.links), outcome });
    }
    if (this.#entries.size >= limits.subscriptionCountMax) return reply.send({ outcome: "tooMany" });
    const subscription: Subscription = {
      id,
      config,
      streamRoot,
      createdAtMs: this.#nowMs(),
      generation: 0,
      wake: null,
    };
    const entry: Entry = { subscription, links: new Map() };
    const changes: SubscriptionChange[] = [{ type: "put", subscription }];
    for (const path of config.streams) {
      changes.push(this.#link(entry, path, true, await this.#lookUpTail(path) ?? 0));
    }
    if (config.pattern !== null) {
      const paths = await this.#registry.ask({ type: "list", pattern: config.pattern });
      for (const path of paths) {
        if (entry.links.has(path)) continue;
        // What is there already is not delivered again.
        changes.push(this.#link(entry, path, false, await this.#lookUpTail(path) ?? 0));
      }
    }
    this.#entries.set(id, entry);
    this.#context.stage({
      changes,
      then: () => reply.sendNow({ subscription, links: new Map(entry.links), outcome: "created" }),
    });
  }

  #delete(id: string, reply: Reply<unknown>): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return reply.send(false);
    this.#entries.delete(id);
    const changes: SubscriptionChange[] = [...entry.links.keys()].map((path) => ({
      type: "unlink",
      id,
      path,
    }));
    changes.push({ type: "remove", id });
    this.#context.stage({ changes, then: () => reply.sendNow(true) });
  }

  async #linkStreams({ id, add, remove }: LinkStreams, reply: Reply<unknown>): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return reply.send(false);
    const { pattern } = entry.subscription.config;
    const changes: SubscriptionChange[] = [];
    for (const path of add) {
      const link = entry.links.get(path);
      if (link?.explicit === true) continue;
      changes.push(this.#link(entry, path, true, link?.ackedOffset ?? await this.#lookUpTail(path) ?? 0));
    }
    for (const path of remove) {
      const link = entry.links.get(path);
      if (link?.explicit !== true) continue;
      if (pattern !== null && matchesPattern(pattern, path)) {
        changes.push(this.#link(entry, path, false, link.ackedOffset));
      } else {
        entry.links.delete(path);
        changes.push({ type: "unlink", id, path });
      }
    }
    this.#context.stage({ changes, then: () => reply.sendNow(true) });
  }

  #claim({ id, worker }: ClaimWake, reply: Reply<unknown>): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.subscription.config.type !== "pull-wake") {
      return reply.send({ type: "absent" });
    }
    const { wake, generation } = entry.subscription;
    if (wake === null) return reply.send({ type: "nothingPending" });
    if (wake.holder !== null) return reply.send({ type: "held", holder: wake.holder, generation });
    const leaseUntilMs = this.#nowMs() + entry.subscription.config.leaseTtlMs;
    const claimed = { ...wake, tails: this.#tailsOf(entry), holder: worker, leaseUntilMs };
    this.#setWake(entry, claimed, () => {
      const { subscription, links } = entry;
      reply.sendNow({ type: "claimed", view: { subscription, wake: claimed, links: new Map(links) } });
    });
    this.#arm();
  }

  #settle({ id, wakeId, generation, token, acks, done }: SettleWake, reply: Reply<unknown>): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return reply.send({ type: "absent" });
    const { wake } = entry.subscription;
    const isCurrent = wake !== null && wake.holder !== null && wake.wakeId === wakeId &&
      entry.subscription.generation === generation && wake.token === token;
    if (!isCurrent) return reply.send({ type: "fenced" });
    const changes = acks.flatMap(({ path, offset }) => this.#ack(entry, path, offset));
    const leaseUntilMs = this.#nowMs() + entry.subscription.config.leaseTtlMs;
    this.#setWake(entry, done ? null : { ...wake, leaseUntilMs, nextAttemptMs: null }, () => {}, changes);
    const nextWake = done && this.#wakeIfPending(entry);
    reply.send({ type: "ok", nextWake });
    this.#arm();
  }

  #changed(path: string, tail: number): void {
    this.#tails.set(path, Math.max(tail, this.#tails.get(path) ?? 0));
    for (const entry of this.#entries.values()) {
      const { pattern } = entry.subscription.config;
      if (!entry.links.has(path)) {
        if (pattern === null || !matchesPattern(pattern, path)) continue;
        // Linked as of before this append.
        this.#context.stage({ changes: [this.#link(entry, path, false, 0)], then: () => {} });
      }
      this.#wakeIfPending(entry);
    }
    this.#arm();
  }

  #removed(path: string): void {
    this.#tails.delete(path);
    for (const { subscription: { id }, links } of this.#entries.values()) {
      if (links.delete(path)) {
        this.#context.stage({ changes: [{ type: "unlink", id, path }], then: () => {} });
      }
    }
  }

  #answered({ id, wakeId, outcome }: WebhookAnswered): void {
    const entry = this.#entries.get(id);
    const wake = entry?.subscription.wake;
    if (entry === undefined || wake === undefined || wake === null || wake.wakeId !== wakeId) return;
    if (outcome === "done") {
      const changes = Object.entries(wake.tails).flatMap(([path, tail]) => this.#ack(entry, path, tail));
      this.#setWake(entry, null, () => {}, changes);
      this.#wakeIfPending(entry);
    } else if (outcome === "failed") {
      const failureCount = wake.failureCount + 1;
      const delayMs = retryDelayMs(failureCount, this.#context.env.random());
      const nextAttemptMs = Math.ceil(this.#nowMs() + delayMs);
      this.#setWake(entry, { ...wake, failureCount, nextAttemptMs, leaseUntilMs: null }, () => {});
    } else this.#setWake(entry, { ...wake, failureCount: 0 }, () => {});
    this.#arm();
  }

  /** Ends leases that ran out and sends what is to be sent again. */
  #tick(): void {
    const nowMs = this.#nowMs();
    for (const entry of this.#entries.values()) {
      const { wake } = entry.subscription;
      if (wake === null) continue;
      if (wake.nextAttemptMs !== null && wake.nextAttemptMs <= nowMs) this.#deliver(entry, wake);
      else if (wake.leaseUntilMs !== null && wake.leaseUntilMs <= nowMs) {
        this.#setWake(entry, null, () => {});
        this.#wakeIfPending(entry);
      }
    }
    this.#arm();
  }

  #wakeIfPending(entry: Entry): boolean {
    const { subscription, links } = entry;
    if (subscription.wake !== null) return false;
    const pending = [...links].find(([path, link]) => (this.#tails.get(path) ?? 0) > link.ackedOffset);
    if (pending === undefined) return false;
    entry.subscription = { ...subscription, generation: subscription.generation + 1 };
    const { env } = this.#context;
    const wake: Wake = {
      wakeId: `w_${env.uuid()}`,
      token: `${env.uuid()}${env.uuid()}`.replaceAll("-", ""),
      tails: this.#tailsOf(entry),
      holder: null,
      leaseUntilMs: null,
      failureCount: 0,
      nextAttemptMs: null,
    };
    if (subscription.config.type === "webhook") this.#deliver(entry, wake);
    else this.#setWake(entry, wake, () => this.#announce(entry, pending[0]));
    return true;
  }

  #deliver(entry: Entry, wake: Wake): void {
    const { id, config: { leaseTtlMs } } = entry.subscription;
    const leaseUntilMs = this.#nowMs() + leaseTtlMs;
    const delivered: Wake = { ...wake, holder: "webhook", leaseUntilMs, nextAttemptMs: null };
    // Told to the worker only once it is durable, else its callback could be refused after a crash.
    this.#setWake(entry, delivered, () => {
      const { subscription } = entry;
      const links = new Map(entry.links);
      this.#context.run(async (signal) => {
        const outcome = await this.#sender.send({ subscription, wake: delivered, links }, signal);
        signal.throwIfAborted();
        this.#context.tellSelf({ type: "answered", id, wakeId: wake.wakeId, outcome });
      });
    });
  }

  /** Writes a wake event into the wake stream; workers that miss it find the wake when they claim. */
  #announce({ subscription }: Entry, path: string): void {
    const { id, generation, config: { wakeStream } } = subscription;
    const event = { type: "wake", subscription_id: id, stream: path, generation, ts: this.#nowMs() };
    this.#context.run(async (signal) => {
      try {
        const found = await this.#registry.ask({ type: "lookUp", path: wakeStream ?? "", touch: true });
        if (found.type !== "found") return;
        await this.#context.ref<StreamMessage>(STREAM_KIND, found.stream.streamId).ask({
          type: "append",
          values: [new TextEncoder().encode(JSON.stringify(event))],
          close: false,
          contentTypeMatches: true,
          producer: null,
          streamSeq: null,
        });
      } catch (error) {
        signal.throwIfAborted();
        this.#context.log.warn("Cannot write a wake event", { subscription: id, error: String(error) });
      }
    });
  }

  #ack(entry: Entry, path: string, offset: number): SubscriptionChange[] {
    const link = entry.links.get(path);
    const upTo = Math.min(offset, this.#tails.get(path) ?? 0);
    if (link === undefined || upTo <= link.ackedOffset) return [];
    return [this.#link(entry, path, link.explicit, upTo)];
  }

  #link(entry: Entry, path: string, explicit: boolean, ackedOffset: number): SubscriptionChange {
    const link = { explicit, ackedOffset };
    entry.links.set(path, link);
    return { type: "link", id: entry.subscription.id, path, link };
  }

  #setWake(
    entry: Entry,
    wake: Wake | null,
    then: () => void,
    changes: readonly SubscriptionChange[] = [],
  ): void {
    entry.subscription = { ...entry.subscription, wake };
    this.#context.stage({ changes: [...changes, { type: "put", subscription: entry.subscription }], then });
  }

  #tailsOf({ links }: Entry): Record<string, number> {
    const pending = [...links].filter(([path, link]) => (this.#tails.get(path) ?? 0) > link.ackedOffset);
    return Object.fromEntries(
      pending.slice(0, limits.subscriptionStreamsPerWakeMax).map((
        [path],
      ) => [path, this.#tails.get(path) ?? 0]),
    );
  }

  /** Null for a stream that is not there. */
  async #lookUpTail(path: string): Promise<number | null> {
    const found = await this.#registry.ask({ type: "lookUp", path, touch: false });
    if (found.type !== "found") return null;
    const { streamId, base } = found.stream;
    const { tail } = await this.#context.ref<StreamMessage>(STREAM_KIND, streamId).ask({ type: "describe" });
    if (tail === null) return null;
    this.#tails.set(path, Math.max(base + tail, this.#tails.get(path) ?? 0));
    return base + tail;
  }

  #arm(): void {
    let dueMs = Infinity;
    for (const { subscription: { wake } } of this.#entries.values()) {
      if (wake !== null) {
        dueMs = Math.min(dueMs, wake.nextAttemptMs ?? Infinity, wake.leaseUntilMs ?? Infinity);
      }
    }
    if (dueMs === Infinity) return this.#context.cancelTimer("due");
    this.#context.setTimer("due", Math.max(1, dueMs - this.#nowMs()), { type: "tick" });
  }

  #nowMs(): number {
    return Math.floor(this.#context.env.now());
  }
}
