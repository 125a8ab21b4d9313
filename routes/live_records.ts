/**
 * The live tail: `GET /v1/topics/{topic}/live`, server-sent events of a topic's records as they come, all partitions or one.
 *
 * Each event's id holds the place in every partition, so a browser that comes again with Last-Event-ID goes on exactly there.
 * Nothing is dropped: a reader that is slow is read for later, with one round of records in memory. Records that were deleted before
 * they were read are told as an event `gap`. Source: the HTML standard, server-sent events.
 */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Broker } from "../actors/broker.ts";
import type { IsolationLevel } from "../actors/messages/partition.ts";
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { limits } from "../core/config/limits.ts";
import { recordText } from "../core/fetch/record_text.ts";
import type { KafkaRecord } from "../protocol/records/record_batch.ts";
import { addEndpoint, integerParam } from "./endpoint.ts";
import { fieldProblem, Problem } from "./problem.ts";
import { isolationParam, readPage, startOffset } from "./read_records.ts";
import { type RecordFormat, recordFormats } from "./record_data.ts";
import { checkPartition, findTopic, topicParam } from "./topic_lookup.ts";

/** A comment is sent after such a silence, so that proxies and the server notice a dead connection. */
const SILENCE_MS = 15_000;
const RETRY_MS = 1_000;
/** Of one partition, in one round. */
const ROUND_RECORDS_MAX = 500;
const ROUND_BYTES_MAX = 262_144;

export function liveRecordsApp(broker: Broker): OpenAPIHono {
  const app = new OpenAPIHono();
  addEndpoint(app, {
    method: "get",
    path: "/{topic}/live",
    operationId: "tailRecords",
    summary: "Records as they come, as server-sent events",
    description:
      "Events `record` with the record as JSON, its partition included; events `gap` where records were deleted before they " +
      "were read. The id of an event is the place to go on: send it as Last-Event-ID, as browsers do by themselves.",
    params: { topic: topicParam },
    query: {
      from: z.enum(["latest", "earliest"], "expected latest or earliest").optional()
        .openapi({ description: "Where to begin without Last-Event-ID, default latest" }),
      partition: integerParam({ min: 0, max: 2_147_483_647, description: "Only this partition" }).optional(),
      key: z.string().optional().openapi({ description: "Only records with this key, as text" }),
      isolation: isolationParam,
      format: z.enum(recordFormats, `expected ${recordFormats.join(", ")}`).optional()
        .openapi({ description: "As in reading, default auto" }),
    },
    responses: {
      200: {
        description: "Events until the client leaves",
        content: { "text/event-stream": { schema: z.string() } },
      },
    },
    problems: [400, 404],
    async handle({ params, query, request }) {
      const topic = findTopic(broker, params.topic);
      const { partition, from = "latest", format = "auto", key, isolation = "read_uncommitted" } = query;
      if (partition !== undefined) checkPartition(topic, partition);
      else if (topic.partitions.length > limits.livePartitionsMax) {
        throw fieldProblem(
          "partition",
          `is missing: the topic has more than ${limits.livePartitionsMax} partitions`,
        );
      }
      const resumed = placesOf(request.headers.get("last-event-id"));
      const wanted = partition === undefined ? topic.partitions.map((_, index) => index) : [partition];
      const places = new Map<number, number>();
      for (const index of wanted) {
        const place = resumed?.get(index) ??
          await startOffset(
            broker.partition(topic.topicId, index),
            resumed === null ? from : "earliest",
            undefined,
            isolation,
          );
        places.set(index, place);
      }
      const wantedKey = key === undefined ? null : new TextEncoder().encode(key);
      return new Response(liveEvents({ broker, topic, places, format, isolation, wantedKey, request }), {
        headers: {
          "content-type": "text/event-stream",
          "cache-control": "no-store",
          "x-accel-buffering": "no",
        },
      });
    },
  });
  return app;
}

/** `0:12,1:40`: the next offset of each partition. Null when there is none; a strange one is 400. */
function placesOf(text: string | null): Map<number, number> | null {
  if (text === null || text === "") return null;
  if (text.length > limits.httpUrlLengthMax || !/^\d{1,10}:\d{1,15}(,\d{1,10}:\d{1,15})*$/.test(text)) {
    throw fieldProblem("Last-Event-ID", "is not an id that this topic's events had");
  }
  return new Map(text.split(",").map((pair) => pair.split(":").map(Number) as [number, number]));
}

