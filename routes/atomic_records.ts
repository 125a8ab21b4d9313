/**
 * Producing to several topics at once: `POST /v1/records`, all or nothing. The bounds, the form of a record and the creation of
 * topics are those of `produce_records.ts`.
 */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Broker } from "../actors/broker.ts";
import { limits } from "../core/config/limits.ts";
import { findOrCreateTopic } from "./append_records.ts";
import { answerAtomically, onceHeaders, type TopicRecord } from "./atomic_append.ts";
import { addEndpoint, parse } from "./endpoint.ts";
import { clientIdParam, onceHeaderParams, traceParam } from "./header_params.ts";
import { recordSchema } from "./produce_records.ts";
import { isJsonType, mediaTypeOf, readJson, unsupportedMediaType } from "./request_body.ts";

// Not `extend`: in the document that becomes both schemas at once, and each refuses the other's fields.
const topicRecordSchema = z.strictObject({
  ...recordSchema.shape,
  topic: z.string("expected a topic's name").min(1, "expected a topic's name"),
}).openapi("AtomicRecord");

const bodySchema = z.strictObject({
  records: z.array(topicRecordSchema, "expected an array").min(1, "expected at least one record")
    .max(limits.httpProduceRecordsMax, `expected at most ${limits.httpProduceRecordsMax} records`),
}).openapi("AtomicRecords");

const outcomeSchema = z.object({
  records: z.array(
    z.object({ topic: z.string(), partition: z.int(), offset: z.int(), timestamp: z.int() }),
  ),
}).openapi("AtomicOutcome");

export function atomicRecordsApp(broker: Broker): OpenAPIHono {
  const app = new OpenAPIHono();
  let unkeyedCount = Math.floor(broker.env.random() * 1_000_000);

  addEndpoint(app, {
    method: "post",
    path: "/records",
    operationId: "produceAtomically",
    summary: "Append records to several topics, all or nothing",
    description:
      "The records are one transaction: with 200 all are durable and readers of committed data see them, with a problem they see " +
      "none. With the headers Producer-Id, Producer-Epoch and Producer-Seq, which count a producer's requests, a repeated " +
      "request is stored once and answered 204; 403 to an older epoch, 409 with Producer-Expected-Seq to a gap. With an " +
      "Idempotency-Key a repeated request is stored once and answered as at first, with Idempotent-Replayed; 409 while it is " +
      "under way, 422 to another request with the key.",
    headers: { ...onceHeaderParams, ...clientIdParam, ...traceParam },
    body: { "application/json": { schema: bodySchema } },
    responses: {
      200: { description: "All are stored", content: { "application/json": { schema: outcomeSchema } } },
      204: { description: "The same request of the producer was stored before" },
    },
    problems: [403, 404, 408, 409, 413, 415, 422, 429, 504],
    async handle({ request }) {
      const mediaType = mediaTypeOf(request);
      if (!isJsonType(mediaType)) throw unsupportedMediaType(mediaType, "application/json");
      const once = onceHeaders(request.headers);
      const { records } = parse(bodySchema, await readJson(request, broker.env));
      const placed: TopicRecord[] = [];
      for (const { topic, ...record } of records) {
        placed.push({ ...record, topic: await findOrCreateTopic(broker, topic) });
      }
      const options = { ...once, request, scope: "", unkeyed: unkeyedCount++ };
      return await answerAtomically(broker, placed, options, (stored) => ({ records: stored }));
    },
  });

  return app;
}
