/**
 * Headers that routes read, for the OpenAPI document. What a wrong one comes to is for whoever reads it (`atomic_append.ts`,
 * `cloud_events.ts`, the live tails), as with bodies. `Authorization`, `Accept` and `Content-Type` have places of their own there.
 */
import { z } from "@hono/zod-openapi";
import { limits } from "../core/config/limits.ts";

function header(description: string, more: Readonly<Record<string, unknown>> = {}) {
  return z.string().optional().openapi({ description, ...more });
}

/** Of requests that are stored once. */
export const onceHeaderParams = {
  "Producer-Id": header("Names an idempotent producer; goes with Producer-Epoch and Producer-Seq", {
    minLength: 1,
    maxLength: limits.streamTagLengthMax,
  }),
  "Producer-Epoch": header("Of the producer; a newer one shuts out those before", {
    type: "integer",
    minimum: 0,
  }),
  "Producer-Seq": header("Counts the producer's requests, from 0 in each epoch", {
    type: "integer",
    minimum: 0,
  }),
  "Idempotency-Key": header(
    "Names the request, as a string in double quotes or bare, instead of Producer-Id: repeated it is answered as at first",
    {
      minLength: 1,
      maxLength: limits.idempotencyKeyLengthMax,
      pattern: "^[ !#-~]+$",
      example: "8e03978e-40d5-43dd-bc93-6894a57f9324",
    },
  ),
};

/** Attributes of a CloudEvent in binary mode. */
export const eventHeaderParams = {
  "ce-specversion": header("Makes the body the data of a CloudEvent in binary mode, whatever its type", {
    enum: ["1.0"],
  }),
  "ce-id": header("Required of an event", { minLength: 1 }),
  "ce-source": header("Required of an event: a URI reference", { minLength: 1, example: "/shop" }),
  "ce-type": header("Required of an event", { minLength: 1, example: "order.placed" }),
  "ce-subject": header("What the event is about", { minLength: 1 }),
  "ce-time": header("When it happened", { format: "date-time" }),
  "ce-dataschema": header("Schema of the data", { format: "uri" }),
  "ce-partitionkey": header("Becomes the record's key; any other ce-NAME is an extension", { minLength: 1 }),
};

export const lastEventIdParam = {
  "Last-Event-ID": header("The id of the last event that was seen: goes on behind it"),
};

export const clientIdParam = {
  "Kavka-Client-Id": header("The client id that quotas are looked up for", {
    maxLength: limits.httpClientIdLengthMax,
  }),
};

export const traceParam = {
  traceparent: header(
    "The caller's trace (W3C Trace Context), which goes on where the server exports traces",
    {
      pattern: "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
    },
  ),
};
