/** Where a webhook begins that wants nothing of what is there already. */
import type { MetadataImage } from "../core/cluster/metadata_image.ts";
import { type WebhookConfig, webhookTopics } from "../core/webhook/webhook.ts";
import {
  commitOffsets,
  fetchOffsets,
  type GroupPartition,
  NO_MEMBER,
  OffsetsRefusedError,
} from "./group_offsets.ts";
import type { ConsumerGroupMessage } from "./messages/consumer_group.ts";
import type { PartitionMessage } from "./messages/partition.ts";
import type { ActorRef } from "./runtime/types.ts";

export interface StartPorts {
  readonly metadata: MetadataImage;
  readonly group: ActorRef<ConsumerGroupMessage>;
  log(place: GroupPartition): ActorRef<PartitionMessage>;
}

/**
 * `latest` means now: what comes from here on is not missed, whenever the first delivery is. Of topics that are not `known`. Null, or why it
 * cannot be.
 */
export async function commitEnds(
  { metadata, group, log }: StartPorts,
  config: WebhookConfig,
  known: ReadonlySet<string>,
): Promise<string | null> {
  const partitions = webhookTopics(config, metadata).filter((topic) => !known.has(topic)).flatMap(
    (topic) => {
      const image = metadata.topicsByName.get(topic);
      if (image === undefined) return [];
      return image.partitions.map((_, partition) => ({ topic, topicId: image.topicId, partition }));
    },
  );
  let committed: readonly number[];
  try {
    committed = await fetchOffsets(group, partitions);
  } catch (error) {
    if (error instanceof OffsetsRefusedError) return error.message;
    throw error;
  }
  const offsets = [];
  for (const place of partitions.filter((_, index) => (committed[index] ?? -1) < 0)) {
    const { highWatermark } = await log(place).ask({ type: "describe" });
    offsets.push({ ...place, offset: highWatermark });
  }
  const error = offsets.length === 0 ? null : await commitOffsets(group, NO_MEMBER, offsets);
  return error === null
    ? null
    : `Group "${config.groupId}" takes no offsets (${error}): it may have members, or be of another kind`;
}
