/**
 * Durable Streams at `/v1/stream/{path}`: create, append, read, close, delete, fork. Every answer, also a failure, has the
 * headers that keep a browser from taking the data for a document.
 *
 * Source: PROTOCOL.md of Durable Streams, 1.0. Beyond it: offsets are those of a Kafka topic, which Kafka clients can read.
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Broker } from "../../actors/broker.ts";
import type { CreatedStream, RefusedAppend } from "../../actors/messages/stream.ts";
import type { StreamChanged, StreamRemoved } from "../../actors/messages/subscription.ts";
import { formatStreamOffset, parseStreamOffset } from "../../core/stream/stream_offset.ts";
import {
  isSameMediaType,
  matchesWish,
  mediaType,
  type StreamRecord,
} from "../../core/stream/stream_record.ts";
import { limits } from "../../core/config/limits.ts";
import { knownResponse } from "../../lib/known_body.ts";
import { checkTopicAccess } from "../access.ts";
import { labelRoute } from "../route_label.ts";
import { Problem, problemResponse } from "../problem.ts";
import { isDeeperThan, parseExactly, readBytes } from "../request_body.ts";
import {
  contentTypeOf,
  type ForkWish,
  forkWishOf,
  lifetimeOf,
  producerOf,
  saysClosed,
  securityHeaders,
  STREAM_ROOT,
  streamHeader,
  streamPathOf,
  streamSeqOf,
} from "./stream_headers.ts";
import { eventStream, type LiveRead, longPoll, needsBase64, nextCursor } from "./stream_live.ts";
import {
  absentStream,
  bodyOf,
  isJsonStream,
  readChunk,
  type StreamChunk,
  streamTail,
} from "./stream_read.ts";
import { answerControl, CONTROL_ROOT } from "./subscriptions.ts";

const ALLOWED = "GET, HEAD, PUT, POST, DELETE, OPTIONS";
const CACHE_CHUNK = "public, max-age=60, stale-while-revalidate=300";

/** `toProblem` tells what a client may know of an error. */
export function streamsApp(broker: Broker, toProblem: (error: unknown) => Problem): OpenAPIHono {
  const app = new OpenAPIHono();
  app.all(`${STREAM_ROOT}*`, async ({ req }) => {
    let response: Response;
    try {
      response = await answer(broker, req.raw);
    } catch (error) {
      response = problemResponse(toProblem(error));
    }
    for (const [name, value] of Object.entries(securityHeaders)) response.headers.set(name, value);
    return response;
  });
  return app;
}

function answer(broker: Broker, request: Request): Response | Promise<Response> {
  const url = new URL(request.url);
  if (request.method === "OPTIONS") return preflight();
  if (url.pathname.startsWith(`${CONTROL_ROOT}/`)) return answerControl(broker, request);
  const path = streamPathOf(url.pathname);
  labelRoute(request, `${STREAM_ROOT}{path}`);
  switch (request.method) {
    case "PUT":
      return create(broker, request, path, url);
    case "POST":
      return append(broker, request, path);
    case "GET":
      return read(broker, request, path, url.searchParams);
    case "HEAD":
      return describe(broker, path);
    case "DELETE":
      return remove(broker, path);
    default:
      throw new Problem(405, {
        detail: `Method ${request.method} does not apply here`,
        headers: { allow: ALLOWED },
      });
  }
}

/** Tells the methods and headers; no other origin is let in, so a browser goes on only on the same one. */
function preflight(): Response {
  return new Response(null, {
    status: 204,
    headers: {
      allow: ALLOWED,
      "access-control-allow-methods": ALLOWED,
      "access-control-allow-headers": ["content-type", "if-none-match", ...Object.values(streamHeader)].join(
        ", ",
      ),
      "access-control-max-age": "600",
    },
  });
}

