/**
 * REST v2: consumers that live on the server. Every call reaches the consumer's actor, whichever connection it comes by.
 *
 * Source: Confluent's documentation of API v2. Beyond it: a request for records never waits longer than its timeout, also
 * during a rebalance, and a record larger than `max_bytes` is returned alone. As there, the offset of a commit is that of the last
 * record that was processed, and what is committed is the one behind it.
 */
import { z } from "@hono/zod-openapi";
import { quotaBytesMax } from "../quota_client.ts";
import type { RestConsumerAnswer } from "../../actors/messages/rest_consumer.ts";
import { limits } from "../../core/config/limits.ts";
import { groupIdError } from "../../core/group/group_config.ts";
import { type Interest, patternFault, subscribedTopics } from "../../core/rest_consumer/rest_consumer.ts";
import { accessOf, checkTopicAccess } from "../access.ts";
import { parse } from "../endpoint.ts";
import { clientLeft, pollConsumer, tooManyConsumers } from "../poll_consumer.ts";
import { fieldProblem, kafkaProblem } from "../problem.ts";
import { readJson } from "../request_body.ts";
import { confluentProblem } from "./confluent_error.ts";
import type { ContractRequest, ContractRoute } from "./contract_router.ts";
import { acceptedFormat, typeOf } from "./v2_formats.ts";
import { recordText, v2Response, v2TextResponse } from "./v2_topics.ts";

const TIMEOUT_MS_DEFAULT = 1_000;

const flag = z.union([z.boolean(), z.enum(["true", "false"])], "expected true or false");
const wholeNumber = z.union([z.int(), z.string().regex(/^\d{1,9}$/)], "expected a whole number").transform(
  Number,
);

const createSchema = z.object({
  name: z.string("expected a string").nullish(),
  format: z.enum(["binary", "json", "text"], "expected binary, json or text").nullish(),
  "auto.offset.reset": z.enum(["earliest", "latest", "none"], "expected earliest, latest or none").nullish(),
  "auto.commit.enable": flag.nullish(),
  "enable.auto.commit": flag.nullish(),
  "consumer.request.timeout.ms": wholeNumber.nullish(),
  "fetch.min.bytes": wholeNumber.nullish(),
}, "expected an object");

const subscriptionSchema = z.object({
  topics: z.array(z.string("expected a string"), "expected an array").max(
    1_000,
    "expected at most 1000 topics",
  ).nullish(),
  topic_pattern: z.string("expected a string").max(500, "expected at most 500 characters").nullish(),
}, "expected an object");

const partitionSchema = z.object({
  topic: z.string("expected a string"),
  partition: z.int("expected a whole number").min(0, "expected at least 0"),
}, "expected an object");
const partitionsSchema = z.object({
  partitions: z.array(partitionSchema, "expected an array").max(10_000, "expected at most 10000 partitions"),
}, "expected an object");
const offsetsSchema = z.object({
  offsets: z.array(
    partitionSchema.extend({
      offset: z.int("expected a whole number").min(0, "expected at least 0"),
      metadata: z.string("expected a string").nullish(),
    }),
    "expected an array",
  ).max(10_000, "expected at most 10000 offsets").optional(),
}, "expected an object");

function actorOf({ broker, params }: ContractRequest) {
  return broker.restConsumer(params["group"] ?? "", params["instance"] ?? "");
}

/** The value, or the contract's error. */
function valueOf<T>(answer: RestConsumerAnswer<T>): T {
  switch (answer.type) {
    case "ok":
      return answer.value;
    case "absent":
      throw confluentProblem(40403, "Consumer instance not found.");
    case "conflict":
      throw confluentProblem(40903, answer.message);
    case "failed":
      throw kafkaProblem(answer.error, null);
  }
}

function noContent(): Response {
  return new Response(null, { status: 204 });
}

function instancePath({ base }: ContractRequest, group: string, instance: string): string {
  return `${base}/consumers/${encodeURIComponent(group)}/instances/${encodeURIComponent(instance)}`;
}

