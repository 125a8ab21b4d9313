/**
 * One broker in this process: the actor kinds, wired to the stores, and the `Broker` that the doors get. `main.ts`
 * opens it, tests open it on a memory store.
 */
import { compactionSettings, retentionSettings } from "../core/config/cleanup_settings.ts";
import { type ConfigsByResource, configsOf } from "../core/config/config_resource.ts";
import { limits } from "../core/config/limits.ts";
import { layeredReader, type ServerLayers, serverLayers, startLayers } from "../core/config/server_layers.ts";
import { streamWebhookRanges, webhookRanges } from "../core/webhook/webhook_settings.ts";
import { emptyMetadataImage, type MetadataImage } from "../core/cluster/metadata_image.ts";
import { FetchSessionCache } from "../core/fetch/fetch_session.ts";
import type { GroupConfig } from "../core/group/group_config.ts";
import { resolveShareConfig } from "../core/share/resolve_config.ts";
import { ClientTelemetry } from "../core/telemetry/client_telemetry.ts";
import { ClientQuotas } from "../core/quota/client_quotas.ts";
import type { Env } from "../lib/env.ts";
import type { Logger } from "../lib/log.ts";
import type { Tracer } from "../lib/tracing.ts";
import type { TransactionRecord } from "../core/transaction/transaction_state.ts";
import { GroupShards } from "../storage/group_store.ts";
import { TransactionShards } from "../storage/transaction_store.ts";
import { MetadataStore } from "../storage/metadata_store.ts";
import { deletePartition, removeTombstone } from "../storage/log_deletion.ts";
import type { ShardStore } from "../storage/shard.ts";
import { removeWriterSnapshot, StreamStore } from "../storage/stream_store.ts";
import { topicGuard } from "../storage/topic_guard.ts";
import { ATOMIC_PRODUCER_KIND, atomicProducerKind } from "./atomic_producer.ts";
import type { Broker } from "./broker.ts";
import { brokerKind } from "./broker_actor.ts";
import { EventFeed } from "./event_feed.ts";
import { GroupDirectory, type GroupListing } from "./group_directory.ts";
import { CompactionSweep } from "./compaction.ts";
import { CONSUMER_GROUP_KIND, consumerGroupKind } from "./consumer_group.ts";
import {
  BROKER_KIND,
  PARTITION_KIND,
  SHARE_GROUP_KIND,
  SHARE_PARTITION_KIND,
  SUPERVISOR_KEY,
  SUPERVISOR_KIND,
  TRANSACTION_KIND,
} from "./kinds.ts";
import type { AtomicProducerMessage } from "./messages/atomic_producer.ts";
import type { BrokerMessage } from "./messages/broker.ts";
import type { ConsumerGroupMessage } from "./messages/consumer_group.ts";
import type { PartitionMessage } from "./messages/partition.ts";
import type { RestConsumerMessage } from "./messages/rest_consumer.ts";
import type { ShareGroupMessage } from "./messages/share_group.ts";
import type { SharePartitionMessage } from "./messages/share_partition.ts";
import type { StreamMessage, StreamRegistryMessage } from "./messages/stream.ts";
import type { SubscriptionMessage } from "./messages/subscription.ts";
import type { SupervisorMessage } from "./messages/supervisor.ts";
import type { TransactionMessage } from "./messages/transaction.ts";
import type { WebhookMessage } from "./messages/webhook.ts";
import { partitionKey, partitionKind } from "./partition.ts";
import { ProducerIds } from "./producer_ids.ts";
import { ProducerSweep } from "./producer_sweep.ts";
import { RetentionSweep } from "./retention.ts";
import type { ByteBudget } from "./runtime/byte_budget.ts";
import { ActorRuntime } from "./runtime/runtime.ts";
import type { ActorRef, ActorSnapshot } from "./runtime/types.ts";
import { REST_CONSUMER_KIND, restConsumerKey, restConsumerKind } from "./rest_consumer.ts";
import { shareGroupKind } from "./share_group.ts";
import { ShareGroupDirectory } from "./share_group_directory.ts";
import { sharePartitionKey, sharePartitionKind } from "./share_partition.ts";
import { ServerMetrics } from "./server_metrics.ts";
import { STREAM_KIND, streamKind } from "./stream.ts";
import { STREAM_REGISTRY_KEY, STREAM_REGISTRY_KIND, streamRegistryKind } from "./stream_registry.ts";
import {
  openSubscriptions,
  STREAM_SUBSCRIPTIONS_KEY,
  STREAM_SUBSCRIPTIONS_KIND,
  streamSubscriptionsKind,
} from "./stream_subscriptions.ts";
import { supervisorKind } from "./supervisor.ts";
import { transactionKind } from "./transaction.ts";
import { TransactionDirectory } from "./transaction_directory.ts";
import { WEBHOOK_KIND, webhookKind } from "./webhook.ts";
import { WebhookDirectory } from "./webhook_directory.ts";

