/**
 * The metadata image: an immutable picture of the cluster that the supervisor publishes and everyone else reads.
 * The name and the idea are Kafka's (KRaft's MetadataImage).
 */

import type { ApiKey } from "../access/api_key.ts";
import type { ConfigsByResource } from "../config/config_resource.ts";

export interface BrokerImage {
  readonly brokerId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
  /** Rises with each registration (KIP-631's broker epoch). */
  readonly epoch: number;
}

export interface PartitionImage {
  /** Broker id, or -1 while there is none. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
}

export interface TopicImage {
  readonly name: string;
  /** 36-character UUID; everything stored is keyed by it. */
  readonly topicId: string;
  readonly partitions: readonly PartitionImage[];
  /** Only what was set for this topic; defaults are in core/config/topic_configs.ts. */
  readonly configs: Readonly<Record<string, string>>;
}

export interface MetadataImage {
  /** Rises with every change. */
  readonly version: number;
  readonly clusterId: string;
  /** Broker id of the supervisor's host, -1 while unknown. */
  readonly controllerId: number;
  readonly brokers: readonly BrokerImage[];
  readonly topicsByName: ReadonlyMap<string, TopicImage>;
  readonly topicsById: ReadonlyMap<string, TopicImage>;
  /** Settings of brokers, groups, client metrics and quotas. */
  readonly configs: ConfigsByResource;
  /** Keys of the HTTP door, by id. */
  readonly apiKeys: ReadonlyMap<string, ApiKey>;
}

export const emptyMetadataImage: MetadataImage = {
  version: 0,
  clusterId: "",
  controllerId: -1,
  brokers: [],
  topicsByName: new Map(),
  topicsById: new Map(),
  configs: new Map(),
  apiKeys: new Map(),
};
