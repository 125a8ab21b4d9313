/**
 * Upstash's Kafka REST API at the root, as `@upstash/kafka` speaks it: produce, consume with a consumer on the server, fetch, offsets.
 * Failures are `{"result":"Error","error":…,"status":…}`. Keys come as the password of Basic authorization.
 *
 * Source: Upstash's documentation of the API, and the client. `GET /topics` is Confluent's path too: a request with Basic authorization and
 * a JSON content type is Upstash's. Bytes that are not UTF-8 cannot be shown in this contract: they come with U+FFFD.
 */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Broker } from "../../actors/broker.ts";
import type { RestConsumerAnswer } from "../../actors/messages/rest_consumer.ts";
import { limits } from "../../core/config/limits.ts";
import { groupIdError } from "../../core/group/group_config.ts";
import type { KafkaRecord } from "../../protocol/records/record_batch.ts";
import { accessOf, checkTopicAccess } from "../access.ts";
import { appendRecords, findOrCreateTopic, type GivenRecord, type RecordOutcome } from "../append_records.ts";
import { type ContractRequest, type ContractRoute, contractRouter } from "../confluent/contract_router.ts";
import { jsonResponse, parse } from "../endpoint.ts";
import { clientLeft, pollConsumer, tooManyConsumers } from "../poll_consumer.ts";
import { fieldProblem, kafkaProblem, Problem } from "../problem.ts";
import { quotaBytesMax } from "../quota_client.ts";
import { readPage, startOffset } from "../read_records.ts";
import { readJson } from "../request_body.ts";
import { checkPartition, findTopic } from "../topic_lookup.ts";

const TIMEOUT_MS_DEFAULT = 1_000;
const RECORDS_MAX = 1_000;
const PARTITIONS_MAX = 256;
/** Of one partition at a time; of all there are `httpReadBytesMax`. */
const PARTITION_BYTES_MAX = 1_048_576;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const text = z.string("expected a string").refine((value) => value.isWellFormed(), "has a lone surrogate");
const messageSchema = z.object({
  topic: text,
  value: text,
  key: text.nullish(),
  partition: z.int("expected a whole number").min(0, "expected at least 0").nullish(),
  timestamp: z.int("expected milliseconds").min(0, "expected at least 0").nullish(),
  headers: z.array(z.object({ key: text, value: text })).max(limits.recordHeadersMax).nullish(),
}, "expected an object");
const messagesSchema = z.array(messageSchema).min(1, "expected at least one message").max(
  limits.httpProduceRecordsMax,
);
const timeoutField = z.int("expected milliseconds").min(0, "expected at least 0").nullish();
const consumeSchema = z.object({
  topic: text.nullish(),
  topics: z.array(text).min(1).max(100).nullish(),
  timeout: timeoutField,
}, "expected an object");
const placeSchema = z.object({
  topic: text,
  partition: z.int("expected a whole number").min(0, "expected at least 0"),
}, "expected an object");
const offsetSchema = placeSchema.extend({ offset: z.int().min(0), metadata: text.nullish() });
const fetchSchema = z.object({
  topic: text.nullish(),
  partition: z.int().min(0).nullish(),
  offset: z.int().min(0).nullish(),
  topicPartitionOffsets: z.array(placeSchema.extend({ offset: z.int().min(0) })).max(PARTITIONS_MAX)
    .nullish(),
  timeout: timeoutField,
}, "expected an object");

function listOf<T>(schema: z.ZodType<T>, body: unknown): T[] {
  const list = Array.isArray(body) ? body : [body];
  if (list.length > limits.httpProduceRecordsMax) throw fieldProblem("", "too many at once");
  return list.map((each) => parse(schema, each));
}

/** Of all requests, so that messages without a key go round the partitions. */
let unkeyedCount = 0;

async function produce({ broker, request }: ContractRequest): Promise<Response> {
  const messages = parse(messagesSchema, listOf(messageSchema, await readJson(request, broker.env)));
  return jsonResponse(200, await append(broker, request, messages));
}

