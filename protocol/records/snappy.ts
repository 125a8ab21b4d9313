/**
 * Snappy as Kafka uses it: the raw block format, and the "xerial" stream of the Java library around it.
 *
 * Java producers write xerial streams, librdkafka and others write one raw block; a reader must take both.
 * This is a boundary for hostile bytes: every length is checked before memory is allocated or touched.
 * Own code rather than a package because the packages at hand neither check that a block fills its declared length
 * nor load fast enough. Source: Snappy's format_description.txt, snappy-java's `SnappyOutputStream`.
 */

import { runAtOnce, type Steps } from "../../lib/steps.ts";
import { CorruptRecordError, DecompressedTooLargeError } from "./record_errors.ts";

const XERIAL_MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];
/** The magic and two version numbers. */
const XERIAL_HEADER_BYTES = 16;
/** snappy-java's default: each xerial chunk holds up to this many bytes. */
const XERIAL_CHUNK_BYTES = 32 * 1024;
/** What a chunk's length field reads as where another stream's header stands instead. */
const XERIAL_MAGIC_INT32 = 0x82534e41 | 0;
/** A 3-byte copy yields at most 64 bytes, so no valid block inflates more than this. */
const RATIO_MAX = 22;
const HASH_BITS = 12;
/** The last bytes of a block are always literals, so that four-byte reads stay inside it. */
const INPUT_MARGIN = 15;
/** From here on the engine's bulk copies beat a loop. */
const BULK_COPY_BYTES = 32;
/** Inflated between two places to rest. */
const STEP_BYTES = 256 * 1024;

const hashTable = new Uint16Array(1 << HASH_BITS);

/** Compresses into a xerial stream, as Java producers do. */
export function snappyCompress(bytes: Uint8Array): Uint8Array {
  return runAtOnce(snappyCompressSteps(bytes));
}

/** The same, with places to rest. */
export function* snappyCompressSteps(bytes: Uint8Array): Steps<Uint8Array> {
  const chunkCount = Math.ceil(bytes.length / XERIAL_CHUNK_BYTES);
  // Raw Snappy grows incompressible input by less than 1/6 + 32 bytes for each chunk.
  const out = new Uint8Array(
    XERIAL_HEADER_BYTES + chunkCount * (4 + 32) + bytes.length + Math.ceil(bytes.length / 6),
  );
  out.set(XERIAL_MAGIC);
  out[11] = 1;
  out[15] = 1;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let position = XERIAL_HEADER_BYTES;
  for (let start = 0; start < bytes.length; start += XERIAL_CHUNK_BYTES) {
    const end = Math.min(start + XERIAL_CHUNK_BYTES, bytes.length);
    const chunkEnd = compressBlock(bytes, view, start, end, out, position + 4);
    const length = chunkEnd - position - 4;
    out[position] = length >>> 24;
    out[position + 1] = length >>> 16;
    out[position + 2] = length >>> 8;
    out[position + 3] = length;
    position = chunkEnd;
    yield;
  }
  return out.subarray(0, position);
}

/**
 * Inflates a raw block or a xerial stream. Throws `DecompressedTooLargeError` when the declared size passes
 * `maxBytes`, before anything is allocated, and `CorruptRecordError` for anything malformed.
 */
export function snappyDecompress(bytes: Uint8Array, maxBytes: number): Uint8Array {
  return runAtOnce(snappyDecompressSteps(bytes, maxBytes));
}

/** The same, with places to rest. */
export function* snappyDecompressSteps(bytes: Uint8Array, maxBytes: number): Steps<Uint8Array> {
  if (!isXerial(bytes)) {
    const out = new Uint8Array(checkedSize(bytes, 0, bytes.length, 0, maxBytes));
    yield* blockSteps(bytes, 0, bytes.length, out, 0);
    return out;
  }
  let total = 0;
  for (
    let chunk = nextChunk(bytes, XERIAL_HEADER_BYTES);
    chunk !== null;
    chunk = nextChunk(bytes, chunk.end)
  ) {
    total = checkedSize(bytes, chunk.start, chunk.end, total, maxBytes);
  }
  const out = new Uint8Array(total);
  let outPosition = 0;
  for (
    let chunk = nextChunk(bytes, XERIAL_HEADER_BYTES);
    chunk !== null;
    chunk = nextChunk(bytes, chunk.end)
  ) {
    outPosition = yield* blockSteps(bytes, chunk.start, chunk.end, out, outPosition);
    yield;
  }
  return out;
}