/** A key that is not for all topics must be for each that the consumer is about; a pattern is about all. */
function checkInterest(request: Request, interest: Interest): void {
  switch (interest.type) {
    case "none":
      return;
    case "pattern":
      return checkTopicAccess(request, "consume", null);
    case "topics":
      return checkTopics(request, interest.topics);
    case "assigned":
      return checkTopics(request, interest.partitions.map(({ topic }) => topic));
  }
}

function checkTopics(request: Request, topics: readonly string[]): void {
  for (const topic of new Set(topics)) checkTopicAccess(request, "consume", topic);
}

/** What the contract says of an instance, once it is clear that the key is for its topics. */
async function describe(context: ContractRequest) {
  const { request } = context;
  const description = valueOf(await actorOf(context).ask({ type: "describe" }));
  checkInterest(request, description.interest);
  return description;
}

/** Saves the question where every topic is allowed. */
async function checkInstance(context: ContractRequest): Promise<void> {
  if (!accessOf(context.request).allows("consume", null)) await describe(context);
}

async function create(context: ContractRequest): Promise<Response> {
  const { broker, request, params } = context;
  const body = parse(createSchema, await readJson(request, broker.env));
  const group = params["group"] ?? "";
  if (groupIdError(group, false) !== "NONE") throw confluentProblem(42204, "The group's id is not valid.");
  const name = body.name ?? `rest-consumer-${broker.env.uuid()}`;
  if (!/^[\w.-]{1,200}$/.test(name)) {
    throw confluentProblem(42204, "name: expected 1 to 200 letters, digits, and . _ -");
  }
  const created = await broker.restConsumer(group, name).ask({
    type: "create",
    config: {
      format: body.format ?? "binary",
      autoOffsetReset: body["auto.offset.reset"] ?? "latest",
      autoCommit: String(body["auto.commit.enable"] ?? body["enable.auto.commit"] ?? true) === "true",
      requestTimeoutMs: body["consumer.request.timeout.ms"] ?? TIMEOUT_MS_DEFAULT,
    },
  });
  if (created === "tooMany") throw tooManyConsumers();
  if (created === "exists") {
    throw confluentProblem(
      40902,
      "Consumer with specified consumer ID already exists in the specified consumer group.",
    );
  }
  return v2Response({ instance_id: name, base_uri: instancePath(context, group, name) });
}

async function subscribe(context: ContractRequest): Promise<Response> {
  const { topics, topic_pattern: pattern } = parse(
    subscriptionSchema,
    await readJson(context.request, context.broker.env),
  );
  const hasTopics = topics !== null && topics !== undefined;
  const hasPattern = pattern !== null && pattern !== undefined;
  if (hasTopics === hasPattern) {
    throw fieldProblem("topics", "goes without topic_pattern, and one of them must be there");
  }
  if (hasPattern) checkPattern(pattern);
  const interest = hasPattern
    ? { type: "pattern", pattern } as const
    : { type: "topics", topics: topics ?? [] } as const;
  checkInterest(context.request, interest);
  await checkInstance(context);
  valueOf(await actorOf(context).ask({ type: "setInterest", interest }));
  return noContent();
}

function checkPattern(pattern: string): void {
  const fault = patternFault(pattern);
  if (fault !== null) throw fieldProblem("topic_pattern", `is no regular expression: ${fault}`);
}

async function records(context: ContractRequest): Promise<Response> {
  const { request, url: { searchParams: query } } = context;
  const actor = actorOf(context);
  const { config } = await describe(context);
  if (acceptedFormat(request, config.format) !== config.format) {
    throw confluentProblem(
      40601,
      "Consumer format does not match the embedded format requested by the Accept header.",
    );
  }
  const timeoutMs = Math.min(numberOf(query, "timeout") ?? config.requestTimeoutMs, limits.longPollMsMax);
  const maxBytes = Math.min(
    numberOf(query, "max_bytes") ?? limits.httpReadBytesMax,
    limits.httpReadBytesMax,
    quotaBytesMax(context.broker, request),
  );
  const polled = await pollConsumer(actor, request, { timeoutMs, maxBytes });
  if (polled === null) return clientLeft();
  const texts = valueOf(polled).map(({ topic, partition, record }) =>
    recordText(topic, partition, record, config.format)
  );
  return v2TextResponse(`[${texts.join(",")}]`, typeOf(config.format));
}

