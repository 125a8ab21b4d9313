/** Subscriptions to streams on a whole broker: fencing, leases, retries, restarts, bad input. */
import assert from "node:assert/strict";
import { formatStreamOffset } from "../../core/stream/stream_offset.ts";
import { serveBroker, type ServedBroker } from "../served_broker.ts";

// deno-lint-ignore no-explicit-any -- tests look into answers freely
type Body = any;

interface Answer {
  readonly status: number;
  readonly body: Body;
}

async function call(
  served: ServedBroker,
  method: string,
  path: string,
  body?: unknown,
  token?: string,
): Promise<Answer> {
  const response = await served.http(`/v1/stream/${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

const SUB = "__ds/subscriptions/s";
const pull = { type: "pull-wake", pattern: "events/*", wake_stream: "wake", lease_ttl_ms: 1_000 };

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail("it never came about");
}

async function wakeEvents(served: ServedBroker): Promise<Body[]> {
  return (await call(served, "GET", "wake")).body;
}

/** A webhook on this machine that answers as it is told. */
function receiver(answers: (request: Body, index: number) => Response) {
  const requests: Body[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const body = await request.json();
    requests.push(body);
    return answers(body, requests.length - 1);
  });
  return {
    requests,
    url: `http://127.0.0.1:${server.addr.port}/hook`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("a worker that lets its lease run out is fenced, and another gets the work", async () => {
  await using served = await serveBroker();
  await call(served, "PUT", "wake", []);
  assert.equal((await call(served, "PUT", SUB, pull)).status, 201);
  assert.equal(
    (await call(served, "POST", `${SUB}/claim`, { worker: "a" })).body.error.code,
    "NO_PENDING_WORK",
  );
  await call(served, "PUT", "events/x", [1, 2]);
  await until(async () => (await wakeEvents(served)).length === 1);
  const { body: first } = await call(served, "POST", `${SUB}/claim`, { worker: "a" });
  assert.deepEqual(first.streams, [{
    path: "events/x",
    link_type: "glob",
    acked_offset: formatStreamOffset(0),
    tail_offset: formatStreamOffset(2),
    has_pending: true,
  }]);
  await until(async () => (await wakeEvents(served)).length === 2);
  const ack = (claim: Body, offset: number, done: boolean) =>
    call(served, "POST", `${SUB}/ack`, {
      wake_id: claim.wake_id,
      generation: claim.generation,
      acks: [{ stream: "events/x", offset: formatStreamOffset(offset) }],
      done,
    }, claim.token);
  assert.equal((await ack(first, 2, true)).body.error.code, "FENCED");
  const { body: second } = await call(served, "POST", `${SUB}/claim`, { worker: "b" });
  assert.equal(second.generation, first.generation + 1);
  assert.deepEqual((await ack({ ...second, token: first.token }, 2, true)).status, 409);
  // Half of it, and the wake is kept; then the rest is pending for the next.
  assert.deepEqual((await ack(second, 1, false)).body, { ok: true, next_wake: false });
  assert.deepEqual((await ack(second, 1, true)).body, { ok: true, next_wake: true });
  const { body: third } = await call(served, "POST", `${SUB}/claim`, { worker: "b" });
  assert.equal(third.streams[0].acked_offset, formatStreamOffset(1));
  // Beyond the end nothing can be acknowledged.
  assert.deepEqual((await ack(third, 99, true)).body, { ok: true, next_wake: false });
  const { body } = await call(served, "GET", SUB);
  assert.equal(body.streams[0].acked_offset, formatStreamOffset(2));
});

Deno.test("a webhook that fails is called again with the same wake; then all is acknowledged", async () => {
  await using served = await serveBroker({ config: { "stream.webhook.local.enable": "true" } });
  await using hook = receiver((_, index) =>
    index === 0 ? new Response("no", { status: 500 }) : Response.json({ done: true })
  );
  await call(served, "PUT", "events/old", [1]);
  const config = { type: "webhook", pattern: "events/*", webhook: { url: hook.url } };
  assert.equal((await call(served, "PUT", SUB, config)).status, 201);
  await call(served, "POST", "events/old", [2]);
  await until(async () => (await call(served, "GET", SUB)).body.status === "failed");
  await until(() => Promise.resolve(hook.requests.length === 2));
  const [first, second] = hook.requests;
  assert.deepEqual([second.wake_id, second.generation], [first.wake_id, first.generation]);
  // What was there before the subscription is not delivered.
  assert.equal(first.streams[0].acked_offset, formatStreamOffset(1));
  await until(async () =>
    (await call(served, "GET", SUB)).body.streams[0].acked_offset === formatStreamOffset(2)
  );
  assert.equal((await call(served, "GET", SUB)).body.status, "active");
});

