/**
 * The things other than topics whose settings are kept (a topic's are part of the topic): brokers, groups, client metrics
 * subscriptions, and, by the same means, quotas of clients.
 */

/** Kafka's numbers of resource types in DescribeConfigs and its kin. */
export const configResourceTypes = {
  TOPIC: 2,
  BROKER: 4,
  CLIENT_METRICS: 16,
  GROUP: 32,
} as const;

export const CONFIG_KINDS = ["broker", "client-metrics", "group", "quota"] as const;
/** Stored by name: a kind may be added, never renamed. */
export type ConfigKind = typeof CONFIG_KINDS[number];

export type Configs = Readonly<Record<string, string>>;

/** What was set, by `configKey`; a resource without settings is not there. */
export type ConfigsByResource = ReadonlyMap<string, Configs>;

const none: Configs = {};

/** The broker resource without a name holds what all brokers share. */
export function configKey(kind: ConfigKind, name: string): string {
  return `${kind}/${name}`;
}

export function configsOf(all: ConfigsByResource, kind: ConfigKind, name: string): Configs {
  return all.get(configKey(kind, name)) ?? none;
}

/** Every resource of a kind with its settings. */
export function* configsOfKind(all: ConfigsByResource, kind: ConfigKind): Generator<[name: string, Configs]> {
  const prefix = configKey(kind, "");
  for (const [key, configs] of all) if (key.startsWith(prefix)) yield [key.slice(prefix.length), configs];
}
