/**
 * REST v3: producing. One record, or a stream of them with a report for each as soon as it is durable (the body and the answer flow
 * at the same time), or a batch whose outcomes are told apart in a 207.
 *
 * Source: Confluent's documentation of API v3, "Produce Records". One record in a body of known length is answered with the HTTP status
 * of its outcome; where there are several, or their number is not known, the status is 200 and each report has its own.
 */
import { z } from "@hono/zod-openapi";
import type { Broker } from "../../actors/broker.ts";
import type { TopicImage } from "../../core/cluster/metadata_image.ts";
import { limits } from "../../core/config/limits.ts";
import { decodeBase64 } from "../../lib/base64.ts";
import { isStillValid, keyInvalid } from "../access.ts";
import { appendRecords, type GivenRecord, type RecordOutcome } from "../append_records.ts";
import { jsonResponse, parse } from "../endpoint.ts";
import { Problem, weatherProblem } from "../problem.ts";
import {
  encodingOf,
  isJsonType,
  mediaTypeOf,
  parseExactly,
  readBytes,
  readJson,
  unsupportedMediaType,
} from "../request_body.ts";
import { confluentProblem, errorCodeOf, type ErrorCodes } from "./confluent_error.ts";
import type { ContractRequest, ContractRoute } from "./contract_router.ts";
import { jsonTexts, jsonTextsOf } from "./json_sequence.ts";
import { checkCluster, topicOf } from "./v3_resources.ts";

const encoder = new TextEncoder();

const dataSchema = z.object({
  type: z.string("expected a string").optional(),
  data: z.unknown().optional(),
}, "expected an object").nullish();

const recordSchema = z.object({
  partition_id: z.int("expected a whole number").min(0, "expected at least 0").nullish(),
  headers: z.array(z.object({
    name: z.string("expected a string").refine((name) => name.isWellFormed(), "has a lone surrogate"),
    value: z.string("expected base64").nullish(),
  })).max(limits.recordHeadersMax, `expected at most ${limits.recordHeadersMax} headers`).nullish(),
  key: dataSchema,
  value: dataSchema,
  timestamp: z.string("expected a time as in RFC 3339").nullish(),
}, "expected an object");

const batchSchema = z.object({
  entries: z.array(z.object({ id: z.string("expected a string").min(1).max(80) }).loose())
    .min(1, "expected at least one entry")
    .max(limits.httpProduceRecordsMax, `expected at most ${limits.httpProduceRecordsMax} entries`),
}, "expected an object");

type ParsedRecord = z.output<typeof recordSchema>;
type ParsedData = z.output<typeof dataSchema>;

interface Data {
  readonly type: string;
  readonly bytes: Uint8Array | null;
}

/** What the client wrote, and the record that it means. */
interface Prepared {
  readonly record: GivenRecord;
  readonly key: Data | null;
  readonly value: Data | null;
}

function prepare(value: unknown): Prepared {
  const parsed: ParsedRecord = parse(recordSchema, value);
  const key = decodeData("key", parsed.key);
  const data = decodeData("value", parsed.value);
  const partition = parsed.partition_id ?? undefined;
  const timestamp = parsed.timestamp === null || parsed.timestamp === undefined
    ? undefined
    : timeOf(parsed.timestamp);
  return {
    key,
    value: data,
    record: {
      key: key?.bytes ?? null,
      value: data?.bytes ?? null,
      headers: (parsed.headers ?? []).map(({ name, value }) => ({
        key: name,
        value: value === null || value === undefined ? null : base64(`header ${name}`, value),
      })),
      partition,
      timestamp,
    },
  };
}

function decodeData(field: string, given: ParsedData): Data | null {
  if (given === null || given === undefined) return null;
  const { type, data } = given;
  if (data === null || data === undefined) return { type: type ?? "BINARY", bytes: null };
  switch (type) {
    case "JSON":
      return { type, bytes: encoder.encode(JSON.stringify(data)) };
    case "STRING":
      if (typeof data !== "string" || !data.isWellFormed()) {
        throw refused(`${field}: data of type STRING must be text`);
      }
      return { type, bytes: encoder.encode(data) };
    case "BINARY":
      if (typeof data !== "string") throw refused(`${field}: data of type BINARY must be base64`);
      return { type, bytes: base64(field, data) };
    case "AVRO":
    case "JSONSCHEMA":
    case "PROTOBUF":
      throw confluentProblem(422, `${field}: type ${type} needs a schema registry, which is not here`);
    default:
      throw refused(`${field}: type must be BINARY, JSON or STRING`);
  }
}

function base64(field: string, text: string): Uint8Array {
  const bytes = decodeBase64(text);
  if (bytes === null) throw refused(`${field}: is not base64`);
  return bytes;
}

function refused(message: string): Problem {
  return confluentProblem(400, message);
}

function timeOf(text: string): number {
  const time = /^\d{4}-\d\d-\d\d[Tt]/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(time) || time < 0) throw refused("timestamp: expected a time as in RFC 3339");
  return time;
}

function report(broker: Broker, topic: TopicImage, { key, value }: Prepared, outcome: RecordOutcome) {
  const size = (data: Data | null) => data === null ? {} : { type: data.type, size: data.bytes?.length ?? 0 };
  return {
    error_code: 200,
    cluster_id: broker.metadata.clusterId,
    topic_name: topic.name,
    partition_id: outcome.partition,
    offset: outcome.offset,
    timestamp: new Date(outcome.timestamp).toISOString(),
    ...(key === null ? {} : { key: size(key) }),
    ...(value === null ? {} : { value: size(value) }),
  };
}

/** Of all requests, so that records without a key go round the partitions. */
let unkeyedCount = 0;

