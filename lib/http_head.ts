/**
 * The head of a plain HTTP/1.1 request, the kind that nearly all requests are. It is strict, and it refuses nothing: what is not
 * plain (another version, an upgrade but to a WebSocket, chunks, a form that two readers could read differently) is null, and goes to a server
 * that knows all of HTTP. So whatever is read here has exactly one meaning.
 *
 * Source: RFC 9110, RFC 9112 §2 to §6, RFC 6455 §4.2.1.
 */

/** A method that changes nothing about how the answer is framed. */
export type PlainMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface PlainHead {
  readonly method: PlainMethod;
  /** `http://HOST/PATH?QUERY`, as it was sent. */
  readonly url: string;
  /** Names in lower case, in their order. */
  readonly names: readonly string[];
  /** Each name's value, without the space around it. */
  readonly values: readonly string[];
  /** Null without a Content-Length: then there is no body. */
  readonly bodyBytes: number | null;
  /** Whether the client wants to go on with the connection. */
  readonly keepsAlive: boolean;
  /** A handshake of a WebSocket: of the version that there is, with its key. */
  readonly isWebSocket: boolean;
}

const HEADER_COUNT_MAX = 100;
const CR = 0x0d;
const LF = 0x0a;

/** What is not ASCII becomes characters that no line allows; faster than Latin-1. */
const text = new TextDecoder("utf-8", { ignoreBOM: true });
const requestLine = /^(GET|POST|PUT|PATCH|DELETE) (\/(?:[\w\-.~!$&'()*+,;=:@%/?]*)) HTTP\/1\.1$/;
const headerLine = /^([!#$%&'*+\-.^`|~\w]+):[ \t]*([\x20-\x7e\t]*)$/;
const authority = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;
const length = /^\d{1,15}$/;

/** Headers with which a request is more than plain. */
const beyondPlain: ReadonlySet<string> = new Set([
  "transfer-encoding",
  "expect",
  "http2-settings",
  "trailer",
  "te",
  "proxy-connection",
  "keep-alive",
]);

/** Where the head that begins at `start` ends, behind its empty line; -1 when the end is not there yet. */
export function headEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start + 3; at < end; at++) {
    if (
      bytes[at] === LF && bytes[at - 1] === CR && bytes[at - 2] === LF && bytes[at - 3] === CR
    ) return at + 1;
  }
  return -1;
}

/** Whether bytes may become a plain head: a server that knows more is not kept waiting for an end that never comes. */
export function mayBePlain(bytes: Uint8Array, start: number, end: number): boolean {
  const shown = text.decode(bytes.subarray(start, Math.min(end, start + 8)));
  return ["GET /", "POST /", "PUT /", "PATCH /", "DELETE /"].some((begin) =>
    begin.startsWith(shown) || shown.startsWith(begin)
  );
}

/** Reads a whole head, its empty line included. */
export function readPlainHead(bytes: Uint8Array): PlainHead | null {
  const lines = text.decode(bytes).split("\r\n");
  const [, method, target] = requestLine.exec(lines[0] ?? "") ?? [];
  if (method === undefined || target === undefined || target.startsWith("//")) return null;
  // The last two are empty.
  const headerCount = lines.length - 3;
  if (headerCount > HEADER_COUNT_MAX) return null;
  const names: string[] = [];
  const values: string[] = [];
  let host: string | null = null;
  let bodyBytes: number | null = null;
  let connection: string | null = null;
  let upgrade: string | null = null;
  for (let at = 1; at <= headerCount; at++) {
    const [, written, padded] = headerLine.exec(lines[at] ?? "") ?? [];
    if (written === undefined || padded === undefined) return null;
    const name = written.toLowerCase();
    const value = padded.trimEnd();
    if (beyondPlain.has(name)) return null;
    switch (name) {
      case "host":
        if (host !== null || !authority.test(value)) return null;
        host = value;
        break;
      case "content-length":
        if (bodyBytes !== null || !length.test(value)) return null;
        bodyBytes = Number(value);
        break;
      case "connection":
        if (connection !== null) return null;
        connection = value.toLowerCase();
        break;
      case "upgrade":
        if (upgrade !== null) return null;
        upgrade = value.toLowerCase();
        break;
    }
    names.push(name);
    values.push(value);
  }
  if (host === null || (method === "GET" && bodyBytes !== null)) return null;
  const isWebSocket = upgrade === "websocket" && method === "GET" && isHandshake(connection, names, values);
  if (!isWebSocket && (upgrade !== null || !["close", "keep-alive", null].includes(connection))) return null;
  return {
    method: method as PlainMethod,
    url: `http://${host}${target}`,
    names,
    values,
    bodyBytes,
    keepsAlive: connection !== "close",
    isWebSocket,
  };
}

function isHandshake(
  connection: string | null,
  names: readonly string[],
  values: readonly string[],
): boolean {
  const only = (wanted: string) => {
    const found = names.flatMap((name, at) => name === wanted ? [values[at] ?? ""] : []);
    return found.length === 1 ? found[0] ?? "" : "";
  };
  return /^(keep-alive, ?)?upgrade$/.test(connection ?? "") && only("sec-websocket-version") === "13" &&
    /^[A-Za-z0-9+/]{22}==$/.test(only("sec-websocket-key"));
}