function isXerial(bytes: Uint8Array): boolean {
  if (bytes.length < XERIAL_HEADER_BYTES) return false;
  for (let i = 0; i < XERIAL_MAGIC.length; i++) if (bytes[i] !== XERIAL_MAGIC[i]) return false;
  return true;
}

/** The bounds of the xerial chunk at `position`; null at the end. */
function nextChunk(bytes: Uint8Array, position: number): { start: number; end: number } | null {
  for (;;) {
    if (position === bytes.length) return null;
    if (bytes.length - position < 4) {
      throw new CorruptRecordError("Cannot read snappy chunk: it is cut short");
    }
    const length = (bytes[position]! << 24) | (bytes[position + 1]! << 16) | (bytes[position + 2]! << 8) |
      bytes[position + 3]!;
    // Streams that were appended to one another repeat the header.
    if (length === XERIAL_MAGIC_INT32 && bytes.length - position >= XERIAL_HEADER_BYTES) {
      position += XERIAL_HEADER_BYTES;
      continue;
    }
    const start = position + 4;
    if (length <= 0 || length > bytes.length - start) {
      throw new CorruptRecordError(`Cannot read snappy chunk: it declares ${length} bytes`);
    }
    return { start, end: start + length };
  }
}

/** Adds the declared size of the block to `total`, when both it and the sum can be right. */
function checkedSize(bytes: Uint8Array, start: number, end: number, total: number, maxBytes: number): number {
  const { value: size } = readPreamble(bytes, start, end);
  if (total + size > maxBytes) {
    throw new DecompressedTooLargeError(
      `Cannot inflate snappy block of ${size} bytes: the bound is ${maxBytes}`,
    );
  }
  if (size > (end - start) * RATIO_MAX) {
    throw new CorruptRecordError(`Cannot read snappy block: ${end - start} bytes declare ${size}`);
  }
  return total + size;
}

/** The block's uncompressed size, an unsigned varint, and where its elements begin. */
function readPreamble(bytes: Uint8Array, start: number, end: number): { value: number; position: number } {
  let value = 0;
  let position = start;
  for (let shift = 0; shift < 35; shift += 7) {
    if (position >= end) break;
    const byte = bytes[position++]!;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) {
      if (value > 0xffffffff) break;
      return { value, position };
    }
  }
  throw new CorruptRecordError("Cannot read snappy block: its size is malformed");
}

/** How far a raw block has been inflated. */
interface Block {
  readonly bytes: Uint8Array;
  readonly end: number;
  readonly out: Uint8Array;
  readonly outStart: number;
  readonly outEnd: number;
  position: number;
  outPosition: number;
}

/** Inflates one raw block into `out` at `outStart`, exactly as many bytes as it declares; returns where it ended. */
function* blockSteps(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  outStart: number,
): Steps<number> {
  const { value: size, position } = readPreamble(bytes, start, end);
  const block: Block = {
    bytes,
    end,
    out,
    outStart,
    outEnd: outStart + size,
    position,
    outPosition: outStart,
  };
  for (;;) {
    inflateElements(block, block.outPosition + STEP_BYTES);
    if (block.position >= end) break;
    yield;
  }
  if (block.outPosition !== block.outEnd) throw corrupt("it ends before its declared size");
  return block.outPosition;
}

