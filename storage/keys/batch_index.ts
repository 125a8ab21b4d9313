/**
 * `["p", topicId, partition, "i", baseOffset]`: one entry for each stored batch, written in the commit that makes the
 * batch exist. Bytes that no entry names do not exist. Offsets without an entry: below the log start trimmed, at or
 * above the log end not yet written, anything between is corruption. Owner: `log_writer.ts`.
 *
 * Value v1, 62 bytes and the place:
 * ```
 * 0 version | 1 place u8 | 2 leaderEpoch i32 | 6 token: incarnation 16 B, opening i32, n i64 | 34 lastOffset i64 |
 * 42 maxTimestamp i64 | 50 sizeBytes i32 | 54 crc u32 | 58 previousCrc u32 | 62 place:
 *   0 INLINE   the batch itself
 *   1 CHUNKS   bytes per chunk i32, chunk count i32, attempt (int16 length, text)
 *   2 EXTENT   a piece of a segment file: number of the file i32 (its name is in the head), position i64
 *   3 HOLE     nothing (v2): compaction removed every batch of these offsets
 * ```
 * Value v2, for what compaction has touched and for batches without timestamps, has behind `previousCrc`:
 * ```
 * 62 chainCrc u32 | 66 deleteHorizonMs i64 | 74 appendedMs i64 | 82 place
 * ```
 * The version byte has its two highest bits set, and a seal (`value_codec.ts`, 4 bytes) ends the entry: behind the place, but in front of
 * an inline batch, which has a CRC of its own. Entries that were written before there were seals have neither.
 *
 * `crc` is the CRC-32C of the batch as `stored_crc.ts` computes it. `previousCrc` is the `chainCrc` of the entry before: that of
 * the batch as it was first written, or of the last of those that a hole stands for. So the chain along the log stays whole when
 * compaction replaces entries in its middle.
 * Encoded by hand: this is the hot path, and the batch is copied exactly once, into the value.
 */
import { ByteReader, ByteWriter } from "../../lib/bytes.ts";
import {
  checkSeal,
  decodeValue,
  isSealed,
  readValue,
  SEAL_BYTES,
  SEALED,
  versionOf,
  writeSeal,
} from "./value_codec.ts";
import { type CommitToken, readToken, writeToken } from "./shard_head.ts";

/** Where a batch's bytes lie. Ordinals are stored and never used again. */
export const PLACE = { inline: 0, chunks: 1, extent: 2, hole: 3 } as const;

export type BatchPlace =
  | { readonly kind: "inline"; readonly bytes: Uint8Array }
  | {
    readonly kind: "chunks";
    readonly chunkBytes: number;
    readonly chunkCount: number;
    /** "" for pieces in the entry's own commit. */
    readonly attempt: string;
  }
  | { readonly kind: "extent"; readonly fileNumber: number; readonly position: number }
  | { readonly kind: "hole" };

/** What v2 adds; absent: what v1 means. */
export interface BatchIndexExtension {
  /** What the next entry's `previousCrc` is. */
  readonly chainCrc: number;
  /** When its tombstones, or the marker that it is, may go; -1: not yet decided. */
  readonly deleteHorizonMs: number;
  /** Wall clock of the append of a batch without timestamps, for retention; -1 for none. */
  readonly appendedMs: number;
}

export interface BatchIndexEntry extends BatchIndexExtension {
  readonly leaderEpoch: number;
  /** The commit that wrote it: evidence that outlives later appends. */
  readonly token: CommitToken;
  readonly lastOffset: number;
  /** Milliseconds, -1 for none. */
  readonly maxTimestamp: number;
  readonly sizeBytes: number;
  readonly crc: number;
  readonly previousCrc: number;
  readonly place: BatchPlace;
}

/** Of an inline batch's entry, in either version. */
export const BATCH_INDEX_OVERHEAD_BYTES = 82 + SEAL_BYTES;

const PLAIN_VERSION = 1;
const VERSION = 2;

/** An entry as it is written: without the extension where v1 says it all. */
export type NewBatchIndexEntry =
  & Omit<BatchIndexEntry, keyof BatchIndexExtension>
  & Partial<BatchIndexExtension>;

