/**
 * The topic configurations of Kafka 4.3 that Kavka knows, and how a topic's value is found: what was set for the
 * topic, else what was set for the server under one of the synonyms, else the default.
 *
 * Source: the names, types, defaults and synonyms of Kafka's `TopicConfig`, `LogConfig` and `ServerTopicConfigSynonyms`.
 */
import { invariant } from "../../lib/invariant.ts";
import {
  type ConfigDefinition,
  configDocumentation,
  type ConfigEntry,
  configNumber,
  configSourceCodes,
  type ConfigSynonym,
  configTypeCodes,
  configValueFault,
  isSensitiveConfig,
  normalizeConfig,
  type ServerConfigReader,
} from "./config_definition.ts";
import { brokerConfigDefinition } from "./broker_configs.ts";
import { limits } from "./limits.ts";
import { layeredReader, type ServerLayers, serverSynonyms, startLayers } from "./server_layers.ts";

const LONG_MAX = "9223372036854775807";
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** A server-wide setting that fills in for a topic's; its number times `factor` is the topic's. */
export interface ServerSynonym {
  readonly name: string;
  readonly factor: number;
}

export interface TopicConfigDefinition extends ConfigDefinition {
  readonly default: string;
  /** From the strongest to the weakest. */
  readonly synonyms: readonly ServerSynonym[];
}

function same(name: string): readonly ServerSynonym[] {
  return [{ name, factor: 1 }];
}

function throttledReplicasFault(value: string): string | null {
  return value === "" || value === "*" || /^\d+:\d+(\s*,\s*\d+:\d+)*$/.test(value)
    ? null
    : "expected partition:broker pairs, or *";
}

