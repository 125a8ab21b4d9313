/** Compressed requests and answers, and what is done about bombs. */
import assert from "node:assert/strict";
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { limits } from "../../core/config/limits.ts";
import { acceptedEncoding } from "../../routes/response_compression.ts";
import { HttpClient } from "./http_client.ts";

const path = "/v1/topics/t/records";

async function post(bytes: Uint8Array, encoding: string, type = "application/json") {
  const client = new HttpClient();
  client.broker.addTopic("t");
  const body = new Uint8Array(bytes);
  return await client.send("POST", path, {
    body,
    headers: { "content-type": type, "content-encoding": encoding },
  });
}

Deno.test("requests may be gzip or zstd", async () => {
  const text = new TextEncoder().encode(JSON.stringify({ value: "x".repeat(5_000) }));
  for (
    const [encoding, bytes] of [
      ["gzip", gzipSync(text)],
      ["x-gzip", gzipSync(text)],
      ["ZSTD", zstdCompressSync(text)],
      ["identity", text],
    ] as const
  ) {
    assert.equal((await post(bytes, encoding)).status, 200, encoding);
  }
});

Deno.test("an encoding that is not known is 415, a wrong body 400", async () => {
  const text = new TextEncoder().encode(`{"value":"x"}`);
  for (const encoding of ["br", "deflate", "gzip, gzip", "compress"]) {
    const { status, headers } = await post(text, encoding);
    assert.deepEqual([status, headers.get("accept-encoding")], [415, "gzip, zstd, identity"], encoding);
  }
  for (const encoding of ["gzip", "zstd"]) assert.equal((await post(text, encoding)).status, 400, encoding);
  assert.equal((await post(gzipSync(text).subarray(0, 20), "gzip")).status, 400);
});

Deno.test("a bomb is 413 and is not inflated beyond the bound", async () => {
  const zeros = new Uint8Array(limits.httpBodyBytesMax * 8);
  for (const [encoding, bytes] of [["gzip", gzipSync(zeros)], ["zstd", zstdCompressSync(zeros)]] as const) {
    const { status, body } = await post(bytes, encoding, "application/octet-stream");
    assert.deepEqual([status, body.status], [413, 413], encoding);
  }
});

Deno.test("answers are compressed where it is worth it and wished", async () => {
  const client = new HttpClient();
  for (let n = 0; n < 50; n++) client.broker.addTopic(`topic-${n}`);
  async function get(accept: string | null, at = "/v1/topics") {
    const request = new Request(`http://localhost${at}`, {
      headers: accept === null ? {} : { "accept-encoding": accept },
    });
    const response = await client.app.fetch(request);
    return { response, bytes: new Uint8Array(await response.arrayBuffer()) };
  }
  const plain = await get(null);
  assert.match(plain.response.headers.get("vary") ?? "", /accept-encoding/);
  assert.equal(plain.response.headers.get("content-encoding"), null);
  const zipped = await get("gzip, br");
  assert.equal(zipped.response.headers.get("content-encoding"), "gzip");
  assert.deepEqual(new Uint8Array(gunzipSync(zipped.bytes)), plain.bytes);
  const zstd = await get("gzip;q=1, zstd;q=0.5");
  assert.equal(zstd.response.headers.get("content-encoding"), "zstd");
  assert.deepEqual(new Uint8Array(zstdDecompressSync(zstd.bytes)), plain.bytes);
  assert.ok(zstd.bytes.length < plain.bytes.length / 3);
  assert.equal((await get("gzip;q=0")).response.headers.get("content-encoding"), null);
  assert.equal((await get("gzip", "/v1/topics?limit=1")).response.headers.get("content-encoding"), null);
});

Deno.test("acceptedEncoding() reads the header", () => {
  assert.equal(acceptedEncoding(null), null);
  assert.equal(acceptedEncoding("br, deflate"), null);
  assert.equal(acceptedEncoding("GZIP;q=0.1"), "gzip");
  assert.equal(acceptedEncoding("zstd;q=0.000, gzip"), "gzip");
  assert.equal(acceptedEncoding("*"), null);
});
