/** Keys: who may do what, on every contract. */
import assert from "node:assert/strict";
import type { Broker } from "../../actors/broker.ts";
import type { RestConsumerMessage } from "../../actors/messages/rest_consumer.ts";
import type { AskOptions } from "../../actors/runtime/types.ts";
import { createApi } from "../../routes/api.ts";
import { needOf } from "../../routes/access.ts";
import { httpApp } from "../../routes/app.ts";
import { accessRows } from "../../routes/access_table.ts";
import { compilePattern } from "../../routes/confluent/contract_router.ts";
import { brokerWith } from "../broker_with.ts";
import { serveBroker, type ServedBroker } from "../served_broker.ts";
import { FakeBroker } from "./fake_broker.ts";
import { readAnswer } from "./http_client.ts";
import { plainForm } from "../plain_form.ts";

const ADMIN = "the-admin-key-of-these-tests";
const json = { "content-type": "application/json" };

Deno.test("access: no route is without a row, and no row without a route", () => {
  const routes = createApi(new FakeBroker(), { version: "0", adminKey: null }).routes();
  assert.ok(routes.length > 80, String(routes.length));
  const used = new Set<string>();
  const missing: string[] = [];
  for (const { method, path } of routes) {
    const asked = method === "HEAD" ? "GET" : method;
    const concrete = path.replaceAll(/\{\w+\*?\}/g, "x");
    const row = accessRows.find((row) =>
      row.method === asked && compilePattern(row.pattern).shape.test(concrete)
    );
    if (row === undefined) missing.push(`${method} ${path}`);
    else used.add(`${row.method} ${row.pattern}`);
  }
  assert.deepEqual(missing, [], "add these to routes/access_table.ts");
  assert.deepEqual(
    accessRows.map(({ method, pattern }) => `${method} ${pattern}`).filter((row) => !used.has(row)),
    [],
  );
});

Deno.test("needOf(): what is not known is for admins, whatever its spelling", () => {
  for (
    const path of [
      "/v1/nope",
      "/v1/%74opics",
      "//v1/topics",
      "/v1/topics//live",
      "/V1/topics",
      "/v3/clustersx",
    ]
  ) {
    assert.equal(needOf("GET", path).need, "admin", path);
  }
  assert.equal(needOf("BREW", "/v1/topics").need, "admin");
  assert.deepEqual(needOf("POST", "/v1/topics/a%20b/records").topic, "a b");
  assert.deepEqual(needOf("GET", "/v1/stream/chat/42").topic, "chat/42");
  assert.deepEqual(needOf("POST", "/v3/clusters/c/topics/t/records%3Abatch").topic, "t");
});

class Keys implements AsyncDisposable {
  readonly #served: ServedBroker;
  readonly #app;

  constructor(served: ServedBroker, broker: Broker) {
    this.#served = served;
    this.#app = httpApp(broker, { version: "0", adminKey: ADMIN });
  }

  /** `instead`: members that the routes are to find in place of the broker's own. */
  static async open(instead: (broker: Broker) => Partial<Broker> = () => ({})): Promise<Keys> {
    const served = await serveBroker();
    return new Keys(served, brokerWith<Broker>(served.broker, instead(served.broker)));
  }