const definitions: readonly TopicConfigDefinition[] = [
  {
    name: "cleanup.policy",
    type: "LIST",
    default: "delete",
    oneOf: ["compact", "delete"],
    synonyms: same("log.cleanup.policy"),
    effect: "now",
    documentation:
      "What is done with old records: delete drops them by age or size, compact keeps the newest of each key; empty keeps all.",
  },
  {
    name: "compression.gzip.level",
    type: "INT",
    default: "-1",
    min: -1,
    max: 9,
    check: (value) => Number(value) === 0 ? "expected -1 or 1 to 9" : null,
    synonyms: same("compression.gzip.level"),
    effect: "now",
    documentation: "Level of gzip when the server compresses.",
  },
  {
    name: "compression.lz4.level",
    type: "INT",
    default: "9",
    min: 1,
    max: 17,
    synonyms: same("compression.lz4.level"),
    effect: "none",
    documentation: "Level of lz4 when the server compresses; it knows only one.",
  },
  {
    name: "compression.type",
    type: "STRING",
    default: "producer",
    oneOf: ["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"],
    synonyms: same("compression.type"),
    effect: "now",
    documentation:
      "How batches are stored: producer keeps each as it was sent; anything else compresses them anew where needed.",
  },
  {
    name: "compression.zstd.level",
    type: "INT",
    default: "3",
    min: -131_072,
    max: 22,
    synonyms: same("compression.zstd.level"),
    effect: "now",
    documentation: "Level of zstd when the server compresses.",
  },
  {
    name: "delete.retention.ms",
    type: "LONG",
    default: "86400000",
    min: 0,
    synonyms: same("log.cleaner.delete.retention.ms"),
    effect: "now",
    documentation: "How long a compacted topic keeps the records that delete a key.",
  },
  {
    name: "file.delete.delay.ms",
    type: "LONG",
    default: "60000",
    min: 0,
    synonyms: same("log.segment.delete.delay.ms"),
    effect: "none",
    documentation: "How long a deleted file stays on the disk.",
  },
  {
    name: "flush.messages",
    type: "LONG",
    default: LONG_MAX,
    min: 1,
    synonyms: same("log.flush.interval.messages"),
    effect: "none",
    documentation: "After how many records the log is flushed; here every acknowledged batch already is.",
  },
  {
    name: "flush.ms",
    type: "LONG",
    default: LONG_MAX,
    min: 0,
    synonyms: [{ name: "log.flush.interval.ms", factor: 1 }, {
      name: "log.flush.scheduler.interval.ms",
      factor: 1,
    }],
    effect: "none",
    documentation: "After what time the log is flushed; here every acknowledged batch already is.",
  },
  {
    name: "follower.replication.throttled.replicas",
    type: "LIST",
    default: "",
    check: throttledReplicasFault,
    synonyms: [],
    effect: "none",
    documentation: "Followers whose replication is throttled, as partition:broker pairs, or *.",
  },
  {
    name: "index.interval.bytes",
    type: "INT",
    default: "4096",
    min: 0,
    synonyms: same("log.index.interval.bytes"),
    effect: "none",
    documentation: "Bytes between two entries of the offset index; here every batch has one.",
  },
  {
    name: "leader.replication.throttled.replicas",
    type: "LIST",
    default: "",
    check: throttledReplicasFault,
    synonyms: [],
    effect: "none",
    documentation: "Leaders whose replication is throttled, as partition:broker pairs, or *.",
  },
  {
    name: "local.retention.bytes",
    type: "LONG",
    default: "-2",
    min: -2,
    synonyms: same("log.local.retention.bytes"),
    effect: "none",
    documentation: "With tiered storage, bytes that stay on the broker; -2 for retention.bytes.",
  },
  {
    name: "local.retention.ms",
    type: "LONG",
    default: "-2",
    min: -2,
    synonyms: same("log.local.retention.ms"),
    effect: "none",
    documentation: "With tiered storage, how long records stay on the broker; -2 for retention.ms.",
  },
  {
    name: "max.compaction.lag.ms",
    type: "LONG",
    default: LONG_MAX,
    min: 1,
    synonyms: same("log.cleaner.max.compaction.lag.ms"),
    effect: "now",
    documentation: "Longest time for which a record stays out of compaction.",
  },
  {
    name: "max.message.bytes",
    type: "INT",
    default: String(limits.batchBytesMax),
    min: 0,
    synonyms: same("message.max.bytes"),
    effect: "now",
    documentation: "Largest record batch that is accepted, in bytes, as sent (after compression).",
  },
  {
    name: "message.timestamp.after.max.ms",
    type: "LONG",
    default: "3600000",
    min: 0,
    synonyms: same("log.message.timestamp.after.max.ms"),
    effect: "now",
    documentation: "How far a record's timestamp may lie ahead of the server's clock.",
  },
  {
    name: "message.timestamp.before.max.ms",
    type: "LONG",
    default: LONG_MAX,
    min: 0,
    synonyms: same("log.message.timestamp.before.max.ms"),
    effect: "now",
    documentation: "How far a record's timestamp may lie behind the server's clock.",
  },
  {
    name: "message.timestamp.type",
    type: "STRING",
    default: "CreateTime",
    oneOf: ["CreateTime", "LogAppendTime"],
    synonyms: same("log.message.timestamp.type"),
    effect: "now",
    documentation:
      "Whose time a record bears: the producer's (CreateTime) or that of the append (LogAppendTime).",
  },
  {
    name: "min.cleanable.dirty.ratio",
    type: "DOUBLE",
    default: "0.5",
    min: 0,
    max: 1,
    synonyms: same("log.cleaner.min.cleanable.ratio"),
    effect: "now",
    documentation: "Share of uncompacted bytes in the log at which it is compacted.",
  },
  {
    name: "min.compaction.lag.ms",
    type: "LONG",
    default: "0",
    min: 0,
    synonyms: same("log.cleaner.min.compaction.lag.ms"),
    effect: "now",
    documentation: "Shortest time for which a record stays out of compaction.",
  },
  {
    name: "min.insync.replicas",
    type: "INT",
    default: "1",
    min: 1,
    synonyms: same("min.insync.replicas"),
    effect: "none",
    documentation: "Replicas that must hold a batch before acks=all is answered.",
  },
  {
    name: "preallocate",
    type: "BOOLEAN",
    default: "false",
    synonyms: same("log.preallocate"),
    effect: "none",
    documentation: "Whether files get their full size when they are created.",
  },
  {
    name: "remote.log.copy.disable",
    type: "BOOLEAN",
    default: "false",
    synonyms: [],
    effect: "none",
    documentation: "With tiered storage, whether no more is copied there.",
  },
  {
    name: "remote.log.delete.on.disable",
    type: "BOOLEAN",
    default: "false",
    synonyms: [],
    effect: "none",
    documentation: "With tiered storage, whether its data goes when it is switched off.",
  },
  {
    name: "remote.storage.enable",
    type: "BOOLEAN",
    default: "false",
    check: (value) => value.toLowerCase() === "true" ? "tiered storage is not supported" : null,
    synonyms: [],
    effect: "now",
    documentation: "Tiered storage; only false is accepted.",
  },
  {
    name: "retention.bytes",
    type: "LONG",
    default: "-1",
    synonyms: same("log.retention.bytes"),
    effect: "now",
    documentation: "Bytes of one partition beyond which its oldest records are deleted; -1 for no bound.",
  },
  {
    name: "retention.ms",
    type: "LONG",
    default: "604800000",
    min: -1,
    synonyms: [
      { name: "log.retention.ms", factor: 1 },
      { name: "log.retention.minutes", factor: MINUTE_MS },
      { name: "log.retention.hours", factor: HOUR_MS },
    ],
    effect: "now",
    documentation: "Age at which records are deleted; -1 for no bound.",
  },
  {
    name: "segment.bytes",
    type: "INT",
    default: "1073741824",
    min: 1_048_576,
    synonyms: same("log.segment.bytes"),
    effect: "none",
    documentation:
      "Size of one segment of the log; here records are deleted and compacted batch by batch, and none is rolled.",
  },
  {
    name: "segment.index.bytes",
    type: "INT",
    default: "10485760",
    min: 4,
    synonyms: same("log.index.size.max.bytes"),
    effect: "none",
    documentation: "Size of one segment's offset index.",
  },
  {
    name: "segment.jitter.ms",
    type: "LONG",
    default: "0",
    min: 0,
    synonyms: [{ name: "log.roll.jitter.ms", factor: 1 }, { name: "log.roll.jitter.hours", factor: HOUR_MS }],
    effect: "none",
    documentation: "Random time taken off segment.ms, so that segments do not all roll at once.",
  },
  {
    name: "segment.ms",
    type: "LONG",
    default: "604800000",
    min: 1,
    synonyms: [{ name: "log.roll.ms", factor: 1 }, { name: "log.roll.hours", factor: HOUR_MS }],
    effect: "none",
    documentation: "Time after which a segment is closed although it is not full.",
  },
  {
    name: "unclean.leader.election.enable",
    type: "BOOLEAN",
    default: "false",
    synonyms: same("unclean.leader.election.enable"),
    effect: "none",
    documentation: "Whether a replica that lacks acknowledged records may become leader.",
  },
];

