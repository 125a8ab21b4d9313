/**
 * What a client may send over one HTTP connection, from right to wrong: requests one behind the other, damaged the way that
 * smuggling and carelessness damage them, and cut into pieces anywhere. Pure; the same seed gives the same bytes.
 *
 * Source: RFC 9112 §2.2, §5, §6.3, §11.2.
 */
import type { Rng } from "../../sim/rng.ts";

export interface HttpCase {
  readonly name: string;
  /** What is sent, one write each. */
  readonly pieces: readonly Uint8Array[];
  /** Whether all routes in it read the body; behind one that does not, Deno's server ends the connection or goes on, as it comes. */
  readonly readsBodies: boolean;
  /** Whether it ends with a request that asks for the end, so that a server is not left waiting in a head. */
  readonly isWhole: boolean;
}

const readingRoutes = ["/echo", "/echo", "/stream", "/wait"];
const allRoutes = [...readingRoutes, "/ignore", "/none", "/part"];

const REQUESTS_MAX = 5;
const PIECES_MAX = 400;
const LARGE_HEAD_BYTES = 20_000;
const LONG_BODY_BYTES = 70_000;

/** A request that asks for the end, so that a connection which is understood to here ends by itself. */
function lastRequest(name: string): string {
  return `GET /${name}/last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
}

/** Whole and right, each with a body that would be a request itself if it were taken for one. */
function rightRequest(rng: Rng, path: string, routes: readonly string[]): string {
  const inner = `GET ${path}/inner HTTP/1.1\r\nHost: x\r\n\r\n`;
  const body = rng.pick(["", "hello", inner, inner + inner, `0\r\n\r\n${inner}`]);
  const length = `Content-Length: ${body.length}\r\n`;
  const route = path + rng.pick(routes);
  switch (rng.int(12)) {
    case 0:
      return `HEAD ${route} HTTP/1.1\r\nHost: x\r\n\r\n`;
    case 1:
      return `OPTIONS ${route} HTTP/1.1\r\nHost: x\r\n${length}\r\n${body}`;
    case 2:
      return `GET ${route} HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n`;
    case 3:
      return `POST ${route} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunksOf(rng, body)}`;
    case 4:
      return `POST ${route} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n${length}\r\n${body}`;
    case 5:
      return `PUT ${route}?a=%20b HTTP/1.1\r\nHost: x\r\n${length}X-A: 1\r\nx-a: 2\r\n\r\n${body}`;
    case 6: {
      const long = inner.repeat(Math.ceil(LONG_BODY_BYTES / inner.length));
      return `POST ${route} HTTP/1.1\r\nHost: x\r\nContent-Length: ${long.length}\r\n\r\n${long}`;
    }
    case 7:
    case 8:
      return `GET ${route} HTTP/1.1\r\nHost: x\r\n\r\n`;
    default:
      return `POST ${route} HTTP/1.1\r\nHost: x\r\n${length}\r\n${body}`;
  }
}

function chunksOf(rng: Rng, body: string): string {
  const cut = rng.int(body.length + 1);
  const chunks = [body.slice(0, cut), body.slice(cut)].filter((chunk) => chunk !== "");
  return [...chunks, ""].map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("");
}

/** Lines that decide how long a request is, or say it twice, or nearly. */
const lines: readonly string[] = [
  "Content-Length: 5",
  "Content-Length: 0",
  "content-length: 3",
  "Content-Length: 5, 5",
  "Content-Length: 5,6",
  "Content-Length: +5",
  "Content-Length: -1",
  "Content-Length: 0x5",
  "Content-Length: 5 ",
  "Content-Length:\t5",
  "Content-Length: 05",
  "Content-Length: 5;a",
  "Content-Length: 1e1",
  "Content-Length:",
  "Content-Length: 9007199254740993",
  "Content-Length: 18446744073709551616",
  "Content-Length: 99999999999999999999999",
  "Content-Length : 5",
  "Content-Length\t: 5",
  " Content-Length: 5",
  "Content_Length: 5",
  "Content-Length: 5\r\n 6",
  "X: a\r\n Content-Length: 5",
  "X: a\r\n\tTransfer-Encoding: chunked",
  "X: a\rContent-Length: 5",
  "X: a\nContent-Length: 5",
  "X: a\n\nGET /smuggled HTTP/1.1",
  "X: a\r\r\nContent-Length: 5",
  "X\0: a",
  "X: \0",
  "X: \xe9",
  "X: \xff\xfe",
  "X\xe9: a",
  "X: \x7f",
  "X: \x0b",
  ": a",
  "X",
  "X:",
  "X : a",
  '"X": a',
  "X(: a",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: Chunked",
  "Transfer-Encoding: identity",
  "Transfer-Encoding: chunked, identity",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding:\x0bchunked",
  "Transfer-Encoding : chunked",
  "Transfer_Encoding: chunked",
  "Transfer-Encoding:",
  "Connection: close",
  "Connection: Close",
  "Connection: keep-alive",
  "Connection: close, keep-alive",
  "Connection: Content-Length",
  "Connection: upgrade\r\nUpgrade: websocket",
  "Connection: upgrade\r\nUpgrade: h2c",
  "Upgrade: websocket",
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 8",
  "Keep-Alive: timeout=5",
  "Proxy-Connection: close",
  "Expect: 100-continue",
  "Expect: something",
  "TE: trailers",
  "Trailer: X",
  "Host: y",
  "Host:",
  "Host: x:99999",
  "Host: x:",
  "Host: a b",
  "Host: user@x",
  "Host: x/y",
  "Host: [::1]:1",
  "Host: 1.2.3.4.5",
];

/** What stands for the path's beginning in a request line. */
const targets: readonly ((path: string) => string)[] = [
  (path) => `http://x${path}`,
  (path) => `http://other${path}`,
  (path) => `/${path}`,
  (path) => `//other${path}`,
  (path) => `${path}/../inner`,
  (path) => `${path}/%2e%2e/%00`,
  (path) => `${path}/a b`,
  (path) => `${path}/\\b`,
  (path) => `${path}#b`,
  (path) => `${path}/\xe9`,
  (path) => `${path}\0`,
  (path) => `${path}?a=<b>{c}|"d"`,
  (path) => `${path}?${"a".repeat(9_000)}`,
  () => "*",
  () => "x:80",
  () => "",
];

