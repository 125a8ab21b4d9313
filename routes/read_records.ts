/**
 * Reading over HTTP: `GET /v1/topics/{topic}/partitions/{partition}/records`, without any state on the server.
 *
 * A long poll waits in the partition's actor, not in a loop. A record larger than `maxBytes` is returned alone, so that a
 * reader always gets on.
 */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Broker } from "../actors/broker.ts";
import type { FetchResult, IsolationLevel, PartitionMessage } from "../actors/messages/partition.ts";
import { AskDeadlineError } from "../actors/runtime/errors.ts";
import type { ActorRef } from "../actors/runtime/types.ts";
import { limits } from "../core/config/limits.ts";
import { type CollectedRecords, collectRecords } from "../core/fetch/collect_records.ts";
import { viewFormats } from "../core/fetch/event_text.ts";
import { recordText } from "../core/fetch/record_text.ts";
import { BATCH_TYPE } from "../protocol/cloudevents/http_binding.ts";
import type { KafkaRecord } from "../protocol/records/record_batch.ts";
import { eventsAnswer } from "./cloud_events.ts";
import { addEndpoint, integerParam, jsonTextResponse } from "./endpoint.ts";
import { clientIdParam } from "./header_params.ts";
import { fieldProblem, kafkaProblem, Problem } from "./problem.ts";
import { quotaBytesMax } from "./quota_client.ts";
import { timed } from "./request_time.ts";
import type { RecordFormat } from "./record_data.ts";
import { checkPartition, errorUnderTopic, findTopic, partitionParam, topicParam } from "./topic_lookup.ts";

const INT32_MAX = 2_147_483_647;
const LATEST = -1;
const EARLIEST = -2;
/** Fetches of one request that may bring nothing but batches without records for clients. */
const emptyFetchesMax = 100;

const dataSchema = z.union([
  z.null(),
  z.object({ type: z.enum(["binary", "string"]), data: z.string() }),
  z.object({ type: z.literal("json"), data: z.unknown() }),
]).openapi("RecordDataView");

const readSchema = z.object({
  records: z.array(z.object({
    offset: z.int(),
    timestamp: z.int().openapi({ description: "Milliseconds since 1970; -1 for none" }),
    key: dataSchema,
    value: dataSchema,
    headers: z.array(z.object({ key: z.string(), value: dataSchema })),
  })),
  nextOffset: z.int().openapi({ description: "Where to read on" }),
  highWatermark: z.int(),
  logStartOffset: z.int(),
}).openapi("ReadRecords");

/** `isolation` of every route that reads. */
export const isolationParam = z.enum(
  ["read_uncommitted", "read_committed"],
  "expected read_uncommitted or read_committed",
).optional().openapi({
  description:
    "read_committed: records of committed transactions, and those in no transaction; default read_uncommitted",
});

export interface ReadLimits {
  readonly maxRecords: number;
  readonly maxBytes: number;
}

export function readRecordsApp(broker: Broker): OpenAPIHono {
  const app = new OpenAPIHono();

  addEndpoint(app, {
    method: "get",
    path: "/{topic}/partitions/{partition}/records",
    operationId: "readRecords",
    summary: "Read records from an offset or a timestamp, with long poll",
    description:
      "Keys, values and header values are shown as text where they are valid UTF-8, else as base64, so that no " +
      "byte is lost. With isolation=read_committed records of aborted transactions are left out, and reading ends before the first " +
      "open transaction. format=cloudevents is a batch of CloudEvents, with Kavka-Next-Offset, Kavka-High-Watermark and " +
      "Kavka-Log-Start-Offset as headers; a record that holds no event is one of type kavka.record.",
    params: { topic: topicParam, partition: partitionParam },
    query: {
      offset: z.string().regex(/^(earliest|latest|\d{1,19})$/, "expected earliest, latest or a whole number")
        .optional().openapi({ description: "earliest (the default), latest, or an offset" }),
      timestamp: integerParam({
        min: 0,
        max: Number.MAX_SAFE_INTEGER,
        description: "Begin at the first record of this time or later, in milliseconds",
      }).optional(),
      maxRecords: integerParam({ min: 1, max: limits.httpReadRecordsMax, description: "Default 500" })
        .optional(),
      maxBytes: integerParam({
        min: 1,
        max: limits.httpReadBytesMax,
        description: "Bytes of keys, values and headers, default 1 MiB",
      }).optional(),
      waitMs: integerParam({
        min: 0,
        max: INT32_MAX,
        description: `How long to wait for a record, default 0; at most ${limits.longPollMsMax} is waited`,
      }).optional(),
      isolation: isolationParam,
      format: z.enum(viewFormats, `expected ${viewFormats.join(", ")}`).optional().openapi({
        description:
          "auto and string: text where possible; json: JSON where possible; binary: always base64; " +
          "cloudevents: a batch of CloudEvents",
      }),
    },
    headers: clientIdParam,
    responses: {
      200: {
        description: "Records",
        content: {
          "application/json": { schema: readSchema },
          [BATCH_TYPE]: { schema: z.array(z.looseObject({ specversion: z.string(), id: z.string() })) },
        },
      },
    },
    problems: [404, 416, 429, 504],
    async handle({ params, query, request }) {
      const topic = findTopic(broker, params.topic);
      checkPartition(topic, params.partition);
      const { offset, timestamp, waitMs = 0, maxRecords = 500, maxBytes = 1_048_576, format = "auto" } =
        query;
      const isolation = query.isolation ?? "read_uncommitted";
      if (offset !== undefined && timestamp !== undefined) throw fieldProblem("timestamp", "excludes offset");
      const actor = broker.partition(topic.topicId, params.partition);
      const start = await startOffset(actor, offset, timestamp, isolation);
      const deadlineMs = broker.env.mono() + Math.min(waitMs, limits.longPollMsMax);
      try {
        const context = { broker, actor, request, deadlineMs, isolation };
        const page = await readPage(context, start, { maxRecords, maxBytes });
        return timed(
          request,
          broker.env,
          () =>
            format === "cloudevents"
              ? eventsAnswer(topic.name, params.partition, page)
              : readAnswer(page, format),
        );
      } catch (error) {
        throw errorUnderTopic(broker, topic, error);
      }
    },
  });

  return app;
}

