/**
 * Webhooks at `/v1/webhooks`: subscriptions whose records the server POSTs to a URL. Made, changed, listed, looked at, paused, deleted; the
 * secret that requests are signed with is in the answer to the creation and to its rotation, and nowhere else.
 */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Broker } from "../actors/broker.ts";
import type { WebhookView } from "../actors/messages/webhook.ts";
import { webhookTargetFault } from "../actors/webhook_post.ts";
import { generateWebhookSecret } from "../actors/webhook_signature.ts";
import { limits } from "../core/config/limits.ts";
import { internalTopicNames, topicNameFault } from "../core/config/topic_name.ts";
import { viewFormats } from "../core/fetch/event_text.ts";
import { TopicRegex } from "../core/group/regex/topic_regex.ts";
import { eventModes, type WebhookConfig, webhookNameFault, webhookTopics } from "../core/webhook/webhook.ts";
import { webhookRanges } from "../core/webhook/webhook_settings.ts";
import { RegexError } from "../lib/parse_regex.ts";
import { addEndpoint, jsonResponse, parse } from "./endpoint.ts";
import { fieldProblem, Problem } from "./problem.ts";
import { readJson } from "./request_body.ts";
import { type PartitionProgress, webhookProgress } from "./webhook_progress.ts";

const DAY_MS = 86_400_000;
const GRACE_MS_DEFAULT = DAY_MS;
const URL_LENGTH_MAX = 2_048;
const PATTERN_LENGTH_MAX = 1_000;
const REASON_LENGTH_MAX = 200;

const nameParam = z.string().superRefine((name, context) => {
  const fault = webhookNameFault(name);
  if (fault !== null) context.addIssue({ code: "custom", message: fault });
}).openapi({
  description: "Name of the webhook",
  pattern: "^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$",
  example: "mailer",
});

const topicName = z.string("expected a string").superRefine((name, context) => {
  const fault = internalTopicNames.has(name) ? "is an internal topic" : topicNameFault(name);
  if (fault !== null) context.addIssue({ code: "custom", message: fault });
}).openapi({ pattern: "^[A-Za-z0-9._-]{1,249}$" });

function whole(min: number, max: number, fallback: number, description: string) {
  return z.int("expected a whole number").min(min, `expected at least ${min}`)
    .max(max, `expected at most ${max}`).optional()
    .openapi({ description: `${description}; default ${fallback}` });
}

const putSchema = z.strictObject({
  url: z.string("expected a string").max(URL_LENGTH_MAX, `expected at most ${URL_LENGTH_MAX} characters`)
    .openapi({
      description:
        "https to a public address. Private ranges, then over http too, are allowed by webhook.allowed.addresses",
      example: "https://worker.example/hook",
    }),
  topics: z.array(topicName, "expected a list").min(1, "is empty")
    .max(limits.webhookTopicsMax, `expected at most ${limits.webhookTopicsMax} topics`).optional()
    .openapi({ description: "Topics, there already or not" }),
  pattern: z.string("expected a string").min(1, "is empty")
    .max(PATTERN_LENGTH_MAX, `expected at most ${PATTERN_LENGTH_MAX} characters`).optional()
    .openapi({ description: "Instead of topics: a regular expression that a topic's whole name matches" }),
  group: z.string("expected a string").min(1, "is empty").max(200, "expected at most 200 characters")
    .refine((name) => name.isWellFormed(), "has a lone surrogate").optional()
    .openapi({ description: "Its consumer group, default the webhook's name; it cannot be changed later" }),
  from: z.enum(["earliest", "latest"], "expected earliest or latest").optional().openapi({
    description:
      "Where it begins in topics that are there already: latest, the default, is the moment of this request. A group with " +
      "committed offsets goes on from them; topics and partitions that come later are read from their beginning",
  }),
  format: z.enum(viewFormats, `expected ${viewFormats.join(", ")}`).optional().openapi({
    description:
      "json, the default: JSON where possible; auto and string: text where possible; binary: base64; cloudevents: CloudEvents",
  }),
  eventMode: z.enum(eventModes, `expected ${eventModes.join(" or ")}`).optional().openapi({
    description:
      "With the format cloudevents: batched, the default, a JSON array of events (application/cloudevents-batch+json); structured, " +
      "one event in each request (application/cloudevents+json)",
  }),
  maxRecords: whole(1, limits.webhookBatchRecordsMax, 100, "Records of one request"),
  maxBytes: whole(
    1,
    limits.webhookBatchBytesMax,
    262_144,
    "Bytes of keys, values and headers in one request; the first record may be larger",
  ),
  maxWaitMs: whole(0, 60_000, 0, "How long a request that is not full waits for more records"),
  timeoutMs: whole(100, 60_000, 10_000, "How long the receiver has to answer"),
  maxAttempts: whole(
    0,
    1_000,
    16,
    "Attempts of one batch before its records are sent one by one, and then become dead letters; 0: for ever",
  ),
  backoffMs: whole(10, 3_600_000, 1_000, "Time before the second attempt, doubled from then on"),
  maxBackoffMs: whole(10, DAY_MS, 300_000, "The longest time between two attempts"),
  concurrency: whole(
    1,
    limits.webhookConcurrencyMax,
    4,
    "Requests in flight at once, each of another partition; 1: one after the other",
  ),
  deadLetterTopic: topicName.optional().openapi({
    description: "Topic for what is given up, made when it is needed; default the webhook's name and .dlq",
  }),
}, "expected an object").openapi("PutWebhook");