const methods = ["get", "GET\t", " GET", "PATCH", "DELETE", "CONNECT", "TRACE", "G\0T", "FOO", "PRI", ""];
const versions = [
  "HTTP/1.0",
  "HTTP/1.2",
  "HTTP/2.0",
  "HTTP/0.9",
  "HTTP/1.1 ",
  "http/1.1",
  "HTTP/1.10",
  "HTTP /1.1",
  "",
];
const strays = ["\r\n", "\n", "\r", "\0", " ", "\t", "\r\n\r\n", "x", "\xff", ":", "GET / HTTP/1.1\r\n"];

const otherProtocols: readonly string[] = [
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
  "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
  "\0\0\0\x1a\0\x12\0\x03\0\0\0\x01",
  "SSH-2.0-OpenSSH_9.6\r\n",
  "\xef\xbb\xbfGET / HTTP/1.1\r\nHost: x\r\n\r\n",
];

/** One change of a request, somewhere. */
function damaged(rng: Rng, request: string, path: string): string {
  const headEnd = request.indexOf("\r\n\r\n") + 2;
  switch (rng.int(10)) {
    case 0:
      return request.replace(/^(\S+) \S+/, (_all, method) => `${method} ${rng.pick(targets)(path)}`);
    case 1:
      return request.replace(/^\S+/, () => rng.pick(methods));
    case 2:
      return request.replace(/HTTP\/1\.\d/, () => rng.pick(versions));
    case 3: {
      const at = rng.int(request.length + 1);
      return request.slice(0, at) + rng.pick(strays) + request.slice(at);
    }
    case 4: {
      const at = rng.int(request.length);
      return request.slice(0, at) + request.slice(at + 1 + rng.int(4));
    }
    case 5: {
      const ends = [...request.matchAll(/\r\n/g)].map(({ index }) => index);
      const at = ends.length === 0 ? 0 : rng.pick(ends);
      return request.slice(0, at) + rng.pick(["\n", "\r", "\r\r\n", "\n\r", ""]) + request.slice(at + 2);
    }
    case 6:
      return rng.chance(0.5)
        ? `${request.slice(0, headEnd)}X-Large: ${"x".repeat(LARGE_HEAD_BYTES)}\r\n${request.slice(headEnd)}`
        : request.slice(0, headEnd) + "X-Many: 1\r\n".repeat(98 + rng.int(6)) + request.slice(headEnd);
    default: {
      // Before or behind the lines that are there: whoever takes the first reads otherwise than who takes the last.
      const at = rng.chance(0.5) ? headEnd : request.indexOf("\r\n") + 2;
      return `${request.slice(0, at)}${rng.pick(lines)}\r\n${request.slice(at)}`;
    }
  }
}

/** Case `number` of a seed. */
export function httpCase(rng: Rng, number: number): HttpCase {
  const name = `c${number}`;
  const readsBodies = rng.chance(0.7);
  const routes = readsBodies ? readingRoutes : allRoutes;
  let text = "";
  for (let count = 1 + rng.int(REQUESTS_MAX); count > 0; count--) {
    let request = rng.chance(0.03) ? rng.pick(otherProtocols) : rightRequest(rng, `/${name}`, routes);
    while (rng.chance(0.3)) request = damaged(rng, request, `/${name}`);
    text += request;
  }
  const isWhole = rng.chance(0.9);
  text = isWhole ? text + lastRequest(name) : text.slice(0, rng.int(text.length));
  return {
    name,
    readsBodies,
    isWhole,
    pieces: cut(rng, Uint8Array.from(text, (char) => char.charCodeAt(0))),
  };
}

function cut(rng: Rng, bytes: Uint8Array): Uint8Array[] {
  const sizeMax = rng.pick([1, 2, 16, 64, 1_000, 100_000]);
  const least = Math.ceil(bytes.length / PIECES_MAX);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = Math.max(least, 1 + rng.int(sizeMax));
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}
