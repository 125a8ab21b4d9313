/**
 * REST v2: topics, partitions, offsets, brokers; producing; and reading one partition without any state on the server, as
 * Redpanda's proxy has it.
 *
 * Source: Confluent's documentation of API v2 and Redpanda's of its HTTP proxy. Beyond them: headers and timestamps in both directions,
 * the text format, `timestamp` and `last` as places to begin. A record larger than `max_bytes` is returned alone.
 */
import { z } from "@hono/zod-openapi";
import type { TopicImage } from "../../core/cluster/metadata_image.ts";
import { limits } from "../../core/config/limits.ts";
import { describeTopicConfigs } from "../../core/config/topic_configs.ts";
import { decodeBase64, encodeBase64 } from "../../lib/base64.ts";
import { knownResponse } from "../../lib/known_body.ts";
import { errors } from "../../protocol/errors.ts";
import type { KafkaRecord } from "../../protocol/records/record_batch.ts";
import { appendRecords, findOrCreateTopic, type GivenRecord } from "../append_records.ts";
import { parse } from "../endpoint.ts";
import { fieldProblem } from "../problem.ts";
import { readPage, startOffset } from "../read_records.ts";
import { readJson } from "../request_body.ts";
import { errorUnderTopic } from "../topic_lookup.ts";
import { isUpstashRequest, upstashTopics } from "../upstash/upstash_app.ts";
import { confluentProblem } from "./confluent_error.ts";
import { type ContractRequest, type ContractRoute, numberParam } from "./contract_router.ts";
import {
  acceptedFormat,
  decodeEmbedded,
  type EmbeddedFormat,
  encodeEmbedded,
  requestFormat,
  typeOf,
  V2_TYPE,
} from "./v2_formats.ts";

export function v2Response(value: unknown, contentType = V2_TYPE): Response {
  return v2TextResponse(JSON.stringify(value), contentType);
}

export function v2TextResponse(text: string, contentType: string): Response {
  return knownResponse(text, { headers: { "content-type": contentType, "cache-control": "no-store" } });
}

function topicOf({ broker, params }: ContractRequest): TopicImage {
  const topic = broker.metadata.topicsByName.get(params["topic"] ?? "");
  if (topic === undefined) throw confluentProblem(40401, "Topic not found.");
  return topic;
}

function partitionOf(context: ContractRequest): { readonly topic: TopicImage; readonly partition: number } {
  const topic = topicOf(context);
  const partition = numberParam(context.params["partition"], "Partition");
  if (partition >= topic.partitions.length) throw confluentProblem(40402, "Partition not found.");
  return { topic, partition };
}

function describePartition({ partitions }: TopicImage, partition: number) {
  const { leader = -1, replicas = [], isr = [] } = partitions[partition] ?? {};
  return {
    partition,
    leader,
    replicas: replicas.map((broker) => ({
      broker,
      leader: broker === leader,
      in_sync: isr.includes(broker),
    })),
  };
}

function describeTopic(context: ContractRequest): Response {
  const topic = topicOf(context);
  const configs = describeTopicConfigs(topic.configs, (name) => context.broker.config(name), null);
  return v2Response({
    name: topic.name,
    configs: Object.fromEntries(configs.map(({ name, value }) => [name, value])),
    partitions: topic.partitions.map((_, partition) => describePartition(topic, partition)),
  });
}

async function offsets(context: ContractRequest): Promise<Response> {
  const { topic, partition } = partitionOf(context);
  const found = await context.broker.partition(topic.topicId, partition).ask({ type: "describe" });
  return v2Response({ beginning_offset: found.logStartOffset, end_offset: found.highWatermark });
}

const produceSchema = z.object({
  records: z.array(
    z.object({
      key: z.unknown().optional(),
      value: z.unknown().optional(),
      partition: z.int("expected a whole number").min(0, "expected at least 0").nullish(),
      timestamp: z.int("expected milliseconds since 1970").min(0, "expected at least 0").nullish(),
      headers: z.array(z.object({
        key: z.string("expected a string").refine((key) => key.isWellFormed(), "has a lone surrogate"),
        value: z.string("expected base64").nullish(),
      })).max(limits.recordHeadersMax, `expected at most ${limits.recordHeadersMax} headers`).nullish(),
    }, "expected an object"),
    "expected an array",
  ).min(1, "expected at least one record")
    .max(limits.httpProduceRecordsMax, `expected at most ${limits.httpProduceRecordsMax} records`),
}, "expected an object");

/** Of all requests, so that records without a key go round the partitions. */
let unkeyedCount = 0;

async function produce(context: ContractRequest, fixedPartition: number | null): Promise<Response> {
  const { broker, request, params } = context;
  const format = requestFormat(request);
  const { records } = parse(produceSchema, await readJson(request, broker.env));
  const given = records.map(({ key, value, partition, timestamp, headers }): GivenRecord => ({
    key: decodeEmbedded(key, format),
    value: decodeEmbedded(value, format),
    partition: fixedPartition ?? partition ?? undefined,
    timestamp: timestamp ?? undefined,
    headers: (headers ?? []).map((header) => ({ key: header.key, value: headerValue(header.value ?? null) })),
  }));
  const topic = await findOrCreateTopic(broker, params["topic"] ?? "");
  if (fixedPartition !== null && fixedPartition >= topic.partitions.length) {
    throw confluentProblem(40402, "Partition not found.");
  }
  const outcomes = await appendRecords(broker, topic, given, unkeyedCount++);
  return v2Response({
    offsets: outcomes.map(({ partition, offset, problem }) => {
      if (problem === null) return { partition, offset, error_code: null, error: null };
      const { status, message, options: { kafkaError } } = problem;
      const retriable = kafkaError === undefined ? status >= 500 : errors[kafkaError].retriable;
      return { partition: null, offset: null, error_code: retriable ? 2 : 1, error: message };
    }),
    key_schema_id: null,
    value_schema_id: null,
  });
}