/** Goes on until the block's end, or until so much has come out. */
function inflateElements(block: Block, outStop: number): void {
  const { bytes, end, out, outStart, outEnd } = block;
  let { position, outPosition } = block;
  while (position < end && outPosition < outStop) {
    const tag = bytes[position++]!;
    const kind = tag & 3;
    if (kind === 0) {
      let length = (tag >>> 2) + 1;
      if (length > 60) {
        const width = length - 60;
        if (end - position < width) throw corrupt("a literal's length is cut short");
        length = 1;
        for (let i = 0; i < width; i++) length += bytes[position++]! * 2 ** (8 * i);
      }
      if (length > end - position || length > outEnd - outPosition) throw corrupt("a literal is too long");
      if (length >= BULK_COPY_BYTES) {
        out.set(bytes.subarray(position, position + length), outPosition);
        position += length;
        outPosition += length;
      } else {
        for (const stop = position + length; position < stop;) out[outPosition++] = bytes[position++]!;
      }
      continue;
    }
    let length: number;
    let offset: number;
    if (kind === 1) {
      if (position >= end) throw corrupt("a copy is cut short");
      length = ((tag >>> 2) & 7) + 4;
      offset = ((tag >>> 5) << 8) | bytes[position++]!;
    } else {
      const width = kind === 2 ? 2 : 4;
      if (end - position < width) throw corrupt("a copy is cut short");
      length = (tag >>> 2) + 1;
      offset = bytes[position]! | (bytes[position + 1]! << 8);
      if (kind === 3) offset += (bytes[position + 2]! | (bytes[position + 3]! << 8)) * 65536;
      position += width;
    }
    if (offset === 0 || offset > outPosition - outStart) throw corrupt("a copy reaches before the block");
    if (length > outEnd - outPosition) throw corrupt("a copy is too long");
    if (length >= BULK_COPY_BYTES && offset >= length) {
      out.copyWithin(outPosition, outPosition - offset, outPosition - offset + length);
      outPosition += length;
    } else {
      for (const stop = outPosition + length; outPosition < stop; outPosition++) {
        out[outPosition] = out[outPosition - offset]!;
      }
    }
  }
  block.position = position;
  block.outPosition = outPosition;
}

function corrupt(what: string): CorruptRecordError {
  return new CorruptRecordError(`Cannot read snappy block: ${what}`);
}

/** Compresses `bytes[start, end)`, at most 64 KiB, into one raw block; returns where it ended in `out`. */
function compressBlock(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  out: Uint8Array,
  outPosition: number,
): number {
  let size = end - start;
  for (; size >= 0x80; size >>>= 7) out[outPosition++] = size | 0x80;
  out[outPosition++] = size;
  hashTable.fill(0);
  let literalStart = start;
  let position = start + 1;
  const stop = end - INPUT_MARGIN;
  // The step grows while nothing matches, so that incompressible data passes quickly.
  let misses = 32;
  while (position < stop) {
    const word = view.getInt32(position, true);
    const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - HASH_BITS);
    const candidate = start + hashTable[slot]!;
    hashTable[slot] = position - start;
    if (candidate >= position || view.getInt32(candidate, true) !== word) {
      position += misses++ >>> 5;
      continue;
    }
    misses = 32;
    let matched = 4;
    while (position + matched < end && bytes[position + matched] === bytes[candidate + matched]) matched++;
    if (position > literalStart) outPosition = writeLiteral(bytes, literalStart, position, out, outPosition);
    outPosition = writeCopy(out, outPosition, position - candidate, matched);
    position += matched;
    literalStart = position;
  }
  if (literalStart < end) outPosition = writeLiteral(bytes, literalStart, end, out, outPosition);
  return outPosition;
}

function writeLiteral(bytes: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
  const length = end - start;
  if (length <= 60) out[at++] = (length - 1) << 2;
  else if (length <= 256) {
    out[at++] = 60 << 2;
    out[at++] = length - 1;
  } else {
    out[at++] = 61 << 2;
    out[at++] = length - 1;
    out[at++] = (length - 1) >>> 8;
  }
  if (length < BULK_COPY_BYTES) { for (let i = start; i < end; i++) out[at + i - start] = bytes[i]!; }
  else out.set(bytes.subarray(start, end), at);
  return at + length;
}

/** Writes a match as copies of at most 64 bytes, none shorter than 4. */
function writeCopy(out: Uint8Array, at: number, offset: number, length: number): number {
  while (length > 0) {
    const part = length <= 64 ? length : length < 68 ? 60 : 64;
    if (part < 12 && offset < 2048) {
      out[at++] = 1 | ((part - 4) << 2) | ((offset >>> 8) << 5);
      out[at++] = offset;
    } else {
      out[at++] = 2 | ((part - 1) << 2);
      out[at++] = offset;
      out[at++] = offset >>> 8;
    }
    length -= part;
  }
  return at;
}
