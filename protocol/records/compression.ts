/**
 * Kafka's four codecs, synchronous and bounded: the boundary where compressed bytes from strangers become memory.
 *
 * gzip and zstd are the runtime's own (`node:zlib`), loaded on first use because loading them takes 10 to 20 ms of a
 * server's start; snappy and LZ4 lie beside this file. No codec allocates much beyond `maxBytes`, whatever the input claims.
 * Source: Kafka's `Compression` classes; RFC 1952, RFC 8878.
 */

import type * as Zlib from "node:zlib";
import { concat } from "../../lib/bytes.ts";
import { runAtOnce, type Steps } from "../../lib/steps.ts";
import { type Compression, COMPRESSIONS } from "./batch_header.ts";
import { lz4Compress, lz4Decompress } from "./lz4.ts";
import {
  CorruptRecordError,
  DecompressedTooLargeError,
  RecordError,
  UnsupportedCompressionError,
} from "./record_errors.ts";
import { snappyCompress, snappyDecompress } from "./snappy.ts";
import { readZstdFrame } from "./zstd_frame.ts";

export { type Compression, COMPRESSIONS };

/** Deflate cannot inflate more than this. */
const GZIP_RATIO_MAX = 1032;
/** Bounds of the piece that zlib hands out at a time. */
const CHUNK_BYTES_MIN = 1024;
const CHUNK_BYTES_MAX = 4 * 1024 * 1024;
/** Magic, header, empty body and trailer. */
const GZIP_BYTES_MIN = 18;
/**
 * Frames of zstd that are read: one for so many bytes of the bound, and some in any case. To begin one costs as much as
 * inflating these, and a megabyte of empty frames would take seconds. Producers write one.
 */
const ZSTD_FRAME_BYTES = 4096;
const ZSTD_FRAMES_MIN = 64;

export interface CompressOptions {
  /** As Kafka's `compression.gzip.level` and `compression.zstd.level`; the other codecs have none here. */
  readonly level?: number;
}

/**
 * Compresses with the framing that Kafka's Java clients write; with "none" returns `bytes` itself.
 * Throws `UnsupportedCompressionError` when this runtime lacks the codec.
 */
export function compress(codec: Compression, bytes: Uint8Array, options: CompressOptions = {}): Uint8Array {
  const { level } = options;
  switch (codec) {
    case "none":
      return bytes;
    case "gzip":
      return plain(zlib(codec).gzipSync(bytes, level === undefined ? {} : { level }));
    case "snappy":
      return snappyCompress(bytes);
    case "lz4":
      return lz4Compress(bytes);
    case "zstd":
      return plain(zlib(codec).zstdCompressSync(bytes, level === undefined ? {} : zstdOptions(level)));
    default:
      return unknownCodec(codec);
  }
}

/**
 * Inflates to at most `maxBytes`; with "none" returns `bytes` itself. Throws `DecompressedTooLargeError` beyond that,
 * `CorruptRecordError` for malformed input, `UnsupportedCompressionError` when this runtime lacks the codec.
 */
export function decompress(codec: Compression, bytes: Uint8Array, options: { maxBytes: number }): Uint8Array {
  switch (codec) {
    case "none":
      return bytes;
    case "gzip":
      return gunzip(bytes, options.maxBytes);
    case "snappy":
      return snappyDecompress(bytes, options.maxBytes);
    case "lz4":
      return lz4Decompress(bytes, options.maxBytes);
    case "zstd":
      return runAtOnce(unzstdSteps(bytes, options.maxBytes));
    default:
      return unknownCodec(codec);
  }
}

