/**
 * The live modes of Durable Streams: long poll, and server-sent events with a control event behind each piece of data.
 *
 * An event stream is pulled: a slow reader holds one chunk of memory. It ends after a while, so that caches in front can
 * collapse readers. Source: PROTOCOL.md §5.7, §5.8, §10.1.
 */
import type { Broker } from "../../actors/broker.ts";
import { AskDeadlineError } from "../../actors/runtime/errors.ts";
import type { StreamRecord } from "../../core/stream/stream_record.ts";
import { formatStreamOffset } from "../../core/stream/stream_offset.ts";
import { mediaType } from "../../core/stream/stream_record.ts";
import { encodeBase64 } from "../../lib/base64.ts";
import { concat } from "../../lib/bytes.ts";
import { isJsonStream, jsonArrayOf, readChunk, type StreamChunk, waitForMore } from "./stream_read.ts";

const CURSOR_EPOCH_MS = Date.UTC(2024, 9, 9);
const CURSOR_INTERVAL_MS = 20_000;
/** An hour, in intervals. */
const CURSOR_JITTER_MAX = 180;

/** Rises with time, and above what the reader brought: so no cache answers a reader for ever with the same. */
export function nextCursor({ env }: Broker, given: string | null): string {
  const current = Math.floor((env.now() - CURSOR_EPOCH_MS) / CURSOR_INTERVAL_MS);
  const brought = given !== null && /^\d{1,15}$/.test(given) ? Number(given) : -1;
  if (brought < current) return String(current);
  return String(brought + 1 + Math.floor(env.random() * CURSOR_JITTER_MAX));
}

export interface LiveRead {
  readonly broker: Broker;
  readonly stream: StreamRecord;
  readonly offset: number;
  /** What the reader echoes. */
  readonly cursor: string | null;
  readonly signal: AbortSignal;
  /** Begins the sliding lifetime anew; rejects when the stream is gone. */
  readonly touch: () => Promise<void>;
}

/** The first chunk with data, or an empty one when the stream is closed or the time is up. */
export async function longPoll(read: LiveRead): Promise<StreamChunk> {
  const { broker, stream } = read;
  const deadlineMs = broker.env.mono() + Number(broker.config("stream.long.poll.timeout.ms"));
  let { offset } = read;
  while (true) {
    const chunk = await readChunk(broker, stream, offset);
    if (chunk.values.length > 0 || chunk.closed) return chunk;
    offset = chunk.nextOffset;
    if (!await waitUntil(read, offset, deadlineMs)) return chunk;
  }
}

/** False when the time is up or the reader left. */
async function waitUntil(read: LiveRead, offset: number, deadlineMs: number): Promise<boolean> {
  const { broker, stream, signal, touch } = read;
  while (true) {
    const restMs = deadlineMs - broker.env.mono();
    if (restMs <= 0 || signal.aborted) return false;
    // A reader that waits keeps the stream alive.
    const ms = Math.min(restMs, (stream.lifetime.ttlSeconds ?? Infinity) * 500);
    try {
      await waitForMore(broker, stream, offset, { ms: Math.max(1, ms), signal });
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      if (!(error instanceof AskDeadlineError)) throw error;
      if (ms < restMs) await touch();
    }
  }
}

/** Whether data goes out as base64. */
export function needsBase64({ contentType }: StreamRecord): boolean {
  const type = mediaType(contentType);
  return type !== "application/json" && !type.startsWith("text/");
}

const encoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

export function eventStream(read: LiveRead, startOffset: number): ReadableStream<Uint8Array> {
  const { broker, stream } = read;
  const deadlineMs = broker.env.mono() + Number(broker.config("stream.sse.connection.ms"));
  let offset = startOffset;
  let { cursor } = read;
  let isFirst = true;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        while (true) {
          const chunk = await readChunk(broker, stream, offset);
          offset = chunk.nextOffset;
          const hasData = chunk.values.length > 0;
          if (hasData || chunk.closed || isFirst) {
            isFirst = false;
            cursor = nextCursor(broker, cursor);
            const data = hasData ? dataEvent(stream, chunk.values) : "";
            controller.enqueue(encoder.encode(data + controlEvent(chunk, cursor)));
            if (chunk.closed || broker.env.mono() >= deadlineMs) controller.close();
            return;
          }
          if (!await waitUntil(read, offset, deadlineMs)) return controller.close();
        }
      } catch {
        // The stream was deleted or the server stops: the reader comes again and is told.
        controller.close();
      }
    },
  }, { highWaterMark: 0 });
}

function dataEvent(stream: StreamRecord, values: readonly Uint8Array[]): string {
  const text = isJsonStream(stream)
    ? jsonArrayOf(values)
    : needsBase64(stream)
    ? encodeBase64(concat(values))
    : utf8.decode(concat(values));
  // Each line break would end the field, so each line is a field of its own.
  return `event: data\n${
    text.split(/\r\n|\r|\n/).map((line) => `data:${line.startsWith(" ") ? " " : ""}${line}\n`).join("")
  }\n`;
}

function controlEvent({ nextOffset, upToDate, closed }: StreamChunk, cursor: string): string {
  const control = {
    streamNextOffset: formatStreamOffset(nextOffset),
    ...(closed ? {} : { streamCursor: cursor }),
    ...(upToDate ? { upToDate } : {}),
    ...(closed ? { streamClosed: true } : {}),
  };
  return `event: control\ndata:${JSON.stringify(control)}\n\n`;
}
