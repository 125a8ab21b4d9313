/**
 * Where the records go that a webhook's receiver does not take: its dead-letter topic, made when it is first needed. A dead letter is the
 * record with headers that tell its origin; its timestamp is that of its death, so that retention counts from there.
 */
import type { MetadataImage, TopicImage } from "../core/cluster/metadata_image.ts";
import { topicSettings } from "../core/config/topic_settings.ts";
import { partitionForKey } from "../core/partition/partitioner.ts";
import type { Trouble } from "../core/webhook/delivery.ts";
import { deadLetterHeaders, type WebhookBatch } from "../core/webhook/webhook.ts";
import type { Env } from "../lib/env.ts";
import { buildBatch, type RecordInput } from "../protocol/records/record_batch.ts";
import { PARTITION_KIND } from "./kinds.ts";
import type { PartitionMessage, ProduceResult } from "./messages/partition.ts";
import type { SupervisorMessage } from "./messages/supervisor.ts";
import { partitionKey } from "./partition.ts";
import type { ActorRef } from "./runtime/types.ts";

/** What the headers may add to a record. */
const HEADERS_BYTES_MAX = 65_536;

export interface DeadLetterPorts {
  readonly env: Env;
  readonly metadata: () => MetadataImage;
  /** The server's configuration. */
  readonly config: (name: string) => string;
  readonly supervisor: ActorRef<SupervisorMessage>;
  ref(kind: typeof PARTITION_KIND, key: string): ActorRef<PartitionMessage>;
}

/** Null when they are durable; else why they are not, in a few words. Throws what the actors throw; then they may be. */
export async function appendDeadLetters(
  ports: DeadLetterPorts,
  topicName: string,
  webhookName: string,
  batch: WebhookBatch,
  trouble: Trouble,
): Promise<string | null> {
  const topic = await findOrCreate(ports, topicName, batch.topicId);
  if (typeof topic === "string") return topic;
  for (const record of batch.records) {
    const origin = deadLetterHeaders(webhookName, batch, record, trouble);
    const encoder = new TextEncoder();
    const letter: RecordInput = {
      key: record.key,
      value: record.value,
      headers: [
        ...record.headers,
        ...origin.map(([key, value]) => ({ key, value: encoder.encode(value) })),
      ],
      timestamp: Math.floor(ports.env.now()),
    };
    let result = await append(ports, topic, batch.partition, letter, "none");
    // In its own topic it may have been compressed with others.
    if (result.error === "MESSAGE_TOO_LARGE") {
      result = await append(ports, topic, batch.partition, letter, "gzip");
    }
    if (result.error !== "NONE") {
      return `topic "${topicName}" does not take it: ${result.errorMessage ?? result.error}`;
    }
  }
  return null;
}

/** With the partitioning of the origin, as far as there are partitions. */
async function append(
  { ref, config }: DeadLetterPorts,
  topic: TopicImage,
  originPartition: number,
  letter: RecordInput,
  compression: "none" | "gzip",
): Promise<ProduceResult> {
  const count = topic.partitions.length;
  const partition = letter.key === null ? originPartition % count : partitionForKey(letter.key, count);
  return await ref(PARTITION_KIND, partitionKey(topic.topicId, partition)).ask({
    type: "produce",
    batch: buildBatch({ records: [letter], compression }),
    ...topicSettings(topic, config),
  });
}

async function findOrCreate(
  { metadata, config, supervisor }: DeadLetterPorts,
  name: string,
  originTopicId: string,
): Promise<TopicImage | string> {
  const found = metadata().topicsByName.get(name);
  if (found !== undefined) return found;
  const origin = metadata().topicsById.get(originTopicId);
  const bytesMax = origin === undefined
    ? Number(config("message.max.bytes"))
    : topicSettings(origin, config).maxMessageBytes;
  const outcome = await supervisor.ask({
    type: "createTopic",
    name,
    partitionCount: -1,
    replicationFactor: -1,
    configs: { "max.message.bytes": String(Math.min(bytesMax + HEADERS_BYTES_MAX, 2_147_483_647)) },
    validateOnly: false,
  });
  if ("topic" in outcome) return outcome.topic;
  return metadata().topicsByName.get(name) ?? `topic "${name}" cannot be made: ${outcome.error}`;
}
