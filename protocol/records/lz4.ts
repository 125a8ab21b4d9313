/**
 * LZ4 frames as Kafka uses them: independent 64 KiB blocks without checksums on write, any valid frame on read.
 *
 * This is a boundary for hostile bytes: a first pass over a block's tokens checks every length and offset and
 * sums the output, so that the second can copy without checks into a buffer of exactly the right size.
 * Own code rather than lz4js: its `compressBlock` may start a match 10 or 11 bytes before the end of a block, which
 * the format forbids (12) and lz4-java, so every Java consumer, refuses on full blocks; its decoder checks nothing.
 * Source: lz4_Block_format.md and lz4_Frame_format.md, Kafka's `Lz4BlockOutputStream`.
 */

import { runAtOnce, type Steps } from "../../lib/steps.ts";
import { CorruptRecordError, DecompressedTooLargeError } from "./record_errors.ts";
import { xxhash32, xxhash32Steps } from "./xxhash32.ts";

const MAGIC = 0x184d2204;
const FLAG = { dictionaryId: 0x01, contentChecksum: 0x04, contentSize: 0x08, blockChecksum: 0x10 } as const;
const FLAG_INDEPENDENT = 0x20;
const VERSION_MASK = 0xc0;
const VERSION_1 = 0x40;
/** Set in a block's length when its bytes are stored uncompressed. */
const STORED = 0x80000000;
/** Descriptor code 4 of the frame: blocks of up to 64 KiB. */
const BLOCK_CODE = 4;
const BLOCK_BYTES = 64 * 1024;
/** Magic, flags, block code and header checksum of the frames we write. */
const FRAME_HEADER_BYTES = 7;
/** No match may start in the last 12 bytes of a block, nor reach into the last 5. */
const MATCH_START_LIMIT = 12;
const LAST_LITERALS = 5;
const MIN_MATCH = 4;
const HASH_BITS = 13;
/** From here on the engine's bulk copies beat a loop. */
const BULK_COPY_BYTES = 32;

const hashTable = new Uint16Array(1 << HASH_BITS);

/** Compresses into one frame that every Kafka client accepts. */
export function lz4Compress(bytes: Uint8Array): Uint8Array {
  return runAtOnce(lz4CompressSteps(bytes));
}

/** The same, with places to rest. */
export function* lz4CompressSteps(bytes: Uint8Array): Steps<Uint8Array> {
  const blockCount = Math.ceil(bytes.length / BLOCK_BYTES);
  // A block that does not shrink is stored, but the attempt may first overrun by 1/255 and 16 bytes.
  const out = new Uint8Array(
    FRAME_HEADER_BYTES + bytes.length + blockCount * 4 + Math.ceil(BLOCK_BYTES / 255) + 16 + 4,
  );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  writeUint32(out, 0, MAGIC);
  out[4] = VERSION_1 | FLAG_INDEPENDENT;
  out[5] = BLOCK_CODE << 4;
  out[6] = xxhash32(out, 4, 6) >>> 8;
  let position = FRAME_HEADER_BYTES;
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    const end = Math.min(start + BLOCK_BYTES, bytes.length);
    const length = compressBlock(bytes, view, start, end, out, position + 4) - position - 4;
    if (length < end - start) {
      writeUint32(out, position, length);
      position += 4 + length;
    } else {
      writeUint32(out, position, (end - start) | STORED);
      out.set(bytes.subarray(start, end), position + 4);
      position += 4 + end - start;
    }
    yield;
  }
  writeUint32(out, position, 0);
  return out.subarray(0, position + 4);
}

/**
 * Inflates one frame. Throws `DecompressedTooLargeError` when it passes `maxBytes`, before anything is
 * allocated, and `CorruptRecordError` for anything malformed, checksums included. Bytes after the frame are not looked
 * at, as in Kafka.
 */
export function lz4Decompress(bytes: Uint8Array, maxBytes: number): Uint8Array {
  return runAtOnce(lz4DecompressSteps(bytes, maxBytes));
}