async function find(broker: Broker, path: string, touch: boolean): Promise<StreamRecord> {
  const found = await broker.streams.ask({ type: "lookUp", path, touch });
  switch (found.type) {
    case "found":
      if (!hasLog(broker, found.stream)) throw absentStream();
      return found.stream;
    case "gone":
      throw new Problem(410, { detail: "The stream was deleted; it is kept for its forks only" });
    case "absent":
      throw absentStream();
  }
}

/** A subscription that misses this hears of it with the next append. */
function tellSubscriptions(broker: Broker, message: StreamChanged | StreamRemoved): void {
  try {
    broker.subscriptions.tell(message);
  } catch (error) {
    broker.log.warn("Subscriptions could not be told of a stream", { error: String(error) });
  }
}

/** False when its topic was deleted through Kafka. */
function hasLog(broker: Broker, { streamId }: StreamRecord): boolean {
  return broker.metadata.topicsById.has(streamId);
}

interface CreationWish {
  readonly contentType: string | null;
  readonly lifetime: ReturnType<typeof lifetimeOf>;
  readonly fork: ForkWish | null;
}

async function create(broker: Broker, request: Request, path: string, url: URL): Promise<Response> {
  const { headers } = request;
  const fork = forkWishOf(headers);
  const given = contentTypeOf(headers);
  const wish: CreationWish = {
    contentType: given ?? (fork === null ? "application/octet-stream" : null),
    lifetime: lifetimeOf(headers),
    fork,
  };
  const close = saysClosed(headers);
  const body = await readBytes(request, broker.env);
  const existing = await broker.streams.ask({ type: "lookUp", path, touch: false });
  if (existing.type === "gone") {
    throw new Problem(409, { detail: "The stream was deleted; its path is kept for its forks" });
  }
  if (existing.type === "found") {
    const { stream } = existing;
    if (hasLog(broker, stream)) return await confirm(broker, stream, wish, close);
    await broker.streams.ask({ type: "remove", path, streamId: stream.streamId });
  }
  if (fork !== null) checkTopicAccess(request, "consume", fork.from);
  const origin = fork === null ? null : await resolveFork(broker, fork);
  const contentType = wish.contentType ?? origin?.source.contentType ?? "";
  const values = body.length === 0 ? [] : valuesOf(contentType, body);
  const created = await broker.streams.ask({
    type: "create",
    path,
    contentType: wish.contentType,
    lifetime: wish.lifetime,
    values: origin?.prefix === undefined || origin.prefix === null ? values : [origin.prefix, ...values],
    close,
    fork: fork === null || origin === null ? null : {
      from: fork.from,
      sourceId: origin.source.streamId,
      offset: origin.offset,
      offsetGiven: fork.offset !== null,
      subOffset: fork.subOffset,
      base: origin.base,
    },
  });
  if (created.type === "exists") return await confirm(broker, created.stream, wish, close);
  if (created.type !== "created") throw refusedCreation(created);
  const { stream, logEndOffset } = created;
  if (logEndOffset > 0) {
    tellSubscriptions(broker, { type: "changed", path, tail: stream.base + logEndOffset });
  }
  return createdResponse(201, stream, { offset: stream.base + logEndOffset, closed: close }, {
    location: `${url.origin}${url.pathname}`,
  });
}

function refusedCreation({ type }: Exclude<CreatedStream, { type: "created" | "exists" }>): Problem {
  switch (type) {
    case "gone":
      return new Problem(409, { detail: "The stream was deleted; its path is kept for its forks" });
    case "sourceAbsent":
      return new Problem(404, { detail: "There is no stream to fork at Stream-Forked-From" });
    case "sourceGone":
      return new Problem(409, { detail: "The stream to fork was deleted" });
    case "contentTypeMismatch":
      return new Problem(409, { detail: "A fork has the Content-Type of its source" });
    case "topicExists":
      return new Problem(409, { detail: "A topic that is no stream has this name" });
  }
}

