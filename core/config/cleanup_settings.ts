/** How a topic's old records go: the settings of retention and of compaction in force. */
import type { TopicImage } from "../cluster/metadata_image.ts";
import type { CompactionSettings } from "../partition/compaction.ts";
import type { RetentionSettings } from "../partition/retention.ts";
import { listElements, type ServerConfigReader } from "./config_definition.ts";
import { topicConfig, topicConfigNumber } from "./topic_configs.ts";

/** Null when `cleanup.policy` deletes nothing by age or size. */
export function retentionSettings(topic: TopicImage, server: ServerConfigReader): RetentionSettings | null {
  if (!listElements(topicConfig(topic.configs, server, "cleanup.policy")).includes("delete")) return null;
  const retentionMs = topicConfigNumber(topic.configs, server, "retention.ms");
  const retentionBytes = topicConfigNumber(topic.configs, server, "retention.bytes");
  return retentionMs < 0 && retentionBytes < 0 ? null : { retentionMs, retentionBytes };
}

/** Null when `cleanup.policy` does not compact. */
export function compactionSettings(topic: TopicImage, server: ServerConfigReader): CompactionSettings | null {
  if (!listElements(topicConfig(topic.configs, server, "cleanup.policy")).includes("compact")) return null;
  const number = (name: string) => topicConfigNumber(topic.configs, server, name);
  return {
    minCleanableDirtyRatio: number("min.cleanable.dirty.ratio"),
    minCompactionLagMs: number("min.compaction.lag.ms"),
    maxCompactionLagMs: number("max.compaction.lag.ms"),
    deleteRetentionMs: number("delete.retention.ms"),
  };
}