const troubleSchema = z.object({
  firstOffset: z.int(),
  attempts: z.int().openapi({ description: "That failed" }),
  nextAttemptMs: z.int().openapi({ description: "When the next one is due" }),
  oneByOne: z.boolean().openapi({ description: "The batch was given up as a whole" }),
  error: z.string(),
  deadLetterError: z.string().nullable().openapi({ description: "Why the dead letter cannot be stored" }),
});

const webhookSchema = z.object({
  name: z.string(),
  url: z.string(),
  topics: z.array(z.string()).nullable(),
  pattern: z.string().nullable(),
  group: z.string(),
  from: z.string(),
  format: z.string(),
  eventMode: z.enum(eventModes).nullable().openapi({ description: "null with any format but cloudevents" }),
  maxRecords: z.int(),
  maxBytes: z.int(),
  maxWaitMs: z.int(),
  timeoutMs: z.int(),
  maxAttempts: z.int(),
  backoffMs: z.int(),
  maxBackoffMs: z.int(),
  concurrency: z.int(),
  deadLetterTopic: z.string(),
  createdMs: z.int(),
  previousSecretUntilMs: z.int().nullable().openapi({
    description: "Until then requests are signed with the secret before, too",
  }),
  state: z.enum(["paused", "joining", "active", "failing"]).openapi({
    description: "joining: it waits for its group; failing: the last request failed",
  }),
  paused: z.object({ atMs: z.int(), reason: z.string() }).nullable(),
  lastDelivery: z.object({
    atMs: z.int(),
    topic: z.string(),
    partition: z.int(),
    offset: z.int().openapi({ description: "Of the first record" }),
    records: z.int(),
    status: z.int(),
    durationMs: z.int(),
  }).nullable().openapi({ description: "Since the server was started" }),
  lastError: z.object({
    atMs: z.int(),
    topic: z.string().nullable(),
    partition: z.int().nullable(),
    error: z.string(),
  }).nullable().openapi({ description: "Since the server was started" }),
  consecutiveFailures: z.int(),
  counts: z.object({
    deliveredRequests: z.int(),
    failedRequests: z.int(),
    deliveredRecords: z.int(),
    deadLetters: z.int(),
    missedRecords: z.int().openapi({ description: "Deleted before they could be delivered, by offsets" }),
  }).openapi({ description: "Since the server was started" }),
}).openapi("Webhook");

const statusSchema = webhookSchema.extend({
  lag: z.int().nullable().openapi({ description: "Records still to be delivered; null: not known" }),
  partitions: z.array(z.object({
    topic: z.string(),
    partition: z.int(),
    committedOffset: z.int().nullable(),
    endOffset: z.int(),
    lag: z.int(),
    failing: troubleSchema.nullable(),
  })).openapi({ description: `The first ${limits.webhookStatusPartitionsMax}` }),
}).openapi("WebhookStatus");
const madeSchema = webhookSchema.extend({
  secret: z.string().optional().openapi({
    description: "Of a new webhook, shown here only: what its requests are signed with (Standard Webhooks)",
    example: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  }),
}).openapi("PutWebhookAnswer");
const pauseSchema = z.strictObject({
  reason: z.string("expected a string").min(1, "is empty")
    .max(REASON_LENGTH_MAX, `expected at most ${REASON_LENGTH_MAX} characters`).optional(),
}, "expected an object").openapi("PauseWebhook");
const rotateSchema = z.strictObject({
  graceMs: whole(0, 30 * DAY_MS, GRACE_MS_DEFAULT, "How long the old secret signs, too"),
}, "expected an object").openapi("RotateWebhookSecret");
const rotatedSchema = z.object({
  secret: z.string().openapi({ description: "Shown here only" }),
  previousSecretUntilMs: z.int().nullable(),
}).openapi("RotatedWebhookSecret");

type PutBody = z.output<typeof putSchema>;