/** Between two steps of a deletion at least, so that appends come first; as retention does. */
const PURGE_PAUSE_MS = 2;

export interface LocalBrokerOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly shards: ShardStore;
  readonly brokerId: number;
  readonly rack: string | null;
  readonly clusterId: string;
  /** Of the process. */
  readonly incarnation: string;
  readonly config: (name: string) => string;
  /** Default null: nobody records traces. */
  readonly tracer?: Tracer | null;
}

export class LocalBroker implements Broker {
  readonly env: Env;
  readonly log: Logger;
  readonly tracer: Tracer | null;
  readonly brokerId: number;
  readonly metrics = new ServerMetrics();
  readonly events: EventFeed;
  readonly supervisor: ActorRef<SupervisorMessage>;
  readonly streams: ActorRef<StreamRegistryMessage>;
  readonly subscriptions: ActorRef<SubscriptionMessage>;
  readonly fetchSessions: FetchSessionCache;
  readonly quotas: ClientQuotas;
  readonly telemetry: ClientTelemetry;
  readonly #options: LocalBrokerOptions;
  readonly #runtime: ActorRuntime;
  readonly #producerIds: ProducerIds;
  readonly #groups: GroupDirectory;
  readonly #shareGroups: ShareGroupDirectory;
  readonly #transactions: TransactionDirectory;
  readonly #retention: RetentionSweep;
  readonly #compaction: CompactionSweep;
  readonly #producers: ProducerSweep;
  readonly #webhooks: WebhookDirectory;
  #metadata: MetadataImage = emptyMetadataImage;
  /** As the image has them. */
  #layers: ServerLayers;
  #config: (name: string) => string;
  /** Resolves when the deletion of a partition that is under way, and all in line for it, have ended. */
  #purging: Promise<void> = Promise.resolve();
  #endpoint: { readonly host: string; readonly port: number } | null = null;
  #ready = false;

