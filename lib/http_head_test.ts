import assert from "node:assert/strict";
import fc from "fast-check";
import { headEnd, mayBePlain, readPlainHead } from "./http_head.ts";

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

function read(text: string) {
  return readPlainHead(bytesOf(text));
}

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

function handshake(...lines: readonly string[]): string {
  return `GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${
    lines.join("\r\n")
  }\r\n\r\n`;
}

Deno.test("readPlainHead() reads the handshake of a WebSocket as browsers send it", () => {
  const chrome = handshake(
    `Sec-WebSocket-Key: ${KEY}`,
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Extensions: permessage-deflate",
  );
  const firefox = chrome.replace("Connection: Upgrade", "Connection: keep-alive, Upgrade");
  for (const text of [chrome, firefox]) assert.equal(read(text)?.isWebSocket, true);
  assert.equal(read("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")?.isWebSocket, false);
});

Deno.test("readPlainHead() reads what a client sends", () => {
  const head = read(
    "POST /v1/topics/a/records?key=%20b HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type:  application/json \r\n" +
      "content-length: 12\r\nConnection: Keep-Alive\r\nX-Empty:\r\n\r\n",
  );
  assert.deepEqual(head, {
    method: "POST",
    url: "http://localhost:8080/v1/topics/a/records?key=%20b",
    names: ["host", "content-type", "content-length", "connection", "x-empty"],
    values: ["localhost:8080", "application/json", "12", "Keep-Alive", ""],
    bodyBytes: 12,
    keepsAlive: true,
    isWebSocket: false,
  });
});

Deno.test("readPlainHead() tells a client that does not go on, and one without a body", () => {
  const head = read("GET / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n");
  assert.equal(head?.keepsAlive, false);
  assert.equal(head?.bodyBytes, null);
  assert.equal(head?.url, "http://[::1]:80/");
});

/** Each line is one that two servers may read differently, or that only a whole server knows what to do with. */
const beyond: readonly [why: string, text: string][] = [
  ["an old version", "GET / HTTP/1.0\r\nHost: a\r\n\r\n"],
  ["another version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"],
  ["HTTP/2 from the start", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["another method", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a method in lower case", "get / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["an absolute target", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a target with a host", "GET //b/c HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a target with a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a target with a space", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a target with a backslash", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a target beyond ASCII", "GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["no host", "GET / HTTP/1.1\r\n\r\n"],
  ["two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
  ["an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"],
  ["a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"],
  ["a host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"],
  ["chunks", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"],
  [
    "chunks and a length",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
  ],
  ["two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n"],
  ["a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n"],
  ["a signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n"],
  ["a negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n"],
  ["an empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"],
  ["a length with a space", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 2\r\n\r\n"],
  ["a length in hex", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\n"],
  ["a GET with a body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"],
  ["a space before the colon", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\n"],
  ["a folded line", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n"],
  ["a line without a colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"],
  ["a header without a name", "GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n"],
  ["a bare line feed", "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n"],
  ["a bare carriage return", "GET / HTTP/1.1\r\nHost: a\rX: 1\r\n\r\n"],
  ["a zero byte", "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"],
  ["a value beyond ASCII", "GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\r\n\r\n"],
  ["an upgrade", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"],
  [
    "an upgrade without a handshake",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  ],
  ["half a handshake", handshake("Sec-WebSocket-Key: short", "Sec-WebSocket-Version: 13")],
  ["a handshake of an old version", handshake(`Sec-WebSocket-Key: ${KEY}`, "Sec-WebSocket-Version: 8")],
  [
    "a handshake with two keys",
    handshake(`Sec-WebSocket-Key: ${KEY}`, `Sec-WebSocket-Key: ${KEY}`, "Sec-WebSocket-Version: 13"),
  ],
  [
    "a handshake that is a POST",
    handshake(`Sec-WebSocket-Key: ${KEY}`, "Sec-WebSocket-Version: 13").replace("GET", "POST"),
  ],
  [
    "a handshake to two protocols",
    handshake(`Sec-WebSocket-Key: ${KEY}`, "Sec-WebSocket-Version: 13", "Upgrade: websocket"),
  ],
  [
    "a handshake that does not say so",
    handshake(`Sec-WebSocket-Key: ${KEY}`, "Sec-WebSocket-Version: 13").replace(
      "Connection: Upgrade",
      "Connection: close",
    ),
  ],
  ["two connections", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n"],
  ["a named hop", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X\r\n\r\n"],
  ["an expectation", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"],
  ["a byte order mark", "\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a value in UTF-8", "GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9\r\n\r\n"],
  ["a line before it", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"],
];

for (const [why, text] of beyond) {
  Deno.test(`readPlainHead() leaves ${why} to others`, () => {
    assert.equal(read(text), null);
  });
}

Deno.test("readPlainHead() leaves a head with very many headers to others", () => {
  const headOf = (count: number) => `GET / HTTP/1.1\r\nHost: a\r\n${"X: 1\r\n".repeat(count - 1)}\r\n`;
  assert.equal(read(headOf(100))?.names.length, 100);
  assert.equal(read(headOf(101)), null);
});

Deno.test("whatever readPlainHead() accepts has one reading: written again line by line it is the same request", () => {
  const pieces = fc.constantFrom(
    ..."GET POST /a ?b HTTP/1.1 HTTP/1.0 Host: Content-Length: Transfer-Encoding: chunked a:1 3 close Connection:"
      .split(" "),
    " ",
    "\r\n",
    "\r\n",
    "\n",
    "\r",
    "\t",
    "\0",
    ",",
  );
  const text = fc.array(pieces, { maxLength: 20 }).map((parts) => parts.join(""));
  const likely = text.map((more) => `POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n${more}\r\n\r\n`);
  fc.assert(
    fc.property(fc.oneof(text, likely), (text) => {
      const end = headEnd(bytesOf(text), 0, text.length);
      if (end === -1) return;
      const head = read(text.slice(0, end));
      if (head === null) return;
      const lines = head.names.map((name, at) => `${name}: ${head.values[at]}`);
      const again = `${head.method} ${head.url.slice(head.url.indexOf("/", 7))} HTTP/1.1\r\n${
        lines.join("\r\n")
      }\r\n\r\n`;
      assert.deepEqual(read(again), head);
      assert.ok(!/[\0\n\r]/.test(lines.join("")));
      assert.equal(
        lines.filter((line) => line.startsWith("content-length:")).length,
        head.bodyBytes === null ? 0 : 1,
      );
      assert.ok(!lines.some((line) => line.startsWith("transfer-encoding:")));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("headEnd() finds the empty line, and only within bounds", () => {
  const bytes = bytesOf("xxGET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n");
  assert.equal(headEnd(bytes, 2, bytes.length), bytes.length - 8);
  assert.equal(headEnd(bytes, 2, bytes.length - 9), -1);
});

Deno.test("mayBePlain() gives up at the first byte that cannot be", () => {
  for (const text of ["G", "PO", "PATCH", "DELETE /", "GET /long"]) {
    assert.equal(mayBePlain(bytesOf(text), 0, text.length), true, text);
  }
  for (const text of ["X", "\x16\x03\x01", "PRI", "GET x", "HEAD /", "\r\n"]) {
    assert.equal(mayBePlain(bytesOf(text), 0, text.length), false, text);
  }
});