export function webhooksApp(broker: Broker): OpenAPIHono {
  const app = new OpenAPIHono();
  const json = (schema: z.ZodType) => ({ "application/json": { schema } });

  addEndpoint(app, {
    method: "get",
    path: "/",
    operationId: "listWebhooks",
    summary: "List the webhooks",
    responses: {
      200: { description: "Webhooks", content: json(z.object({ webhooks: z.array(webhookSchema) })) },
    },
    problems: [504],
    async handle() {
      const names = await broker.webhookNames();
      const views = await Promise.all(names.map(async (name) => {
        const view = await broker.webhook(name).ask({ type: "get" });
        return view === null ? [] : [describe(name, view)];
      }));
      return jsonResponse(200, { webhooks: views.flat() });
    },
  });

  addEndpoint(app, {
    method: "put",
    path: "/{name}",
    operationId: "putWebhook",
    summary: "Make a webhook, or change it",
    description:
      "Records of its topics are POSTed to the URL in batches of one partition each, in order, as JSON, signed as Standard Webhooks " +
      "has it. A batch is done when the answer is 2xx. What is left out has its default, also in a change.",
    params: { name: nameParam },
    body: json(putSchema),
    responses: {
      200: { description: "It was there; it is like this now", content: json(madeSchema) },
      201: { description: "Made", content: json(madeSchema) },
    },
    problems: [408, 409, 413, 415, 429, 504],
    async handle({ params: { name }, request }) {
      const body = parse(putSchema, await readJson(request, broker.env));
      const config = await configOf(broker, name, body);
      const secret = generateWebhookSecret(broker.env);
      const put = await broker.webhook(name).ask({ type: "put", config, id: broker.env.uuid(), secret });
      switch (put.type) {
        case "tooMany":
          throw new Problem(429, { detail: `There are ${limits.webhooksMax} webhooks: delete some first` });
        case "conflict":
          throw new Problem(409, { detail: put.message });
        case "created":
          return jsonResponse(201, { ...describe(name, put.view), secret }, {
            location: `/v1/webhooks/${name}`,
          });
        default:
          return jsonResponse(200, describe(name, put.view));
      }
    },
  });

  addEndpoint(app, {
    method: "get",
    path: "/{name}",
    operationId: "describeWebhook",
    summary: "How a webhook is doing: last delivery, last error, failures, lag",
    params: { name: nameParam },
    responses: { 200: { description: "The webhook", content: json(statusSchema) } },
    problems: [404, 504],
    async handle({ params: { name } }) {
      const view = there(name, await broker.webhook(name).ask({ type: "get" }));
      const { lag, partitions } = await webhookProgress(broker, view);
      return jsonResponse(200, {
        ...describe(name, view),
        lag,
        partitions: partitions.map(describeProgress),
      });
    },
  });

  addEndpoint(app, {
    method: "delete",
    path: "/{name}",
    operationId: "deleteWebhook",
    summary: "Delete a webhook; its group keeps the offsets, and its dead letters stay",
    params: { name: nameParam },
    responses: { 204: { description: "It is gone; nothing is sent any more" } },
    problems: [404, 504],
    async handle({ params: { name } }) {
      if (!await broker.webhook(name).ask({ type: "remove" })) throw absent(name);
      return new Response(null, { status: 204 });
    },
  });

  addEndpoint(app, {
    method: "post",
    path: "/{name}/pause",
    operationId: "pauseWebhook",
    summary: "Pause a webhook: it leaves its group, whose offsets can be reset then",
    params: { name: nameParam },
    body: json(pauseSchema),
    isBodyOptional: true,
    responses: { 200: { description: "Nothing is sent until it is resumed", content: json(webhookSchema) } },
    problems: [404, 408, 413, 415, 504],
    async handle({ params: { name }, request }) {
      const { reason = "paused by request" } = parse(pauseSchema, await optionalJson(broker, request));
      const view = there(name, await broker.webhook(name).ask({ type: "pause", reason }));
      return jsonResponse(200, describe(name, view));
    },
  });

  addEndpoint(app, {
    method: "post",
    path: "/{name}/resume",
    operationId: "resumeWebhook",
    summary: "Go on delivering; what failed before is tried at once",
    params: { name: nameParam },
    responses: { 200: { description: "It delivers again", content: json(webhookSchema) } },
    problems: [404, 504],
    async handle({ params: { name } }) {
      const view = there(name, await broker.webhook(name).ask({ type: "resume" }));
      return jsonResponse(200, describe(name, view));
    },
  });

  addEndpoint(app, {
    method: "post",
    path: "/{name}/rotate-secret",
    operationId: "rotateWebhookSecret",
    summary: "A new secret to sign with; the old one signs too for a while",
    params: { name: nameParam },
    body: json(rotateSchema),
    isBodyOptional: true,
    responses: { 200: { description: "The new secret", content: json(rotatedSchema) } },
    problems: [404, 408, 413, 415, 504],
    async handle({ params: { name }, request }) {
      const { graceMs = GRACE_MS_DEFAULT } = parse(rotateSchema, await optionalJson(broker, request));
      const secret = generateWebhookSecret(broker.env);
      const rotated = await broker.webhook(name).ask({ type: "rotateSecret", secret, graceMs });
      const { webhook } = there(name, rotated);
      return jsonResponse(200, { secret, previousSecretUntilMs: webhook.previousSecret?.untilMs ?? null });
    },
  });

  return app;
}