/** The answer to a creation of what is there. */
async function confirm(
  broker: Broker,
  stream: StreamRecord,
  wish: CreationWish,
  close: boolean,
): Promise<Response> {
  const tail = await streamTail(broker, stream);
  if (!matchesWish(stream, wish) || tail.closed !== close) {
    throw new Problem(409, { detail: "The stream exists with another configuration" });
  }
  return createdResponse(200, stream, tail);
}

function createdResponse(
  status: number,
  { contentType }: StreamRecord,
  { offset, closed }: { readonly offset: number; readonly closed: boolean },
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(null, {
    status,
    headers: {
      "content-type": contentType,
      [streamHeader.nextOffset]: formatStreamOffset(offset),
      ...(closed ? { [streamHeader.closed]: "true" } : {}),
      ...headers,
    },
  });
}

interface ForkPoint {
  readonly source: StreamRecord;
  readonly offset: number;
  /** Where the fork's own log begins. */
  readonly base: number;
  /** The part of a record that the fork begins with. */
  readonly prefix: Uint8Array | null;
}

async function resolveFork(broker: Broker, fork: ForkWish): Promise<ForkPoint> {
  const found = await broker.streams.ask({ type: "lookUp", path: fork.from, touch: false });
  if (found.type === "absent") throw refusedCreation({ type: "sourceAbsent" });
  if (found.type === "gone") throw refusedCreation({ type: "sourceGone" });
  const source = found.stream;
  const tail = await streamTail(broker, source);
  const offset = fork.offset ?? tail.offset;
  if (offset > tail.offset) {
    throw new Problem(400, { detail: "Stream-Fork-Offset lies behind the source's end" });
  }
  const { subOffset } = fork;
  if (subOffset === 0) return { source, offset, base: offset, prefix: null };
  const overshoot = new Problem(400, {
    detail: "Stream-Fork-Sub-Offset goes beyond what follows the offset",
  });
  if (isJsonStream(source)) {
    if (offset + subOffset > tail.offset) throw overshoot;
    return { source, offset, base: offset + subOffset, prefix: null };
  }
  const [first] = (await readChunk(broker, source, offset, 1)).values;
  if (first === undefined || subOffset > first.length) throw overshoot;
  return { source, offset, base: offset, prefix: first.slice(0, subOffset) };
}

/** The records of a body: one, or those of a JSON array. */
function valuesOf(contentType: string, body: Uint8Array): Uint8Array[] {
  if (mediaType(contentType) !== "application/json") return [body];
  const value = parseJson(body);
  const messages = Array.isArray(value) ? value as unknown[] : [value];
  if (messages.length > limits.httpProduceRecordsMax) {
    throw new Problem(400, { detail: `The array has more than ${limits.httpProduceRecordsMax} elements` });
  }
  return messages.map((message) => encoder.encode(JSON.stringify(message)));
}

const encoder = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

