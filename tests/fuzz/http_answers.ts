/** Reads the answers that came over one HTTP connection, strictly: what is not an answer is an error. Pure. */

export interface HttpAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface HttpAnswers {
  readonly answers: readonly HttpAnswer[];
  /** What is left when the connection ended in the middle of an answer, or spoke another protocol. */
  readonly rest: string;
}

/** `text` has a character for each byte. An answer to HEAD must say so with `x-head`. Throws what is no answer. */
export function readAnswers(text: string): HttpAnswers {
  const answers: HttpAnswer[] = [];
  let at = 0;
  while (text.startsWith("HTTP/1.", at)) {
    const headEnd = text.indexOf("\r\n\r\n", at);
    if (headEnd === -1) break;
    const [statusLine = "", ...lines] = text.slice(at, headEnd).split("\r\n");
    const status = Number(/^HTTP\/1\.[01] (\d{3}) [ -~]*$/.exec(statusLine)?.[1] ?? NaN);
    if (Number.isNaN(status)) throw new Error(`No status line: ${JSON.stringify(statusLine)}`);
    const headers = new Map(lines.map((line): [string, string] => {
      const [, name = "", value = ""] = /^([\w-]+): ?(.*)$/.exec(line) ?? [];
      if (name === "") throw new Error(`No header: ${JSON.stringify(line)}`);
      return [name.toLowerCase(), value];
    }));
    const body = readBody(text, headEnd + 4, { status, headers });
    if (body === null) break;
    answers.push({ status, headers, body: body.text });
    at = body.end;
    if (status === 101) break;
  }
  return { answers, rest: text.slice(at) };
}

/** Null when it is not whole. */
function readBody(
  text: string,
  start: number,
  { status, headers }: Pick<HttpAnswer, "status" | "headers">,
): { text: string; end: number } | null {
  if (status < 200 || status === 204 || status === 304 || headers.has("x-head")) {
    return { text: "", end: start };
  }
  if (headers.get("transfer-encoding") === "chunked") return readChunks(text, start);
  const length = headers.get("content-length");
  // Up to the end of the connection.
  if (length === undefined) return { text: text.slice(start), end: text.length };
  const end = start + Number(length);
  return end > text.length ? null : { text: text.slice(start, end), end };
}

function readChunks(text: string, start: number): { text: string; end: number } | null {
  let body = "";
  for (let at = start;;) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd === -1) return null;
    const line = text.slice(at, lineEnd);
    if (!/^[0-9a-fA-F]+$/.test(line)) throw new Error(`No size of a chunk: ${JSON.stringify(line)}`);
    const size = Number.parseInt(line, 16);
    const end = lineEnd + 2 + size;
    if (end + 2 > text.length) return null;
    if (text.slice(end, end + 2) !== "\r\n") throw new Error("A chunk does not end where it should");
    if (size === 0) return { text: body, end: end + 2 };
    body += text.slice(lineEnd + 2, end);
    at = end + 2;
  }
}
