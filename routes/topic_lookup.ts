/** Finding the topic and the partition that a path names. */
import { z } from "@hono/zod-openapi";
import type { Broker } from "../actors/broker.ts";
import { ActorStoppedError } from "../actors/runtime/errors.ts";
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { kafkaProblem } from "./problem.ts";

const INT32_MAX = 2_147_483_647;

export const topicParam = z.string().openapi({ description: "Name of the topic", example: "orders" });

export const partitionParam = z.string()
  .regex(/^\d{1,10}$/, "expected a whole number")
  .transform(Number)
  .pipe(z.number().max(INT32_MAX, `expected at most ${INT32_MAX}`))
  .openapi({ type: "integer", minimum: 0, maximum: INT32_MAX, description: "Index of the partition" });

export function findTopic(broker: Broker, name: string): TopicImage {
  const topic = broker.metadata.topicsByName.get(name);
  if (topic !== undefined) return topic;
  throw unknownTopic(name);
}

export function unknownTopic(name: string) {
  return kafkaProblem(
    "UNKNOWN_TOPIC_OR_PARTITION",
    `There is no topic ${JSON.stringify(name.slice(0, 250))}`,
  );
}

/** What became of a request whose topic was deleted under it; any other error stays. */
export function errorUnderTopic(broker: Broker, { topicId, name }: TopicImage, error: unknown): unknown {
  const isGone = error instanceof ActorStoppedError && !broker.metadata.topicsById.has(topicId);
  return isGone ? unknownTopic(name) : error;
}

/** Makes sure that the topic has the partition. */
export function checkPartition(topic: TopicImage, partition: number): void {
  if (partition < topic.partitions.length) return;
  throw kafkaProblem(
    "UNKNOWN_TOPIC_OR_PARTITION",
    `Topic "${topic.name}" has ${topic.partitions.length} partitions, none with index ${partition}`,
  );
}
