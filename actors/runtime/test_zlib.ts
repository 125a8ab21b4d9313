/**
 * `Env.zlib` in virtual worlds: all at once, since the runtime's own streams keep no virtual time; then as if it had come in
 * pieces.
 */
import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import type { ZlibCodec, ZlibOptions } from "../../lib/env.ts";

const PIECE_BYTES = 4 * 1024 * 1024;
/** What a test may inflate to: tests of bombs count on it. */
const INFLATED_BYTES_MAX = 128 * 1024 * 1024;

const CODECS: Readonly<Record<ZlibCodec, (bytes: Uint8Array) => Uint8Array>> = {
  gzip: (bytes) => gzipSync(bytes),
  gunzip: (bytes) => gunzipSync(bytes, { maxOutputLength: INFLATED_BYTES_MAX }),
  zstd: (bytes) => zstdCompressSync(bytes),
};

export async function zlibAtOnce(
  codec: ZlibCodec,
  bytes: Uint8Array,
  { rest }: ZlibOptions,
): Promise<Uint8Array[]> {
  const all = Uint8Array.from(CODECS[codec](bytes));
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < all.length; at += PIECE_BYTES) {
    pieces.push(all.subarray(at, at + PIECE_BYTES));
    await rest(Math.min(at + PIECE_BYTES, all.length));
  }
  return pieces;
}
