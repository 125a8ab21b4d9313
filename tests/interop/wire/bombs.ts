/** Small compressed bytes that become very many, or say that they will. */

import { gzipSync, zstdCompressSync } from "node:zlib";
import { concat } from "../../../lib/bytes.ts";
import { xxhash32 } from "../../../protocol/records/xxhash32.ts";

const MEGABYTES_64 = 64 * 1024 * 1024;

function repeated(bytes: Uint8Array, count: number): Uint8Array {
  return concat(Array.from({ length: count }, () => bytes));
}

/** 900 MB of zeros in members of 64 MB; about 900 KB. */
export function gzipBomb(): Uint8Array {
  return repeated(gzipSync(new Uint8Array(MEGABYTES_64), { level: 9 }), 14);
}

/** 1 GB of zeros in frames of 64 MB; about 100 KB. */
export function zstdBomb(): Uint8Array {
  return repeated(zstdCompressSync(new Uint8Array(MEGABYTES_64)), 16);
}

/** A frame that asks for a window of 2 GB and holds one byte. */
export function zstdWindow(): Uint8Array {
  const windowOf2Gb = 21 << 3;
  const lastRawBlockOf1Byte = 1 | (1 << 3);
  return Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, windowOf2Gb, lastRawBlockOf1Byte, 0, 0, 0x61);
}

/** 230 MB of one letter in blocks of almost 4 MB; about 900 KB. */
export function lz4Bomb(): Uint8Array {
  const descriptor = Uint8Array.of(0x60, 0x70);
  const header = concat([
    Uint8Array.of(0x04, 0x22, 0x4d, 0x18),
    descriptor,
    Uint8Array.of((xxhash32(descriptor) >>> 8) & 0xff),
  ]);
  // One literal, then a match as long as the following bytes of 255 say, then five literals as the format asks.
  const block = concat([
    Uint8Array.of(0x1f, 0x61, 1, 0),
    new Uint8Array(16_000).fill(255),
    Uint8Array.of(0, 0x50, 0x61, 0x61, 0x61, 0x61, 0x61),
  ]);
  const size = new Uint8Array(4);
  new DataView(size.buffer).setUint32(0, block.length, true);
  return concat([header, repeated(concat([size, block]), 56), new Uint8Array(4)]);
}

/** A block that says it becomes 4 GB and holds one byte. */
export function snappyLie(): Uint8Array {
  return Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0x61);
}

/** A megabyte of zeros in gzip, in the same way four times over: 1 KB that is 1 MB that is 1 GB. */
export function nestedBomb(): Uint8Array {
  let bytes: Uint8Array = repeated(gzipSync(new Uint8Array(MEGABYTES_64), { level: 9 }), 14);
  for (let i = 0; i < 2; i++) bytes = gzipSync(bytes, { level: 9 });
  return bytes;
}

/** A literal and 310,000 copies of it, 64 bytes each: 20 MB in one raw block of 930 KB. */
export function snappyCopies(): Uint8Array {
  const copies = repeated(Uint8Array.of((63 << 2) | 2, 1, 0), 310_000);
  const size = 310_000 * 64 + 1;
  const preamble = [size & 0x7f | 0x80, (size >> 7) & 0x7f | 0x80, (size >> 14) & 0x7f | 0x80, size >> 21];
  return concat([Uint8Array.of(...preamble, 0, 0x61), copies]);
}

/** A frame that says it was made with dictionary 7, which nobody has, and holds one byte. */
export function zstdOfDictionary(): Uint8Array {
  const lastRawBlockOf1Byte = 1 | (1 << 3);
  return Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 1, lastRawBlockOf1Byte, 0, 0, 0x61);
}

/** Frames that are cheap to send and dear to begin. */
export function emptyZstdFrames(): Uint8Array {
  return repeated(zstdCompressSync(new Uint8Array()), 100_000);
}

/** 3 MB in blocks of one byte each that is repeated, and behind them a block of nonsense: some bytes that begin well. */
export function zstdWrongBehind(): Uint8Array {
  const blockBytes = 128 * 1024;
  const repeatedByte = 1 << 1;
  const compressed = 2 << 1;
  const block = (type: number, size: number, bytes: Uint8Array) => {
    const header = type | (size << 3);
    return concat([Uint8Array.of(header & 0xff, (header >> 8) & 0xff, header >> 16), bytes]);
  };
  return concat([
    Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0x58),
    repeated(block(repeatedByte, blockBytes, Uint8Array.of(0)), 24),
    block(1 | compressed, 40, new Uint8Array(40).fill(0xff)),
  ]);
}

/** 3 MB of zeros, and behind them what is no deflate. */
export function gzipWrongBehind(): Uint8Array {
  const bytes = new Uint8Array(gzipSync(new Uint8Array(3 * 1024 * 1024)));
  return bytes.fill(0xff, bytes.length - 40);
}