async function append(broker: Broker, request: Request, messages: readonly z.output<typeof messageSchema>[]) {
  const byTopic = Map.groupBy(messages.entries(), ([, { topic }]) => topic);
  for (const topic of byTopic.keys()) checkTopicAccess(request, "produce", topic);
  const answers = new Array<unknown>(messages.length);
  await Promise.all(Array.from(byTopic, async ([name, entries]) => {
    const topic = await findOrCreateTopic(broker, name);
    const records = entries.map(([, { key, value, partition, timestamp, headers }]): GivenRecord => ({
      key: key === null || key === undefined ? null : encoder.encode(key),
      value: encoder.encode(value),
      partition: partition ?? undefined,
      timestamp: timestamp ?? undefined,
      headers: (headers ?? []).map((header) => ({ key: header.key, value: encoder.encode(header.value) })),
    }));
    const outcomes = await appendRecords(broker, topic, records, unkeyedCount++);
    for (const [position, [index]] of entries.entries()) {
      answers[index] = outcomeView(name, outcomes[position]);
    }
  }));
  return answers;
}

/** The contract has no partial failure: the first one is the answer, as its client expects. */
function outcomeView(topic: string, outcome: RecordOutcome | undefined) {
  if (outcome === undefined) throw new Problem(500);
  if (outcome.problem !== null) throw outcome.problem;
  return { topic, partition: outcome.partition, offset: outcome.offset, timestamp: outcome.timestamp };
}

async function produceByPath({ broker, request, params, url }: ContractRequest): Promise<Response> {
  const message = {
    topic: params["topic"] ?? "",
    value: params["message"] ?? "",
    key: url.searchParams.get("key"),
  };
  const [answer] = await append(broker, request, [parse(messageSchema, message)]);
  return jsonResponse(200, answer);
}

function consumerOf({ broker, params }: ContractRequest) {
  const group = params["group"] ?? "";
  const instance = params["instance"] ?? "";
  if (groupIdError(group, false) !== "NONE") throw fieldProblem("group", "is not a valid group id");
  if (!/^[\w.-]{1,200}$/.test(instance)) {
    throw fieldProblem("instance", "expected 1 to 200 letters, digits, and . _ -");
  }
  return broker.restConsumer(group, instance);
}

function valueOf<T>(answer: RestConsumerAnswer<T>): T {
  switch (answer.type) {
    case "ok":
      return answer.value;
    case "absent":
      throw new Problem(404, { detail: "There is no such consumer instance" });
    case "conflict":
      throw new Problem(409, { detail: answer.message });
    case "failed":
      throw kafkaProblem(answer.error, null);
  }
}

/** What the instance is subscribed to must be the key's. Null when there is no instance. */
async function checkInstance(context: ContractRequest) {
  const described = await consumerOf(context).ask({ type: "describe" });
  if (described.type === "absent") return null;
  const description = valueOf(described);
  const { interest } = description;
  const topics = interest.type === "topics" ? interest.topics : interest.type === "none" ? [] : [null];
  for (const topic of topics) checkTopicAccess(context.request, "consume", topic);
  return description;
}

async function consume(context: ContractRequest): Promise<Response> {
  const { broker, request } = context;
  const { topic, topics, timeout } = parse(consumeSchema, await readJson(request, broker.env));
  const wanted = topics ?? (topic === null || topic === undefined ? [] : [topic]);
  if (wanted.length === 0) throw fieldProblem("topic", "is missing");
  for (const name of wanted) checkTopicAccess(request, "consume", findTopic(broker, name).name);
  const consumer = consumerOf(context);
  const known = await checkInstance(context) ?? await created(context);
  const { interest } = known;
  const isSame = interest.type === "topics" && wanted.length === interest.topics.length &&
    wanted.every((name) => interest.topics.includes(name));
  if (!isSame) {
    valueOf(await consumer.ask({ type: "setInterest", interest: { type: "topics", topics: wanted } }));
  }
  const timeoutMs = Math.min(timeout ?? TIMEOUT_MS_DEFAULT, limits.longPollMsMax);
  const maxBytes = Math.min(PARTITION_BYTES_MAX, quotaBytesMax(broker, request));
  const polled = await pollConsumer(consumer, request, { timeoutMs, maxBytes });
  if (polled === null) return clientLeft();
  return jsonResponse(
    200,
    valueOf(polled).map(({ topic, partition, record }) => recordView(topic, partition, record)),
  );
}

