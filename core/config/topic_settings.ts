/** The settings of a topic that every append needs, resolved once for each metadata image. */
import type { TopicImage } from "../cluster/metadata_image.ts";
import type { Compression } from "../../protocol/records/record_batch.ts";
import { listElements, type ServerConfigReader } from "./config_definition.ts";
import { topicConfig, topicConfigNumber } from "./topic_configs.ts";

export interface TopicSettings {
  readonly maxMessageBytes: number;
  readonly timestampType: "CreateTime" | "LogAppendTime";
  /** Whether `cleanup.policy` includes compaction, which takes no records without a key. */
  readonly requireKeys: boolean;
  /** `message.timestamp.before.max.ms`. */
  readonly timestampBeforeMaxMs: number;
  /** `message.timestamp.after.max.ms`. */
  readonly timestampAfterMaxMs: number;
  /** `compression.type`: the codec in which batches are stored, or the producer's own. */
  readonly storedCompression: "producer" | Compression;
  /** Of that codec; left out for the codec's own default. */
  readonly compressionLevel?: number;
}

function storedCompression(
  value: (name: string) => string,
): Pick<TopicSettings, "storedCompression" | "compressionLevel"> {
  const type = value("compression.type");
  switch (type) {
    case "gzip":
    case "zstd":
      return { storedCompression: type, compressionLevel: Number(value(`compression.${type}.level`)) };
    case "snappy":
    case "lz4":
      return { storedCompression: type };
    case "uncompressed":
      return { storedCompression: "none" };
    default:
      return { storedCompression: "producer" };
  }
}

/** Keyed by the image's own topic object, which is replaced whenever a setting changes. */
const resolved = new WeakMap<TopicImage, TopicSettings>();

/** `server` must be the same reader in every call of a process. */
export function topicSettings(topic: TopicImage, server: ServerConfigReader): TopicSettings {
  const known = resolved.get(topic);
  if (known !== undefined) return known;
  const value = (name: string) => topicConfig(topic.configs, server, name);
  const settings: TopicSettings = {
    maxMessageBytes: topicConfigNumber(topic.configs, server, "max.message.bytes"),
    timestampType: value("message.timestamp.type") === "LogAppendTime" ? "LogAppendTime" : "CreateTime",
    requireKeys: listElements(value("cleanup.policy")).includes("compact"),
    timestampBeforeMaxMs: topicConfigNumber(topic.configs, server, "message.timestamp.before.max.ms"),
    timestampAfterMaxMs: topicConfigNumber(topic.configs, server, "message.timestamp.after.max.ms"),
    ...storedCompression(value),
  };
  resolved.set(topic, settings);
  return settings;
}
