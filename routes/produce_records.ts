/**
 * Producing over HTTP: `POST /v1/topics/{topic}/records`.
 *
 * The records of one request that go to one partition are one batch, or several in order where they exceed the topic's
 * `max.message.bytes`. A failure is never hidden in a 200: when all records failed alike the answer is a problem, when only some
 * did it is 207 with an outcome for each.
 */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Broker } from "../actors/broker.ts";
import { limits } from "../core/config/limits.ts";
import { decodeBase64 } from "../lib/base64.ts";
import { BATCH_TYPE, EVENT_TYPE, eventModeOf } from "../protocol/cloudevents/http_binding.ts";
import { appendRecords, findOrCreateTopic, type GivenRecord, type RecordOutcome } from "./append_records.ts";
import { answerAtomically, onceHeaders, type StoredRecord } from "./atomic_append.ts";
import { eventTypes, readEvents } from "./cloud_events.ts";
import { addEndpoint, integerParam, jsonResponse, parse } from "./endpoint.ts";
import { clientIdParam, eventHeaderParams, onceHeaderParams, traceParam } from "./header_params.ts";
import { fieldProblem, Problem } from "./problem.ts";
import { decodeData, recordDataSchema } from "./record_data.ts";
import { timed } from "./request_time.ts";
import { isJsonType, mediaTypeOf, readBytes, readJson, unsupportedMediaType } from "./request_body.ts";
import { topicParam } from "./topic_lookup.ts";

const INT32_MAX = 2_147_483_647;

const partitionField = z.int("expected a whole number").min(0, "expected at least 0")
  .max(INT32_MAX, `expected at most ${INT32_MAX}`);

export const recordSchema = z.strictObject({
  key: recordDataSchema.optional(),
  value: recordDataSchema,
  headers: z.array(
    z.strictObject({
      key: z.string("expected a string").refine((key) => key.isWellFormed(), "has a lone surrogate"),
      value: recordDataSchema,
    }, "expected an object with key and value"),
    "expected an array",
  ).max(limits.recordHeadersMax, `expected at most ${limits.recordHeadersMax} headers`).optional(),
  partition: partitionField.optional().openapi({ description: "Default: by the key, else any" }),
  timestamp: z.int("expected milliseconds since 1970").min(0, "expected at least 0").optional()
    .openapi({ description: "Milliseconds since 1970; default now" }),
}, "expected an object").openapi("ProduceRecord");

const recordsSchema = z.strictObject({
  records: z.array(recordSchema, "expected an array").min(1, "expected at least one record")
    .max(limits.httpProduceRecordsMax, `expected at most ${limits.httpProduceRecordsMax} records`),
}).openapi("ProduceRecords");

/** What is checked is in `protocol/cloudevents`; this is for the document. */
const eventSchema = z.looseObject({
  specversion: z.literal("1.0"),
  id: z.string().min(1),
  source: z.string().min(1).openapi({ format: "uri-reference" }),
  type: z.string().min(1),
  datacontenttype: z.string().optional(),
  dataschema: z.string().optional().openapi({ format: "uri" }),
  subject: z.string().min(1).optional(),
  time: z.string().optional().openapi({ format: "date-time" }),
  partitionkey: z.string().min(1).optional().openapi({ description: "The record's key" }),
  data: z.unknown().optional(),
  data_base64: z.string().optional().openapi({ description: "Data as base64, instead of data" }),
}).openapi("CloudEvent", { description: "CloudEvents 1.0.2, JSON event format" });

const outcomeSchema = z.object({
  topic: z.string(),
  records: z.array(z.object({ partition: z.int(), offset: z.int(), timestamp: z.int() })),
}).openapi("ProduceOutcome");

const mixedOutcomeSchema = z.object({
  topic: z.string(),
  records: z.array(z.union([
    z.object({ partition: z.int(), offset: z.int(), timestamp: z.int() }),
    z.object({
      partition: z.int(),
      error: z.object({ status: z.int(), kafkaError: z.string().optional(), detail: z.string() }),
    }),
  ])),
}).openapi("MixedProduceOutcome");

type ParsedRecord = z.output<typeof recordSchema>;