interface LiveTail {
  readonly broker: Broker;
  readonly topic: TopicImage;
  /** The next offset of each partition; moves on. */
  readonly places: Map<number, number>;
  readonly format: RecordFormat;
  readonly isolation: IsolationLevel;
  /** Null: every key. */
  readonly wantedKey: Uint8Array | null;
  readonly request: Request;
}

function liveEvents(tail: LiveTail): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const left = new AbortController();
  let isFirst = true;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (isFirst) {
        isFirst = false;
        // Sent at once, so that the reader knows that it is connected, and has a place even before a record comes.
        return controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\nid: ${idOf(tail.places)}\n\n`));
      }
      try {
        while (!left.signal.aborted) {
          const text = await readRound(tail);
          if (text !== "") return controller.enqueue(encoder.encode(text));
          if (!await somethingCame(tail, left.signal)) return controller.enqueue(encoder.encode(":\n\n"));
        }
      } catch (error) {
        // The topic is gone, or the server stops: whoever comes again is told.
        tail.broker.log.debug("A live tail ended", { topic: tail.topic.name, error: String(error) });
        controller.close();
      }
    },
    cancel() {
      left.abort();
    },
  }, { highWaterMark: 0 });
}

/** The events of what is there now; "" for none. */
async function readRound(tail: LiveTail): Promise<string> {
  const { broker, topic, places, request, isolation } = tail;
  if (!broker.metadata.topicsById.has(topic.topicId)) {
    throw new Problem(404, { detail: "The topic was deleted" });
  }
  let text = "";
  for (const [partition, place] of places) {
    try {
      const page = await readPage(
        {
          broker,
          actor: broker.partition(topic.topicId, partition),
          request,
          deadlineMs: broker.env.mono(),
          isolation,
        },
        place,
        { maxRecords: ROUND_RECORDS_MAX, maxBytes: ROUND_BYTES_MAX },
      );
      for (const record of page.records) {
        places.set(partition, record.offset + 1);
        text += recordEvent(tail, partition, record);
      }
      places.set(partition, page.nextOffset);
    } catch (error) {
      text += gapEvent(tail, partition, place, error);
    }
  }
  return text;
}

function recordEvent(
  { places, format, wantedKey }: LiveTail,
  partition: number,
  record: KafkaRecord,
): string {
  if (wantedKey !== null && !isSame(record.key, wantedKey)) return "";
  const data = `{"partition":${partition},${recordText(record, format).slice(1)}`;
  // JSON values are shown as they were written, so with line breaks between their parts.
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}`).join("\n");
  return `id: ${idOf(places)}\nevent: record\n${lines}\n\n`;
}

/** Goes on behind what was deleted; throws everything else. */
function gapEvent({ places }: LiveTail, partition: number, place: number, error: unknown): string {
  const logStartOffset = error instanceof Problem ? error.options.members?.["logStartOffset"] : undefined;
  const highWatermark = error instanceof Problem ? error.options.members?.["highWatermark"] : undefined;
  if (typeof logStartOffset !== "number" || typeof highWatermark !== "number") throw error;
  const nextOffset = place < logStartOffset ? logStartOffset : highWatermark;
  places.set(partition, nextOffset);
  const data = JSON.stringify({ partition, fromOffset: place, nextOffset });
  return `id: ${idOf(places)}\nevent: gap\ndata: ${data}\n\n`;
}

function idOf(places: ReadonlyMap<number, number>): string {
  return [...places].map(([partition, offset]) => `${partition}:${offset}`).join(",");
}

function isSame(a: Uint8Array | null, b: Uint8Array): boolean {
  return a !== null && a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** False when it stayed silent for long. */
async function somethingCame(
  { broker, topic, places, isolation }: LiveTail,
  left: AbortSignal,
): Promise<boolean> {
  const enough = new AbortController();
  const signal = AbortSignal.any([left, enough.signal]);
  const waits = [...places].map(([partition, offset]) =>
    broker.partition(topic.topicId, partition).ask(
      { type: "awaitData", offset, minBytes: 1, isolationLevel: isolation },
      { deadlineMs: SILENCE_MS, signal },
    )
  );
  try {
    return await Promise.any(waits);
  } catch {
    return false;
  } finally {
    enough.abort();
  }
}