  constructor(options: LocalBrokerOptions) {
    const { env, log, brokerId, incarnation, shards, config } = options;
    this.#options = options;
    this.events = new EventFeed(options.env);
    this.#layers = startLayers(config);
    this.#config = config;
    this.env = env;
    this.log = log;
    this.tracer = options.tracer ?? null;
    this.brokerId = brokerId;
    this.#runtime = new ActorRuntime({
      env,
      log,
      incarnation,
      tracer: this.tracer,
      onCommit: (kind, ms) => this.metrics.commitSeconds.observe(ms / 1_000, kind),
    });
    this.supervisor = this.#runtime.ref(SUPERVISOR_KIND, SUPERVISOR_KEY);
    this.streams = this.#runtime.ref(STREAM_REGISTRY_KIND, STREAM_REGISTRY_KEY);
    this.subscriptions = this.#runtime.ref(STREAM_SUBSCRIPTIONS_KIND, STREAM_SUBSCRIPTIONS_KEY);
    const window = (prefix: string) => ({
      sampleCount: Number(config(`${prefix}quota.window.num`)),
      sampleMs: Number(config(`${prefix}quota.window.size.seconds`)) * 1_000,
    });
    this.quotas = new ClientQuotas({
      window: window(""),
      mutationWindow: window("controller."),
      metersMax: limits.quotaMetersMax,
    });
    this.telemetry = new ClientTelemetry({
      instancesMax: limits.telemetryInstancesMax,
      pushBytesMax: Number(config("telemetry.max.bytes")),
      inflatedBytesMax: limits.telemetryInflatedBytesMax,
      pointsPerPushMax: limits.telemetryPointsPerPushMax,
      attributesPerPointMax: limits.telemetryAttributesMax,
      clientsMax: limits.telemetryClientsMax,
      gaugesPerClientMax: limits.telemetryGaugesPerClientMax,
      gaugesMax: limits.telemetryGaugesMax,
    });
    this.fetchSessions = new FetchSessionCache({
      slotsMax: Number(config("max.incremental.fetch.session.cache.slots")),
      evictionMs: limits.fetchSessionEvictionMs,
      partitionsMax: limits.fetchSessionPartitionsMax,
      random: () => env.random(),
    });
    this.#producerIds = new ProducerIds(this.supervisor);
    this.#runtime.register(supervisorKind({
      clusterId: options.clusterId,
      controllerId: brokerId,
      openMetadata: () => MetadataStore.open(shards),
      config,
      brokerSessionTimeoutMs: Number(config("broker.session.timeout.ms")),
      purgePartition: (topicId, partition, signal) => this.#purge(topicId, partition, signal),
    }));
    this.#runtime.register(brokerKind({
      brokerId,
      heartbeatIntervalMs: Number(config("broker.heartbeat.interval.ms")),
      incarnation,
      rack: options.rack,
      endpoint: () => this.#endpoint,
      onImage: (image) => this.#onImage(image),
    }));
    const current = (name: string) => this.config(name);
    const producerExpirationMs = () => Number(current("producer.id.expiration.ms"));
    this.#producers = new ProducerSweep({
      env,
      log,
      storage: shards.storage,
      metadata: () => this.#metadata,
      partition: (topicId, partition) => this.partition(topicId, partition),
      expirationMs: producerExpirationMs,
    });
    this.#runtime.register(partitionKind({
      shards,
      producerExpirationMs,
      guardOf: topicGuard,
      tailCacheBytesMax: limits.tailCacheBytesMax,
      onRead: (isHit) => this.metrics.fetches.add(1, isHit ? "cache" : "store"),
      leaderEpochOf: (topicId, partition) =>
        this.#metadata.topicsById.get(topicId)?.partitions[partition]?.leaderEpoch ?? null,
    }));
    this.#retention = new RetentionSweep({
      env,
      log,
      storage: shards.storage,
      metadata: () => this.#metadata,
      settings: (topic) => retentionSettings(topic, current),
      partition: (topicId, partition) => this.partition(topicId, partition),
      checkIntervalMs: Number(config("log.retention.check.interval.ms")),
    });
    this.#compaction = new CompactionSweep({
      env,
      log,
      storage: shards.storage,
      metadata: () => this.#metadata,
      settings: (topic) => compactionSettings(topic, current),
      partition: (topicId, partition) => this.partition(topicId, partition),
      intervalMs: Number(config("log.cleaner.backoff.ms")),
      mapBytesMax: Number(config("log.cleaner.dedupe.buffer.size")),
      producerExpirationMs,
    });
    const groupShards = new GroupShards(shards);
    this.#runtime.register(consumerGroupKind({
      groupShards,
      topics: () => this.#metadata,
      config: groupConfigReader(config, () => this.#metadata.configs),
      onMembership: (report) => {
        this.events.members(report.groupId, report.consumers);
        this.supervisor.tell(report);
      },
    }));
    const share = {
      groupShards,
      topics: () => this.#metadata,
      configOf: (groupId: string) =>
        resolveShareConfig(configsOf(this.#metadata.configs, "group", groupId), current),
    };
    this.#runtime.register(shareGroupKind({
      ...share,
      onMembership: (report) => this.supervisor.tell(report),
    }));
    this.#runtime.register(sharePartitionKind(share));
    this.#shareGroups = new ShareGroupDirectory({
      env,
      log,
      groupShards,
      metadata: () => this.#metadata,
      shareGroup: (groupId) => this.shareGroup(groupId),
      sharePartition: (...id) => this.sharePartition(...id),
      inspect: () => this.inspect(),
    });
    const transactionShards = new TransactionShards(shards);
    this.#runtime.register(transactionKind({
      transactionShards,
      nextProducerId: () => this.nextProducerId(),
      timeoutMsMax: Number(config("transaction.max.timeout.ms")),
      keeping: {
        countMax: limits.idempotencyKeysPerSlotMax,
        expirationMs: () => Number(current("http.idempotency.key.expiration.ms")),
      },
    }));
    this.#runtime.register(atomicProducerKind());
    this.#transactions = new TransactionDirectory({
      env,
      log,
      transactionShards,
      transaction: (transactionalId) => this.transaction(transactionalId),
      expirationMs: Number(config("transactional.id.expiration.ms")),
    });
    this.#groups = new GroupDirectory({
      env,
      log,
      groupShards,
      group: (groupId) => this.group(groupId),
      inspect: () => this.inspect(),
      retentionMs: Number(config("offsets.retention.minutes")) * 60_000,
      checkIntervalMs: Number(config("offsets.retention.check.interval.ms")),
    });
    this.#runtime.register(streamKind({ shards }));
    this.#runtime.register(streamRegistryKind({
      open: () => StreamStore.open(shards),
      removeSnapshot: (streamId) => removeWriterSnapshot(shards, streamId),
    }));
    this.#runtime.register(restConsumerKind({ shards, metadata: () => this.#metadata }));
    this.#runtime.register(
      streamSubscriptionsKind({
        open: () => openSubscriptions(shards, env, () => streamWebhookRanges(current)),
      }),
    );
    this.#runtime.register(webhookKind({
      shards,
      metadata: () => this.#metadata,
      config: current,
      allowed: () => webhookRanges(current),
      metrics: this.metrics,
      publish: (event) => this.events.publish(event),
    }));
    this.#webhooks = new WebhookDirectory({ env, log, shards, webhook: (name) => this.webhook(name) });
  }

  #onImage(image: MetadataImage): void {
    const before = this.#metadata;
    this.#metadata = image;
    this.events.image(before, image);
    if (image.configs !== before.configs) {
      this.#layers = serverLayers(image.configs, this.brokerId, this.#options.config);
      this.#config = layeredReader(this.#layers);
      this.quotas.configure(image.configs);
      this.telemetry.configure(image.configs);
    }
    for (const topicId of before.topicsById.keys()) {
      if (image.topicsById.has(topicId)) continue;
      this.#groups.topicsDeleted();
      this.#shareGroups.topicsDeleted();
      return;
    }
  }

  get metadata(): MetadataImage {
    return this.#metadata;
  }

  get ready(): boolean {
    return this.#ready;
  }

  get storeFault(): string | null {
    return this.#options.shards.health.fault;
  }

  /** Registers with the supervisor under the address that clients reach; from then on the doors may serve. */
  async start(endpoint: { readonly host: string; readonly port: number }): Promise<void> {
    this.#endpoint = endpoint;
    const broker: ActorRef<BrokerMessage> = this.#runtime.ref(BROKER_KIND, String(this.brokerId));
    await broker.ask({ type: "start" });
    this.#ready = true;
    this.#groups.start();
    this.#shareGroups.start();
    this.#transactions.start();
    this.#retention.start();
    if (this.config("log.cleaner.enable") === "true") this.#compaction.start();
    this.#producers.start();
    this.#webhooks.start();
  }

  config(name: string): string {
    return this.#config(name);
  }

  get configLayers(): ServerLayers {
    return this.#layers;
  }

  partition(topicId: string, partition: number): ActorRef<PartitionMessage> {
    return this.#runtime.ref(PARTITION_KIND, partitionKey(topicId, partition));
  }

  group(groupId: string): ActorRef<ConsumerGroupMessage> {
    return this.#runtime.ref(CONSUMER_GROUP_KIND, groupId);
  }

  restConsumer(groupId: string, instanceId: string): ActorRef<RestConsumerMessage> {
    return this.#runtime.ref(REST_CONSUMER_KIND, restConsumerKey(groupId, instanceId));
  }

  webhook(name: string): ActorRef<WebhookMessage> {
    return this.#runtime.ref(WEBHOOK_KIND, name);
  }

  async webhookNames(): Promise<string[]> {
    return await this.#webhooks.names();
  }

  stream(streamId: string): ActorRef<StreamMessage> {
    return this.#runtime.ref(STREAM_KIND, streamId);
  }

  shareGroup(groupId: string): ActorRef<ShareGroupMessage> {
    return this.#runtime.ref(SHARE_GROUP_KIND, groupId);
  }

  sharePartition(groupId: string, topicId: string, partition: number): ActorRef<SharePartitionMessage> {
    return this.#runtime.ref(SHARE_PARTITION_KIND, sharePartitionKey(groupId, { topicId, partition }));
  }

  async listGroups(): Promise<GroupListing[]> {
    return [...await this.#groups.list(), ...await this.#shareGroups.list()];
  }

  transaction(transactionalId: string): ActorRef<TransactionMessage> {
    return this.#runtime.ref(TRANSACTION_KIND, transactionalId);
  }

  atomicProducer(transactionalId: string): ActorRef<AtomicProducerMessage> {
    return this.#runtime.ref(ATOMIC_PRODUCER_KIND, transactionalId);
  }

  async listTransactions(): Promise<TransactionRecord[]> {
    return await this.#transactions.list();
  }

  nextProducerId(): Promise<number> {
    return this.#producerIds.next();
  }

  get waitingBytes(): ByteBudget {
    return this.#runtime.waitingBytes;
  }

  inspect(): ActorSnapshot[] {
    return this.#runtime.inspect();
  }

  /** Finishes what is under way and stops every actor, under the runtime's deadline. */
  async drain(): Promise<void> {
    this.#ready = false;
    this.events.close();
    this.#groups.stop();
    this.#shareGroups.stop();
    this.#transactions.stop();
    this.#retention.stop();
    this.#compaction.stop();
    this.#producers.stop();
    this.#webhooks.stop();
    const { abandoned } = await this.#runtime.drain();
    if (abandoned > 0) this.log.warn("Some actors did not stop in time", { abandoned });
  }

  /** One partition after the other, however many topics are being deleted: together they have the budget of one. */
  async #purge(topicId: string, partition: number, signal: AbortSignal): Promise<void> {
    const before = this.#purging;
    const turn = Promise.withResolvers<void>();
    this.#purging = turn.promise;
    try {
      await before;
      signal.throwIfAborted();
      await this.#deletePartition(topicId, partition, signal);
    } finally {
      turn.resolve();
    }
  }

  async #deletePartition(topicId: string, partition: number, signal: AbortSignal): Promise<void> {
    await this.#runtime.evict({ kind: PARTITION_KIND, key: partitionKey(topicId, partition) });
    let stepMs = this.env.mono();
    for await (const _step of deletePartition(this.#options.shards, topicId, partition)) {
      // Half of the time at most: the busier the disk, the less it is asked for.
      await this.env.sleep(Math.max(PURGE_PAUSE_MS, this.env.mono() - stepMs), signal);
      stepMs = this.env.mono();
    }
    // Its actor is gone and the metadata no longer holds the topic, so nobody opens the log again.
    await removeTombstone(this.#options.shards, topicId, partition);
  }
}

