/** The settings of a topic that appends need, resolved once for each metadata image. */
import type { Broker } from "../actors/broker.ts";
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { topicConfig } from "../core/config/topic_configs.ts";

export interface TopicSettings {
  readonly maxMessageBytes: number;
  readonly timestampType: "CreateTime" | "LogAppendTime";
}

/** Keyed by the image's own topic object, which is replaced whenever a setting changes. */
const resolved = new WeakMap<TopicImage, TopicSettings>();

export function topicSettings(topic: TopicImage, broker: Broker): TopicSettings {
  const known = resolved.get(topic);
  if (known !== undefined) return known;
  const value = (name: string) => topicConfig(topic.configs, (key) => broker.config(key), name);
  const settings: TopicSettings = {
    maxMessageBytes: Number(value("max.message.bytes")),
    timestampType: value("message.timestamp.type") === "LogAppendTime" ? "LogAppendTime" : "CreateTime",
  };
  resolved.set(topic, settings);
  return settings;
}