/** The offset that earliest, latest, a number or a time means. */
export async function startOffset(
  actor: ActorRef<PartitionMessage>,
  offset: string | undefined,
  timestamp: number | undefined,
  isolation: IsolationLevel = "read_uncommitted",
): Promise<number> {
  if (timestamp === undefined && offset !== undefined && /^\d/.test(offset)) {
    const number = Number(offset);
    if (Number.isSafeInteger(number)) return number;
    throw kafkaProblem("OFFSET_OUT_OF_RANGE", `Offset ${offset} is beyond the end of the log`);
  }
  const found = await listOffset(
    actor,
    timestamp ?? (offset === "latest" ? LATEST : EARLIEST),
    isolation,
  );
  // No record is that young: wait for the next one.
  return found >= 0 ? found : await listOffset(actor, LATEST, isolation);
}

async function listOffset(
  actor: ActorRef<PartitionMessage>,
  timestamp: number,
  isolationLevel: IsolationLevel,
): Promise<number> {
  const { error, offset } = await actor.ask({
    type: "listOffset",
    timestamp,
    isolationLevel,
    currentLeaderEpoch: -1,
  });
  if (error !== "NONE") throw kafkaProblem(error, null);
  return offset;
}

export interface ReadContext {
  readonly broker: Broker;
  readonly actor: ActorRef<PartitionMessage>;
  /** Its signal is taken only by those who wait: Deno makes it on demand. */
  readonly request: Request;
  /** On the monotonic clock. */
  readonly deadlineMs: number;
  /** Default read_uncommitted. */
  readonly isolation?: IsolationLevel;
}

export interface ReadPage extends Page {
  readonly highWatermark: number;
  readonly logStartOffset: number;
}

/** The first records from `start` on, waiting for them up to the deadline. Throws the problem why not. */
export async function readPage(context: ReadContext, start: number, wish: ReadLimits): Promise<ReadPage> {
  const { broker, request } = context;
  const options = { ...wish, maxBytes: Math.min(wish.maxBytes, quotaBytesMax(broker, request)) };
  let nextOffset = start;
  for (let emptyFetches = 0;;) {
    const fetched = await fetchBatches(context, nextOffset, options.maxBytes);
    const { highWatermark, logStartOffset } = fetched;
    const page = { ...pageOf(fetched, nextOffset, options), highWatermark, logStartOffset };
    if (page.records.length > 0) return page;
    if (page.nextOffset > nextOffset && ++emptyFetches < emptyFetchesMax) nextOffset = page.nextOffset;
    else if (!await waitForData(context, page.nextOffset)) return page;
  }
}

async function fetchBatches(
  { actor, isolation }: ReadContext,
  offset: number,
  maxBytes: number,
): Promise<FetchResult> {
  const result = await actor.ask({
    type: "fetch",
    offset,
    maxBytes,
    minOneBatch: true,
    isolationLevel: isolation ?? "read_uncommitted",
    currentLeaderEpoch: -1,
  });
  const { error, logStartOffset, highWatermark } = result;
  if (error === "NONE") return result;
  if (error !== "OFFSET_OUT_OF_RANGE") throw kafkaProblem(error, null);
  throw kafkaProblem(
    error,
    `Offset ${offset} is not in the log, which begins at ${logStartOffset} and ends at ${highWatermark}`,
    {
      members: { logStartOffset, highWatermark },
    },
  );
}

/** True when there is something to read; false when the time is up. */
async function waitForData(
  { broker, actor, request, deadlineMs, isolation = "read_uncommitted" }: ReadContext,
  offset: number,
): Promise<boolean> {
  const restMs = deadlineMs - broker.env.mono();
  if (restMs <= 0) return false;
  const { signal } = request;
  try {
    return await actor.ask(
      { type: "awaitData", offset, minBytes: 1, isolationLevel: isolation },
      { deadlineMs: restMs, signal },
    );
  } catch (error) {
    if (error instanceof AskDeadlineError || signal.aborted) return false;
    throw error;
  }
}

export interface Page {
  readonly records: readonly KafkaRecord[];
  readonly nextOffset: number;
}

/** What was read before a damage is given first; the next request meets the problem. */
function pageOf(fetched: FetchResult, start: number, options: ReadLimits): Page {
  const { records, nextOffset, damage } = collectRecords(fetched, start, options);
  if (damage !== null && records.length === 0) throw unreadable(damage);
  return { records, nextOffset };
}

function unreadable({ error, baseOffset, endOffset }: NonNullable<CollectedRecords["damage"]>): Problem {
  return new Problem(500, {
    detail: `The batch at offset ${baseOffset} cannot be read; nextOffset is behind it`,
    kafkaError: error,
    members: { nextOffset: endOffset },
  });
}

function readAnswer(
  { records, nextOffset, highWatermark, logStartOffset }: ReadPage,
  format: RecordFormat,
): Response {
  const list = records.map((record) => recordText(record, format)).join(",");
  return jsonTextResponse(
    200,
    `{"records":[${list}],"nextOffset":${nextOffset},"highWatermark":${highWatermark},"logStartOffset":${logStartOffset}}`,
  );
}
