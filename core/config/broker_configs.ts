/**
 * The server-wide configurations, by the names of Kafka's server.properties, that Kavka knows: those it obeys and those
 * that occur in the files people have. An unknown name is a warning, as in Kafka; a wrong value is an error.
 *
 * Source: the names, types and defaults of Kafka 4.3's `KafkaConfig`, plus the ZooKeeper settings of Kafka 3.
 */
import {
  type ConfigDefinition,
  configDocumentation,
  type ConfigEntry,
  configSourceCodes,
  configTypeCodes,
  configValueFault,
  isSensitiveConfig,
  type ServerConfigReader,
} from "./config_definition.ts";
import { brokerConfigRows } from "./broker_config_table.ts";
import { layeredReader, type ServerLayers, serverSynonyms, startLayers } from "./server_layers.ts";

const definitions: readonly ConfigDefinition[] = brokerConfigRows.map((
  [name, type, fallback, effect, documentation, rules],
) => ({ name, type, default: fallback, effect, documentation, ...rules }));

/** By name, sorted. */
export const brokerConfigDefinitions: ReadonlyMap<string, ConfigDefinition> = new Map(
  definitions.map((definition) => [definition.name, definition]),
);

export function brokerConfigDefinition(name: string): ConfigDefinition | undefined {
  return brokerConfigDefinitions.get(name);
}

/** What is wrong with a setting, as one sentence, or null. Unknown names have no fault. */
export function brokerConfigFault(name: string, value: string): string | null {
  const definition = brokerConfigDefinitions.get(name);
  // `name=` in a file leaves the setting at its default.
  if (definition === undefined || value.trim() === "") return null;
  const fault = configValueFault(definition, value);
  return fault === null ? null : `Invalid value "${value.slice(0, 100)}" for configuration ${name}: ${fault}`;
}

/** A reader over what was set explicitly, with the defaults behind it; "" where neither is there. Booleans are `true` or `false`. */
export function serverConfigReader(explicit: ReadonlyMap<string, string>): ServerConfigReader {
  return (name) => {
    const definition = brokerConfigDefinitions.get(name);
    const value = explicit.get(name)?.trim() ?? "";
    if (value === "") return definition?.default ?? "";
    return definition?.type === "BOOLEAN" ? value.toLowerCase() : value;
  };
}

/** Those of them that may be changed while the broker runs (KIP-226); here, unlike in Kafka, a listener may not. */
export const dynamicBrokerConfigNames: ReadonlySet<string> = new Set([
  "background.threads",
  "compression.gzip.level",
  "compression.lz4.level",
  "compression.type",
  "compression.zstd.level",
  "follower.replication.throttled.rate",
  "group.consumer.assignment.interval.ms",
  "group.share.assignment.interval.ms",
  "leader.replication.throttled.rate",
  "log.cleaner.backoff.ms",
  "log.cleaner.dedupe.buffer.size",
  "log.cleaner.delete.retention.ms",
  "log.cleaner.io.buffer.size",
  "log.cleaner.max.compaction.lag.ms",
  "log.cleaner.min.cleanable.ratio",
  "log.cleaner.min.compaction.lag.ms",
  "log.cleaner.threads",
  "log.cleanup.policy",
  "log.flush.interval.messages",
  "log.flush.interval.ms",
  "log.index.interval.bytes",
  "log.index.size.max.bytes",
  "log.local.retention.bytes",
  "log.local.retention.ms",
  "log.message.timestamp.after.max.ms",
  "log.message.timestamp.before.max.ms",
  "log.message.timestamp.type",
  "log.preallocate",
  "log.retention.bytes",
  "log.retention.ms",
  "log.roll.jitter.ms",
  "log.roll.ms",
  "log.segment.bytes",
  "log.segment.delete.delay.ms",
  "max.connections",
  "max.connections.per.ip",
  "message.max.bytes",
  "metric.reporters",
  "min.insync.replicas",
  "num.io.threads",
  "num.network.threads",
  "num.recovery.threads.per.data.dir",
  "num.replica.fetchers",
  "producer.id.expiration.ms",
  "replica.alter.log.dirs.io.max.bytes.per.second",
  "unclean.leader.election.enable",
]);

/**
 * Entries of a DescribeConfigs answer about a broker; `names` null or empty for all. `server` tells what was set where, or
 * only reads what is in force.
 */
export function describeBrokerConfigs(
  server: ServerConfigReader | ServerLayers,
  names: readonly string[] | null,
): ConfigEntry[] {
  const layers = typeof server === "function" ? startLayers(server) : server;
  const wanted = names === null || names.length === 0 ? null : new Set(names);
  return definitions
    .filter(({ name }) => wanted === null || wanted.has(name))
    .map((definition) => {
      const { name } = definition;
      const isSensitive = isSensitiveConfig(definition);
      const shown = (value: string | null) => value === "" || isSensitive ? null : value;
      const given = serverSynonyms(layers, name).map((each) => ({ ...each, value: shown(each.value) }));
      const fallback = { name, value: definition.default, source: configSourceCodes.DEFAULT_CONFIG };
      return {
        name,
        value: shown(layeredReader(layers)(name)),
        readOnly: !dynamicBrokerConfigNames.has(name),
        source: given[0]?.source ?? configSourceCodes.DEFAULT_CONFIG,
        isSensitive,
        synonyms: definition.default === null ? given : [...given, fallback],
        type: configTypeCodes[definition.type],
        documentation: configDocumentation(definition),
      };
    });
}