/** By name, sorted. */
export const topicConfigDefinitions: ReadonlyMap<string, TopicConfigDefinition> = new Map(
  definitions.map((definition) => [definition.name, definition]),
);

export interface ValidateTopicConfigsOptions {
  /** The topic's configuration after the change, for checks across settings; `configs` alone when absent. */
  readonly current?: Readonly<Record<string, string>>;
  /** Whether null deletes a setting (alter) or is a fault (create). */
  readonly nullDeletes: boolean;
}

/** What is wrong with the settings of a create or alter request, for INVALID_CONFIG, or null. */
export function topicConfigsFault(
  configs: Readonly<Record<string, string | null>>,
  { current = {}, nullDeletes }: ValidateTopicConfigsOptions,
): string | null {
  const merged = new Map(Object.entries(current));
  for (const [name, value] of Object.entries(configs)) {
    const definition = topicConfigDefinitions.get(name);
    if (definition === undefined) return `Unknown topic configuration "${name.slice(0, 100)}"`;
    if (value === null) {
      if (!nullDeletes) return `Invalid value null for configuration ${name}`;
      merged.delete(name);
      continue;
    }
    const fault = configValueFault(definition, value);
    if (fault !== null) return `Invalid value "${value.slice(0, 100)}" for configuration ${name}: ${fault}`;
    merged.set(name, value);
  }
  const minLag = merged.get("min.compaction.lag.ms");
  const maxLag = merged.get("max.compaction.lag.ms");
  if (minLag !== undefined && maxLag !== undefined && BigInt(minLag) > BigInt(maxLag)) {
    return `Invalid configuration: min.compaction.lag.ms (${minLag}) is larger than max.compaction.lag.ms (${maxLag})`;
  }
  return null;
}