async function created(context: ContractRequest) {
  const { headers } = context.request;
  const reset = headers.get("kafka-auto-offset-reset") ?? "latest";
  if (reset !== "earliest" && reset !== "latest" && reset !== "none") {
    throw fieldProblem("Kafka-Auto-Offset-Reset", "expected earliest, latest or none");
  }
  const outcome = await consumerOf(context).ask({
    type: "create",
    config: {
      format: "text",
      autoOffsetReset: reset,
      autoCommit: headers.get("kafka-enable-auto-commit") !== "false",
      requestTimeoutMs: TIMEOUT_MS_DEFAULT,
    },
  });
  if (outcome === "tooMany") throw tooManyConsumers();
  return valueOf(await consumerOf(context).ask({ type: "describe" }));
}

function recordView(
  topic: string,
  partition: number,
  { offset, timestamp, key, value, headers }: KafkaRecord,
) {
  return {
    topic,
    partition,
    offset,
    timestamp,
    key: key === null ? "" : decoder.decode(key),
    value: value === null ? "" : decoder.decode(value),
    headers: headers.map((header) => ({
      key: header.key,
      value: header.value === null ? "" : decoder.decode(header.value),
    })),
  };
}

async function bodyOf({ broker, request }: ContractRequest): Promise<unknown> {
  const isEmpty = request.body === null || request.headers.get("content-length") === "0";
  return isEmpty ? null : await readJson(request, broker.env);
}

async function commit(context: ContractRequest): Promise<Response> {
  const body = await bodyOf(context);
  const given = body === null ? null : listOf(offsetSchema, body);
  for (const { topic } of given ?? []) checkTopicAccess(context.request, "consume", topic);
  await checkInstance(context);
  const offsets = given?.map(({ topic, partition, offset, metadata }) => ({
    topic,
    partition,
    offset,
    metadata: metadata ?? "",
  })) ?? null;
  valueOf(await consumerOf(context).ask({ type: "commit", offsets }));
  return success();
}

async function committed(context: ContractRequest): Promise<Response> {
  const body = await bodyOf(context);
  const places = body === null ? null : listOf(placeSchema, body);
  for (const { topic } of places ?? []) checkTopicAccess(context.request, "consume", topic);
  await checkInstance(context);
  const offsets = valueOf(await consumerOf(context).ask({ type: "committed", partitions: places }));
  return jsonResponse(200, offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset })));
}

async function fetchRecords({ broker, request }: ContractRequest): Promise<Response> {
  const body = parse(fetchSchema, await readJson(request, broker.env));
  const places = [...body.topicPartitionOffsets ?? []];
  if (body.topic !== null && body.topic !== undefined) {
    places.push({ topic: body.topic, partition: body.partition ?? 0, offset: body.offset ?? 0 });
  }
  const starts = places.map(({ topic: name, partition, offset }) => {
    checkTopicAccess(request, "consume", name);
    const topic = findTopic(broker, name);
    checkPartition(topic, partition);
    return { name, partition, offset, actor: broker.partition(topic.topicId, partition) };
  });
  const deadlineMs = broker.env.mono() + Math.min(body.timeout ?? TIMEOUT_MS_DEFAULT, limits.longPollMsMax);
  const read = async (untilMs: number) => {
    const views: ReturnType<typeof recordView>[] = [];
    let bytesLeft: number = limits.httpReadBytesMax;
    // One after the other, since what one place leaves is for the next; what finds no room comes when it is asked for again.
    for (const { name, partition, offset, actor } of starts) {
      if (bytesLeft <= 0) break;
      const page = await readPage(
        { broker, actor, request, deadlineMs: untilMs, isolation: "read_uncommitted" },
        offset,
        { maxRecords: RECORDS_MAX, maxBytes: Math.min(PARTITION_BYTES_MAX, bytesLeft) },
      );
      for (const record of page.records) {
        bytesLeft -= (record.key?.length ?? 0) + (record.value?.length ?? 0);
        views.push(recordView(name, partition, record));
      }
    }
    return views;
  };
  const found = await read(broker.env.mono());
  // One place alone can wait; of several, whichever comes first would have to end the wait of the others.
  return jsonResponse(200, found.length > 0 || starts.length !== 1 ? found : await read(deadlineMs));
}

