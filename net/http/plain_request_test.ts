import assert from "node:assert/strict";
import fc from "fast-check";
import { readPlainHead } from "../../lib/http_head.ts";
import { asRequest, PlainHeaders } from "./plain_request.ts";

const encoder = new TextEncoder();

function requestOf(method: "GET" | "POST", body: string): Request {
  const head = readPlainHead(encoder.encode(
    `${method} /a?b=1 HTTP/1.1\r\nHost: x\r\n${
      method === "GET" ? "" : `Content-Length: ${body.length}\r\n`
    }\r\n`,
  ));
  assert.ok(head !== null);
  let left: Uint8Array<ArrayBuffer> | null = encoder.encode(body);
  return asRequest(head, {
    bodyChunk() {
      const chunk = left?.byteLength === 0 ? null : left;
      left = null;
      return Promise.resolve(chunk);
    },
    bodyBytes: () => Promise.resolve(encoder.encode(body)),
    whenGone(callback) {
      callback();
    },
  });
}

Deno.test("PlainHeaders are what Headers would be", () => {
  const name = fc.constantFrom("a", "B", "content-type", "Content-Type", "x-y");
  // Deno joins empty values otherwise than the standard says.
  const value = fc.constantFrom("1", "a b", "x, y");
  fc.assert(fc.property(fc.array(fc.tuple(name, value), { maxLength: 8 }), (pairs) => {
    const real = new Headers(pairs);
    const plain = new PlainHeaders({
      names: pairs.map(([name]) => name.toLowerCase()),
      values: pairs.map(([, value]) => value),
    });
    const collected: [string, string][] = [];
    plain.forEach((value, name) => collected.push([name, value]));
    assert.deepEqual([...plain], [...real]);
    assert.deepEqual(collected, [...real]);
    assert.deepEqual([...plain.keys()], [...real.keys()]);
    assert.deepEqual([...plain.values()], [...real.values()]);
    assert.deepEqual([...new Headers(plain as unknown as Headers)], [...real]);
    for (const name of ["a", "A", "b", "content-type", "X-Y", "none", ""]) {
      assert.equal(plain.get(name), name === "" ? null : real.get(name), name);
      assert.equal(plain.has(name), name === "" ? false : real.has(name), name);
    }
  }));
});

Deno.test("a plain request passes for a Request", async () => {
  assert.ok(requestOf("GET", "") instanceof Request);
  assert.ok(requestOf("GET", "").headers instanceof Headers);
  assert.equal(requestOf("GET", "").body, null);
  assert.notEqual(requestOf("POST", "").body, null);
  assert.equal(requestOf("GET", "").url, "http://x/a?b=1");
  assert.equal(await requestOf("POST", "né").text(), "né");
  assert.deepEqual(await requestOf("POST", '{"a":1}').json(), { a: 1 });
  assert.deepEqual([...new Uint8Array(await requestOf("POST", "ab").arrayBuffer())], [97, 98]);
  assert.equal(await new Response(requestOf("POST", "flows").body).text(), "flows");
  assert.equal(requestOf("GET", "").signal.aborted, true);
  assert.throws(() => requestOf("GET", "").headers.set("a", "1"), TypeError);
});

Deno.test("a plain request's body is read once", async () => {
  const request = requestOf("POST", "once");
  assert.equal(request.bodyUsed, false);
  await request.bytes();
  assert.equal(request.bodyUsed, true);
  await assert.rejects(request.text(), TypeError);
  const streamed = requestOf("POST", "once");
  streamed.body?.getReader();
  await assert.rejects(streamed.bytes(), TypeError);
});
