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
