/**
 * Where a Zstandard frame ends and what it declares, read from its headers alone.
 *
 * Deno's synchronous zstd inflates only the first of several frames and takes a frame that is cut short for a whole
 * one; walking the block headers first finds both, and lets an oversized content size be refused before inflating.
 * Source: RFC 8878 §3.1.
 */

import { CorruptRecordError } from "./record_errors.ts";

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;

export interface ZstdFrame {
  /** Position after the frame. */
  end: number;
  /** Bytes it inflates to as its header says; null when it does not say. */
  contentSize: number | null;
  /** A frame of user data, which inflates to nothing. */
  isSkippable: boolean;
}

/** Reads the frame that starts at `start`. Throws `CorruptRecordError` when it is malformed or cut short. */
export function readZstdFrame(bytes: Uint8Array, start: number): ZstdFrame {
  if (bytes.length - start < 8) throw corrupt("it is cut short");
  const magic = readLittleEndian(bytes, start, 4);
  if (magic >= SKIPPABLE_MAGIC && magic <= SKIPPABLE_MAGIC + 15) {
    const end = start + 8 + readLittleEndian(bytes, start + 4, 4);
    if (end > bytes.length) throw corrupt("it is cut short");
    return { end, contentSize: 0, isSkippable: true };
  }
  if (magic !== MAGIC) throw corrupt("its magic is wrong");
  const descriptor = bytes[start + 4]!;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeCode = descriptor >>> 6;
  const sizeBytes = sizeCode === 0 ? (isSingleSegment ? 1 : 0) : 1 << sizeCode;
  let position = start + 5 + (isSingleSegment ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!;
  if (bytes.length - position < sizeBytes) throw corrupt("its header is cut short");
  let contentSize: number | null = null;
  if (sizeBytes > 0) contentSize = readLittleEndian(bytes, position, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  position += sizeBytes;
  for (let isLast = false; !isLast;) {
    if (bytes.length - position < 3) throw corrupt("a block is cut short");
    const header = readLittleEndian(bytes, position, 3);
    isLast = (header & 1) !== 0;
    const type = (header >>> 1) & 3;
    if (type === BLOCK_RESERVED) throw corrupt("a block's type is unknown");
    position += 3 + (type === BLOCK_RLE ? 1 : header >>> 3);
  }
  if ((descriptor & 4) !== 0) position += 4;
  if (position > bytes.length) throw corrupt("it is cut short");
  return { end: position, contentSize, isSkippable: false };
}

function readLittleEndian(bytes: Uint8Array, position: number, width: number): number {
  let value = 0;
  for (let i = width - 1; i >= 0; i--) value = value * 256 + bytes[position + i]!;
  return value;
}

function corrupt(what: string): CorruptRecordError {
  return new CorruptRecordError(`Cannot read zstd frame: ${what}`);
}
