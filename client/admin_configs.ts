/**
 * Settings of topics, brokers, groups and client metrics: describe, change one by one, and list who has some. Source:
 * Kafka's Admin client (KIP-133, KIP-226, KIP-339, KIP-1142).
 */
import { describeConfigs, type DescribeConfigsResponse } from "../protocol/messages/32_describe_configs.ts";
import { incrementalAlterConfigs } from "../protocol/messages/44_incremental_alter_configs.ts";
import { listConfigResources } from "../protocol/messages/74_list_config_resources.ts";
import type { CallOptions, Cluster } from "./cluster.ts";
import type { Connection } from "./connection.ts";
import { throwIfError } from "./errors.ts";

/** Kinds of things that have settings, with their number on the wire. */
export const CONFIG_RESOURCE_TYPES = {
  topic: 2,
  broker: 4,
  brokerLogger: 8,
  clientMetrics: 16,
  group: 32,
} as const;

export type ConfigResourceType = keyof typeof CONFIG_RESOURCE_TYPES;

export interface ConfigResource {
  readonly type: ConfigResourceType;
  /** For brokers their id, or empty for what all brokers share. */
  readonly name: string;
}

/** Where a value comes from, in Kafka's words, by number on the wire. */
const CONFIG_SOURCES = [
  "UNKNOWN",
  "DYNAMIC_TOPIC_CONFIG",
  "DYNAMIC_BROKER_CONFIG",
  "DYNAMIC_DEFAULT_BROKER_CONFIG",
  "STATIC_BROKER_CONFIG",
  "DEFAULT_CONFIG",
  "DYNAMIC_BROKER_LOGGER_CONFIG",
  "DYNAMIC_CLIENT_METRICS_CONFIG",
  "DYNAMIC_GROUP_CONFIG",
] as const;

export type ConfigSource = typeof CONFIG_SOURCES[number];

export interface ConfigSynonym {
  readonly name: string;
  readonly value: string | null;
  readonly source: ConfigSource;
}

export interface ConfigEntry {
  readonly name: string;
  /** Null for sensitive settings. */
  readonly value: string | null;
  readonly source: ConfigSource;
  /** Neither set for this resource nor for its brokers. */
  readonly isDefault: boolean;
  readonly isReadOnly: boolean;
  readonly isSensitive: boolean;
  /** All values that could apply, the effective one first; empty unless asked for. */
  readonly synonyms: readonly ConfigSynonym[];
}

/** A change of one setting; a null value takes it back to the default. */
export interface ConfigChange {
  readonly name: string;
  readonly value: string | null;
}

const SET = 0;
const DELETE = 1;

/** Settings by name of the resource. Throws a `BrokerError` for the first resource refused. */
export async function describeConfigsOf(
  cluster: Cluster,
  resources: readonly ConfigResource[],
  options: CallOptions & { readonly includeSynonyms?: boolean } = {},
): Promise<Map<string, ConfigEntry[]>> {
  const described = new Map<string, ConfigEntry[]>();
  await cluster.retry(async () => {
    for (const [nodeId, group] of byNode(resources)) {
      const connection = await connectionTo(cluster, nodeId);
      const response = await connection.request(describeConfigs, {
        resources: group.map(({ type, name }) => ({
          resourceType: CONFIG_RESOURCE_TYPES[type],
          resourceName: name,
          configurationKeys: null,
        })),
        includeSynonyms: options.includeSynonyms ?? false,
      });
      for (const { errorCode, errorMessage, resourceName, configs } of response.results) {
        throwIfError(errorCode, errorMessage);
        described.set(resourceName, configs.map(configEntry));
      }
    }
  }, options);
  return described;
}

/** Changes some settings and leaves the others. Throws a `BrokerError`, for example INVALID_CONFIG. */
export async function alterConfigsOf(
  cluster: Cluster,
  resource: ConfigResource,
  changes: readonly ConfigChange[],
  options: CallOptions & { readonly validateOnly?: boolean } = {},
): Promise<void> {
  await cluster.retry(async () => {
    const connection = await connectionTo(cluster, nodeOf(resource));
    const response = await connection.request(incrementalAlterConfigs, {
      resources: [{
        resourceType: CONFIG_RESOURCE_TYPES[resource.type],
        resourceName: resource.name,
        configs: changes.map(({ name, value }) => ({
          name,
          value,
          configOperation: value === null ? DELETE : SET,
        })),
      }],
      validateOnly: options.validateOnly ?? false,
    });
    for (const { errorCode, errorMessage } of response.responses) throwIfError(errorCode, errorMessage);
  }, options);
}

/** Names of the resources of this type that have settings of their own, sorted. */
export async function listConfigResourcesOf(
  cluster: Cluster,
  type: ConfigResourceType,
  options: CallOptions = {},
): Promise<string[]> {
  const number = CONFIG_RESOURCE_TYPES[type];
  const response = await cluster.call(listConfigResources, { resourceTypes: [number] }, options);
  throwIfError(response.errorCode);
  return response.configResources
    .filter((resource) => resource.resourceType === number)
    .map((resource) => resource.resourceName)
    .sort();
}

type DescribedConfig = DescribeConfigsResponse["results"][number]["configs"][number];

function configEntry(config: DescribedConfig): ConfigEntry {
  const source = configSource(config.configSource);
  return {
    name: config.name,
    value: config.value,
    source,
    isDefault: source === "DEFAULT_CONFIG",
    isReadOnly: config.readOnly,
    isSensitive: config.isSensitive,
    synonyms: config.synonyms.map((synonym) => ({ ...synonym, source: configSource(synonym.source) })),
  };
}

function configSource(number: number): ConfigSource {
  return CONFIG_SOURCES[number] ?? "UNKNOWN";
}

/** Settings of one broker are asked from that broker; null: whichever answers. */
function nodeOf({ type, name }: ConfigResource): number | null {
  return (type === "broker" || type === "brokerLogger") && /^\d+$/.test(name) ? Number(name) : null;
}

function byNode(resources: readonly ConfigResource[]): Map<number | null, ConfigResource[]> {
  return Map.groupBy(resources, nodeOf);
}

async function connectionTo(cluster: Cluster, nodeId: number | null): Promise<Connection> {
  if (nodeId === null) return await cluster.anyConnection();
  if (!cluster.brokers.some((broker) => broker.nodeId === nodeId)) await cluster.refresh([]);
  return await cluster.connection(nodeId);
}
