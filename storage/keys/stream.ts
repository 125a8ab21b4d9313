/**
 * The keys of streams, `["d", …]`: the registry's shard, and the snapshot of each stream's writer state.
 *
 * ```
 * ["d", "h"]                   head of the registry's shard              shard_head.ts
 * ["d", "r", path]             stream                                    here
 * ["d", "g", streamId]         stream whose data is to be deleted        here, value: version alone
 * ["d", "w", streamId, "h"]    head of a writer's shard, with the offset up to which the snapshot goes
 * ["d", "w", streamId, k]      piece k of the snapshot                   here
 * ["d", "q", …]                subscriptions                             subscription.ts
 * ```
 * Owner: `stream_store.ts`.
 *
 * Value v1 of a stream: version, state (uint8), stream id (UUID), topic, content type (compact strings), wall clocks of the
 * creation and of the last access, then effective and wished TTL in seconds and end of life (int64, -1 for none), base
 * (int64), fork count (int32), segments (topic id, base, end), then 0 or 1 and the origin of a fork: path (compact string),
 * source id (UUID), offset (int64), whether it was given, sub-offset (int64).
 * Payload v1 of a writer's head: version, offset (int64), piece count (int32). Snapshot v1: version, whether it is closed,
 * closed tail (int64), who closed it and last Stream-Seq (compact nullable strings; epoch and seq int64), producers
 * (id as compact string, epoch and seq int64), oldest first.
 */
import type { ByteReader, ByteWriter } from "../../lib/bytes.ts";
import { invariant } from "../../lib/invariant.ts";
import type { ProducerTag } from "../../core/stream/record_note.ts";
import {
  type ForkOrigin,
  type Lifetime,
  STREAM_STATES,
  type StreamRecord,
} from "../../core/stream/stream_record.ts";
import type { WriterState } from "../../core/stream/writer_state.ts";
import { CorruptStorageError } from "../errors.ts";
import type { KvKey } from "../storage.ts";
import { FAMILY } from "./keyspace.ts";
import { uuidBytes, uuidText } from "./uuid.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

const VERSION = 1;
const NONE = -1;

export const streamRegistryHeadKey: KvKey = [FAMILY.stream, "h"];
export const streamRecordsPrefix: KvKey = [FAMILY.stream, "r"];
export const streamGarbagePrefix: KvKey = [FAMILY.stream, "g"];

export function streamRecordKey(path: string): KvKey {
  return [...streamRecordsPrefix, path];
}

export function streamGarbageKey(streamId: string): KvKey {
  return [...streamGarbagePrefix, uuidBytes(streamId)];
}

export function streamIdOfGarbageKey(key: KvKey): string {
  return uuidText(key[2] as Uint8Array);
}

export function writerPrefix(streamId: string): KvKey {
  return [FAMILY.stream, "w", uuidBytes(streamId)];
}

export function writerHeadKey(streamId: string): KvKey {
  return [...writerPrefix(streamId), "h"];
}

export function writerPieceKey(streamId: string, k: number): KvKey {
  return [...writerPrefix(streamId), k];
}

export const streamGarbageValue: Uint8Array = encodeValue(VERSION, () => {});

export function encodeStreamRecord(record: StreamRecord): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.uint8(STREAM_STATES.indexOf(record.state));
    writer.uuid(record.streamId);
    writer.compactString(record.topic);
    writer.compactString(record.contentType);
    writer.int64(record.createdAtMs);
    writer.int64(record.lastAccessMs);
    writeLifetime(writer, record.lifetime);
    writeLifetime(writer, record.wishedLifetime);
    writer.int64(record.base);
    writer.int32(record.forkCount);
    writer.arrayLength(record.segments.length);
    for (const { topicId, base, end } of record.segments) {
      writer.uuid(topicId);
      writer.int64(base);
      writer.int64(end);
    }
    writer.bool(record.fork !== null);
    if (record.fork !== null) writeFork(writer, record.fork);
  });
}