/** The same, with places to rest between blocks, which inflate to 4 MB at most. */
export function* lz4DecompressSteps(bytes: Uint8Array, maxBytes: number): Steps<Uint8Array> {
  const frame = readFrameHeader(bytes);
  if (frame.contentSize !== null && frame.contentSize > maxBytes) throw tooLarge(maxBytes);

  let total = 0;
  let end = frame.blocksStart;
  for (let block = nextBlock(bytes, frame, end); block !== null; block = nextBlock(bytes, frame, end)) {
    const windowStart = frame.independent ? total : 0;
    const before = total;
    total = block.stored
      ? total + block.end - block.start
      : measureBlock(bytes, block.start, block.end, windowStart, total);
    if (total - before > frame.blockBytesMax) throw corrupt("a block inflates beyond the frame's block size");
    if (total > maxBytes) throw tooLarge(maxBytes);
    end = block.next;
    yield;
  }
  if (frame.contentSize !== null && frame.contentSize !== total) throw corrupt("its content size is wrong");

  const out = new Uint8Array(total);
  let outPosition = 0;
  end = frame.blocksStart;
  for (let block = nextBlock(bytes, frame, end); block !== null; block = nextBlock(bytes, frame, end)) {
    if (block.stored) {
      out.set(bytes.subarray(block.start, block.end), outPosition);
      outPosition += block.end - block.start;
    } else {
      outPosition = decompressBlock(bytes, block.start, block.end, out, outPosition);
    }
    end = block.next;
    yield;
  }
  // `end` is at the end mark, which the content checksum follows.
  if (frame.contentChecksum) {
    if (bytes.length - end < 8) throw corrupt("its content checksum is cut short");
    if (readUint32(bytes, end + 4) !== (yield* xxhash32Steps(out))) {
      throw corrupt("its content checksum is wrong");
    }
  }
  return out;
}

interface Frame {
  independent: boolean;
  blockChecksum: boolean;
  contentChecksum: boolean;
  contentSize: number | null;
  blockBytesMax: number;
  blocksStart: number;
}

function readFrameHeader(bytes: Uint8Array): Frame {
  if (bytes.length < FRAME_HEADER_BYTES) throw corrupt("its header is cut short");
  if (readUint32(bytes, 0) !== MAGIC) throw corrupt("its magic is wrong");
  const flags = bytes[4]!;
  const blockCode = bytes[5]! >>> 4;
  if ((flags & VERSION_MASK) !== VERSION_1 || (flags & 0x02) !== 0) throw corrupt("its version is unknown");
  if ((flags & FLAG.dictionaryId) !== 0) throw corrupt("it needs a dictionary");
  if (blockCode < 4 || blockCode > 7 || (bytes[5]! & 0x0f) !== 0) throw corrupt("its block size is unknown");
  let position = 6;
  let contentSize: number | null = null;
  if ((flags & FLAG.contentSize) !== 0) {
    if (bytes.length < position + 9) throw corrupt("its header is cut short");
    contentSize = readUint32(bytes, position) + readUint32(bytes, position + 4) * 4294967296;
    position += 8;
  }
  if (bytes[position] !== ((xxhash32(bytes, 4, position) >>> 8) & 0xff)) {
    throw corrupt("its header checksum is wrong");
  }
  return {
    independent: (flags & FLAG_INDEPENDENT) !== 0,
    blockChecksum: (flags & FLAG.blockChecksum) !== 0,
    contentChecksum: (flags & FLAG.contentChecksum) !== 0,
    contentSize,
    blockBytesMax: 1 << (8 + 2 * blockCode),
    blocksStart: position + 1,
  };
}

/** The block whose length field is at `position`; null at the end mark. */
function nextBlock(
  bytes: Uint8Array,
  frame: Frame,
  position: number,
): { start: number; end: number; stored: boolean; next: number } | null {
  if (bytes.length - position < 4) throw corrupt("it has no end mark");
  const field = readUint32(bytes, position);
  if (field === 0) return null;
  const stored = field >= STORED;
  const length = stored ? field - STORED : field;
  const start = position + 4;
  const end = start + length;
  const next = end + (frame.blockChecksum ? 4 : 0);
  if (length > frame.blockBytesMax) throw corrupt("a block is larger than the frame's block size");
  if (next > bytes.length) throw corrupt("a block is cut short");
  if (frame.blockChecksum && readUint32(bytes, end) !== xxhash32(bytes, start, end)) {
    throw corrupt("a block checksum is wrong");
  }
  return { start, end, stored, next };
}

/**
 * Checks every token of a compressed block and returns `outPosition` plus its size; `decompressBlock` relies on
 * that. `windowStart` is the first output position that a match may reach.
 */
function measureBlock(
  bytes: Uint8Array,
  start: number,
  end: number,
  windowStart: number,
  outPosition: number,
): number {
  let position = start;
  while (position < end) {
    const token = bytes[position++]!;
    let length = token >>> 4;
    if (length === 15) {
      let byte = 255;
      while (byte === 255 && position < end) length += byte = bytes[position++]!;
    }
    if (length > end - position) throw corrupt("a literal run is too long");
    position += length;
    outPosition += length;
    if (position === end) return outPosition;
    if (end - position < 2) throw corrupt("a match is cut short");
    const offset = bytes[position]! | (bytes[position + 1]! << 8);
    position += 2;
    if (offset === 0 || offset > outPosition - windowStart) {
      throw corrupt("a match reaches before the window");
    }
    length = token & 15;
    if (length === 15) {
      let byte = 255;
      while (byte === 255 && position < end) length += byte = bytes[position++]!;
    }
    outPosition += length + MIN_MATCH;
  }
  throw corrupt("a block does not end in literals");
}