async function offsetsAt({ broker, request, params }: ContractRequest): Promise<Response> {
  const at = params["at"] ?? "";
  if (!/^(earliest|latest|\d{1,15})$/.test(at)) {
    throw fieldProblem("timestamp", "expected earliest, latest or milliseconds");
  }
  const places = listOf(placeSchema, await readJson(request, broker.env));
  const offsets = await Promise.all(places.map(async ({ topic: name, partition }) => {
    checkTopicAccess(request, "consume", name);
    const topic = findTopic(broker, name);
    checkPartition(topic, partition);
    const actor = broker.partition(topic.topicId, partition);
    const offset = /^\d/.test(at)
      ? await startOffset(actor, undefined, Number(at))
      : await startOffset(actor, at, undefined);
    return { topic: name, partition, offset };
  }));
  return jsonResponse(200, offsets);
}

/** By name, with the number of partitions. */
export function upstashTopics(broker: Broker): Response {
  const topics = [...broker.metadata.topicsByName.values()].map((
    { name, partitions },
  ) => [name, partitions.length]);
  return jsonResponse(200, Object.fromEntries(topics));
}

/** Whether a `GET /topics` is Upstash's and not Confluent's. */
export function isUpstashRequest({ headers }: Request): boolean {
  return /^basic /i.test(headers.get("authorization") ?? "") &&
    headers.get("content-type") === "application/json";
}

async function consumers({ broker }: ContractRequest): Promise<Response> {
  const { consumers } = await broker.supervisor.ask({ type: "describe" });
  const groups = Map.groupBy(consumers, ({ groupId }) => groupId);
  return jsonResponse(
    200,
    Array.from(groups, ([name, members]) => ({
      name,
      instances: members.map(({ memberId, assignment }) => ({
        name: memberId,
        topics: assignment.flatMap(({ topic, partitions }) =>
          partitions.map((partition) => ({ topic, partition }))
        ),
      })),
    })),
  );
}

async function deleteConsumer(context: ContractRequest): Promise<Response> {
  if (!accessOf(context.request).allows("consume", null)) await checkInstance(context);
  valueOf(await consumerOf(context).ask({ type: "remove" }));
  return success();
}

function success(): Response {
  return jsonResponse(200, { result: "Success", status: 200 });
}

export const upstashRoutes: readonly ContractRoute[] = [
  { method: "POST", pattern: "/produce", handle: produce },
  { method: "GET", pattern: "/produce/{topic}/{message}", handle: produceByPath },
  { method: "POST", pattern: "/produce/{topic}/{message}", handle: produceByPath },
  { method: "POST", pattern: "/consume/{group}/{instance}", handle: consume },
  { method: "POST", pattern: "/commit/{group}/{instance}", handle: commit },
  { method: "POST", pattern: "/committed/{group}/{instance}", handle: committed },
  { method: "POST", pattern: "/fetch", handle: fetchRecords },
  { method: "POST", pattern: "/offsets/{at}", handle: offsetsAt },
  { method: "GET", pattern: "/consumers", handle: consumers },
  { method: "POST", pattern: "/delete-consumer/{group}/{instance}", handle: deleteConsumer },
];

/** A failure in the contract's words. */
export function upstashFailure({ status, message, options }: Problem): Response {
  const headers = { ...options.headers, ...(status === 503 ? { "retry-after": "1" } : {}) };
  return jsonResponse(status, { result: "Error", error: message, status }, headers);
}

export const upstashPaths =
  /^\/(produce|consume|commit|committed|fetch|offsets|consumers|delete-consumer)(\/|$)/;

/** `toProblem` tells what a client may know of an error. */
export function upstashApp(broker: Broker, toProblem: (error: unknown) => Problem): OpenAPIHono {
  const app = new OpenAPIHono();
  const router = contractRouter(upstashRoutes);
  const roots = ["/produce", "/fetch", "/consumers"];
  const below = ["produce", "consume", "commit", "committed", "offsets", "delete-consumer"].map((name) =>
    `/${name}/*`
  );
  for (const path of [...roots, ...below]) {
    app.all(path, async ({ req }) => {
      try {
        if (!broker.ready) throw new Problem(503, { detail: "The broker is not ready" });
        return await router(broker, req.raw, "");
      } catch (error) {
        return upstashFailure(toProblem(error));
      }
    });
  }
  return app;
}
