/**
 * The payload of a partition's shard head: the log's head, and what its writer must remember between commits so that
 * opening a log reads one key. Or the tombstone of a deleted partition, which keeps a late creator away until its
 * topic is gone from the metadata. Owner: `log_writer.ts`.
 *
 * Payload v1: version, state (uint8: 0 live, 1 deleted); live: log start, log end (int64), leader epoch (int32),
 * epochs as counted (int32, int64), max timestamp, its offset, size in bytes (int64), and of the writer: batch count
 * (int64), CRC of the last batch (uint32), batches and bytes since the last time entry (int64), whether there is one.
 * Payload v2 adds the segment files: next number (int32), files as counted (number int32, incarnation UUID, opening int32,
 * live bytes int64). Version 1 has none.
 */
import { emptyLogHead, type LeaderEpochStart, type LogHead } from "../../core/partition/log_head.ts";
import type { ByteReader } from "../../lib/bytes.ts";
import type { SegmentName } from "../segments.ts";
import { decodeValue, encodeValue, SEAL_BYTES } from "./value_codec.ts";

/** A segment file that index entries name, and how many bytes of it they name. */
export interface LiveSegment extends SegmentName {
  readonly liveBytes: number;
}

/** The writer's memory between two batches. */
export interface LogWriterState {
  /** Batches between log start and log end, to estimate their average size. */
  readonly batchCount: number;
  /** CRC-32C of the last batch's bytes; 0 before the first. */
  readonly lastCrc: number;
  /** Since the last entry of the sparse time index. */
  readonly batchesSinceTimeEntry: number;
  readonly bytesSinceTimeEntry: number;
  readonly hasTimeEntry: boolean;
  /** Above the number of every segment file that was ever named. */
  readonly nextFileNumber: number;
  /** In the order of their numbers. */
  readonly files: readonly LiveSegment[];
}

export interface LiveLogHead {
  readonly state: "live";
  readonly head: LogHead;
  readonly writer: LogWriterState;
}

export type LogHeadPayload = LiveLogHead | { readonly state: "deleted" };

export const emptyWriterState: LogWriterState = {
  batchCount: 0,
  lastCrc: 0,
  batchesSinceTimeEntry: 0,
  bytesSinceTimeEntry: 0,
  hasTimeEntry: false,
  nextFileNumber: 0,
  files: [],
};

const VERSION = 2;

export function encodeLogHead(payload: LogHeadPayload): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.uint8(payload.state === "live" ? 0 : 1);
    if (payload.state === "deleted") return;
    const { head, writer: state } = payload;
    writer.int64(head.logStartOffset);
    writer.int64(head.logEndOffset);
    writer.int32(head.leaderEpoch);
    writer.arrayLength(head.epochs.length);
    for (const { epoch, startOffset } of head.epochs) {
      writer.int32(epoch);
      writer.int64(startOffset);
    }
    writer.int64(head.maxTimestamp);
    writer.int64(head.maxTimestampOffset);
    writer.int64(head.sizeBytes);
    writer.int64(state.batchCount);
    writer.uint32(state.lastCrc);
    writer.int64(state.batchesSinceTimeEntry);
    writer.int64(state.bytesSinceTimeEntry);
    writer.bool(state.hasTimeEntry);
    writer.int32(state.nextFileNumber);
    writer.arrayLength(state.files.length);
    for (const file of state.files) {
      writer.int32(file.number);
      writer.uuid(file.incarnation);
      writer.int32(file.opening);
      writer.int64(file.liveBytes);
    }
  });
}

/** `null`, the payload of a head that was only just created, is an empty live log. */
export function decodeLogHead(payload: Uint8Array | null): LogHeadPayload {
  if (payload === null) return { state: "live", head: emptyLogHead, writer: emptyWriterState };
  return decodeValue<LogHeadPayload>("log head", VERSION, payload, (reader, version) => {
    const state = reader.uint8();
    if (state === 1) return { state: "deleted" };
    if (state !== 0) reader.fail(`Log state ${state} is unknown`);
    const logStartOffset = reader.int64();
    const logEndOffset = reader.int64();
    const leaderEpoch = reader.int32();
    const epochs: LeaderEpochStart[] = [];
    const count = reader.arrayLength(12);
    for (let i = 0; i < count; i++) epochs.push({ epoch: reader.int32(), startOffset: reader.int64() });
    return {
      state: "live",
      head: {
        logStartOffset,
        logEndOffset,
        leaderEpoch,
        epochs,
        maxTimestamp: reader.int64(),
        maxTimestampOffset: reader.int64(),
        sizeBytes: reader.int64(),
      },
      writer: {
        batchCount: reader.int64(),
        lastCrc: reader.uint32(),
        batchesSinceTimeEntry: reader.int64(),
        bytesSinceTimeEntry: reader.int64(),
        hasTimeEntry: reader.bool(),
        nextFileNumber: version < 2 ? 0 : reader.int32(),
        files: version < 2 ? [] : readFiles(reader),
      },
    };
  });
}

function readFiles(reader: ByteReader): LiveSegment[] {
  const files: LiveSegment[] = [];
  const count = reader.arrayLength(LIVE_SEGMENT_BYTES);
  for (let i = 0; i < count; i++) {
    files.push({
      number: reader.int32(),
      incarnation: reader.uuid(),
      opening: reader.int32(),
      liveBytes: reader.int64(),
    });
  }
  return files;
}

/** Of one file in the payload. */
export const LIVE_SEGMENT_BYTES = 32;

/** Length of a live log's payload. */
export function logHeadBytes(head: LogHead, fileCount: number): number {
  return 87 + SEAL_BYTES + 12 * head.epochs.length + LIVE_SEGMENT_BYTES * fileCount;
}