/** Inflates a block that `measureBlock` has passed; returns where it ended in `out`. */
function decompressBlock(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  outPosition: number,
): number {
  let position = start;
  for (;;) {
    const token = bytes[position++]!;
    let length = token >>> 4;
    if (length === 15) {
      let byte = 255;
      while (byte === 255) length += byte = bytes[position++]!;
    }
    if (length >= BULK_COPY_BYTES) {
      out.set(bytes.subarray(position, position + length), outPosition);
      position += length;
      outPosition += length;
    } else {
      for (const stop = position + length; position < stop;) out[outPosition++] = bytes[position++]!;
    }
    if (position === end) return outPosition;
    const offset = bytes[position]! | (bytes[position + 1]! << 8);
    position += 2;
    length = (token & 15) + MIN_MATCH;
    if (length === 15 + MIN_MATCH) {
      let byte = 255;
      while (byte === 255) length += byte = bytes[position++]!;
    }
    if (length >= BULK_COPY_BYTES) {
      outPosition = copyMatch(out, outPosition, offset, length);
    } else {
      for (const stop = outPosition + length; outPosition < stop; outPosition++) {
        out[outPosition] = out[outPosition - offset]!;
      }
    }
  }
}

/** Copies a long match; an overlapping one repeats what is already written, doubling each time. */
function copyMatch(out: Uint8Array, outPosition: number, offset: number, length: number): number {
  const source = outPosition - offset;
  const outEnd = outPosition + length;
  if (offset === 1) {
    out.fill(out[source]!, outPosition, outEnd);
    return outEnd;
  }
  while (outPosition < outEnd) {
    const part = Math.min(outPosition - source, outEnd - outPosition);
    out.copyWithin(outPosition, source, source + part);
    outPosition += part;
  }
  return outEnd;
}

/** Compresses `bytes[start, end)`, at most 64 KiB, as one independent block; returns where it ended in `out`. */
function compressBlock(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  out: Uint8Array,
  outPosition: number,
): number {
  hashTable.fill(0);
  let literalStart = start;
  let position = start + 1;
  const stop = end - MATCH_START_LIMIT;
  const matchEnd = end - LAST_LITERALS;
  // The step grows while nothing matches, so that incompressible data passes quickly.
  let misses = 64;
  while (position <= stop) {
    const word = view.getInt32(position, true);
    const slot = Math.imul(word, 0x9e3779b1 | 0) >>> (32 - HASH_BITS);
    const candidate = start + hashTable[slot]!;
    hashTable[slot] = position - start;
    if (candidate >= position || view.getInt32(candidate, true) !== word) {
      position += misses++ >>> 6;
      continue;
    }
    misses = 64;
    let matched = MIN_MATCH;
    while (position + matched < matchEnd && bytes[position + matched] === bytes[candidate + matched]) {
      matched++;
    }
    outPosition = writeSequence(bytes, literalStart, position, matched - MIN_MATCH, out, outPosition);
    const offset = position - candidate;
    // The offset's two bytes lie between the literals and the rest of the match length.
    out[outPosition++] = offset;
    out[outPosition++] = offset >>> 8;
    if (matched - MIN_MATCH >= 15) outPosition = writeLength(out, outPosition, matched - MIN_MATCH - 15);
    position += matched;
    literalStart = position;
  }
  return writeSequence(bytes, literalStart, end, 0, out, outPosition);
}

/** Writes token, literal length and literals. */
function writeSequence(
  bytes: Uint8Array,
  start: number,
  end: number,
  matchCode: number,
  out: Uint8Array,
  at: number,
): number {
  const length = end - start;
  out[at++] = (Math.min(length, 15) << 4) | Math.min(matchCode, 15);
  if (length >= 15) at = writeLength(out, at, length - 15);
  if (length < BULK_COPY_BYTES) { for (let i = start; i < end; i++) out[at + i - start] = bytes[i]!; }
  else out.set(bytes.subarray(start, end), at);
  return at + length;
}

function writeLength(out: Uint8Array, at: number, rest: number): number {
  for (; rest >= 255; rest -= 255) out[at++] = 255;
  out[at++] = rest;
  return at;
}

function readUint32(bytes: Uint8Array, position: number): number {
  return (bytes[position]! | (bytes[position + 1]! << 8) | (bytes[position + 2]! << 16) |
    (bytes[position + 3]! << 24)) >>> 0;
}

function writeUint32(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value;
  bytes[position + 1] = value >>> 8;
  bytes[position + 2] = value >>> 16;
  bytes[position + 3] = value >>> 24;
}

function corrupt(what: string): CorruptRecordError {
  return new CorruptRecordError(`Cannot read LZ4 frame: ${what}`);
}

function tooLarge(maxBytes: number): DecompressedTooLargeError {
  return new DecompressedTooLargeError(`Cannot inflate LZ4 frame: it passes the bound of ${maxBytes} bytes`);
}