Deno.test("subscriptions survive a restart, and what came meanwhile is not missed", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/store.sqlite`;
    let kid: string;
    {
      await using served = await serveBroker({ path });
      await call(served, "PUT", "wake", []);
      await call(served, "PUT", SUB, pull);
      await call(served, "PUT", "events/x", [1]);
      await until(async () => (await wakeEvents(served)).length === 1);
      kid = (await call(served, "GET", "__ds/jwks.json")).body.keys[0].kid;
    }
    await using served = await serveBroker({ path });
    assert.equal((await call(served, "GET", "__ds/jwks.json")).body.keys[0].kid, kid);
    const { status, body } = await call(served, "POST", `${SUB}/claim`, { worker: "a" });
    assert.deepEqual([status, body.generation, body.streams[0].tail_offset], [200, 1, formatStreamOffset(1)]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("links by name and by pattern, and those of deleted streams", async () => {
  await using served = await serveBroker();
  await call(served, "PUT", "wake", []);
  await call(served, "PUT", SUB, { ...pull, streams: ["events/x", "other/deep/one"] });
  const types = async () =>
    Object.fromEntries(
      (await call(served, "GET", SUB)).body.streams.map((each: Body) => [each.path, each.link_type]),
    );
  assert.deepEqual(await types(), { "events/x": "explicit", "other/deep/one": "explicit" });
  // The pattern still holds it.
  assert.equal((await call(served, "DELETE", `${SUB}/streams/events/x`)).status, 204);
  assert.equal((await call(served, "DELETE", `${SUB}/streams/other%2Fdeep%2Fone`)).status, 204);
  assert.deepEqual(await types(), { "events/x": "glob" });
  await call(served, "PUT", "events/x", [1]);
  await call(served, "DELETE", "events/x");
  assert.deepEqual(await types(), {});
  assert.equal((await call(served, "DELETE", SUB)).status, 204);
  assert.equal((await call(served, "GET", SUB)).status, 404);
});

const hook = { type: "webhook", pattern: "a", webhook: { url: "https://worker.example/" } };
const bad: readonly [
  name: string,
  method: string,
  path: string,
  body: unknown,
  status: number,
  code: string,
][] = [
  ["no such subscription", "GET", "__ds/subscriptions/nope", undefined, 404, "SUBSCRIPTION_NOT_FOUND"],
  ["deleting none", "DELETE", "__ds/subscriptions/nope", undefined, 404, "SUBSCRIPTION_NOT_FOUND"],
  [
    "claiming of none",
    "POST",
    "__ds/subscriptions/nope/claim",
    { worker: "w" },
    404,
    "SUBSCRIPTION_NOT_FOUND",
  ],
  ["another configuration", "PUT", SUB, { ...pull, pattern: "other" }, 409, "SUBSCRIPTION_EXISTS"],
  ["an odd id", "PUT", "__ds/subscriptions/a%20b", pull, 400, "INVALID_REQUEST"],
  ["no streams", "PUT", "__ds/subscriptions/n", { ...pull, pattern: null }, 400, "INVALID_REQUEST"],
  ["no wake stream", "PUT", "__ds/subscriptions/n", { ...pull, wake_stream: null }, 400, "INVALID_REQUEST"],
  ["no webhook", "PUT", "__ds/subscriptions/n", { ...hook, webhook: null }, 400, "INVALID_REQUEST"],
  [
    "a lease too short",
    "PUT",
    "__ds/subscriptions/n",
    { ...pull, lease_ttl_ms: 999 },
    400,
    "INVALID_REQUEST",
  ],
  ["an unknown type", "PUT", "__ds/subscriptions/n", { ...pull, type: "x" }, 400, "INVALID_REQUEST"],
  ["a bad path", "PUT", "__ds/subscriptions/n", { ...pull, streams: ["a//b"] }, 400, "INVALID_REQUEST"],
  ["a body that is no JSON", "PUT", "__ds/subscriptions/n", "{", 400, "INVALID_REQUEST"],
  [
    "this machine",
    "PUT",
    "__ds/subscriptions/n",
    { ...hook, webhook: { url: "http://127.0.0.1/" } },
    400,
    "WEBHOOK_URL_REJECTED",
  ],
  [
    "a private network",
    "PUT",
    "__ds/subscriptions/n",
    { ...hook, webhook: { url: "https://10.0.0.1/" } },
    400,
    "WEBHOOK_URL_REJECTED",
  ],
  ["no token", "POST", `${SUB}/ack`, { wake_id: "w", generation: 1 }, 401, "UNAUTHORIZED"],
];

Deno.test("bad input of subscriptions has the protocol's error", async () => {
  await using served = await serveBroker();
  await call(served, "PUT", SUB, pull);
  for (const [name, method, path, body, status, code] of bad) {
    const answer = await call(served, method, path, body);
    assert.deepEqual(
      [answer.status, answer.body?.error?.code],
      [status, code],
      `${name}: ${JSON.stringify(answer.body)}`,
    );
  }
  const stale = await call(served, "POST", `${SUB}/release`, { wake_id: "w", generation: 1 }, "t");
  assert.deepEqual([stale.status, stale.body.error.code], [409, "FENCED"]);
  const offset = { wake_id: "w", generation: 1, acks: [{ stream: "a", offset: "5" }] };
  assert.equal((await call(served, "POST", `${SUB}/ack`, offset, "t")).body.error.code, "INVALID_OFFSET");
  assert.equal((await call(served, "GET", "__ds/nope")).status, 404);
});
