/**
 * Writes answers to an HTTP/1.1 connection: with their length where the body is known, in chunks where it flows.
 *
 * Source: RFC 9110 §6.4, §8.6; RFC 9112 §6, §7.1.
 */
import { concat } from "../../lib/bytes.ts";
import type { Conn } from "../../lib/env.ts";
import { bodyOf } from "../../lib/known_body.ts";

/** Up to that a body is copied behind its head, which is cheaper than writing twice. */
const COPIED_BYTES_MAX = 32 * 1024;
const encoder = new TextEncoder();
const lastChunk = encoder.encode("0\r\n\r\n");

export interface Sending {
  /** Resolves when all bytes are with the system. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  readonly response: Response;
  /** The `Date` of the answer. */
  readonly date: string;
  readonly keepsAlive: boolean;
  /** Called when the body turns out to flow: calls back when the client leaves. */
  readonly watch: (gone: () => void) => void;
}

/** Tells the client that the connection is a WebSocket from here on. */
export async function sendUpgrade({ write, response, date }: Pick<Sending, "write" | "response" | "date">) {
  const framing = "connection: Upgrade\r\nupgrade: websocket\r\n";
  await write(headOf({ response, date, keepsAlive: true, write, watch: () => {} }, framing));
}

/** Resolves when everything is with the system; whether the connection can go on. Throws what broke. */
export async function sendResponse(sending: Sending): Promise<boolean> {
  const { write, response, keepsAlive } = sending;
  const known = bodyOf(response);
  if (known !== undefined) {
    await sendKnown(sending, known);
    return keepsAlive;
  }
  if (response.body === null) {
    await write(headOf(sending, hasNoLength(response.status) ? "" : lengthLine(0)));
    return keepsAlive;
  }
  return await sendStream(sending, response.body);
}

function hasNoLength(status: number): boolean {
  return status === 204 || status === 304;
}

const ascii = /^[\0-\x7f]*$/;

async function sendKnown(sending: Sending, body: string | Uint8Array): Promise<void> {
  const { write } = sending;
  if (typeof body === "string" && body.length <= COPIED_BYTES_MAX && ascii.test(body)) {
    const head = textOf(sending, lengthLine(body.length));
    if (ascii.test(head)) return await write(encoder.encode(head + body));
  }
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  const head = headOf(sending, lengthLine(bytes.byteLength));
  if (bytes.byteLength <= COPIED_BYTES_MAX) return await write(concat([head, bytes]));
  await write(head);
  await write(bytes);
}

function lengthLine(length: number): string {
  return `content-length: ${length}\r\n`;
}

/** The head with the given line of framing, each byte a character. */
function textOf({ response, date, keepsAlive }: Sending, framing: string): string {
  let head = `HTTP/1.1 ${response.status} ${reasons[response.status] ?? ""}\r\n`;
  for (const [name, value] of response.headers) {
    if (name === "content-length" || name === "transfer-encoding" || name === "connection") continue;
    head += `${name}: ${value}\r\n`;
  }
  return `${head}${keepsAlive ? "" : "connection: close\r\n"}${framing}date: ${date}\r\n\r\n`;
}

function headOf(sending: Sending, framing: string): Uint8Array {
  const head = textOf(sending, framing);
  const bytes = encoder.encode(head);
  // Values of headers are bytes, each a character of Latin-1.
  return bytes.byteLength === head.length ? bytes : Uint8Array.from(head, (char) => char.charCodeAt(0));
}

const reasons: Readonly<Record<number, string>> = {
  101: "Switching Protocols",
  200: "OK",
  201: "Created",
  202: "Accepted",
  204: "No Content",
  207: "Multi-Status",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  413: "Payload Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  422: "Unprocessable Entity",
  426: "Upgrade Required",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/** A body that was there all along, as its stream shows by ending at once, goes out with its length. */
async function sendStream(sending: Sending, body: ReadableStream<Uint8Array>): Promise<boolean> {
  const { write, keepsAlive } = sending;
  const reader = body.getReader();
  const first = reader.read();
  const begun = await settled(first);
  if (begun?.done === true) {
    await write(headOf(sending, lengthLine(0)));
    return keepsAlive;
  }
  const second = begun === null ? null : reader.read();
  if (begun !== null && second !== null && (await settled(second))?.done === true) {
    await sendKnown(sending, begun.value);
    return keepsAlive;
  }
  const isWhole = await flow(sending, reader, second === null ? [first] : [first, second]);
  return keepsAlive && isWhole;
}

type Chunk = ReadableStreamReadResult<Uint8Array>;
type Reader = ReadableStreamDefaultReader<Uint8Array>;

/** Writes chunk after chunk, `read` first; false when the client left before the end. */
async function flow(sending: Sending, reader: Reader, read: Promise<Chunk>[]): Promise<boolean> {
  const { write, watch } = sending;
  let isGone = false;
  watch(() => {
    isGone = true;
    cancel(reader);
  });
  try {
    // At once, so that the client knows that it is connected before the first chunk comes.
    await write(headOf(sending, "transfer-encoding: chunked\r\n"));
    for (;;) {
      const { done, value } = await (read.shift() ?? reader.read());
      if (done) break;
      await write(chunked(value));
    }
  } catch (error) {
    cancel(reader);
    throw error;
  }
  // Without the last chunk the client knows that the body is not whole.
  if (!isGone) await write(lastChunk);
  return !isGone;
}

/** What a read comes to within a few turns of the queue of microtasks, else null. */
async function settled(read: Promise<Chunk>): Promise<Chunk | null> {
  let chunk: Chunk | null = null;
  read.then((value) => chunk = value, () => {
    // Whoever awaits the read is told.
  });
  for (let turn = 0; turn < 4 && chunk === null; turn++) await Promise.resolve();
  return chunk;
}

function cancel(reader: Reader): void {
  reader.cancel().catch(() => {
    // It broke first, and that was told already.
  });
}

/** An empty piece would be the end. */
function chunked(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength === 0) return bytes;
  const size = encoder.encode(`${bytes.byteLength.toString(16)}\r\n`);
  const chunk = new Uint8Array(size.byteLength + bytes.byteLength + 2);
  chunk.set(size);
  chunk.set(bytes, size.byteLength);
  chunk[chunk.byteLength - 2] = 0x0d;
  chunk[chunk.byteLength - 1] = 0x0a;
  return chunk;
}

/** Writes all of `bytes`; calls `beforeEach` before each piece. */
export async function writeAll(conn: Conn, bytes: Uint8Array, beforeEach?: () => void): Promise<void> {
  for (let written = 0; written < bytes.byteLength;) {
    beforeEach?.();
    written += await conn.write(bytes.subarray(written));
  }
}