export function encodeBatchIndex(entry: NewBatchIndexEntry): Uint8Array {
  const { place, chainCrc = entry.crc, deleteHorizonMs = -1, appendedMs = -1 } = entry;
  const isPlain = chainCrc === entry.crc && deleteHorizonMs < 0 && appendedMs < 0 && place.kind !== "hole";
  const writer = new ByteWriter(BATCH_INDEX_OVERHEAD_BYTES + 64);
  writer.uint8((isPlain ? PLAIN_VERSION : VERSION) | SEALED);
  writer.uint8(PLACE[place.kind]);
  writer.int32(entry.leaderEpoch);
  writeToken(writer, entry.token);
  writer.int64(entry.lastOffset);
  writer.int64(entry.maxTimestamp);
  writer.int32(entry.sizeBytes);
  writer.uint32(entry.crc);
  writer.uint32(entry.previousCrc);
  if (!isPlain) {
    writer.uint32(chainCrc);
    writer.int64(deleteHorizonMs);
    writer.int64(appendedMs);
  }
  if (place.kind === "extent") {
    writer.int32(place.fileNumber);
    writer.int64(place.position);
  } else if (place.kind === "chunks") {
    writer.int32(place.chunkBytes);
    writer.int32(place.chunkCount);
    writer.string(place.attempt);
  }
  const head = writer.toBytes();
  const batch = place.kind === "inline" ? place.bytes : null;
  const value = new Uint8Array(head.length + SEAL_BYTES + (batch?.length ?? 0));
  value.set(head);
  writeSeal(value, head.length);
  if (batch !== null) value.set(batch, head.length + SEAL_BYTES);
  return value;
}

const WHAT = "batch index entry";
const PLAIN_HEAD_BYTES = 62;
const HEAD_BYTES = 82;

/** The inline bytes are a view of `value`. */
export function decodeBatchIndex(value: Uint8Array): BatchIndexEntry {
  // A wrong version or place is told by the seal, wherever it is looked for.
  const isInline = value[1] === PLACE.inline;
  if (isSealed(value) && isInline) {
    const headBytes = versionOf(value) === PLAIN_VERSION ? PLAIN_HEAD_BYTES : HEAD_BYTES;
    checkSeal(WHAT, value, headBytes);
    const entry = readValue(WHAT, VERSION, value.subarray(0, headBytes), readEntry);
    return { ...entry, place: { kind: "inline", bytes: value.subarray(headBytes + SEAL_BYTES) } };
  }
  return decodeValue(WHAT, VERSION, value, readEntry);
}

function readEntry(reader: ByteReader, version: number): BatchIndexEntry {
  const place = reader.uint8();
  const entry = {
    leaderEpoch: reader.int32(),
    token: readToken(reader),
    lastOffset: reader.int64(),
    maxTimestamp: reader.int64(),
    sizeBytes: reader.int32(),
    crc: reader.uint32(),
    previousCrc: reader.uint32(),
  };
  if (entry.sizeBytes < 0) reader.fail(`Batch size is ${entry.sizeBytes}`);
  const extension = version === PLAIN_VERSION
    ? { chainCrc: entry.crc, deleteHorizonMs: -1, appendedMs: -1 }
    : { chainCrc: reader.uint32(), deleteHorizonMs: reader.int64(), appendedMs: reader.int64() };
  return { ...entry, ...extension, place: readPlace(reader, place) };
}

function readPlace(reader: ByteReader, place: number): BatchPlace {
  switch (place) {
    case PLACE.inline:
      return { kind: "inline", bytes: reader.bytes(reader.remaining) };
    case PLACE.chunks:
      return {
        kind: "chunks",
        chunkBytes: reader.int32(),
        chunkCount: reader.int32(),
        attempt: reader.string(),
      };
    case PLACE.extent:
      return { kind: "extent", fileNumber: reader.int32(), position: reader.int64() };
    case PLACE.hole:
      return { kind: "hole" };
    default:
      return reader.fail(`Place ${place} is unknown`);
  }
}
