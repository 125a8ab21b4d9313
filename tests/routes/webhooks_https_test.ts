/** Webhooks over https, on a whole broker with receivers on real sockets: whom the server trusts, and what it tells of those it does not. */
import assert from "node:assert/strict";
import { realEnv } from "../../env/real.ts";
import { type ServerCertificate, TestAuthority } from "../certificates.ts";
import { serveBroker, type ServedBroker } from "../served_broker.ts";

// deno-lint-ignore no-explicit-any -- tests look into answers freely
type Body = any;

const ADDRESS = "127.0.0.1";

async function call(served: ServedBroker, method: string, path: string, body?: unknown): Promise<Body> {
  const response = await served.http(path, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return await response.json();
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail("it never came about");
}

function receiver(certificate: ServerCertificate) {
  const received: Body[] = [];
  const server = Deno.serve(
    { hostname: ADDRESS, port: 0, onListen() {}, ...certificate },
    async (request) => {
      received.push(await request.json());
      return new Response(null, { status: 202 });
    },
  );
  return {
    received,
    url: `https://localhost:${server.addr.port}/hook`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** `names`: what the name of the receiver leads to, at each time that it is asked for. */
function serve(authority: TestAuthority, names: () => readonly string[] = () => [ADDRESS]) {
  return serveBroker({
    config: { "webhook.allowed.addresses": `${ADDRESS}/32` },
    env: { ...realEnv({ authorities: [authority.pem] }), resolve: () => Promise.resolve(names()) },
  });
}

async function deliverTo(served: ServedBroker, url: string): Promise<void> {
  await call(served, "POST", "/v1/topics/t/records", { value: "a" });
  const wish = { url, topics: ["t"], from: "earliest", backoffMs: 10, maxBackoffMs: 20, maxAttempts: 0 };
  await call(served, "PUT", "/v1/webhooks/mail", wish);
}

const status = (served: ServedBroker) => call(served, "GET", "/v1/webhooks/mail");

Deno.test("https: a receiver with a certificate of a trusted authority gets its records", async () => {
  const authority = await TestAuthority.create();
  await using hook = receiver(await authority.issue("localhost"));
  await using served = await serve(authority);
  await deliverTo(served, hook.url);
  await until(async () => (await status(served)).lag === 0);
  const { lastDelivery, lastError } = await status(served);
  assert.deepEqual([lastDelivery.status, lastError], [202, null]);
  assert.deepEqual(hook.received.map(({ data }) => data.records.length), [1]);
});

Deno.test("https: a certificate that is not trusted, or for another name, is refused, and its status says so", async () => {
  const authority = await TestAuthority.create();
  const stranger = await TestAuthority.create("A stranger");
  const cases = [
    [
      await stranger.issue("localhost"),
      /^The receiver: its certificate is refused: unable to verify the first certificate$/,
    ],
    [
      await authority.issue("other.example"),
      /^The receiver: its certificate is refused: .*does not match.*localhost/,
    ],
  ] as const;
  for (const [certificate, wanted] of cases) {
    await using hook = receiver(certificate);
    await using served = await serve(authority);
    await deliverTo(served, hook.url);
    await until(async () => (await status(served)).counts.failedRequests >= 2);
    const { state, lag, lastError, lastDelivery, partitions } = await status(served);
    assert.deepEqual([state, lag, lastDelivery], ["failing", 1, null]);
    assert.match(lastError.error, wanted);
    assert.match(partitions[0].failing.error, wanted);
    assert.deepEqual(hook.received, [], "nothing was sent");
  }
});

Deno.test("https: a name that leads elsewhere once it was looked at takes no request there", async () => {
  const authority = await TestAuthority.create();
  const certificate = await authority.issue("localhost");
  await using hook = receiver(certificate);
  let asked = 0;
  await using served = await serve(authority, () => {
    // The first answer is for who makes the webhook, the second for the attempt; a third would be for the connection.
    asked++;
    return asked <= 2 ? [ADDRESS] : ["169.254.169.254"];
  });
  await deliverTo(served, hook.url);
  await until(async () => (await status(served)).lag === 0);
  assert.deepEqual([asked, hook.received.length], [2, 1]);
  // The next attempt looks again, and goes nowhere.
  await call(served, "POST", "/v1/topics/t/records", { value: "b" });
  await until(async () => (await status(served)).state === "paused");
  const { paused } = await status(served);
  assert.equal(paused.reason, "The URL must not lead into a local network");
  assert.equal(hook.received.length, 1);
});