/** `path` comes from the key. */
export function decodeStreamRecord(path: string, value: Uint8Array): StreamRecord {
  return decodeValue("stream", VERSION, value, (reader) => {
    const state = STREAM_STATES[reader.uint8()];
    if (state === undefined) throw new CorruptStorageError("Cannot read stream: unknown state");
    return {
      path,
      state,
      streamId: reader.uuid(),
      topic: reader.compactString(),
      contentType: reader.compactString(),
      createdAtMs: reader.int64(),
      lastAccessMs: reader.int64(),
      lifetime: readLifetime(reader),
      wishedLifetime: readLifetime(reader),
      base: reader.int64(),
      forkCount: reader.int32(),
      segments: Array.from({ length: reader.arrayLength(32) }, () => ({
        topicId: reader.uuid(),
        base: reader.int64(),
        end: reader.int64(),
      })),
      fork: reader.bool() ? readFork(reader) : null,
    };
  });
}

function writeLifetime(writer: ByteWriter, { ttlSeconds, expiresAtMs }: Lifetime): void {
  writer.int64(ttlSeconds ?? NONE);
  writer.int64(expiresAtMs ?? NONE);
}

function readLifetime(reader: ByteReader): Lifetime {
  const ttlSeconds = reader.int64();
  const expiresAtMs = reader.int64();
  return {
    ttlSeconds: ttlSeconds === NONE ? null : ttlSeconds,
    expiresAtMs: expiresAtMs === NONE ? null : expiresAtMs,
  };
}

function writeFork(writer: ByteWriter, fork: ForkOrigin): void {
  writer.compactString(fork.from);
  writer.uuid(fork.sourceId);
  writer.int64(fork.offset);
  writer.bool(fork.offsetGiven);
  writer.int64(fork.subOffset);
}

function readFork(reader: ByteReader): ForkOrigin {
  return {
    from: reader.compactString(),
    sourceId: reader.uuid(),
    offset: reader.int64(),
    offsetGiven: reader.bool(),
    subOffset: reader.int64(),
  };
}

export interface SnapshotHead {
  /** The first record of the log that the snapshot does not hold. */
  readonly offset: number;
  readonly pieceCount: number;
}

export function encodeSnapshotHead({ offset, pieceCount }: SnapshotHead): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.int64(offset);
    writer.int32(pieceCount);
  });
}

export function decodeSnapshotHead(payload: Uint8Array): SnapshotHead {
  return decodeValue("snapshot of a stream's writers", VERSION, payload, (reader) => ({
    offset: reader.int64(),
    pieceCount: reader.int32(),
  }));
}

/** `closedTail` is null while the stream is open. */
export interface WriterSnapshot {
  readonly state: WriterState;
  readonly closedTail: number | null;
}

export function encodeWriterSnapshot({ state, closedTail }: WriterSnapshot): Uint8Array {
  invariant(state.closed === (closedTail !== null), "A closed stream has a tail, an open one has none yet");
  return encodeValue(VERSION, (writer) => {
    writer.bool(state.closed);
    writer.int64(closedTail ?? NONE);
    writer.compactNullableString(state.closedBy?.id ?? null);
    writer.int64(state.closedBy?.epoch ?? 0);
    writer.int64(state.closedBy?.seq ?? 0);
    writer.compactNullableString(state.streamSeq);
    writer.arrayLength(state.producers.size);
    for (const [id, { epoch, lastSeq }] of state.producers) {
      writer.compactString(id);
      writer.int64(epoch);
      writer.int64(lastSeq);
    }
  });
}

export function decodeWriterSnapshot(value: Uint8Array): WriterSnapshot {
  return decodeValue("snapshot of a stream's writers", VERSION, value, (reader) => {
    const closed = reader.bool();
    const closedTail = reader.int64();
    const closedById = reader.compactNullableString();
    const closedBy: ProducerTag = { id: closedById ?? "", epoch: reader.int64(), seq: reader.int64() };
    const streamSeq = reader.compactNullableString();
    const producers: WriterState["producers"] = new Map();
    const count = reader.arrayLength(17);
    for (let index = 0; index < count; index++) {
      producers.set(reader.compactString(), { epoch: reader.int64(), lastSeq: reader.int64() });
    }
    const state = { closed, closedBy: closedById === null ? null : closedBy, streamSeq, producers };
    return { state, closedTail: closed ? closedTail : null };
  });
}
