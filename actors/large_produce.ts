/**
 * Validation of batches whose records are many bytes, or are to be compressed anew in large: the same rules as in
 * `produce_validation.ts`, in slices. A megabyte may become 64 here, which takes half a second of the one thread.
 */
import { limits } from "../core/config/limits.ts";
import type { Steps } from "../lib/steps.ts";
import {
  BATCH_OVERHEAD,
  type BatchHeader,
  type Compression,
  faultOf,
  validateRecordsInSteps,
  withCompressed,
} from "../protocol/records/record_batch.ts";
import { inflationFault, tooLarge, unzstdSteps } from "../protocol/records/compression.ts";
import { lz4CompressSteps, lz4DecompressSteps } from "../protocol/records/lz4.ts";
import { snappyCompressSteps, snappyDecompressSteps } from "../protocol/records/snappy.ts";
import type { Env } from "../lib/env.ts";
import type { Produce } from "./messages/partition.ts";
import { type ProduceVerdict, recordRules, stored, storedCompressionOf } from "./produce_validation.ts";
import type { Slices } from "./slices.ts";

/** Decides about a batch for which `validateProduce` finds too much to be looked at at once. */
export async function validateLargeProduce(
  message: Produce,
  header: BatchHeader,
  { env, slices, nowMs }: { readonly env: Env; readonly slices: Slices; readonly nowMs: number },
): Promise<ProduceVerdict> {
  const work = { env, slices };
  try {
    const payload = await inflate(header.compression, message.batch.subarray(BATCH_OVERHEAD), work);
    const records = await slices.run(validateRecordsInSteps(header, payload, recordRules(message, nowMs)));
    if (!records.ok) return records;
    const { maxTimestamp } = records;
    const compression = storedCompressionOf(message, header);
    if (compression === null) return { ok: true, header: { ...header, maxTimestamp }, batch: message.batch };
    const body = await compress(compression, payload, { ...work, level: message.compressionLevel });
    return stored(withCompressed(message.batch, { compression, body, maxTimestamp }), message, {
      ...header,
      maxTimestamp,
    });
  } catch (error) {
    return faultOf(error);
  }
}

interface Work {
  readonly env: Env;
  readonly slices: Slices;
}

async function inflate(codec: Compression, bytes: Uint8Array, work: Work): Promise<Uint8Array> {
  const maxBytes = limits.decompressedBatchBytesMax;
  switch (codec) {
    case "none":
      return bytes;
    case "snappy":
      return await work.slices.run(snappyDecompressSteps(bytes, maxBytes));
    case "lz4":
      return await work.slices.run(lz4DecompressSteps(bytes, maxBytes));
    case "zstd":
      // Not by `Env.zlib`: with Deno 2.9.6 errors of malformed input go uncaught there, and end the process.
      return await work.slices.run(unzstdSteps(bytes, maxBytes));
    case "gzip":
      return await gunzip(bytes, maxBytes, work);
  }
}

async function gunzip(bytes: Uint8Array, maxBytes: number, work: Work): Promise<Uint8Array> {
  const rest = (byteLength: number) => {
    if (byteLength > maxBytes) throw tooLarge("gzip", maxBytes);
    return work.slices.rest();
  };
  try {
    return await gathered(await work.env.zlib("gunzip", bytes, { rest }), work);
  } catch (error) {
    throw inflationFault("gzip", error);
  }
}

async function compress(
  codec: Compression,
  bytes: Uint8Array,
  { env, slices, level }: Work & { readonly level: number | undefined },
): Promise<Uint8Array> {
  switch (codec) {
    case "none":
      return bytes;
    case "snappy":
      return await slices.run(snappyCompressSteps(bytes));
    case "lz4":
      return await slices.run(lz4CompressSteps(bytes));
    case "gzip":
    case "zstd": {
      const rest = () => slices.rest();
      const pieces = await env.zlib(codec, bytes, level === undefined ? { rest } : { level, rest });
      return await gathered(pieces, { env, slices });
    }
  }
}

async function gathered(pieces: readonly Uint8Array[], { slices }: Work): Promise<Uint8Array> {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) return only;
  return await slices.run(gatherSteps(pieces));
}

function* gatherSteps(pieces: readonly Uint8Array[]): Steps<Uint8Array> {
  const bytes = new Uint8Array(byteLengthOf(pieces));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
    yield;
  }
  return bytes;
}

function byteLengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}
