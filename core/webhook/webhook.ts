/**
 * Webhooks: subscriptions whose records are POSTed to a URL. Pure: what is stored of one, which topics it means, what its requests are
 * called and look like.
 *
 * A webhook is an ordinary member of a consumer group. Source of the request's form: Standard Webhooks 1.0; with the format `cloudevents`
 * the body is that of CloudEvents' HTTP binding.
 */
import type { MetadataImage } from "../cluster/metadata_image.ts";
import { internalTopicNames } from "../config/topic_name.ts";
import { eventText, type ViewFormat } from "../fetch/event_text.ts";
import { recordText } from "../fetch/record_text.ts";
import { TopicRegex } from "../group/regex/topic_regex.ts";
import { invariant } from "../../lib/invariant.ts";
import { BATCH_TYPE, EVENT_TYPE } from "../../protocol/cloudevents/http_binding.ts";
import type { KafkaRecord } from "../../protocol/records/record_batch.ts";

export const eventModes = ["batched", "structured"] as const;
export type EventMode = (typeof eventModes)[number];

/** What its owner decides. */
export interface WebhookConfig {
  readonly url: string;
  /** By name, sorted; or all that match, when it is null. */
  readonly topics: readonly string[] | null;
  /** A regular expression as KIP-848 has them; a whole name must match. */
  readonly pattern: string | null;
  readonly groupId: string;
  /** Where it begins in the topics that are there when it is made, unless the group has offsets. */
  readonly from: "earliest" | "latest";
  readonly format: ViewFormat;
  /** With the format `cloudevents`: a request is one event, or a batch of them. Absent with any other. */
  readonly eventMode?: EventMode;
  readonly maxRecords: number;
  readonly maxBytes: number;
  /** How long a batch that is not full waits for more. */
  readonly maxWaitMs: number;
  readonly timeoutMs: number;
  /** Of one batch; 0: until it is taken. */
  readonly maxAttempts: number;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** Requests in flight, of different partitions. */
  readonly concurrency: number;
  readonly deadLetterTopic: string;
}

export interface WebhookPause {
  readonly atMs: number;
  /** For people. */
  readonly reason: string;
}

export interface Webhook {
  /** Random: tells it from one of the same name that was deleted. */
  readonly id: string;
  readonly config: WebhookConfig;
  /** `whsec_…`: what requests are signed with. */
  readonly secret: string;
  /** Signs too, until its time is over. */
  readonly previousSecret: { readonly secret: string; readonly untilMs: number } | null;
  readonly createdMs: number;
  /** Null while it delivers. */
  readonly paused: WebhookPause | null;
  /** In its group, to come back as the same member; "" while it has none. */
  readonly memberId: string;
}

export const SECRET_PREFIX = "whsec_";

/** What is wrong with a webhook's name, or null: the topic of its dead letters is named after it. */
export function webhookNameFault(name: string): string | null {
  return /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(name)
    ? null
    : "expected 1 to 128 letters, digits, and . _ - (not at the beginning)";
}

/** The topics that it means now, by name: never internal ones, and by pattern not that of its own dead letters. */
export function webhookTopics(
  { topics, pattern, deadLetterTopic }: Pick<WebhookConfig, "topics" | "pattern" | "deadLetterTopic">,
  { topicsByName }: Pick<MetadataImage, "topicsByName">,
): string[] {
  if (pattern === null) return [...topics ?? []];
  const regex = new TopicRegex(pattern);
  return [...topicsByName.keys()].filter((name) =>
    name !== deadLetterTopic && !internalTopicNames.has(name) && regex.matches(name)
  ).sort();
}

/** Of one partition. */
export interface WebhookBatch {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  /** At least one. */
  readonly records: readonly KafkaRecord[];
}

/** The same for the same records of the same partition, so that a receiver knows a repetition. */
export function webhookMessageId({ id }: Pick<Webhook, "id">, batch: WebhookBatch): string {
  const { topicId, partition, records } = batch;
  const offsets = `${records[0]?.offset ?? 0}_${records.at(-1)?.offset ?? 0}`;
  return `msg_${id.slice(0, 8)}_${topicId.replaceAll("-", "")}_${partition}_${offsets}`;
}

export interface WebhookBody {
  readonly contentType: string;
  readonly text: string;
}

/** The body: the same bytes at every attempt. */
export function webhookBody(
  name: string,
  { config }: Pick<Webhook, "config">,
  batch: WebhookBatch,
): WebhookBody {
  const { topic, partition, records } = batch;
  const { format, eventMode } = config;
  if (format === "cloudevents") {
    const events = records.map((record) => eventText({ ...record, topic, partition }));
    if (eventMode !== "structured") return { contentType: BATCH_TYPE, text: `[${events.join(",")}]` };
    const [event] = events;
    invariant(event !== undefined && events.length === 1, "A request in structured mode is one event");
    return { contentType: EVENT_TYPE, text: event };
  }
  const list = records.map((record) => recordText(record, format)).join(",");
  const text = `{"type":"records","data":{"webhook":${JSON.stringify(name)},` +
    `"topic":${JSON.stringify(topic)},"partition":${partition},"records":[${list}]}}`;
  return { contentType: "application/json", text };
}

/** The header value of a dead letter's origin, in the order in which they are added. */
export function deadLetterHeaders(
  name: string,
  { topic, partition }: Pick<WebhookBatch, "topic" | "partition">,
  { offset, timestamp }: Pick<KafkaRecord, "offset" | "timestamp">,
  { attempts, error }: { readonly attempts: number; readonly error: string },
): readonly (readonly [name: string, value: string])[] {
  return [
    ["kavka.dlq.webhook", name],
    ["kavka.dlq.topic", topic],
    ["kavka.dlq.partition", String(partition)],
    ["kavka.dlq.offset", String(offset)],
    ["kavka.dlq.timestamp", String(timestamp)],
    ["kavka.dlq.attempts", String(attempts)],
    ["kavka.dlq.error", error],
  ];
}