/** No body is the same as `{}`. */
async function optionalJson(broker: Broker, request: Request): Promise<unknown> {
  return request.body === null ? {} : await readJson(request, broker.env);
}

function absent(name: string): Problem {
  return new Problem(404, { detail: `There is no webhook "${name}"` });
}

function there(name: string, view: WebhookView | null): WebhookView {
  if (view === null) throw absent(name);
  return view;
}

/** Throws the problem why not. */
async function configOf(broker: Broker, name: string, body: PutBody): Promise<WebhookConfig> {
  const deadLetterTopic = body.deadLetterTopic ?? `${name}.dlq`;
  if ((body.topics === undefined) === (body.pattern === undefined)) {
    throw fieldProblem("topics", "expected topics or pattern, and not both");
  }
  if (body.pattern !== undefined) {
    try {
      new TopicRegex(body.pattern);
    } catch (error) {
      if (!(error instanceof RegexError)) throw error;
      throw fieldProblem("pattern", `is no regular expression: ${error.message}`);
    }
  }
  if (body.topics?.includes(deadLetterTopic) === true) {
    throw fieldProblem("deadLetterTopic", "is one of the topics: its records would come back for ever");
  }
  const fault = await webhookTargetFault(broker.env, body.url, webhookRanges((key) => broker.config(key)));
  if (fault !== null) throw fieldProblem("url", fault);
  const { backoffMs = 1_000, format = "json", eventMode = "batched" } = body;
  if (body.eventMode !== undefined && format !== "cloudevents") {
    throw fieldProblem("eventMode", "goes with the format cloudevents only");
  }
  const isSingle = format === "cloudevents" && eventMode === "structured";
  if (isSingle && (body.maxRecords ?? 1) > 1) {
    throw fieldProblem("maxRecords", "a request in structured mode is one event: expected 1, or nothing");
  }
  const config: WebhookConfig = {
    url: body.url,
    topics: body.topics === undefined ? null : [...new Set(body.topics)].sort(),
    pattern: body.pattern ?? null,
    groupId: body.group ?? name,
    from: body.from ?? "latest",
    format,
    ...(format === "cloudevents" ? { eventMode } : {}),
    maxRecords: isSingle ? 1 : body.maxRecords ?? 100,
    maxBytes: body.maxBytes ?? 262_144,
    maxWaitMs: body.maxWaitMs ?? 0,
    timeoutMs: body.timeoutMs ?? 10_000,
    maxAttempts: body.maxAttempts ?? 16,
    backoffMs,
    maxBackoffMs: body.maxBackoffMs ?? Math.max(backoffMs, 300_000),
    concurrency: body.concurrency ?? 4,
    deadLetterTopic,
  };
  const { topicsByName } = broker.metadata;
  const partitions = webhookTopics(config, broker.metadata)
    .reduce((sum, topic) => sum + (topicsByName.get(topic)?.partitions.length ?? 0), 0);
  if (partitions > limits.webhookPartitionsMax) {
    throw fieldProblem(
      body.topics === undefined ? "pattern" : "topics",
      `the topics have ${partitions} partitions, expected at most ${limits.webhookPartitionsMax}`,
    );
  }
  return config;
}

function describe(name: string, view: WebhookView) {
  const { webhook, state, lastDelivery, lastError, consecutiveFailures, counts } = view;
  const { groupId, url, topics, pattern, eventMode = null, ...rest } = webhook.config;
  return {
    name,
    url,
    topics,
    pattern,
    group: groupId,
    ...rest,
    eventMode,
    createdMs: webhook.createdMs,
    previousSecretUntilMs: webhook.previousSecret?.untilMs ?? null,
    state,
    paused: webhook.paused,
    lastDelivery,
    lastError,
    consecutiveFailures,
    counts,
  };
}

function describeProgress({ trouble, ...progress }: PartitionProgress) {
  if (trouble === null) return { ...progress, failing: null };
  const { offset, attempts, nextAttemptMs, splitEnd, error, givenUp } = trouble;
  return {
    ...progress,
    failing: {
      firstOffset: offset,
      attempts,
      nextAttemptMs,
      oneByOne: splitEnd !== null,
      error,
      deadLetterError: givenUp?.fault ?? null,
    },
  };
}
