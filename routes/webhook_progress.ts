/** How far a webhook has got in each partition: what its group has committed, against the ends of the logs. */
import type { Broker } from "../actors/broker.ts";
import { fetchOffsets, OffsetsRefusedError } from "../actors/group_offsets.ts";
import type { WebhookView } from "../actors/messages/webhook.ts";
import { limits } from "../core/config/limits.ts";
import type { Trouble } from "../core/webhook/delivery.ts";
import { webhookTopics } from "../core/webhook/webhook.ts";

export interface PartitionProgress {
  readonly topic: string;
  readonly partition: number;
  /** Null: nothing is committed, it begins with the first record. */
  readonly committedOffset: number | null;
  readonly endOffset: number;
  readonly lag: number;
  readonly trouble: Trouble | null;
}

export interface WebhookProgress {
  /** Of all partitions; null when there are too many to look at. */
  readonly lag: number | null;
  readonly partitions: readonly PartitionProgress[];
}

/** Throws what the actors throw. */
export async function webhookProgress(
  broker: Broker,
  { webhook: { config }, troubles }: WebhookView,
): Promise<WebhookProgress> {
  const { topicsByName } = broker.metadata;
  const places = webhookTopics(config, broker.metadata).flatMap((topic) => {
    const image = topicsByName.get(topic);
    if (image === undefined) return [];
    return image.partitions.map((_, partition) => ({ topic, topicId: image.topicId, partition }));
  });
  const shown = places.slice(0, limits.webhookStatusPartitionsMax);
  if (shown.length === 0) return { lag: 0, partitions: [] };
  const committed = await fetchOffsets(broker.group(config.groupId), shown).catch((error: unknown) => {
    // The webhook's last error tells why.
    if (error instanceof OffsetsRefusedError) return [];
    throw error;
  });
  const failing = new Map(
    troubles.map(({ topicId, partition, trouble }) => [`${topicId}/${partition}`, trouble]),
  );
  const partitions = await Promise.all(shown.map(async ({ topic, topicId, partition }, index) => {
    const offset = committed[index] ?? -1;
    const { highWatermark, logStartOffset } = await broker.partition(topicId, partition).ask({
      type: "describe",
    });
    return {
      topic,
      partition,
      committedOffset: offset < 0 ? null : offset,
      endOffset: highWatermark,
      lag: Math.max(0, highWatermark - Math.max(offset, logStartOffset)),
      trouble: failing.get(`${topicId}/${partition}`) ?? null,
    };
  }));
  const isWhole = shown.length === places.length;
  return { lag: isWhole ? partitions.reduce((sum, { lag }) => sum + lag, 0) : null, partitions };
}