function parseJson(body: Uint8Array): unknown {
  let text: string;
  try {
    text = strictUtf8.decode(body);
  } catch {
    throw new Problem(400, { detail: "The body is not UTF-8" });
  }
  if (isDeeperThan(text, limits.jsonDepthMax)) {
    throw new Problem(400, { detail: `The body is nested deeper than ${limits.jsonDepthMax} levels` });
  }
  try {
    return parseExactly(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Problem(400, { detail: "The body is not JSON" });
  }
}

async function append(broker: Broker, request: Request, path: string): Promise<Response> {
  const { headers } = request;
  const producer = producerOf(headers);
  const streamSeq = streamSeqOf(headers);
  const close = saysClosed(headers);
  const body = await readBytes(request, broker.env);
  const stream = await find(broker, path, true);
  let values: Uint8Array[] = [];
  let contentTypeMatches = true;
  if (body.length > 0) {
    const given = contentTypeOf(headers);
    if (given === null) throw new Problem(400, { detail: "Content-Type is missing" });
    contentTypeMatches = isSameMediaType(given, stream.contentType);
    // Whether the stream is closed is told first, so what does not fit is looked at only there.
    values = contentTypeMatches ? valuesOf(stream.contentType, body) : [body];
    if (values.length === 0) {
      throw new Problem(400, { detail: "The array is empty: there is nothing to append" });
    }
  } else if (!close) throw new Problem(400, { detail: "The body is empty: there is nothing to append" });
  const result = await broker.stream(stream.streamId).ask({
    type: "append",
    values,
    close,
    contentTypeMatches,
    producer,
    streamSeq,
  });
  switch (result.type) {
    case "absent":
      throw absentStream();
    case "refused":
      return problemResponse(refusedAppend(result.refusal, stream.base + result.tail, producer?.seq ?? 0));
    case "appended":
    case "duplicate": {
      if (result.type === "appended" && values.length > 0) {
        tellSubscriptions(broker, { type: "changed", path, tail: stream.base + result.tail });
      }
      const isNew = result.type === "appended" && producer !== null && values.length > 0;
      const epoch = result.type === "duplicate" ? result.epoch : producer?.epoch;
      return new Response(null, {
        status: isNew ? 200 : 204,
        headers: {
          [streamHeader.nextOffset]: formatStreamOffset(stream.base + result.tail),
          ...(result.closed ? { [streamHeader.closed]: "true" } : {}),
          ...(producer === null || epoch === undefined || result.lastSeq < 0 ? {} : {
            [streamHeader.producerEpoch]: String(epoch),
            [streamHeader.producerSeq]: String(result.lastSeq),
          }),
        },
      });
    }
  }
}

function refusedAppend(refusal: RefusedAppend, tail: number, receivedSeq: number): Problem {
  switch (refusal.type) {
    case "refusedClosed":
      return new Problem(409, {
        detail: "The stream is closed",
        headers: { [streamHeader.closed]: "true", [streamHeader.nextOffset]: formatStreamOffset(tail) },
      });
    case "contentTypeMismatch":
      return new Problem(409, { detail: "The Content-Type is not that of the stream" });
    case "streamSeqRegression":
      return new Problem(409, { detail: "Stream-Seq does not come after the last one" });
    case "staleEpoch":
      return new Problem(403, {
        detail: "A newer epoch of this producer writes to the stream",
        headers: { [streamHeader.producerEpoch]: String(refusal.epoch) },
      });
    case "epochStart":
      return new Problem(400, { detail: "A new epoch begins with Producer-Seq 0" });
    case "sequenceGap":
      return new Problem(409, {
        detail: "Producer-Seq leaves a gap",
        headers: {
          [streamHeader.producerExpectedSeq]: String(refusal.expectedSeq),
          [streamHeader.producerReceivedSeq]: String(receivedSeq),
        },
      });
  }
}

async function describe(broker: Broker, path: string): Promise<Response> {
  const stream = await find(broker, path, false);
  const { offset, closed } = await streamTail(broker, stream);
  const { ttlSeconds, expiresAtMs } = stream.lifetime;
  return new Response(null, {
    status: 200,
    headers: {
      "content-type": stream.contentType,
      "cache-control": "no-store",
      [streamHeader.nextOffset]: formatStreamOffset(offset),
      ...(closed ? { [streamHeader.closed]: "true" } : {}),
      ...(ttlSeconds === null ? {} : { [streamHeader.ttl]: String(ttlSeconds) }),
      ...(expiresAtMs === null ? {} : { [streamHeader.expiresAt]: new Date(expiresAtMs).toISOString() }),
    },
  });
}

async function remove(broker: Broker, path: string): Promise<Response> {
  const { type } = await broker.streams.ask({ type: "remove", path });
  if (type === "absent") throw absentStream();
  if (type === "gone") throw new Problem(410, { detail: "The stream was deleted before" });
  tellSubscriptions(broker, { type: "removed", path });
  return new Response(null, { status: 204 });
}

const NOW = "now";

async function read(
  broker: Broker,
  request: Request,
  path: string,
  query: URLSearchParams,
): Promise<Response> {
  const live = query.get("live");
  if (live !== null && live !== "long-poll" && live !== "sse") {
    throw new Problem(400, { detail: 'live: expected "long-poll" or "sse"' });
  }
  const given = offsetOf(query, live !== null);
  const stream = await find(broker, path, true);
  const isNow = given === NOW;
  const offset = isNow ? (await streamTail(broker, stream)).offset : given;
  const cursor = query.get("cursor");
  if (live === null) {
    const chunk = isNow
      ? await emptyChunkAt(broker, stream, offset)
      : await readChunk(broker, stream, offset);
    return chunkResponse(request, stream, { start: offset, chunk, isNow, cursor: null });
  }
  const { signal } = request;
  const touch = async () => void await find(broker, path, true);
  const liveRead: LiveRead = { broker, stream, offset, cursor, signal, touch };
  if (live === "sse") {
    return new Response(eventStream(liveRead, offset), {
      headers: {
        "content-type": "text/event-stream",
        "cache-control": "no-cache",
        ...(needsBase64(stream) ? { [streamHeader.sseEncoding]: "base64" } : {}),
      },
    });
  }
  const chunk = await longPoll(liveRead);
  if (signal.aborted) return new Response(null, { status: 204 });
  const next = chunk.closed ? null : nextCursor(broker, cursor);
  if (chunk.values.length === 0) {
    return new Response(null, {
      status: 204,
      headers: { "cache-control": "no-store", ...tailHeaders(chunk, next) },
    });
  }
  return chunkResponse(request, stream, { start: offset, chunk, isNow, cursor: next });
}

function offsetOf(query: URLSearchParams, isRequired: boolean): number | typeof NOW {
  const values = query.getAll("offset");
  const [text] = values;
  if (text === undefined) {
    if (isRequired) throw new Problem(400, { detail: "offset: is missing, live modes need it" });
    return 0;
  }
  if (values.length > 1) throw new Problem(400, { detail: "offset: is given twice" });
  if (text === "-1") return 0;
  if (text === NOW) return NOW;
  const offset = parseStreamOffset(text);
  if (offset === null) throw new Problem(400, { detail: "offset: is not an offset of this server" });
  return offset;
}

async function emptyChunkAt(broker: Broker, stream: StreamRecord, offset: number): Promise<StreamChunk> {
  const { closed } = await streamTail(broker, stream);
  return { values: [], nextOffset: offset, upToDate: true, closed };
}

function tailHeaders(
  { nextOffset, upToDate, closed }: StreamChunk,
  cursor: string | null,
): Record<string, string> {
  return {
    [streamHeader.nextOffset]: formatStreamOffset(nextOffset),
    ...(upToDate ? { [streamHeader.upToDate]: "true" } : {}),
    ...(closed ? { [streamHeader.closed]: "true" } : {}),
    ...(cursor === null ? {} : { [streamHeader.cursor]: cursor }),
  };
}

interface ChunkAnswer {
  readonly start: number;
  readonly chunk: StreamChunk;
  readonly isNow: boolean;
  readonly cursor: string | null;
}

function chunkResponse(
  request: Request,
  stream: StreamRecord,
  { start, chunk, isNow, cursor }: ChunkAnswer,
): Response {
  const { values, nextOffset, closed } = chunk;
  const etag = `"${stream.streamId}:${start}:${nextOffset}${closed ? ":c" : ""}"`;
  const headers: Record<string, string> = {
    "cache-control": isNow ? "no-store" : CACHE_CHUNK,
    ...tailHeaders(chunk, cursor),
    ...(isNow ? {} : { etag }),
  };
  if (!isNow && matchesEtag(request.headers.get("if-none-match"), etag)) {
    return new Response(null, { status: 304, headers });
  }
  return knownResponse(bodyOf(stream, values) as Uint8Array<ArrayBuffer>, {
    headers: { "content-type": stream.contentType, ...headers },
  });
}

function matchesEtag(given: string | null, etag: string): boolean {
  return given !== null && given.split(",").some((one) => one.trim().replace(/^W\//, "") === etag);
}
