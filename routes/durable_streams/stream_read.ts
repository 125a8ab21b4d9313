/**
 * Reads a stream from the logs it is made of: those that a fork inherits, then its own. The readers' side needs no actor of
 * its own; what is behind the end of a closed stream is not read.
 */
import type { Broker } from "../../actors/broker.ts";
import type { FetchResult } from "../../actors/messages/partition.ts";
import { limits } from "../../core/config/limits.ts";
import { mediaType, type StreamRecord } from "../../core/stream/stream_record.ts";
import { concat } from "../../lib/bytes.ts";
import {
  iterateRecords,
  type KafkaRecord,
  readBatchHeader,
  RecordError,
} from "../../protocol/records/record_batch.ts";
import { kafkaProblem, Problem } from "../problem.ts";

export interface StreamChunk {
  readonly values: readonly Uint8Array[];
  readonly nextOffset: number;
  /** Nothing lies behind it at this moment. */
  readonly upToDate: boolean;
  /** And nothing ever will. */
  readonly closed: boolean;
}

export interface StreamTail {
  readonly offset: number;
  readonly closed: boolean;
}

/** 404: the stream, or the log behind it, is not there. */
export function absentStream(): Problem {
  return new Problem(404, { detail: "There is no such stream" });
}

/** Where the stream ends. Throws 404 when its topic was deleted through Kafka. */
export async function streamTail(broker: Broker, { streamId, base }: StreamRecord): Promise<StreamTail> {
  const { tail, closed } = await broker.stream(streamId).ask({ type: "describe" });
  if (tail === null) throw absentStream();
  return { offset: base + tail, closed };
}

/** From `start`, as much as fits in `bytesMax`, at least one record when there is any. Throws 400 beyond the end, 410 before the beginning. */
export async function readChunk(
  broker: Broker,
  stream: StreamRecord,
  start: number,
  bytesMax: number = limits.streamChunkBytesMax,
): Promise<StreamChunk> {
  const tail = await streamTail(broker, stream);
  if (start > tail.offset) throw new Problem(400, { detail: "The offset lies behind the end of the stream" });
  const own = { topicId: stream.streamId, base: stream.base, end: tail.offset };
  const values: Uint8Array[] = [];
  let nextOffset = start;
  let bytes = 0;
  for (const { topicId, base, end } of [...stream.segments, own]) {
    while (nextOffset >= base && nextOffset < end) {
      const { records } = await fetchFrom(broker, topicId, nextOffset - base, bytesMax - bytes);
      const before = nextOffset;
      for (const record of recordsOf(records)) {
        const offset = base + record.offset;
        if (offset < nextOffset || offset >= end) continue;
        const length = record.value?.length ?? 0;
        if (values.length > 0 && bytes + length > bytesMax) {
          return { values, nextOffset, upToDate: false, closed: false };
        }
        nextOffset = offset + 1;
        if (record.value !== null) values.push(record.value);
        bytes += length;
      }
      // Batches without records for clients, or emptied by compaction.
      const behind = Math.min(end, base + endOf(records));
      if (nextOffset === before || behind > nextOffset) nextOffset = Math.max(nextOffset, behind);
      if (nextOffset === before) break;
      if (bytes >= bytesMax && nextOffset < tail.offset) {
        return { values, nextOffset, upToDate: false, closed: false };
      }
    }
  }
  return {
    values,
    nextOffset,
    upToDate: nextOffset >= tail.offset,
    closed: tail.closed && nextOffset >= tail.offset,
  };
}

async function fetchFrom(
  broker: Broker,
  topicId: string,
  offset: number,
  bytesMax: number,
): Promise<FetchResult> {
  const result = await broker.partition(topicId, 0).ask({
    type: "fetch",
    offset,
    maxBytes: Math.max(1, bytesMax),
    minOneBatch: true,
    isolationLevel: "read_uncommitted",
    currentLeaderEpoch: -1,
  });
  switch (result.error) {
    case "NONE":
      return result;
    case "UNKNOWN_TOPIC_OR_PARTITION":
      throw absentStream();
    case "OFFSET_OUT_OF_RANGE":
      if (offset < result.logStartOffset) {
        throw new Problem(410, { detail: "The records at this offset were deleted" });
      }
  }
  throw kafkaProblem(result.error, null);
}

function endOf(batches: readonly Uint8Array[]): number {
  const last = batches.at(-1);
  if (last === undefined) return 0;
  const { baseOffset, lastOffsetDelta } = readBatchHeader(last);
  return baseOffset + lastOffsetDelta + 1;
}

function* recordsOf(batches: readonly Uint8Array[]): Generator<KafkaRecord> {
  for (const batch of batches) {
    if (readBatchHeader(batch).isControl) continue;
    try {
      yield* iterateRecords(batch, { maxDecompressedBytes: limits.decompressedBatchBytesMax });
    } catch (error) {
      if (error instanceof RecordError) throw new Problem(500, { detail: "A stored batch cannot be read" });
      throw error;
    }
  }
}

/** True when there may be something new at `offset`, which may be the stream's closure; false when the time is up. */
export async function waitForMore(
  broker: Broker,
  { streamId, base }: StreamRecord,
  offset: number,
  wait: { readonly ms: number; readonly signal: AbortSignal },
): Promise<void> {
  await broker.partition(streamId, 0).ask({
    type: "awaitData",
    offset: Math.max(0, offset - base),
    minBytes: 1,
    isolationLevel: "read_uncommitted",
  }, { deadlineMs: wait.ms, signal: wait.signal });
}

export function isJsonStream({ contentType }: StreamRecord): boolean {
  return mediaType(contentType) === "application/json";
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** The body of an answer: the bytes one after the other, or a JSON array. */
export function bodyOf(stream: StreamRecord, values: readonly Uint8Array[]): Uint8Array {
  return isJsonStream(stream) ? encoder.encode(jsonArrayOf(values)) : concat(values);
}

/** Kafka clients may have written anything into the topic: what is not JSON is shown as a JSON string. */
export function jsonArrayOf(values: readonly Uint8Array[]): string {
  const texts = values.map((value) => utf8.decode(value));
  const list = `[${texts.join(",")}]`;
  return lengthOfArray(list) === texts.length ? list : `[${texts.map(jsonTextOf).join(",")}]`;
}

function lengthOfArray(text: string): number {
  try {
    return (JSON.parse(text) as unknown[]).length;
  } catch {
    return -1;
  }
}

function jsonTextOf(text: string): string {
  return lengthOfArray(`[${text}]`) === 1 ? text : JSON.stringify(text);
}
