/** Finding the topic that a request means: by name in older versions, by id in newer ones (KIP-516). */
import type { MetadataImage, TopicImage } from "../core/cluster/metadata_image.ts";
import { ZERO_UUID } from "../lib/bytes.ts";
import type { ErrorName } from "../protocol/errors.ts";

export type TopicLookup =
  | { readonly topic: TopicImage; readonly error: null }
  | { readonly topic: null; readonly error: ErrorName };

/** `byId` says which of the two the request's version carries. */
export function lookUpTopic(
  metadata: MetadataImage,
  request: { readonly name: string; readonly topicId: string },
  byId: boolean,
): TopicLookup {
  if (!byId) {
    const topic = metadata.topicsByName.get(request.name);
    return topic === undefined
      ? { topic: null, error: "UNKNOWN_TOPIC_OR_PARTITION" }
      : { topic, error: null };
  }
  const topic = request.topicId === ZERO_UUID ? undefined : metadata.topicsById.get(request.topicId);
  return topic === undefined ? { topic: null, error: "UNKNOWN_TOPIC_ID" } : { topic, error: null };
}

/** Whether the topic has the partition. */
export function hasPartition(topic: TopicImage, partition: number): boolean {
  return partition >= 0 && partition < topic.partitions.length;
}
