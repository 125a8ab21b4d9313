/** The settings of a topic that every append needs, resolved once for each metadata image. */
import type { TopicImage } from "../cluster/metadata_image.ts";
import { listElements, type ServerConfigReader } from "./config_definition.ts";
import { topicConfig, topicConfigNumber } from "./topic_configs.ts";

export interface TopicSettings {
  readonly maxMessageBytes: number;
  readonly timestampType: "CreateTime" | "LogAppendTime";
  /** Whether `cleanup.policy` includes compaction, which takes no records without a key. */
  readonly requireKeys: boolean;
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
  };
  resolved.set(topic, settings);
  return settings;
}