/** Values as they are stored and shown. Call it on valid values. */
export function normalizeTopicConfig(name: string, value: string): string {
  return normalizeConfig(topicConfigDefinitions.get(name)?.type, value);
}

/** The value in force for a topic. `name` must be a known one. */
export function topicConfig(
  configs: Readonly<Record<string, string>>,
  server: ServerConfigReader,
  name: string,
): string {
  return resolve(configs, server, name);
}

/** The same as a number. */
export function topicConfigNumber(
  configs: Readonly<Record<string, string>>,
  server: ServerConfigReader,
  name: string,
): number {
  return configNumber(topicConfig(configs, server, name));
}

/**
 * Entries of a DescribeConfigs answer about a topic; `names` null or empty for all, unknown names are left out, as in Kafka.
 * `server` tells what was set where, or only reads what is in force.
 */
export function describeTopicConfigs(
  configs: Readonly<Record<string, string>>,
  server: ServerConfigReader | ServerLayers,
  names: readonly string[] | null,
): ConfigEntry[] {
  const layers = typeof server === "function" ? startLayers(server) : server;
  const wanted = names === null || names.length === 0 ? null : new Set(names);
  return definitions
    .filter(({ name }) => wanted === null || wanted.has(name))
    .map((definition) => {
      const { name } = definition;
      const synonyms = synonymsOf(configs, layers, definition);
      const value = topicConfig(configs, layeredReader(layers), name);
      return {
        name,
        value,
        readOnly: false,
        source: synonyms[0]?.source ?? configSourceCodes.DEFAULT_CONFIG,
        isSensitive: isSensitiveConfig(definition),
        synonyms,
        type: configTypeCodes[definition.type],
        documentation: configDocumentation(definition),
      };
    });
}

function synonymsOf(
  configs: Readonly<Record<string, string>>,
  layers: ServerLayers,
  { name, synonyms }: TopicConfigDefinition,
): ConfigSynonym[] {
  const own = Object.hasOwn(configs, name) ? configs[name] : undefined;
  const set = own === undefined ? [] : [{ name, value: own, source: configSourceCodes.DYNAMIC_TOPIC_CONFIG }];
  const given = synonyms.flatMap((synonym) => serverSynonyms(layers, synonym.name));
  const defaults = synonyms.flatMap((synonym) => {
    const value = brokerConfigDefinition(synonym.name)?.default ?? "";
    return value === "" ? [] : [{ name: synonym.name, value, source: configSourceCodes.DEFAULT_CONFIG }];
  });
  return [...set, ...given, ...defaults];
}

function resolve(
  configs: Readonly<Record<string, string>>,
  server: ServerConfigReader,
  name: string,
): string {
  const definition = topicConfigDefinitions.get(name);
  invariant(definition !== undefined, `Unknown topic configuration "${name}"`);
  const own = Object.hasOwn(configs, name) ? configs[name] : undefined;
  if (own !== undefined) return own;
  for (const { name: synonym, factor } of definition.synonyms) {
    const value = server(synonym);
    const serverDefault = brokerConfigDefinition(synonym)?.default ?? "";
    // Like Kafka's own, a server setting that spells out the default cannot be told from an absent one by a reader.
    if (value !== "" && value !== serverDefault) return factor === 1 ? value : scaled(value, factor);
  }
  return definition.default;
}

/** Hours or minutes in milliseconds; a negative number means no bound and stays one. */
function scaled(value: string, factor: number): string {
  const number = configNumber(value);
  return String(number < 0 ? -1 : Math.min(number * factor, Number.MAX_SAFE_INTEGER));
}