export function produceRecordsApp(broker: Broker): OpenAPIHono {
  const app = new OpenAPIHono();
  // Records without a key: one partition for a request, the next one for the next.
  let unkeyedCount = Math.floor(broker.env.random() * 1_000_000);

  addEndpoint(app, {
    method: "post",
    path: "/{topic}/records",
    operationId: "produceRecords",
    summary: "Append one record or many",
    description:
      "Answered when the records are durable. With the headers Producer-Id, Producer-Epoch and Producer-Seq, which count a " +
      "producer's requests, the request is stored all or nothing and once: repeated, it is answered 204; 403 to an older " +
      "epoch, 409 with Producer-Expected-Seq to a gap. With an Idempotency-Key, likewise, but a repeated request is answered as at " +
      "first, with Idempotent-Replayed; 409 while it is under way, 422 to another request with the key. An application/octet-stream body is one record's value; " +
      "its key and partition are query parameters. CloudEvents are taken in all three modes, binary (ce-… headers), structured and " +
      "batched, and stored in binary mode, with the key from partitionkey. A topic that does not exist is created when " +
      "auto.create.topics.enable is set, which is the default.",
    params: { topic: topicParam },
    query: {
      key: z.string().optional().openapi({ description: "Key of a raw value, as text" }),
      keyBase64: z.string().optional().openapi({ description: "Key of a raw value, as base64" }),
      partition: integerParam({ min: 0, max: INT32_MAX, description: "Partition of a raw value" }).optional(),
      timestamp: integerParam({
        min: 0,
        max: Number.MAX_SAFE_INTEGER,
        description: "Timestamp of a raw value, in milliseconds",
      }).optional(),
    },
    headers: { ...onceHeaderParams, ...eventHeaderParams, ...clientIdParam, ...traceParam },
    body: {
      "application/json": { schema: z.union([recordsSchema, recordSchema]) },
      "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) },
      [EVENT_TYPE]: { schema: eventSchema },
      [BATCH_TYPE]: { schema: z.array(eventSchema).max(limits.httpProduceRecordsMax) },
    },
    responses: {
      200: { description: "All are stored", content: { "application/json": { schema: outcomeSchema } } },
      204: { description: "The same request of the producer was stored before" },
      207: {
        description: "Some are stored, some failed",
        content: { "application/json": { schema: mixedOutcomeSchema } },
      },
    },
    problems: [403, 404, 408, 409, 413, 415, 422, 429, 504],
    async handle({ params, query, request }) {
      const mediaType = mediaTypeOf(request);
      const eventMode = eventModeOf(mediaType, request.headers);
      let records: GivenRecord[];
      if (eventMode !== null) {
        refuseRawParameters(query);
        records = await readEvents(eventMode, request, broker.env);
      } else if (isJsonType(mediaType)) {
        refuseRawParameters(query);
        records = parseRecords(await readJson(request, broker.env));
      } else if (mediaType === "application/octet-stream") {
        const { partition, timestamp } = query;
        records = [{
          key: rawKey(query),
          value: await readBytes(request, broker.env),
          ...(partition === undefined ? {} : { partition }),
          ...(timestamp === undefined ? {} : { timestamp }),
        }];
      } else {throw unsupportedMediaType(
          mediaType,
          `application/json, application/octet-stream, ${eventTypes}`,
        );}
      const once = onceHeaders(request.headers);
      const isAtomic = once.producer !== null || once.idempotencyKey !== null;
      if (isAtomic && records.length === 0) {
        throw new Problem(400, { detail: "A request that is stored once has at least one event" });
      }
      const topic = await findOrCreateTopic(broker, params.topic);
      if (isAtomic) {
        const placed = records.map((record) => ({ ...record, topic }));
        const options = { ...once, request, scope: topic.topicId, unkeyed: unkeyedCount++ };
        return await answerAtomically(broker, placed, options, (stored) => document(topic.name, stored));
      }
      const outcomes = await timed(
        request,
        broker.env,
        () => appendRecords(broker, topic, records, unkeyedCount++),
      );
      return answer(topic.name, outcomes);
    },
  });

  return app;
}

interface RawQuery {
  readonly key?: string | undefined;
  readonly keyBase64?: string | undefined;
}

function refuseRawParameters(query: object): void {
  const [name] = Object.entries(query).find(([, value]) => value !== undefined) ?? [];
  if (name !== undefined) throw fieldProblem(name, "goes with an application/octet-stream body only");
}

function rawKey({ key, keyBase64 }: RawQuery): Uint8Array | null {
  if (key !== undefined && keyBase64 !== undefined) throw fieldProblem("keyBase64", "excludes key");
  if (key !== undefined) return new TextEncoder().encode(key);
  if (keyBase64 === undefined) return null;
  const bytes = decodeBase64(keyBase64);
  if (bytes === null) throw fieldProblem("keyBase64", "is not base64");
  return bytes;
}

function parseRecords(body: unknown): ParsedRecord[] {
  const isList = typeof body === "object" && body !== null && Object.hasOwn(body, "records");
  const plain = plainRecords(isList ? body : { records: [body] });
  if (plain !== null) return plain;
  return isList ? parse(recordsSchema, body).records : [parse(recordSchema, body)];
}

/**
 * What the schema would read, for the plain records that most requests are: keys and values and nothing else. Null for all others,
 * wrong ones included, about which the schema says more. It is several times faster.
 */
function plainRecords(body: object): ParsedRecord[] | null {
  const { records } = body as { records: unknown };
  if (!Array.isArray(records) || Object.keys(body).length !== 1) return null;
  if (records.length === 0 || records.length > limits.httpProduceRecordsMax) return null;
  const parsed: ParsedRecord[] = [];
  for (const record of records as unknown[]) {
    if (typeof record !== "object" || record === null || Array.isArray(record)) return null;
    let key: Uint8Array | null = null;
    let value: Uint8Array | null | undefined;
    for (const [name, given] of Object.entries(record)) {
      const data = decodeData(given);
      if (typeof data === "string") return null;
      if (name === "key") key = data;
      else if (name === "value") value = data;
      else return null;
    }
    if (value === undefined) return null;
    parsed.push({ key, value });
  }
  return parsed;
}

function document(topic: string, stored: readonly Omit<StoredRecord, "topic">[]) {
  return {
    topic,
    records: stored.map(({ partition, offset, timestamp }) => ({ partition, offset, timestamp })),
  };
}

function answer(topic: string, outcomes: readonly RecordOutcome[]): Response {
  const [first] = outcomes;
  const failed = outcomes.filter(({ problem }) => problem !== null);
  if (failed.length === 0) return jsonResponse(200, document(topic, outcomes));
  if (failed.length === outcomes.length && first !== undefined && first.problem !== null) {
    const { problem } = first;
    const alike = outcomes.every((outcome) => outcome.problem?.status === problem.status);
    if (alike) throw problem;
  }
  const records = outcomes.map(({ partition, offset, timestamp, problem }) => {
    if (problem === null) return { partition, offset, timestamp };
    const { status, message, options: { kafkaError } } = problem;
    return { partition, error: { status, kafkaError, detail: message } };
  });
  return jsonResponse(207, { topic, records });
}