function gunzip(bytes: Uint8Array, maxBytes: number): Uint8Array {
  if (bytes.length < GZIP_BYTES_MIN) throw new CorruptRecordError("Cannot inflate gzip: it is cut short");
  // The trailer's size is a claim that zlib checks at the end: here it only sizes the first piece.
  const at = bytes.length - 4;
  const claim = (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  const size = Math.min(claim, bytes.length * GZIP_RATIO_MAX);
  return inflate("gzip", maxBytes, () => zlib("gzip").gunzipSync(bytes, limits(size, maxBytes)));
}

/**
 * Inflates zstd as `decompress` does, with a place to rest behind each frame. A frame is inflated at once, which takes some ten
 * milliseconds for 64 MB.
 */
export function* unzstdSteps(bytes: Uint8Array, maxBytes: number): Steps<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const framesMax = Math.max(ZSTD_FRAMES_MIN, maxBytes / ZSTD_FRAME_BYTES);
  let total = 0;
  for (let position = 0; position < bytes.length || position === 0;) {
    const start = position;
    const frame = readZstdFrame(bytes, start);
    position = frame.end;
    if (frame.isSkippable) continue;
    const { contentSize } = frame;
    const rest = maxBytes - total;
    if (pieces.length >= framesMax || (contentSize !== null && contentSize > rest)) {
      throw tooLarge("zstd", maxBytes);
    }
    const size = contentSize ?? 4 * (position - start);
    const piece = inflate(
      "zstd",
      rest,
      () => zlib("zstd").zstdDecompressSync(bytes.subarray(start, position), limits(size, rest)),
    );
    if (contentSize !== null && piece.length !== contentSize) {
      throw new CorruptRecordError(`Cannot inflate zstd: a frame's content size is not ${piece.length}`);
    }
    pieces.push(piece);
    total += piece.length;
    yield;
  }
  return pieces.length === 1 ? pieces[0]! : concat(pieces);
}

function zstdOptions(level: number): { params: Record<number, number> } {
  return { params: { [zlib("zstd").constants.ZSTD_c_compressionLevel]: level } };
}

/** zlib's options: the bound, and pieces that hold an output of about `size` bytes at once. */
function limits(size: number, maxBytes: number): { maxOutputLength: number; chunkSize: number } {
  const chunkSize = Math.min(Math.max(size + 1, CHUNK_BYTES_MIN), maxBytes + 1, CHUNK_BYTES_MAX);
  return { maxOutputLength: Math.max(maxBytes, 1), chunkSize: Math.max(chunkSize, 64) };
}

function inflate(codec: Compression, maxBytes: number, run: () => Uint8Array): Uint8Array {
  let out: Uint8Array;
  try {
    out = plain(run());
  } catch (cause) {
    if (cause instanceof Error && (cause as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") {
      throw tooLarge(codec, maxBytes);
    }
    throw inflationFault(codec, cause);
  }
  if (out.length > maxBytes) throw tooLarge(codec, maxBytes);
  return out;
}

/** What zlib's errors are for whoever reads records. */
export function inflationFault(codec: Compression, cause: unknown): RecordError {
  if (cause instanceof RecordError) return cause;
  const why = cause instanceof Error ? cause.message : cause;
  return new CorruptRecordError(`Cannot inflate ${codec}: ${why}`, { cause });
}

/** A Buffer's bytes as a plain Uint8Array, whose `subarray` is several times faster. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

let loaded: typeof Zlib | undefined;

/** `node:zlib`, loaded on first use without awaiting. */
function zlib(codec: "gzip" | "zstd"): typeof Zlib {
  loaded ??= (globalThis as unknown as { process?: { getBuiltinModule?(name: string): typeof Zlib } })
    .process?.getBuiltinModule?.("node:zlib");
  const probe = codec === "gzip" ? loaded?.gzipSync : loaded?.zstdCompressSync;
  if (loaded === undefined || typeof probe !== "function") {
    throw new UnsupportedCompressionError(`Cannot use compression "${codec}": this runtime lacks it`);
  }
  return loaded;
}

export function tooLarge(codec: Compression, maxBytes: number): DecompressedTooLargeError {
  return new DecompressedTooLargeError(`Cannot inflate ${codec}: it passes the bound of ${maxBytes} bytes`);
}

function unknownCodec(codec: never): never {
  throw new UnsupportedCompressionError(`Cannot use compression "${codec}": Kafka does not define it`);
}