/** What holds for each group: its own settings over those of the server. */
function groupConfigReader(
  config: (name: string) => string,
  configs: () => ConfigsByResource,
): (groupId: string) => GroupConfig {
  const shared = groupConfig(config);
  return (groupId) => {
    const own = configsOf(configs(), "group", groupId);
    const session = own["consumer.session.timeout.ms"];
    const interval = own["consumer.heartbeat.interval.ms"];
    if (session === undefined && interval === undefined) return shared;
    return {
      ...shared,
      ...(session === undefined ? {} : { consumerSessionTimeoutMs: Number(session) }),
      ...(interval === undefined ? {} : { consumerHeartbeatIntervalMs: Number(interval) }),
    };
  };
}

/** The group coordinator's settings by Kafka's names. */
function groupConfig(config: (name: string) => string): GroupConfig {
  return {
    initialRebalanceDelayMs: Number(config("group.initial.rebalance.delay.ms")),
    sessionTimeoutMsMin: Number(config("group.min.session.timeout.ms")),
    sessionTimeoutMsMax: Number(config("group.max.session.timeout.ms")),
    memberCountMax: Number(config("group.max.size")),
    offsetMetadataBytesMax: Number(config("offset.metadata.max.bytes")),
    consumerHeartbeatIntervalMs: Number(config("group.consumer.heartbeat.interval.ms")),
    consumerSessionTimeoutMs: Number(config("group.consumer.session.timeout.ms")),
    consumerMemberCountMax: Number(config("group.consumer.max.size")),
    consumerAssignors: config("group.consumer.assignors").split(",").map((name) => name.trim()),
    migrationPolicy: config("group.consumer.migration.policy").toLowerCase(),
  };
}
