/**
 * Reads request bodies within bounds: bytes, time, nesting. What is beyond a bound is not read.
 *
 * JSON numbers that a double cannot hold are kept as they were written (`JSON.rawJSON`), so that a JSON value is stored
 * unchanged; a schema that wants a number refuses them.
 */
import { limits } from "../core/config/limits.ts";
import type { Env } from "../lib/env.ts";
import { ByteGatherer } from "../lib/byte_gatherer.ts";
import { decodeUtf8 } from "../lib/utf8.ts";
import { decompress } from "../protocol/records/compression.ts";
import {
  CorruptRecordError,
  DecompressedTooLargeError,
  UnsupportedCompressionError,
} from "../protocol/records/record_errors.ts";
import { bodyDeadlines } from "./body_deadline.ts";
import { Problem } from "./problem.ts";
import { timed } from "./request_time.ts";

const BYTE_ORDER_MARK = "\ufeff";

/** The media type in lower case without parameters; "" when there is none. */
export function mediaTypeOf(request: Request): string {
  return (request.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

export function isJsonType(mediaType: string): boolean {
  return /^application\/([a-z0-9.-]+\+)?json$/.test(mediaType);
}

/** 415 with what would be right. */
export function unsupportedMediaType(mediaType: string, accepted: string): Problem {
  const given = mediaType === ""
    ? "Content-Type is missing"
    : `Content-Type ${mediaType.slice(0, 100)} is not accepted`;
  return new Problem(415, { detail: `${given}: send ${accepted}`, headers: { accept: accepted } });
}

const ACCEPTED_ENCODINGS = "gzip, zstd, identity";

/** The whole body, inflated. Fails with 400, 408, 413, 415 for an encoding, or 503. */
export async function readBytes(request: Request, env: Env): Promise<Uint8Array> {
  const encoding = encodingOf(request);
  const declared = Number(request.headers.get("content-length") ?? "0");
  if (declared > limits.httpBodyBytesMax) {
    await request.body?.cancel();
    throw tooLarge();
  }
  const bytes = declared > 0
    ? await readDeclared(request, declared, env)
    : request.body === null
    ? new Uint8Array(0)
    : await readStream(request.body, env);
  return encoding === "identity" ? bytes : inflate(encoding, bytes);
}

type BodyEncoding = "identity" | "gzip" | "zstd";

/** How the body is encoded. Fails with 415. */
export function encodingOf(request: Request): BodyEncoding {
  const encoding = request.headers.get("content-encoding")?.trim().toLowerCase() ?? "";
  if (encoding === "" || encoding === "identity") return "identity";
  if (encoding === "gzip" || encoding === "x-gzip") return "gzip";
  if (encoding === "zstd") return "zstd";
  throw new Problem(415, {
    detail: `Content-Encoding is not accepted: send ${ACCEPTED_ENCODINGS}`,
    headers: { "accept-encoding": ACCEPTED_ENCODINGS },
  });
}

function inflate(encoding: "gzip" | "zstd", bytes: Uint8Array): Uint8Array {
  try {
    return decompress(encoding, bytes, { maxBytes: limits.httpBodyBytesMax });
  } catch (error) {
    if (error instanceof DecompressedTooLargeError) throw tooLarge();
    if (error instanceof CorruptRecordError) {
      throw new Problem(400, { detail: `The body is not ${encoding}` });
    }
    if (error instanceof UnsupportedCompressionError) throw new Problem(415, { detail: error.message });
    throw error;
  }
}

/** Bytes of all bodies that are being read. */
let bufferedBytes = 0;

/** The whole body at once, which is several times cheaper than its stream. The server in front of us holds clients to the length they declare. */
async function readDeclared(request: Request, declared: number, env: Env): Promise<Uint8Array> {
  try {
    claim(declared);
    const bytes = await bodyDeadlines(env).within(limits.httpBodyMsMax, request.bytes(), late);
    if (bytes.length === declared) return bytes;
  } catch (error) {
    if (error instanceof Problem) throw error;
  } finally {
    bufferedBytes -= declared;
  }
  throw brokenOff();
}

/** Counts bytes that are going to be held; they are counted also when it fails. */
function claim(count: number): void {
  bufferedBytes += count;
  if (bufferedBytes <= limits.httpBufferedBytesMax) return;
  throw new Problem(503, { detail: "Too many large requests at once", headers: { connection: "close" } });
}

function late(): Problem {
  return new Problem(408, { detail: "The body did not arrive in time", headers: { connection: "close" } });
}

function brokenOff(): Problem {
  return new Problem(400, { detail: "The body broke off" });
}

async function readStream(body: ReadableStream<Uint8Array>, env: Env): Promise<Uint8Array> {
  const reader = body.getReader();
  let isLate = false;
  const cancelTimer = env.timer(limits.httpBodyMsMax, () => {
    isLate = true;
    giveUp(reader);
  });
  const gathered = new ByteGatherer();
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (isLate) throw late();
      if (done) break;
      length += value.byteLength;
      claim(value.byteLength);
      if (length > limits.httpBodyBytesMax) throw tooLarge();
      // Not kept as it came: a client may send each byte in a chunk of its own.
      gathered.push(value);
    }
  } catch (error) {
    giveUp(reader);
    if (error instanceof Problem) throw error;
    throw brokenOff();
  } finally {
    bufferedBytes -= length;
    cancelTimer();
  }
  return gathered.take();
}

