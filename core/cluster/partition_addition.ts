/** Whether and how a topic gets more partitions: a pure decision. Source: KIP-195, Kafka's ReplicationControlManager. */
import { limits } from "../config/limits.ts";
import type { MetadataImage, PartitionImage, TopicImage } from "./metadata_image.ts";

export type PartitionAddition =
  | { readonly added: readonly PartitionImage[] }
  | {
    readonly error: "INVALID_PARTITIONS" | "INVALID_REPLICA_ASSIGNMENT" | "INVALID_REPLICATION_FACTOR";
    readonly message: string;
  };

/** `count` is the new total; `assignments`, one list of brokers for each new partition, or null. */
export function decidePartitionAddition(
  image: MetadataImage,
  topic: TopicImage,
  count: number,
  assignments: readonly (readonly number[])[] | null,
): PartitionAddition {
  const present = topic.partitions.length;
  if (count === present) {
    return { error: "INVALID_PARTITIONS", message: `Topic already has ${present} partition(s).` };
  }
  if (count < present) {
    const message =
      `The topic ${topic.name} currently has ${present} partition(s); ${count} would not be an increase.`;
    return { error: "INVALID_PARTITIONS", message };
  }
  if (count > limits.partitionsPerTopicMax) {
    const message = `Number of partitions ${count} is over the limit of ${limits.partitionsPerTopicMax}`;
    return { error: "INVALID_PARTITIONS", message };
  }
  const factor = topic.partitions[0]?.replicas.length ?? 1;
  const brokerIds = image.brokers.map((broker) => broker.brokerId);
  const replicas = assignments ?? Array.from(
    { length: count - present },
    (_, i) =>
      Array.from(
        { length: factor },
        (_, replica) => brokerIds[(present + i + replica) % brokerIds.length] ?? -1,
      ),
  );
  if (replicas.length !== count - present) {
    const message = `${count - present} partition(s) are added, but ${replicas.length} assigned.`;
    return { error: "INVALID_REPLICA_ASSIGNMENT", message };
  }
  if (factor > brokerIds.length) {
    const message =
      `Replication factor ${factor} needs more than the ${brokerIds.length} registered broker(s).`;
    return { error: "INVALID_REPLICATION_FACTOR", message };
  }
  for (const each of replicas) {
    const isRight = each.length === factor && new Set(each).size === factor &&
      each.every((brokerId) => brokerIds.includes(brokerId));
    if (!isRight) {
      const message = `An assignment must name ${factor} different registered broker(s), not [${
        each.join(", ")
      }].`;
      return { error: "INVALID_REPLICA_ASSIGNMENT", message };
    }
  }
  return {
    added: replicas.map((each) => ({ leader: each[0] ?? -1, leaderEpoch: 0, replicas: each, isr: each })),
  };
}
