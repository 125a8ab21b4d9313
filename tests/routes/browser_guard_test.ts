/** What a web page can and cannot do. */
import assert from "node:assert/strict";
import { readPlainHead } from "../../lib/http_head.ts";
import { asRequest } from "../../net/http/plain_request.ts";
import { httpApp } from "../../routes/app.ts";
import { FakeBroker } from "./fake_broker.ts";
import { readAnswer } from "./http_client.ts";

interface Setting {
  readonly config?: Readonly<Record<string, string>>;
  readonly isLoopback?: boolean;
}

async function send(
  url: string,
  { config = {}, isLoopback = true }: Setting,
  headers: Record<string, string> = {},
  method = "GET",
) {
  const broker = new FakeBroker();
  for (const [name, value] of Object.entries(config)) broker.settings.set(name, value);
  const app = httpApp(broker, { version: "0", isLoopback });
  return await readAnswer(await app.fetch(new Request(url, { method, headers })));
}

/** A Host as it was sent, which `new Request` would not take. */
function sentWith(host: string): Request {
  const head = `GET /v3/clusters HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const plain = readPlainHead(new TextEncoder().encode(head));
  assert.ok(plain !== null, host);
  return asRequest(plain, {
    bodyChunk: () => Promise.resolve(null),
    bodyBytes: () => Promise.resolve(new Uint8Array(0)),
    whenGone() {},
  });
}

Deno.test("a Host that no URL can have is 403, not a failure of the server", async () => {
  for (const config of ["", "*"]) {
    const broker = new FakeBroker();
    broker.settings.set("http.allowed.hosts", config);
    const app = httpApp(broker, { version: "0" });
    for (const host of ["localhost:99999", "127.0.0.999", "1.2.3.4.5", "[::1::2]"]) {
      assert.equal((await app.fetch(sentWith(host))).status, 403, host);
    }
  }
});

const page = "http://page.example";

Deno.test("a foreign Host is 403 on loopback, also for the probes", async () => {
  for (const path of ["/healthz", "/v1/topics", "/v3/clusters", "/v1/stream/a", "/topics"]) {
    for (const host of ["page.example", "page.example:8080", "localhost.page.example", "127.0.0.1.nip.io"]) {
      const { status, headers } = await send(`http://${host}${path}`, {});
      assert.deepEqual([status, headers.get("content-type")], [403, "application/problem+json"], host + path);
    }
  }
});

Deno.test("what a proxy would have said of the host counts for nothing", async () => {
  for (
    const [name, host] of [["forwarded", "host=%;proto=https;for=10.0.0.1"], [
      "x-forwarded-host",
      "%",
    ]] as const
  ) {
    const spoofed = { [name]: host.replace("%", "localhost") };
    assert.equal((await send("http://page.example/v1/topics", {}, spoofed)).status, 403, name);
    const told = { [name]: host.replace("%", "page.example"), "x-forwarded-proto": "https" };
    const { status, body } = await send("http://localhost/v3/clusters", {}, told);
    assert.deepEqual([status, body.metadata.self], [200, "http://localhost/v3/clusters"], name);
  }
});

Deno.test("this machine's names and addresses are right", async () => {
  const hosts = [
    "localhost:1",
    "LOCALHOST",
    "kavka.localhost",
    "127.0.0.1:8080",
    "127.9.9.9",
    "[::1]:80",
    "10.0.0.7",
  ];
  for (const host of hosts) assert.equal((await send(`http://${host}/healthz`, {})).status, 200, host);
});

Deno.test("names are configured, and free where the listener is for others", async () => {
  const named = { "http.allowed.hosts": "kavka.example, Other.Example" };
  assert.equal((await send("http://kavka.example:81/healthz", { config: named })).status, 200);
  assert.equal((await send("http://other.example/healthz", { config: named })).status, 200);
  assert.equal((await send("http://evil.example/healthz", { config: named })).status, 403);
  assert.equal((await send("http://evil.example/healthz", { isLoopback: false })).status, 200);
  assert.equal((await send("http://evil.example/healthz", { isLoopback: false, config: named })).status, 403);
  const any = { "http.allowed.hosts": "*" };
  assert.equal((await send("http://evil.example/healthz", { config: any })).status, 200);
});

Deno.test("a request of another origin is 403, whatever it asks for", async () => {
  for (const method of ["GET", "POST", "PUT", "DELETE"]) {
    for (const origin of [page, "null", "http://localhost:1", "http://127.0.0.1.page.example"]) {
      const { status, headers } = await send("http://localhost/v1/topics", {}, { origin }, method);
      assert.equal(status, 403, `${method} ${origin}`);
      assert.equal(headers.get("access-control-allow-origin"), null);
    }
  }
  // A preflight is told the methods, and no origin, with which a browser gives up.
  const preflight = await send("http://localhost/v1/topics", {}, { origin: page }, "OPTIONS");
  assert.deepEqual([preflight.status, preflight.headers.get("access-control-allow-origin")], [204, null]);
  for (const origin of ["http://localhost:8080", "https://localhost:8080"]) {
    assert.equal((await send("http://localhost:8080/v1/topics", {}, { origin })).status, 200, origin);
  }
});

Deno.test("what another site's page does without an Origin is 403, but a link is followed", async () => {
  const cases: [Record<string, string>, string, number][] = [
    [{ "sec-fetch-site": "cross-site" }, "GET", 403],
    [{ "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors" }, "GET", 403],
    [{ "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" }, "GET", 200],
    [{ "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" }, "POST", 403],
    [{ "sec-fetch-site": "same-origin" }, "GET", 200],
    [{ "sec-fetch-site": "none", "sec-fetch-mode": "navigate" }, "GET", 200],
  ];
  for (const [headers, method, status] of cases) {
    const answer = await send("http://localhost/v1/topics", {}, headers, method);
    assert.equal(answer.status, status, JSON.stringify(headers));
  }
  const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
  assert.equal((await send("http://localhost/produce/t/x", {}, link)).status, 403);
});

Deno.test("CORS: only the origins of the configuration, with a preflight", async () => {
  const config = { "http.cors.origins": `${page}, https://app.example` };
  const seen = await send("http://localhost/v1/topics", { config }, { origin: page });
  assert.equal(seen.status, 200);
  assert.equal(seen.headers.get("access-control-allow-origin"), page);
  assert.match(seen.headers.get("access-control-expose-headers") ?? "", /stream-next-offset/);
  assert.match(seen.headers.get("vary") ?? "", /origin/);
  const other = await send("http://localhost/v1/topics", { config }, { origin: "http://evil.example" });
  assert.deepEqual([other.status, other.headers.get("access-control-allow-origin")], [403, null]);
  const preflight = await send("http://localhost/v1/topics", { config }, {
    origin: page,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type, authorization",
  }, "OPTIONS");
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("access-control-allow-origin"), page);
  assert.match(preflight.headers.get("access-control-allow-methods") ?? "", /PATCH/);
  assert.equal(preflight.headers.get("access-control-allow-headers"), "content-type, authorization");
  const without = await send("http://localhost/v1/topics", { config });
  assert.equal(without.headers.get("access-control-allow-origin"), null);
  assert.match(without.headers.get("vary") ?? "", /origin/);
  const any = await send("http://localhost/v1/topics", { config: { "http.cors.origins": "*" } }, {
    origin: page,
  });
  assert.equal(any.headers.get("access-control-allow-origin"), page);
});