function headerValue(text: string | null): Uint8Array | null {
  if (text === null) return null;
  const bytes = decodeBase64(text);
  if (bytes === null) throw confluentProblem(42206, "The value of a header is not base64");
  return bytes;
}

/** A whole number of the query; absent: `fallback`. */
function numberOf({ url }: ContractRequest, name: string, fallback: number, max: number): number {
  const text = url.searchParams.get(name);
  if (text === null) return fallback;
  if (!/^\d{1,16}$/.test(text)) throw fieldProblem(name, "expected a whole number");
  return Math.min(Number(text), max);
}

async function readRecords(context: ContractRequest): Promise<Response> {
  const { broker, request, url: { searchParams: query } } = context;
  const format = acceptedFormat(request, "binary");
  const { topic, partition } = partitionOf(context);
  const places = ["offset", "timestamp", "last"].filter((name) => query.has(name));
  if (places.length > 1) throw fieldProblem(places[1] ?? "", `excludes ${places[0]}`);
  const actor = broker.partition(topic.topicId, partition);
  let start: number;
  if (query.has("timestamp")) {
    start = await startOffset(actor, undefined, numberOf(context, "timestamp", 0, Number.MAX_SAFE_INTEGER));
  } else if (query.has("last")) {
    const { logStartOffset, highWatermark } = await actor.ask({ type: "describe" });
    start = Math.max(logStartOffset, highWatermark - numberOf(context, "last", 0, Number.MAX_SAFE_INTEGER));
  } else {
    const offset = query.get("offset") ?? "earliest";
    if (!/^(earliest|latest|\d{1,19})$/.test(offset)) throw fieldProblem("offset", "expected a whole number");
    start = await startOffset(actor, offset, undefined);
  }
  const waitMs = numberOf(context, "timeout", 0, limits.longPollMsMax);
  const page = await readPage(
    { broker, actor, request, deadlineMs: broker.env.mono() + waitMs },
    start,
    {
      maxRecords: limits.httpReadRecordsMax,
      maxBytes: Math.max(1, numberOf(context, "max_bytes", 1_048_576, limits.httpReadBytesMax)),
    },
  ).catch((error) => {
    throw errorUnderTopic(broker, topic, error);
  });
  const texts = page.records.map((record) => recordText(topic.name, partition, record, format));
  return v2TextResponse(`[${texts.join(",")}]`, typeOf(format));
}

/** One record of an answer. */
export function recordText(
  topic: string,
  partition: number,
  record: KafkaRecord,
  format: EmbeddedFormat,
): string {
  const { key, value, offset, timestamp, headers } = record;
  const shownHeaders = headers.map((header) => ({
    key: header.key,
    value: header.value === null ? null : encodeBase64(header.value),
  }));
  return `{"topic":${JSON.stringify(topic)},"key":${encodeEmbedded(key, format)},` +
    `"value":${encodeEmbedded(value, format)},"partition":${partition},"offset":${offset},` +
    `"timestamp":${timestamp},"headers":${JSON.stringify(shownHeaders)}}`;
}

export const topicRoutes: readonly ContractRoute[] = ([
  [
    "GET",
    "/topics",
    ({ broker, request }) =>
      isUpstashRequest(request)
        ? upstashTopics(broker)
        : v2Response([...broker.metadata.topicsByName.keys()]),
  ],
  ["GET", "/topics/{topic}", describeTopic],
  ["POST", "/topics/{topic}", (context) => produce(context, null)],
  ["GET", "/topics/{topic}/partitions", (context) => {
    const topic = topicOf(context);
    return v2Response(topic.partitions.map((_, partition) => describePartition(topic, partition)));
  }],
  ["GET", "/topics/{topic}/partitions/{partition}", (context) => {
    const { topic, partition } = partitionOf(context);
    return v2Response(describePartition(topic, partition));
  }],
  [
    "POST",
    "/topics/{topic}/partitions/{partition}",
    (context) => produce(context, numberParam(context.params["partition"], "Partition")),
  ],
  ["GET", "/topics/{topic}/partitions/{partition}/offsets", offsets],
  ["GET", "/topics/{topic}/partitions/{partition}/records", readRecords],
  [
    "GET",
    "/brokers",
    ({ broker }) => v2Response({ brokers: broker.metadata.brokers.map(({ brokerId }) => brokerId) }),
  ],
  ["GET", "/status/ready", () => v2Response({ status: "ready" })],
] satisfies [ContractRoute["method"], string, ContractRoute["handle"]][]).map((
  [method, pattern, handle],
) => ({
  method,
  pattern,
  handle,
}));
