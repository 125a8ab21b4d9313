import assert from "node:assert/strict";
import fc from "fast-check";
import { HttpResponseError, HttpResponseReader } from "./http_response.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What an answer that comes in pieces of these sizes is. */
function read(text: string, sizes: readonly number[] = [Infinity]) {
  const reader = new HttpResponseReader();
  const bytes = encoder.encode(text);
  let body = "";
  for (let start = 0, turn = 0; start < bytes.byteLength && !reader.isDone; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? 1);
    reader.push(bytes.slice(start, start + size));
    start += size;
    for (let piece = reader.take(); piece !== null; piece = reader.take()) body += decoder.decode(piece);
  }
  const wasDone = reader.isDone;
  reader.end();
  return { status: reader.head?.status, headers: reader.head?.headers, body, wasDone };
}

const answers: readonly (readonly [what: string, text: string, status: number, body: string])[] = [
  ["a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"],
  ["a length of 0", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, ""],
  ["the same length twice", "HTTP/1.1 200\r\nContent-Length: 2, 2\r\ncontent-length: 2\r\n\r\nok", 200, "ok"],
  ["no length", "HTTP/1.0 500 Oh\r\nA: b\r\n\r\nuntil the end", 500, "until the end"],
  ["no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""],
  ["not modified", "HTTP/1.1 304 x\r\ncontent-length: 7\r\n\r\n", 304, ""],
  [
    "chunks",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0a;x=1\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
    200,
    "abc0123456789",
  ],
  [
    "answers before it",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: a\r\n\r\nHTTP/1.1 202 x\r\n\r\n",
    202,
    "",
  ],
  ["bare line feeds", "HTTP/1.1 200 OK\ncontent-length: 1\n\nx", 200, "x"],
];

Deno.test("an answer is read whatever pieces it comes in", () => {
  for (const [what, text, status, body] of answers) {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (sizes) => {
        const found = read(text, sizes);
        assert.deepEqual([found.status, found.body], [status, body], what);
      }),
      { numRuns: 30 },
    );
  }
  const { headers } = read(
    "HTTP/1.1 200 OK\r\nRetry-After:  5 \r\nX: \xe9\r\nX: 2\r\ncontent-length: 0\r\n\r\n",
  );
  assert.deepEqual(headers?.map(([name]) => name), ["retry-after", "x", "x", "content-length"]);
  assert.equal(headers?.[0]?.[1], "5");
});

Deno.test("what a length or chunks end is over without the end of the connection", () => {
  for (const [what, text] of answers) {
    const isUntilEnd = what === "no length" || what === "answers before it";
    assert.equal(read(text).wasDone, !isUntilEnd, what);
  }
});

Deno.test("what is no answer, or could be read in two ways, is refused", () => {
  const wrong = [
    "",
    "HTTP/2 200 OK\r\n\r\n",
    "SSH-2.0-OpenSSH\r\n",
    "HTTP/1.1 99 x\r\n\r\n",
    "HTTP/1.1 101 x\r\n\r\n",
    "HTTP/1.1 200 OK\r\n folded\r\n\r\n",
    "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "HTTP/1.1 200 OK\r\nname : value\r\n\r\n",
    "HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
    "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n",
    `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(6_000)}\r\n`,
    `HTTP/1.1 100 x\r\n\r\n`.repeat(3_000),
    `HTTP/1.1 200 ${"x".repeat(40_000)}`,
  ];
  for (const text of wrong) assert.throws(() => read(text, [1_000]), HttpResponseError, text.slice(0, 80));
});
