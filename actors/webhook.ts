/**
 * The actor of one webhook (`webhook/<name>`): an ordinary member of its consumer group, which POSTs what it reads. Its definition and the
 * batches that failed are stored, its progress is the group's committed offsets, so it goes on after a restart or `kill -9` where it was.
 *
 * Each partition is a lane (`webhook_lane.ts`) beside the mailbox: one request in flight for each, at most `concurrency` for all. When
 * the partitions change hands, what is in flight may end first, for a while.
 */
import type { ClusterEvent } from "../core/cluster/cluster_events.ts";
import type { MetadataImage } from "../core/cluster/metadata_image.ts";
import { limits } from "../core/config/limits.ts";
import type { AddressRange } from "../core/webhook/address_ranges.ts";
import type { Trouble } from "../core/webhook/delivery.ts";
import { type Webhook, type WebhookConfig, webhookTopics } from "../core/webhook/webhook.ts";
import type { ShardStore } from "../storage/shard.ts";
import { listWebhookNames, WebhookStore } from "../storage/webhook_store.ts";
import { CONSUMER_GROUP_KIND } from "./consumer_group.ts";
import { commitOffsets, fetchOffsets } from "./group_offsets.ts";
import { PARTITION_KIND, SUPERVISOR_KEY, SUPERVISOR_KIND } from "./kinds.ts";
import type { ConsumerGroupMessage } from "./messages/consumer_group.ts";
import type { PartitionMessage } from "./messages/partition.ts";
import type { SupervisorMessage } from "./messages/supervisor.ts";
import type {
  PutWebhook,
  RotateWebhookSecret,
  WebhookMessage,
  WebhookMustPause,
  WebhookView,
} from "./messages/webhook.ts";
import { partitionKey } from "./partition.ts";
import { GroupRefusedError, RestMembership } from "./rest_membership.ts";
import type { ActorContext, ActorHost, ActorKind, ActorRef, Reply } from "./runtime/types.ts";
import type { ServerMetrics } from "./server_metrics.ts";
import { Slots } from "./slots.ts";
import { WebhookAttempts } from "./webhook_attempts.ts";
import { type LanePlace, type LanePorts, WebhookLane } from "./webhook_lane.ts";
import { commitEnds } from "./webhook_start.ts";
import { WebhookStatus } from "./webhook_status.ts";

export const WEBHOOK_KIND = "webhook";

const BEAT_MS = 1_000;
/** What is in flight may end for so long when the partitions change hands, before it is broken off. */
const END_MS_MAX = 5_000;

export interface WebhookKindOptions {
  readonly shards: ShardStore;
  readonly metadata: () => MetadataImage;
  /** The server's configuration. */
  readonly config: (name: string) => string;
  /** Private addresses that webhooks may go to, as configured at the moment. */
  readonly allowed: () => readonly AddressRange[];
  readonly metrics: ServerMetrics;
  readonly publish: (event: ClusterEvent) => void;
}

export function webhookKind(options: WebhookKindOptions): ActorKind<WebhookMessage, never> {
  const slots = new Slots(limits.webhookRequestsMax);
  return {
    kind: WEBHOOK_KIND,
    async activate(context) {
      const store = new WebhookStore(options.shards, context.address.key);
      const stored = await store.load();
      const troubles = new Map(
        stored?.troubles.map(({ topicId, partition, trouble }) => [`${topicId}/${partition}`, trouble]),
      );
      return new WebhookHost(context, { ...options, slots, store }, stored?.webhook ?? null, troubles);
    },
  };
}

interface HostOptions extends WebhookKindOptions {
  /** Of all webhooks. */
  readonly slots: Slots;
  readonly store: WebhookStore;
}

/** The lanes of one assignment. */
interface Round {
  /** Nothing more is begun. */
  readonly ending: AbortController;
  /** What is in flight is broken off. */
  readonly ended: AbortController;
  readonly lanes: Map<string, WebhookLane>;
  readonly running: Set<Promise<void>>;
}