function giveUp(reader: ReadableStreamDefaultReader<Uint8Array>): void {
  reader.cancel().catch(() => {
    // The connection broke first: the pending read tells.
  });
}

function tooLarge(): Problem {
  return new Problem(413, {
    detail: `The body is larger than ${limits.httpBodyBytesMax} bytes`,
    headers: { connection: "close" },
  });
}

/** The body as a JSON value. Fails with 400, and as `readBytes` does. */
export async function readJson(request: Request, env: Env): Promise<unknown> {
  const mediaType = mediaTypeOf(request);
  if (!isJsonType(mediaType)) throw unsupportedMediaType(mediaType, "application/json");
  const bytes = await readBytes(request, env);
  return timed(request, env, () => jsonOf(bytes));
}

function jsonOf(bytes: Uint8Array): unknown {
  const decoded = decodeUtf8(bytes);
  if (decoded === null) throw new Problem(400, { detail: "The body is not UTF-8" });
  const text = decoded.startsWith(BYTE_ORDER_MARK) ? decoded.slice(1) : decoded;
  if (text.trim() === "") throw new Problem(400, { detail: "The body is empty: expected JSON" });
  const scan = scanJson(text, limits.jsonDepthMax);
  if (scan.isTooDeep) {
    throw new Problem(400, { detail: `The body is nested deeper than ${limits.jsonDepthMax} levels` });
  }
  try {
    return parseScanned(text, scan);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Problem(400, { detail: "The body is not JSON" });
  }
}

/** Whether brackets nest deeper than `depthMax`, without looking at anything else. */
export function isDeeperThan(text: string, depthMax: number): boolean {
  return scanJson(text, depthMax).isTooDeep;
}

interface JsonScan {
  readonly isTooDeep: boolean;
  /** Whether a number has so many digits, or an exponent, that a double may not give it back. */
  readonly hasHardNumbers: boolean;
}

const EXACT_DIGITS_MAX = 15;

/** What must be known of JSON before it is parsed; strings are jumped over. */
function scanJson(text: string, depthMax: number): JsonScan {
  let depth = 0;
  let digits = 0;
  let hasHardNumbers = false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x22) {
      index = endOfString(text, index);
      if (index === -1) break;
    } else if (code === 0x5b || code === 0x7b) {
      if (++depth > depthMax) return { isTooDeep: true, hasHardNumbers };
    } else if (code === 0x5d || code === 0x7d) depth--;
    if (code >= 0x30 && code <= 0x39) {
      if (++digits > EXACT_DIGITS_MAX) hasHardNumbers = true;
    } else {
      // An e behind a digit is an exponent.
      if (digits > 0 && (code | 0x20) === 0x65) hasHardNumbers = true;
      if (code !== 0x2e) digits = 0;
    }
  }
  return { isTooDeep: false, hasHardNumbers };
}

/** Where the string that begins at `start` ends, -1 when it does not. Long strings are jumped over. */
function endOfString(text: string, start: number): number {
  for (let end = start;;) {
    end = text.indexOf('"', end + 1);
    if (end === -1) return -1;
    // A quote ends the string unless an odd number of backslashes is before it.
    let before = end - 1;
    while (text.charCodeAt(before) === 0x5c) before--;
    if ((end - before) % 2 === 1) return end;
  }
}

interface ExactJson {
  rawJSON(source: string): object;
}

/** Parses JSON; numbers that a double cannot hold stay as they were written. Throws `SyntaxError`. */
export function parseExactly(text: string): unknown {
  return parseScanned(text, scanJson(text, Infinity));
}

function parseScanned(text: string, { hasHardNumbers }: JsonScan): unknown {
  if (!hasHardNumbers) return JSON.parse(text);
  const { rawJSON } = JSON as unknown as ExactJson;
  return JSON.parse(text, (_key: string, value: unknown, context?: { source?: string }) => {
    const source = context?.source;
    return typeof value !== "number" || source === undefined || String(value) === source
      ? value
      : rawJSON(source);
  });
}
