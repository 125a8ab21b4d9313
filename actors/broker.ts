/**
 * The broker as the doors see it: the metadata image of the moment and the actors behind it. `handlers/` and
 * `routes/` get a `Broker` and nothing else of the house.
 */
import type { MetadataImage } from "../core/cluster/metadata_image.ts";
import type { ServerLayers } from "../core/config/server_layers.ts";
import type { FetchSessionCache } from "../core/fetch/fetch_session.ts";
import type { ClientQuotas } from "../core/quota/client_quotas.ts";
import type { ClientTelemetry } from "../core/telemetry/client_telemetry.ts";
import type { TransactionRecord } from "../core/transaction/transaction_state.ts";
import type { Env } from "../lib/env.ts";
import type { Logger } from "../lib/log.ts";
import type { Tracer } from "../lib/tracing.ts";
import type { EventFeed } from "./event_feed.ts";
import type { GroupListing } from "./group_directory.ts";
import type { AtomicProducerMessage } from "./messages/atomic_producer.ts";
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
import type { ServerMetrics } from "./server_metrics.ts";
import type { ByteBudget } from "./runtime/byte_budget.ts";
import type { ActorRef, ActorSnapshot } from "./runtime/types.ts";

export interface Broker {
  readonly env: Env;
  readonly log: Logger;
  /** Null: nobody records traces. */
  readonly tracer: Tracer | null;
  readonly brokerId: number;
  /** The newest image; immutable, replaced on each change. */
  readonly metadata: MetadataImage;
  /** False until the store is open and the broker is registered, and again while draining. */
  readonly ready: boolean;
  /** Why the store takes no writes, for people; null as long as it does. */
  readonly storeFault: string | null;
  /** Server-wide configuration by Kafka's names, resolved over the defaults, e.g. `num.partitions`. */
  config(name: string): string;
  /** Where that comes from. */
  readonly configLayers: ServerLayers;
  partition(topicId: string, partition: number): ActorRef<PartitionMessage>;
  group(groupId: string): ActorRef<ConsumerGroupMessage>;
  /** The coordinator of a share group, there or not. */
  shareGroup(groupId: string): ActorRef<ShareGroupMessage>;
  /** How far a share group has got in a partition. */
  sharePartition(groupId: string, topicId: string, partition: number): ActorRef<SharePartitionMessage>;
  /** Every group that this broker coordinates. Throws what storage throws. */
  listGroups(): Promise<GroupListing[]>;
  /** What happens in the cluster, as this broker learns of it. */
  readonly events: EventFeed;
  /** What the server counts. */
  readonly metrics: ServerMetrics;
  readonly supervisor: ActorRef<SupervisorMessage>;
  /** Every durable stream by its path. */
  readonly streams: ActorRef<StreamRegistryMessage>;
  /** A consumer that lives on the server, there or not. */
  restConsumer(groupId: string, instanceId: string): ActorRef<RestConsumerMessage>;
  /** Subscriptions to durable streams. */
  readonly subscriptions: ActorRef<SubscriptionMessage>;
  /** A webhook, there or not. */
  webhook(name: string): ActorRef<WebhookMessage>;
  /** Of all webhooks, in order. Throws what storage throws. */
  webhookNames(): Promise<string[]>;
  /** The writer of one durable stream. */
  stream(streamId: string): ActorRef<StreamMessage>;
  /** The coordinator of a transactional id. */
  transaction(transactionalId: string): ActorRef<TransactionMessage>;
  /** Writes requests of clients without transactions as one transaction each, under this transactional id. */
  atomicProducer(transactionalId: string): ActorRef<AtomicProducerMessage>;
  /** Every transactional id. */
  listTransactions(): Promise<TransactionRecord[]>;
  /** A producer id that nobody else got. */
  nextProducerId(): Promise<number>;
  /** What clients tell of themselves (KIP-714); `snapshot` is for whoever shows metrics. */
  readonly telemetry: ClientTelemetry;
  /** What clients may use of this broker, and how much of it they do. */
  readonly quotas: ClientQuotas;
  /** What clients asked for once, so that they need not repeat it (KIP-227). */
  readonly fetchSessions: FetchSessionCache;
  /** Bytes of batches that wait for their commits. */
  readonly waitingBytes: ByteBudget;
  /** Every live actor, for introspection. */
  inspect(): ActorSnapshot[];
}
