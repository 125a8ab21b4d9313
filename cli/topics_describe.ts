/** `kafka-topics.sh --describe`: topics with their settings and partitions, or only the partitions in trouble. */
import type { Admin, ConfigEntry, PartitionDescription, TopicDescription } from "../client/mod.ts";

/** Which partitions to show; without any, all of them, and the topics' settings. */
export interface DescribeFilter {
  readonly underReplicatedPartitions?: boolean;
  readonly unavailablePartitions?: boolean;
  readonly underMinIsrPartitions?: boolean;
  readonly atMinIsrPartitions?: boolean;
  /** Only the settings, of topics that have some of their own. */
  readonly topicsWithOverrides?: boolean;
  readonly partitionSizeLimitPerResponse?: number;
}

const NO_TOPIC_ID = "00000000-0000-0000-0000-000000000000";

/** What to print about these topics. */
export async function describeTopics(
  names: readonly string[],
  filter: DescribeFilter,
  admin: Admin,
): Promise<string> {
  if (names.length === 0) return "";
  const topics = await admin.describeTopicPartitions(names, {
    partitionsPerResponse: filter.partitionSizeLimitPerResponse,
  });
  const configs = await admin.describeConfigs("topic", topics.map(({ name }) => name));
  const alive = new Set((await admin.describeCluster()).brokers.map(({ nodeId }) => nodeId));
  const isWanted = partitionFilter(filter, alive);
  return topics.map((topic) => {
    const entries = configs.get(topic.name) ?? [];
    if (isWanted !== null) {
      const minIsr = Number(entries.find(({ name }) => name === "min.insync.replicas")?.value ?? 1);
      return topic.partitions.filter((each) => isWanted(each, minIsr))
        .map((each) => `${formatPartition(topic.name, each)}\n`).join("");
    }
    if (filter.topicsWithOverrides !== true) return formatTopic(topic, entries);
    return entries.every(({ isDefault }) => isDefault) ? "" : `${formatHead(topic, entries)}\n`;
  }).join("");
}

/** Null: no filter, so that topics are shown and not only partitions. */
function partitionFilter(
  filter: DescribeFilter,
  alive: ReadonlySet<number>,
): ((partition: PartitionDescription, minIsr: number) => boolean) | null {
  const tests: ((partition: PartitionDescription, minIsr: number) => boolean)[] = [];
  if (filter.underReplicatedPartitions === true) {
    tests.push(({ replicas, isr }) => isr.length < replicas.length);
  }
  if (filter.unavailablePartitions === true) tests.push(({ leader }) => leader < 0 || !alive.has(leader));
  if (filter.underMinIsrPartitions === true) {
    tests.push(({ leader, isr }, minIsr) => leader < 0 || isr.length < minIsr);
  }
  if (filter.atMinIsrPartitions === true) tests.push(({ isr }, minIsr) => isr.length === minIsr);
  return tests.length === 0 ? null : (partition, minIsr) => tests.some((test) => test(partition, minIsr));
}

/** The description of a topic: one line, and one for each partition. */
export function formatTopic(topic: TopicDescription, configs: readonly ConfigEntry[]): string {
  const partitions = topic.partitions.map((partition) => formatPartition(topic.name, partition));
  return `${[formatHead(topic, configs), ...partitions].join("\n")}\n`;
}

function formatHead(topic: TopicDescription, configs: readonly ConfigEntry[]): string {
  const set = configs.filter((config) => !config.isDefault).map(({ name, value }) => `${name}=${value}`);
  return [
    `Topic: ${topic.name}`,
    ...(topic.topicId === NO_TOPIC_ID ? [] : [`TopicId: ${topicIdText(topic.topicId)}`]),
    `PartitionCount: ${topic.partitions.length}`,
    `ReplicationFactor: ${topic.partitions[0]?.replicas.length ?? 0}`,
    `Configs: ${set.join(",")}`,
  ].join("\t");
}

function formatPartition(topic: string, partition: PartitionDescription): string {
  return [
    "",
    `Topic: ${topic}`,
    `Partition: ${partition.partition}`,
    `Leader: ${partition.leader < 0 ? "none" : partition.leader}`,
    `Replicas: ${partition.replicas.join(",")}`,
    `Isr: ${partition.isr.join(",")}`,
    `Elr: ${partition.eligibleLeaderReplicas?.join(",") ?? "N/A"}`,
    `LastKnownElr: ${partition.lastKnownElr?.join(",") ?? "N/A"}`,
  ].join("\t");
}

/** A UUID as Kafka prints it: its 16 bytes in base64url. */
export function topicIdText(uuid: string): string {
  const bytes = uuid.replaceAll("-", "").match(/../g)?.map((hex) => parseInt(hex, 16)) ?? [];
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