  async send(method: string, path: string, authorization: string | null, body?: unknown, headers = {}) {
    const init: RequestInit = {
      method,
      headers: { ...json, ...headers, ...(authorization === null ? {} : { authorization }) },
    };
    if (body !== undefined) init.body = typeof body === "string" ? body : JSON.stringify(body);
    return await readAnswer(await this.#app.fetch(await plainForm(`http://localhost${path}`, init)));
  }

  /** An answer that lasts. */
  async begin(
    method: string,
    path: string,
    authorization: string,
    init: RequestInit = {},
  ): Promise<Response> {
    const headers = { ...json, authorization };
    return await this.#app.fetch(await plainForm(`http://localhost${path}`, { ...init, method, headers }));
  }

  async sendAsWritten(method: string, target: string, authorization: string): Promise<number> {
    const init = { method, headers: { authorization } };
    const request = await plainForm(`http://localhost${target}`, init, { isAsWritten: true });
    return (await readAnswer(await this.#app.fetch(request))).status;
  }

  async make(...scopes: string[]): Promise<string> {
    const { status, body } = await this.send("POST", "/v1/api-keys", `Bearer ${ADMIN}`, {
      name: "k",
      scopes,
    });
    assert.equal(status, 201);
    return `Bearer ${body.key}`;
  }

  async [Symbol.asyncDispose]() {
    await this.#served[Symbol.asyncDispose]();
  }
}

Deno.test("access: without a valid key everything but the public paths is 401, in the contract's words", async () => {
  await using keys = await Keys.open();
  const made = (await keys.make("consume")).slice("Bearer ".length);
  const bad = [
    null,
    "",
    "Bearer",
    `Bearer ${made.slice(0, -1)}`,
    `Bearer ${made.slice(0, -1)}${made.endsWith("0") ? "1" : "0"}`,
    `Bearer ${ADMIN}x`,
    `Basic ${btoa("u:p")}`,
    "Basic %",
    `Digest ${made}`,
    `Bearer ${"x".repeat(10_000)}`,
  ];
  for (const authorization of bad) {
    const { status, headers, body } = await keys.send("GET", "/v1/topics", authorization);
    assert.equal(status, 401, String(authorization));
    assert.match(headers.get("www-authenticate") ?? "", /^Bearer/);
    assert.equal(body.status, 401);
  }
  for (const query of [`?key=${made}`, `?access_token=${made}`, `?authorization=Bearer%20${made}`]) {
    assert.equal((await keys.send("GET", `/v1/topics${query}`, null)).status, 401, query);
  }
  assert.equal((await keys.send("GET", "/v3/clusters", null)).body.error_code, 401);
  assert.equal((await keys.send("GET", "/topics", null)).body.error_code, 401);
  const stream = await keys.send("GET", "/v1/stream/a", null);
  assert.deepEqual([stream.status, stream.headers.get("x-content-type-options")], [401, "nosniff"]);
  for (const path of ["/healthz", "/readyz", "/", "/openapi.json", "/status/ready"]) {
    assert.equal((await keys.send("GET", path, null)).status, 200, path);
  }
});

Deno.test("access: a key works until it is revoked, its secret is not told again", async () => {
  await using keys = await Keys.open();
  const admin = `Bearer ${ADMIN}`;
  const made = await keys.send("POST", "/v1/api-keys", admin, {
    name: "a",
    scopes: ["admin"],
    expiresInMs: 60_000,
  });
  assert.equal(made.status, 201);
  const { key, id } = made.body;
  const list = await keys.send("GET", "/v1/api-keys", `Bearer ${key}`);
  assert.deepEqual([list.status, list.body.required, list.body.keys.length], [200, true, 1]);
  assert.equal(list.text.includes(key.split("_")[2]), false);
  assert.equal((await keys.send("GET", "/v1/topics", `Basic ${btoa(`x:${key}`)}`)).status, 200);
  assert.equal((await keys.send("DELETE", `/v1/api-keys/${id}`, admin)).status, 204);
  assert.equal((await keys.send("GET", "/v1/topics", `Bearer ${key}`)).status, 401);
  assert.equal((await keys.send("DELETE", `/v1/api-keys/${id}`, admin)).status, 404);
});

Deno.test("access: without an admin key in the environment http.api.keys.required makes keys needed", async () => {
  for (const required of ["false", "true"]) {
    await using served = await serveBroker({ config: { "http.api.keys.required": required } });
    const answer = await served.http("/v1/topics");
    assert.equal(answer.status, required === "true" ? 401 : 200);
    await answer.body?.cancel();
  }
});

Deno.test("access: an expired key is 401", async () => {
  await using keys = await Keys.open();
  const made = await keys.send("POST", "/v1/api-keys", `Bearer ${ADMIN}`, {
    name: "a",
    scopes: ["consume"],
    expiresInMs: 1,
  });
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal((await keys.send("GET", "/v1/topics", `Bearer ${made.body.key}`)).status, 401);
});

Deno.test("access: scopes hold on every contract", async () => {
  await using keys = await Keys.open();
  const admin = `Bearer ${ADMIN}`;
  for (const name of ["mine", "other"]) {
    assert.equal((await keys.send("POST", "/v1/topics", admin, { name })).status, 201);
  }
  const cluster = (await keys.send("GET", "/v3/clusters", admin)).body.data[0].cluster_id;
  const producer = await keys.make("produce:mine");
  const consumer = await keys.make("consume:mine");
  const monitor = await keys.make("consume");
  const v3 = `/v3/clusters/${cluster}/topics`;
  const record = { value: { type: "JSON", data: 1 } };
  const records = { records: [{ value: 1 }] };
  const v2json = { "content-type": "application/vnd.kafka.json.v2+json" };
  type Case = [
    method: string,
    path: string,
    body: unknown,
    p: number,
    c: number,
    m: number,
    headers?: object,
  ];
  const cases: Case[] = [
    ["POST", "/v1/topics/mine/records", { value: "a" }, 200, 403, 403],
    ["POST", "/v1/topics/other/records", { value: "a" }, 403, 403, 403],
    ["GET", "/v1/topics/mine/partitions/0/records", undefined, 403, 200, 200],
    ["GET", "/v1/topics/other/partitions/0/records", undefined, 403, 403, 200],
    ["GET", "/v1/topics/mine", undefined, 200, 200, 200],
    ["GET", "/v1/topics/other", undefined, 403, 403, 200],
    ["DELETE", "/v1/topics/mine", undefined, 403, 403, 403],
    ["GET", "/v1/cluster", undefined, 403, 403, 200],
    ["GET", "/v1/actors", undefined, 403, 403, 200],
    ["GET", "/v1/api-keys", undefined, 403, 403, 403],
    ["POST", "/v1/topics", { name: "x" }, 403, 403, 403],
    ["GET", "/v1/webhooks", undefined, 403, 403, 200],
    ["GET", "/v1/webhooks/w", undefined, 403, 403, 404],
    ["PUT", "/v1/webhooks/w", { topics: ["mine"], url: "https://8.8.8.8/" }, 403, 403, 403],
    ["DELETE", "/v1/webhooks/w", undefined, 403, 403, 403],
    ["POST", "/v1/webhooks/w/pause", {}, 403, 403, 403],
    ["POST", "/v1/webhooks/w/resume", {}, 403, 403, 403],
    ["POST", "/v1/webhooks/w/rotate-secret", {}, 403, 403, 403],
    ["POST", `${v3}/mine/records`, record, 200, 403, 403],
    ["POST", `/kafka${v3}/other/records`, record, 403, 403, 403],
    ["POST", `${v3}/other/records%3abatch`, { entries: [{ id: "1", ...record }] }, 403, 403, 403],
    ["GET", `${v3}/mine/configs`, undefined, 200, 200, 200],
    ["DELETE", `${v3}/mine`, undefined, 403, 403, 403],
    ["GET", `/v3/clusters/${cluster}/consumer-groups`, undefined, 403, 403, 200],
    ["POST", "/topics/mine", records, 200, 403, 403, v2json],
    ["POST", "/topics/other", records, 403, 403, 403, v2json],
    ["GET", "/topics/other/partitions/0/records?offset=0", undefined, 403, 403, 200],
    ["PUT", "/v1/stream/other", undefined, 403, 403, 403],
    ["GET", "/v1/stream/other", undefined, 403, 403, 404],
    ["PUT", "/v1/stream/__ds/subscriptions/s", {}, 403, 403, 403],
    ["POST", "/v1/stream/__ds/subscriptions/s/claim", {}, 403, 403, 400],
  ];
  for (const [method, path, body, p, c, m, headers = {}] of cases) {
    const statuses = [];
    for (const key of [producer, consumer, monitor]) {
      statuses.push((await keys.send(method, path, key, body, headers)).status);
    }
    assert.deepEqual(statuses, [p, c, m], `${method} ${path}`);
  }
});

Deno.test("access: a backslash, which URLs take for a slash, and dot segments lead to nobody else's topics", async () => {
  await using keys = await Keys.open();
  const admin = `Bearer ${ADMIN}`;
  assert.equal((await keys.send("POST", "/v1/topics", admin, { name: "other" })).status, 201);
  assert.equal((await keys.send("PUT", "/v1/stream/secret", admin)).status, 201);
  const key = await keys.make("produce:a*", "consume:a*");
  const targets: [method: string, target: string][] = [
    ["GET", "/v1/stream/a\\..\\secret"],
    ["DELETE", "/v1/stream/a/b\\..\\..\\secret"],
    ["PUT", "/v1/stream/a\\..\\__ds/subscriptions/s"],
    ["GET", "/topics/a\\..\\other/partitions/0/records"],
    ["GET", "/produce/a\\..\\other/x"],
    ["GET", "/v1/stream/%2e%2e/api-keys"],
    ["GET", "/v1/stream/a/../secret"],
    ["GET", "/v1/stream/a/%2E./secret"],
  ];
  for (const [method, target] of targets) {
    assert.equal(await keys.sendAsWritten(method, target, key), 400, `${method} ${target}`);
  }
  assert.equal((await keys.send("GET", "/v1/stream/secret", admin)).status, 200);
});

Deno.test("access: what lasts ends when its key is revoked", async () => {
  await using keys = await Keys.open();
  const admin = `Bearer ${ADMIN}`;
  assert.equal((await keys.send("POST", "/v1/topics", admin, { name: "t" })).status, 201);
  const key = await keys.make("consume", "produce");
  const id = key.split("_")[1] ?? "";
  const cluster = (await keys.send("GET", "/v3/clusters", admin)).body.data[0].cluster_id;
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const record = () => void writer.write(new TextEncoder().encode('{"value":{"type":"STRING","data":"x"}}'));
  const events = await keys.begin("GET", "/v1/events", key);
  const records = await keys.begin("POST", `/v3/clusters/${cluster}/topics/t/records`, key, {
    body: readable,
  });
  const reports = records.body?.pipeThrough(new TextDecoderStream()).getReader();
  const told = events.text();
  record();
  assert.equal(JSON.parse((await reports?.read())?.value ?? "").offset, 0);
  assert.equal((await keys.send("DELETE", `/v1/api-keys/${id}`, admin)).status, 204);
  record();
  assert.equal(JSON.parse((await reports?.read())?.value ?? "").error_code, 401);
  assert.equal((await reports?.read())?.done, true);
  assert.equal((await keys.send("POST", "/v1/topics", admin, { name: "after" })).status, 201);
  assert.doesNotMatch(await told, /"after"/);
  await writer.close().catch(() => {
    // Nobody reads it any more.
  });
});

Deno.test("access: a request that waits tells nothing of what its consumer was subscribed to meanwhile", async () => {
  await using keys = await Keys.open();
  const admin = `Bearer ${ADMIN}`;
  for (const name of ["mine", "other"]) {
    assert.equal((await keys.send("POST", "/v1/topics", admin, { name })).status, 201);
  }
  const [mine, all] = [await keys.make("consume:mine"), await keys.make("consume", "produce")];
  const v2 = { "content-type": "application/vnd.kafka.v2+json" };
  const at = "/consumers/g/instances/c";
  const create = { name: "c", format: "json", "auto.offset.reset": "earliest" };
  assert.equal((await keys.send("POST", "/consumers/g", mine, create, v2)).status, 200);
  assert.equal((await keys.send("POST", `${at}/subscription`, mine, { topics: ["mine"] }, v2)).status, 204);
  const accept = { accept: "application/vnd.kafka.json.v2+json" };
  const waiting = keys.send("GET", `${at}/records?timeout=20000`, mine, undefined, accept);
  assert.equal((await keys.send("POST", `${at}/subscription`, all, { topics: ["other"] }, v2)).status, 204);
  assert.equal((await keys.send("POST", "/v1/topics/other/records", all, { value: "x" })).status, 200);
  const { status, body } = await waiting;
  assert.deepEqual([status, body], [200, []]);
  assert.equal((await keys.send("GET", `${at}/records`, mine, undefined, accept)).status, 403);
  const read = await keys.send("GET", `${at}/records?timeout=20000`, all, undefined, accept);
  assert.deepEqual(read.body.map(({ topic }: { topic: string }) => topic), ["other"]);
});

Deno.test("access: records that a consumer gives of a topic that is not the key's are told to nobody", async () => {
  // As when the subscription changes between the look at it and the reading.
  await using keys = await Keys.open((broker) => ({
    restConsumer(groupId, instanceId) {
      const ref = broker.restConsumer(groupId, instanceId);
      const record = { offset: 0, timestamp: 1, key: null, value: new Uint8Array([49]), headers: [] };
      const polled = {
        type: "ok",
        value: ["mine", "other"].map((topic) => ({ topic, partition: 0, record })),
      };
      const ask = (message: RestConsumerMessage, options: AskOptions) =>
        message.type === "poll" ? Promise.resolve(polled) : ref.ask(message, options);
      return { ...ref, ask } as typeof ref;
    },
  }));
  for (const name of ["mine", "other"]) {
    assert.equal((await keys.send("POST", "/v1/topics", `Bearer ${ADMIN}`, { name })).status, 201);
  }
  const [mine, all] = [await keys.make("consume:mine"), await keys.make("consume")];
  const v2 = { "content-type": "application/vnd.kafka.v2+json" };
  const create = { name: "c", format: "json" };
  assert.equal((await keys.send("POST", "/consumers/g", mine, create, v2)).status, 200);
  const at = "/consumers/g/instances/c";
  assert.equal((await keys.send("POST", `${at}/subscription`, mine, { topics: ["mine"] }, v2)).status, 204);
  const accept = { accept: "application/vnd.kafka.json.v2+json" };
  const read = async (key: string) => {
    const { status, body } = await keys.send("GET", `${at}/records`, key, undefined, accept);
    return [status, Array.isArray(body) ? body.length : 0];
  };
  assert.deepEqual([await read(mine), await read(all)], [[403, 0], [200, 2]]);
  const consume = async (key: string) =>
    (await keys.send("POST", "/consume/h/i", key, { topic: "mine", timeout: 1 })).status;
  assert.deepEqual([await consume(mine), await consume(all)], [403, 200]);
});

Deno.test("access: a consumer on the server is for the topics of the key that asks", async () => {
  await using keys = await Keys.open();
  const admin = `Bearer ${ADMIN}`;
  for (const name of ["mine", "other"]) {
    assert.equal((await keys.send("POST", "/v1/topics", admin, { name })).status, 201);
  }
  const mine = await keys.make("consume:mine");
  const all = await keys.make("consume");
  const v2 = { "content-type": "application/vnd.kafka.v2+json" };
  const at = "/consumers/g/instances/c";
  const create = { name: "c", format: "json" };
  assert.equal((await keys.send("POST", "/consumers/g", mine, create, v2)).status, 200);
  const subscribe = (key: string, body: unknown) => keys.send("POST", `${at}/subscription`, key, body, v2);
  assert.equal((await subscribe(mine, { topics: ["mine", "other"] })).status, 403);
  assert.equal((await subscribe(mine, { topic_pattern: "mine" })).status, 403);
  assert.equal((await subscribe(mine, { topics: ["mine"] })).status, 204);
  const accept = { accept: "application/vnd.kafka.json.v2+json" };
  const read = (key: string) => keys.send("GET", `${at}/records?timeout=1`, key, undefined, accept);
  assert.equal((await read(mine)).status, 200);
  assert.equal((await subscribe(all, { topics: ["other"] })).status, 204);
  const offsets = { offsets: [{ topic: "mine", partition: 0, offset: 0 }] };
  assert.deepEqual([
    (await read(mine)).status,
    (await keys.send("POST", `${at}/offsets`, mine, offsets, v2)).status,
    (await keys.send("GET", `${at}/subscription`, mine)).status,
    (await keys.send("DELETE", at, mine)).status,
    (await read(all)).status,
  ], [403, 403, 403, 403, 200]);
});

Deno.test("access: bad wishes for a key", async () => {
  await using keys = await Keys.open();
  const admin = `Bearer ${ADMIN}`;
  const wrong = [
    {},
    { name: "", scopes: ["admin"] },
    { name: "a", scopes: [] },
    { name: "a", scopes: ["root"] },
    { name: "a", scopes: ["produce:a*b"] },
    { name: "a", scopes: ["produce"], expiresInMs: 0 },
    { name: "a", scopes: ["produce"], secret: "x" },
    { name: "a", scopes: Array(65).fill("produce") },
  ];
  for (const body of wrong) {
    assert.equal((await keys.send("POST", "/v1/api-keys", admin, body)).status, 400, JSON.stringify(body));
  }
});