function numberOf(query: URLSearchParams, name: string): number | null {
  const text = query.get(name);
  // -1 means the largest.
  if (text === null || text === "-1") return null;
  if (!/^\d{1,16}$/.test(text)) throw fieldProblem(name, "expected a whole number");
  return Number(text);
}

async function commit(context: ContractRequest): Promise<Response> {
  const { request, broker } = context;
  const hasBody = request.body !== null && request.headers.get("content-length") !== "0";
  const body = hasBody ? parse(offsetsSchema, await readJson(request, broker.env)) : {};
  const offsets = body.offsets?.map(({ topic, partition, offset, metadata }) => ({
    topic,
    partition,
    offset: offset + 1,
    metadata: metadata ?? "",
  })) ?? null;
  checkTopics(request, (offsets ?? []).map(({ topic }) => topic));
  await checkInstance(context);
  valueOf(await actorOf(context).ask({ type: "commit", offsets }));
  return noContent();
}

/** The partitions come in a body, as the contract has it, or not at all: then all that are assigned. */
async function committed(context: ContractRequest): Promise<Response> {
  const { request, broker } = context;
  const partitions = request.body === null
    ? null
    : parse(partitionsSchema, await readJson(request, broker.env)).partitions;
  checkTopics(request, (partitions ?? []).map(({ topic }) => topic));
  await checkInstance(context);
  return v2Response({ offsets: valueOf(await actorOf(context).ask({ type: "committed", partitions })) });
}

async function seek(context: ContractRequest, place: "beginning" | "end" | null): Promise<Response> {
  const body = await readJson(context.request, context.broker.env);
  const offsets = place === null
    ? (parse(offsetsSchema, body).offsets ?? []).map(({ topic, partition, offset }) => ({
      topic,
      partition,
      offset,
    }))
    : parse(partitionsSchema, body).partitions.map((each) => ({ ...each, offset: place }));
  checkTopics(context.request, offsets.map(({ topic }) => topic));
  await checkInstance(context);
  valueOf(await actorOf(context).ask({ type: "seek", offsets }));
  return noContent();
}

async function assign(context: ContractRequest): Promise<Response> {
  const { partitions } = parse(partitionsSchema, await readJson(context.request, context.broker.env));
  checkInterest(context.request, { type: "assigned", partitions });
  await checkInstance(context);
  valueOf(await actorOf(context).ask({ type: "setInterest", interest: { type: "assigned", partitions } }));
  return noContent();
}

export const consumerRoutes: readonly ContractRoute[] = [
  { method: "POST", pattern: "/consumers/{group}", handle: create },
  ...([
    ["DELETE", "", async (context) => {
      await checkInstance(context);
      valueOf(await actorOf(context).ask({ type: "remove" }));
      return noContent();
    }],
    ["POST", "/subscription", subscribe],
    ["GET", "/subscription", async (context) => {
      const { interest } = await describe(context);
      return v2Response({ topics: subscribedTopics(interest, context.broker.metadata) });
    }],
    ["DELETE", "/subscription", async (context) => {
      await checkInstance(context);
      valueOf(await actorOf(context).ask({ type: "setInterest", interest: { type: "none" } }));
      return noContent();
    }],
    ["POST", "/assignments", assign],
    ["GET", "/assignments", async (context) => {
      const { assigned } = await describe(context);
      return v2Response({ partitions: assigned });
    }],
    ["GET", "/records", records],
    ["POST", "/offsets", commit],
    ["GET", "/offsets", committed],
    ["POST", "/positions", (context) => seek(context, null)],
    ["POST", "/positions/beginning", (context) => seek(context, "beginning")],
    ["POST", "/positions/end", (context) => seek(context, "end")],
  ] satisfies [ContractRoute["method"], string, ContractRoute["handle"]][]).map(([method, path, handle]) => ({
    method,
    pattern: `/consumers/{group}/instances/{instance}${path}`,
    handle,
  })),
];
