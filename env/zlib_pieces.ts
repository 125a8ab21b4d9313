/**
 * zlib's codecs as streams that do a little at a time: what `Env.zlib` is on Deno. `node:zlib` is loaded on first use, because
 * loading it takes 10 to 20 ms of a server's start.
 */
import type { Transform } from "node:stream";
import type * as Zlib from "node:zlib";
import type { ZlibCodec, ZlibOptions } from "../lib/env.ts";

/** Given to the codec at a time. */
const INPUT_BYTES = 64 * 1024;
/** Taken from it at a time; it goes on when that is taken. */
const OUTPUT_BYTES = 256 * 1024;

export async function zlibInPieces(
  codec: ZlibCodec,
  bytes: Uint8Array,
  { level, rest }: ZlibOptions,
): Promise<Uint8Array[]> {
  const stream = codecStream(await import("node:zlib"), codec, level);
  const pieces: Uint8Array[] = [];
  let byteLength = 0;
  const feeding = (async () => {
    for (let at = 0; at < bytes.length; at += INPUT_BYTES) {
      await written(stream, bytes.subarray(at, at + INPUT_BYTES));
      await rest(byteLength);
    }
    stream.end();
  })();
  // Whatever fails there fails the reading as well, or is what `rest` has thrown.
  feeding.catch((error) => stream.destroy(error));
  try {
    for await (const piece of stream as AsyncIterable<Uint8Array>) {
      pieces.push(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
      byteLength += piece.byteLength;
      await rest(byteLength);
    }
    return pieces;
  } finally {
    stream.destroy();
  }
}

function codecStream(zlib: typeof Zlib, codec: ZlibCodec, level: number | undefined): Transform {
  const options: Zlib.ZlibOptions = { chunkSize: OUTPUT_BYTES };
  switch (codec) {
    case "gunzip":
      return zlib.createGunzip(options);
    case "gzip":
      return zlib.createGzip(level === undefined ? options : { ...options, level });
    case "zstd": {
      const { ZSTD_c_compressionLevel } = zlib.constants;
      return zlib.createZstdCompress({
        ...options,
        ...(level === undefined ? {} : { params: { [ZSTD_c_compressionLevel]: level } }),
      });
    }
  }
}

/** Resolves when the codec has taken the bytes in. */
function written(stream: Transform, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => error ? reject(error) : resolve());
  });
}