class WebhookHost implements ActorHost<WebhookMessage, never> {
  readonly #context: ActorContext<WebhookMessage, never>;
  readonly #options: HostOptions;
  readonly #name: string;
  #webhook: Webhook | null;
  /** As stored, by topic id and partition. */
  readonly #troubles: Map<string, Trouble>;
  #membership: RestMembership | null = null;
  #round = newRound();
  #joining = false;
  #changing: Promise<void> = Promise.resolve();
  readonly #status: WebhookStatus;
  readonly #attempts: WebhookAttempts;
  /** The topics and partition counts that the group was joined with. */
  #joinedFor = "";
  #signed: {
    readonly topicsByName: MetadataImage["topicsByName"];
    readonly config: WebhookConfig;
    readonly text: string;
  } | null = null;

  constructor(
    context: ActorContext<WebhookMessage, never>,
    options: HostOptions,
    webhook: Webhook | null,
    troubles: Map<string, Trouble>,
  ) {
    this.#context = context;
    this.#options = options;
    this.#name = context.address.key;
    this.#webhook = webhook;
    this.#troubles = troubles;
    const { metrics, publish } = options;
    const { env, log } = context;
    const failures = [...troubles.values()].reduce((most, { attempts }) => Math.max(most, attempts), 0);
    this.#status = new WebhookStatus({ name: this.#name, env, log, metrics, publish }, failures);
    this.#attempts = new WebhookAttempts({
      env,
      name: this.#name,
      metrics,
      status: this.#status,
      allowed: options.allowed,
      deadLetters: {
        env,
        metadata: options.metadata,
        config: options.config,
        supervisor: context.ref<SupervisorMessage>(SUPERVISOR_KIND, SUPERVISOR_KEY),
        ref: (kind, key) => context.ref<PartitionMessage>(kind, key),
      },
      webhook: () => this.#webhook,
      stop: (config, reason) => context.tellSelf({ type: "mustPause", reason, config }),
    });
    this.#follow();
  }

  async receive(message: WebhookMessage, reply: Reply<unknown>): Promise<void> {
    switch (message.type) {
      case "beat":
        return await this.#beat();
      case "mustPause":
        return await this.#mustPause(message);
      case "put":
        return await this.#put(message, reply);
      case "get":
        return reply.sendNow(this.#view());
      case "pause":
        await this.#pause(message.reason);
        return reply.sendNow(this.#view());
      case "resume":
        await this.#resume();
        return reply.sendNow(this.#view());
      case "rotateSecret":
        await this.#rotateSecret(message);
        return reply.sendNow(this.#view());
      case "remove":
        return reply.sendNow(await this.#remove());
    }
  }

  idle(): boolean {
    return this.#webhook === null;
  }

  inspect(): Record<string, unknown> {
    return { state: this.#state(), partitions: this.#round.lanes.size, ...this.#status.counts };
  }

  #state(): WebhookView["state"] | "absent" {
    if (this.#webhook === null) return "absent";
    if (this.#webhook.paused !== null) return "paused";
    if (this.#status.consecutiveFailures > 0) return "failing";
    return (this.#membership?.generationId ?? -1) < 0 ? "joining" : "active";
  }

  #view(): WebhookView | null {
    const state = this.#state();
    if (this.#webhook === null || state === "absent") return null;
    const { topicsById } = this.#options.metadata();
    const troubles = [...this.#troubles].flatMap(([key, trouble]) => {
      const [topicId = "", partition] = key.split("/");
      const topic = topicsById.get(topicId)?.name;
      return topic === undefined ? [] : [{ topic, topicId, partition: Number(partition), trouble }];
    });
    return {
      webhook: this.#webhook,
      state,
      lastDelivery: this.#status.lastDelivery,
      lastError: this.#status.lastError,
      consecutiveFailures: this.#status.consecutiveFailures,
      counts: this.#status.counts,
      troubles,
    };
  }

  /** One change after the other, each of what the one before left: joining goes on beside the mailbox. */
  #change(change: (webhook: Webhook | null) => Webhook | null): Promise<void> {
    const changed = this.#changing.then(async () => {
      const next = change(this.#webhook);
      if (next === this.#webhook) return;
      if (next === null) await this.#options.store.remove();
      else await this.#options.store.save(next);
      this.#webhook = next;
    });
    this.#changing = changed.catch(() => {
      // Told to whoever asked for it.
    });
    return changed;
  }

  #amend(amendment: (webhook: Webhook) => Partial<Webhook>): Promise<void> {
    return this.#change((webhook) => webhook === null ? null : { ...webhook, ...amendment(webhook) });
  }

  async #put({ config, id, secret }: PutWebhook, reply: Reply<unknown>): Promise<void> {
    const existing = this.#webhook;
    const answer = (type: "created" | "changed" | "same") => reply.sendNow({ type, view: this.#view() });
    if (existing !== null) {
      if (isSame(existing.config, config)) return answer("same");
      if (existing.config.groupId !== config.groupId) {
        return reply.sendNow({
          type: "conflict",
          message: `It is a member of group "${existing.config.groupId}": delete it to choose another`,
        });
      }
    } else if ((await listWebhookNames(this.#options.shards)).length >= limits.webhooksMax) {
      return reply.sendNow({ type: "tooMany" });
    }
    await this.#endRound(true);
    const known = existing === null ? [] : webhookTopics(existing.config, this.#options.metadata());
    const fault = config.from === "latest" ? await this.#commitEnds(config, new Set(known)) : null;
    if (fault !== null) {
      this.#follow();
      return reply.sendNow({ type: "conflict", message: fault });
    }
    // Of one that was deleted while the disk was slow, something may be left.
    if (existing === null) await this.#options.store.removeTroubles();
    const createdMs = Math.floor(this.#context.env.now());
    const made = { id, config, secret, previousSecret: null, createdMs, paused: null, memberId: "" };
    await this.#change((webhook) => webhook === null ? made : { ...webhook, config, memberId: "" });
    this.#membership = null;
    this.#follow();
    answer(existing === null ? "created" : "changed");
  }

  #commitEnds(config: WebhookConfig, known: ReadonlySet<string>): Promise<string | null> {
    const ports = {
      metadata: this.#options.metadata(),
      group: this.#group(config),
      log: (place: LanePlace) => this.#log(place),
    };
    return commitEnds(ports, config, known);
  }

  async #pause(reason: string): Promise<void> {
    if (this.#webhook === null || this.#webhook.paused !== null) return;
    await this.#endRound(true);
    const atMs = Math.floor(this.#context.env.now());
    await this.#amend(() => ({ paused: { atMs, reason }, memberId: "" }));
    this.#context.cancelTimer("beat");
    this.#status.paused(reason);
  }

  async #mustPause({ reason, config }: WebhookMustPause): Promise<void> {
    if (this.#webhook?.config !== config) return;
    this.#context.log.warn("A webhook is paused", { webhook: this.#name, reason });
    await this.#pause(reason);
  }

  /** What failed is tried at once, with all its attempts. */
  async #resume(): Promise<void> {
    if (this.#webhook === null || this.#webhook.paused === null) return;
    await this.#options.store.removeTroubles();
    this.#troubles.clear();
    this.#status.consecutiveFailures = 0;
    await this.#amend(() => ({ paused: null }));
    this.#follow();
  }

  async #rotateSecret({ secret, graceMs }: RotateWebhookSecret): Promise<void> {
    const untilMs = Math.floor(this.#context.env.now()) + graceMs;
    await this.#amend((webhook) => ({
      secret,
      previousSecret: graceMs === 0 ? null : { secret: webhook.secret, untilMs },
    }));
  }

  async #remove(): Promise<boolean> {
    if (this.#webhook === null) return false;
    await this.#endRound(true);
    await this.#change(() => null);
    this.#membership = null;
    this.#troubles.clear();
    this.#context.cancelTimer("beat");
    this.#context.passivate();
    return true;
  }

  /** Ends the lanes of the present assignment. What is in flight may end first, but not for long. */
  async #endRound(leave: boolean): Promise<void> {
    const { ending, ended, running } = this.#round;
    ending.abort();
    this.#joining = false;
    if (running.size > 0) {
      const enough = new AbortController();
      const late = this.#context.env.sleep(END_MS_MAX, enough.signal).catch(() => {
        // All have ended.
      });
      await Promise.race([Promise.allSettled(running), late]);
      enough.abort();
    }
    ended.abort();
    this.#round = newRound();
    if (!leave) return;
    await this.#membership?.leave().catch(() => {
      // A coordinator that does not answer takes the member out by itself.
    });
  }

  #follow(): void {
    const webhook = this.#webhook;
    if (webhook === null || webhook.paused !== null) return;
    this.#membership ??= new RestMembership({
      env: this.#context.env,
      group: this.#group(webhook.config),
      metadata: this.#options.metadata,
      clientId: `webhook-${this.#name}`,
    }, webhook.memberId);
    this.#context.setTimer("beat", BEAT_MS, { type: "beat" });
    this.#join(webhook.config, this.#membership);
  }

  /** In the background: a rebalance takes its time. */
  #join(config: WebhookConfig, membership: RestMembership): void {
    const round = this.#round;
    this.#joining = true;
    this.#joinedFor = this.#signature(config);
    this.#context.run(async (stopped) => {
      const signal = AbortSignal.any([stopped, round.ending.signal]);
      try {
        const topics = () => webhookTopics(config, this.#options.metadata());
        const assigned = await membership.join(topics, signal);
        if (signal.aborted) return;
        const { memberId } = membership;
        // So that it comes back as the same member, and nobody has to wait for the old one's session to end.
        await this.#change((webhook) =>
          webhook === null || webhook.memberId === memberId ? webhook : { ...webhook, memberId }
        );
        await this.#start(round, assigned, stopped);
      } catch (error) {
        stopped.throwIfAborted();
        if (round.ending.signal.aborted) return;
        // The next beat joins again.
        membership.generationId = -1;
        if (error instanceof GroupRefusedError) {
          this.#status.note(null, `Cannot join the group: ${error.error}`);
        } else {this.#status.note(
            null,
            `Cannot join the group: ${error instanceof Error ? error.message : error}`,
          );}
      } finally {
        if (round === this.#round) this.#joining = false;
      }
    });
  }

  async #start(
    round: Round,
    assigned: readonly { readonly topic: string; readonly partition: number }[],
    stopped: AbortSignal,
  ): Promise<void> {
    const webhook = this.#webhook;
    if (webhook === null) return;
    const { topicsByName } = this.#options.metadata();
    const places = assigned.flatMap(({ topic, partition }): LanePlace[] => {
      const image = topicsByName.get(topic);
      if (image === undefined || partition >= image.partitions.length) return [];
      return [{ topic, topicId: image.topicId, partition }];
    });
    if (places.length > limits.webhookPartitionsMax) {
      this.#status.note(
        null,
        `Only ${limits.webhookPartitionsMax} of ${places.length} partitions are delivered`,
      );
    }
    const kept = places.slice(0, limits.webhookPartitionsMax);
    const committed = await fetchOffsets(this.#group(webhook.config), kept);
    if (round.ending.signal.aborted) return;
    const ports = this.#ports(webhook.config, round);
    const ended = AbortSignal.any([stopped, round.ended.signal]);
    const ending = AbortSignal.any([ended, round.ending.signal]);
    for (const [index, place] of kept.entries()) {
      const key = keyOf(place);
      const start = { committed: committed[index] ?? -1, trouble: this.#troubles.get(key) ?? null };
      const lane = new WebhookLane(place, ports, this.#log(place), start);
      round.lanes.set(key, lane);
      this.#context.run(async () => {
        const running = lane.run(ending, ended);
        round.running.add(running);
        try {
          await running;
        } finally {
          round.running.delete(running);
        }
      });
    }
  }

  async #beat(): Promise<void> {
    const webhook = this.#webhook;
    const membership = this.#membership;
    if (webhook === null || webhook.paused !== null || membership === null) return;
    this.#context.setTimer("beat", BEAT_MS, { type: "beat" });
    if (this.#joining) return;
    let joinsAgain = membership.generationId < 0 || this.#joinedFor !== this.#signature(webhook.config);
    try {
      joinsAgain ||= await membership.beat();
    } catch {
      // The coordinator is restarting; the next beat finds it.
      return;
    }
    if (!joinsAgain) return;
    await this.#endRound(false);
    this.#join(webhook.config, membership);
  }

  #ports(config: WebhookConfig, { ended }: Round): LanePorts {
    const slots = new Slots(config.concurrency);
    return {
      env: this.#context.env,
      config,
      slot: async (signal) => {
        const own = await slots.take(signal);
        try {
          const shared = await this.#options.slots.take(signal);
          return () => {
            shared();
            own();
          };
        } catch (error) {
          own();
          throw error;
        }
      },
      post: (batch, signal) => this.#attempts.post(config, batch, signal),
      deadLetter: (batch, trouble) => this.#attempts.deadLetter(config, batch, trouble),
      commit: (lane, position) => this.#commit(config, lane, position),
      saveTrouble: async (lane, trouble) => {
        if (!ended.signal.aborted) await this.#saveTrouble(lane, trouble);
      },
      fault: (lane, error) => this.#status.note(lane.place, error),
      missed: (lane, count) => this.#status.missed(lane.place, count),
    };
  }

  /** With the member's generation: who lost the partition commits nothing. */
  async #commit(config: WebhookConfig, { place }: WebhookLane, offset: number): Promise<boolean> {
    const { generationId = -1, memberId = "" } = this.#membership ?? {};
    if (generationId < 0) return false;
    const member = { generationId, memberId };
    const error = await commitOffsets(this.#group(config), member, [{ ...place, offset }]);
    if (error === null) return true;
    this.#status.note(place, `Cannot commit offset ${offset}: ${error}`);
    return false;
  }

  async #saveTrouble({ place }: WebhookLane, trouble: Trouble | null): Promise<void> {
    const key = keyOf(place);
    if (trouble === null) this.#troubles.delete(key);
    else this.#troubles.set(key, trouble);
    await this.#options.store.saveTrouble(place.topicId, place.partition, trouble);
  }

  /** Changes with the topics that it means and with their partitions. */
  #signature(config: WebhookConfig): string {
    const metadata = this.#options.metadata();
    const { topicsByName } = metadata;
    // Asked at every beat; topics come and go less often.
    if (this.#signed?.topicsByName === topicsByName && this.#signed.config === config) {
      return this.#signed.text;
    }
    const text = webhookTopics(config, metadata).map((topic) => {
      const image = topicsByName.get(topic);
      return `${topic} ${image?.topicId} ${image?.partitions.length}`;
    }).join();
    this.#signed = { topicsByName, config, text };
    return text;
  }

  #group({ groupId }: WebhookConfig): ActorRef<ConsumerGroupMessage> {
    return this.#context.ref<ConsumerGroupMessage>(CONSUMER_GROUP_KIND, groupId);
  }

  #log({ topicId, partition }: LanePlace): ActorRef<PartitionMessage> {
    return this.#context.ref<PartitionMessage>(PARTITION_KIND, partitionKey(topicId, partition));
  }
}

function newRound(): Round {
  return {
    ending: new AbortController(),
    ended: new AbortController(),
    lanes: new Map(),
    running: new Set(),
  };
}

function keyOf({ topicId, partition }: Pick<LanePlace, "topicId" | "partition">): string {
  return `${topicId}/${partition}`;
}

function isSame(a: WebhookConfig, b: WebhookConfig): boolean {
  const text = (config: WebhookConfig) => JSON.stringify(Object.entries(config).sort());
  return text(a) === text(b);
}