async function produceOne(
  broker: Broker,
  topic: TopicImage,
  value: unknown,
): Promise<Record<string, unknown>> {
  const prepared = prepare(value);
  const [outcome] = await appendRecords(broker, topic, [prepared.record], unkeyedCount++);
  if (outcome === undefined) throw new Problem(500);
  if (outcome.problem !== null) throw outcome.problem;
  return report(broker, topic, prepared, outcome);
}

export function recordRoutes(
  codes: ErrorCodes,
  toProblem: (error: unknown) => Problem,
): readonly ContractRoute[] {
  const failure = (error: unknown) => {
    const problem = toProblem(error);
    return { error_code: errorCodeOf(problem, codes), message: problem.message };
  };

  async function produce(context: ContractRequest): Promise<Response> {
    const { broker, request } = context;
    checkCluster(context);
    const topic = topicOf(context);
    const mediaType = mediaTypeOf(request);
    if (!isJsonType(mediaType)) throw unsupportedMediaType(mediaType, "application/json");
    if (request.body === null) throw refused("The body is empty: expected a record");
    if (request.headers.has("content-length") || encodingOf(request) !== "identity") {
      return await produceBody(context, topic, await readBytes(request, broker.env));
    }
    return reports(context, topic, jsonTexts(request.body, broker.env));
  }

  /**
   * A whole body: one record has the HTTP status of its outcome, several are reported one by one. It is read to its end first, since its
   * sender need not read reports before.
   */
  async function produceBody(
    context: ContractRequest,
    topic: TopicImage,
    body: Uint8Array,
  ): Promise<Response> {
    const texts = jsonTextsOf(body);
    const first = texts.next();
    if (first.done === true) throw refused("The body is empty: expected a record");
    const second = texts.next();
    if (second.done !== true) return reports(context, topic, following([first.value, second.value], texts));
    return jsonResponse(200, await produceOne(context.broker, topic, parseText(first.value)));
  }

  async function produceText(
    broker: Broker,
    topic: TopicImage,
    text: string,
  ): Promise<Record<string, unknown>> {
    try {
      return await produceOne(broker, topic, parseText(text));
    } catch (error) {
      return failure(error);
    }
  }

  /** One report for each record, in order; reading stops while too many are on their way. */
  function reports({ broker, request }: ContractRequest, topic: TopicImage, texts: AsyncGenerator<string>) {
    return new Response(reportStream(broker, request, { topic, texts }), {
      headers: {
        "content-type": "application/json",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
      },
    });
  }

  function reportStream(
    broker: Broker,
    request: Request,
    { topic, texts }: { readonly topic: TopicImage; readonly texts: AsyncGenerator<string> },
  ): ReadableStream<Uint8Array> {
    const pending: Promise<Record<string, unknown>>[] = [];
    let ended = false;
    const more = new Signal();
    const room = new Signal();
    async function readOn(): Promise<void> {
      try {
        for await (const text of texts) {
          // Such a stream may outlive its key.
          if (!isStillValid(request)) throw keyInvalid();
          pending.push(produceText(broker, topic, text));
          more.notify();
          while (pending.length >= limits.httpStreamInFlightMax && !ended) await room.wait();
          if (ended) return;
        }
      } catch (error) {
        pending.push(Promise.resolve(failure(error)));
      }
      ended = true;
      more.notify();
    }
    let isReading = false;
    return new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (!isReading) {
          isReading = true;
          void readOn();
        }
        while (pending.length === 0) {
          if (ended) return controller.close();
          await more.wait();
        }
        const answer = await pending[0];
        pending.shift();
        room.notify();
        controller.enqueue(encoder.encode(`${JSON.stringify(answer)}\r\n`));
      },
      async cancel() {
        ended = true;
        room.notify();
        await texts.return(undefined);
      },
    }, { highWaterMark: 0 });
  }

  async function produceBatch(context: ContractRequest): Promise<Response> {
    const { broker, request } = context;
    checkCluster(context);
    const topic = topicOf(context);
    const { entries } = parse(batchSchema, await readJson(request, broker.env));
    const ids = new Set(entries.map(({ id }) => id));
    if (ids.size < entries.length) throw refused("entries: ids must be distinct");
    const outcomes = await Promise.all(entries.map(async ({ id, ...record }) => {
      try {
        return { ok: true as const, answer: { id, ...await produceOne(broker, topic, record) } };
      } catch (error) {
        if (!(error instanceof Problem) && weatherProblem(error) === null) throw error;
        return { ok: false as const, answer: { id, ...failure(error) } };
      }
    }));
    return jsonResponse(207, {
      successes: outcomes.filter(({ ok }) => ok).map(({ answer }) => answer),
      failures: outcomes.filter(({ ok }) => !ok).map(({ answer }) => answer),
    });
  }

  const path = "/clusters/{cluster_id}/topics/{topic_name}/records";
  return [
    { method: "POST", pattern: path, handle: produce },
    { method: "POST", pattern: `${path}:batch`, handle: produceBatch },
  ];
}

async function* following(begun: readonly string[], texts: Generator<string>): AsyncGenerator<string> {
  yield* begun;
  yield* texts;
}

function parseText(text: string): unknown {
  try {
    return parseExactly(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw refused("The body is not JSON");
  }
}

/** Wakes the one who waits; a notice before the wait is kept. */
class Signal {
  #notified = false;
  #wake: (() => void) | null = null;

  notify(): void {
    this.#notified = true;
    this.#wake?.();
  }

  async wait(): Promise<void> {
    if (!this.#notified) await new Promise<void>((resolve) => this.#wake = resolve);
    this.#notified = false;
    this.#wake = null;
  }
}
