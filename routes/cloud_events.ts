/**
 * CloudEvents at the HTTP door: the events of a produce request, in binary, structured or batched mode, as records in the form that
 * Kafka's clients of CloudEvents know; and a page of records as a batch of events.
 */
import { limits } from "../core/config/limits.ts";
import { eventOptions, eventText } from "../core/fetch/event_text.ts";
import type { Env } from "../lib/env.ts";
import type { CloudEvent, CloudEventFault } from "../protocol/cloudevents/cloud_event.ts";
import {
  BATCH_TYPE,
  EVENT_TYPE,
  type EventMode,
  eventOfRequest,
} from "../protocol/cloudevents/http_binding.ts";
import { eventOfJson } from "../protocol/cloudevents/json_format.ts";
import { type EventRecord, recordOfEvent } from "../protocol/cloudevents/kafka_binding.ts";
import { faultsShownMax, jsonTextResponse, validationProblem } from "./endpoint.ts";
import type { FieldFault } from "./problem.ts";
import type { ReadPage } from "./read_records.ts";
import { mediaTypeOf, readBytes, readJson, unsupportedMediaType } from "./request_body.ts";

/** What a produce request accepts as events, for a 415. */
export const eventTypes = `${EVENT_TYPE}, ${BATCH_TYPE}`;

/** The records of a request's events. Throws the problem that names what is wrong with them. */
export async function readEvents(mode: EventMode, request: Request, env: Env): Promise<EventRecord[]> {
  switch (mode) {
    case "binary": {
      const event = eventOfRequest(request.headers, await readBytes(request, env));
      return [recordOf(event, headerField)];
    }
    case "structured":
      return [recordOf(eventOfJson(await readJson(request, env), eventOptions), (attribute) => attribute)];
    case "batched":
      return batch(await readJson(request, env));
    case "unknown":
      throw unsupportedMediaType(mediaTypeOf(request), eventTypes);
  }
}

function recordOf(
  event: CloudEvent | CloudEventFault[],
  fieldOf: (attribute: string) => string,
): EventRecord {
  if (Array.isArray(event)) throw validationProblem(fieldFaults(event, fieldOf));
  return recordOfEvent(event);
}

function fieldFaults(
  faults: readonly CloudEventFault[],
  fieldOf: (attribute: string) => string,
): FieldFault[] {
  return faults.map(({ attribute, detail }) => ({ field: fieldOf(attribute.slice(0, 100)), detail }));
}

function headerField(attribute: string): string {
  return attribute === "datacontenttype" ? "Content-Type" : `ce-${attribute}`;
}

/** All events or none: a fault of one is the request's. */
function batch(body: unknown): EventRecord[] {
  if (!Array.isArray(body)) {
    throw validationProblem([{ field: "", detail: "expected a JSON array of CloudEvents" }]);
  }
  if (body.length > limits.httpProduceRecordsMax) {
    const detail = `expected at most ${limits.httpProduceRecordsMax} events`;
    throw validationProblem([{ field: "", detail }]);
  }
  const records: EventRecord[] = [];
  const faults: FieldFault[] = [];
  for (const [index, value] of body.entries()) {
    const event = eventOfJson(value, eventOptions);
    if (!Array.isArray(event)) records.push(recordOfEvent(event));
    else {
      faults.push(
        ...fieldFaults(event, (attribute) => attribute === "" ? `[${index}]` : `[${index}].${attribute}`),
      );
    }
    if (faults.length >= faultsShownMax) break;
  }
  if (faults.length > 0) throw validationProblem(faults);
  return records;
}

/** The page as a batch of events; where it ends is told in headers, since a batch is nothing but its events. */
export function eventsAnswer(topic: string, partition: number, page: ReadPage): Response {
  const { records, nextOffset, highWatermark, logStartOffset } = page;
  const events = records.map((record) => eventText({ ...record, topic, partition }));
  return jsonTextResponse(200, `[${events.join(",")}]`, {
    "content-type": BATCH_TYPE,
    "kavka-next-offset": String(nextOffset),
    "kavka-high-watermark": String(highWatermark),
    "kavka-log-start-offset": String(logStartOffset),
  });
}
