import assert from "node:assert/strict";
import { DenoServer } from "../../env/deno_server.ts";
import { createApi } from "../../routes/api.ts";
import { FakeBroker } from "./fake_broker.ts";
import { plainForm } from "../plain_form.ts";
import { HttpClient, readAnswer } from "./http_client.ts";

Deno.test("the probes answer without the API", async () => {
  const client = new HttpClient();
  assert.deepEqual((await client.get("/healthz")).body, { status: "ok" });
  assert.deepEqual((await client.get("/readyz?x=1")).body, { status: "ready" });
  client.broker.ready = false;
  assert.equal((await client.get("/healthz")).status, 200);
  const notReady = await client.get("/readyz");
  assert.deepEqual([notReady.status, notReady.headers.get("retry-after")], [503, "1"]);
  const post = await client.send("POST", "/healthz");
  assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
});

Deno.test("nothing under /v1 answers before the broker is ready", async () => {
  const client = new HttpClient();
  client.broker.ready = false;
  const answer = await client.get("/v1/topics");
  assert.deepEqual([answer.status, answer.headers.get("retry-after")], [503, "1"]);
});

Deno.test("unknown paths are 404, also the tricky ones", async () => {
  const client = new HttpClient();
  client.broker.addTopic("t");
  const paths = ["/nope", "/v1", "/v1/topics/t/", "/v1//topics", "//v1/topics", "/v1/topics/%2e%2e/%2e%2e/x"];
  paths.push("/v1/topics/%00", "/v1/topics/%ff", "/v1/topics/a%2Fb", "/v1/topics/__proto__", "/v1/topics/%");
  for (const path of paths) {
    const { status, headers } = await client.get(path);
    assert.deepEqual([status, headers.get("content-type")], [404, "application/problem+json"], path);
  }
});

Deno.test("a wrong method is 405 with Allow, OPTIONS tells it, HEAD is GET without a body", async () => {
  const client = new HttpClient();
  client.broker.addTopic("t");
  const cases: [string, string, string][] = [
    ["PUT", "/v1/topics", "GET, HEAD, POST"],
    ["DELETE", "/v1/topics", "GET, HEAD, POST"],
    ["POST", "/v1/topics/t", "DELETE, GET, HEAD"],
    ["GET", "/v1/topics/t/records", "POST"],
    ["BREW", "/v1/cluster", "GET, HEAD"],
  ];
  for (const [method, path, allow] of cases) {
    const answer = await client.send(method, path);
    assert.deepEqual([answer.status, answer.headers.get("allow")], [405, allow], `${method} ${path}`);
  }
  const options = await client.send("OPTIONS", "/v1/topics");
  assert.deepEqual([options.status, options.headers.get("allow")], [204, "GET, HEAD, POST"]);
});

Deno.test("HEAD says what GET does, the length included, and has no body", async () => {
  const client = new HttpClient();
  client.broker.addTopic("t");
  const bodies: string[] = [];
  for (
    const [path, encoding] of [
      ["/v1/topics/t", ""],
      ["/v1/topics/nope", ""],
      ["/nope", ""],
      ["/healthz", ""],
      ["/openapi.json", ""],
      ["/openapi.json", "gzip"],
      ["/docs", ""],
      ["/metrics", ""],
      ["/v3/clusters/nope", ""],
      ["/topics/nope", ""],
      ["/v1/topics/t/partitions/0/records?offset=x", ""],
    ]
  ) {
    const headers = { "accept-encoding": encoding ?? "" };
    const get = await client.app.fetch(await plainForm(`http://localhost${path}`, { headers }));
    const body = new Uint8Array(await get.arrayBuffer());
    const head = await client.send("HEAD", path ?? "", { headers });
    assert.deepEqual([head.status, head.text], [get.status, ""], path);
    const { "content-length": length, ...others } = Object.fromEntries(head.headers);
    assert.deepEqual(others, Object.fromEntries(get.headers), path);
    // The numbers in the metrics change with each request.
    if (path !== "/metrics") assert.equal(length, String(body.byteLength), path);
    assert.ok(Number(length) > 0, path);
    bodies.push(length ?? "");
  }
  assert.notEqual(bodies[4], bodies[5], "the length is that of the compressed answer");
});

Deno.test("Deno's server, which takes HEAD, sends the length as it was told, and none of what flows", async () => {
  const client = new HttpClient();
  client.broker.addTopic("t");
  const server = new DenoServer({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => client.app.fetch(request),
    onEnded() {},
  });
  const head = async (path: string) => {
    const init = { method: "HEAD", headers: { "accept-encoding": "identity" } };
    const { status, headers } = await fetch(`http://127.0.0.1:${server.port}${path}`, init);
    return [status, headers.get("content-length")];
  };
  try {
    const length = new TextEncoder().encode((await client.get("/v1/topics/t")).text).length;
    assert.deepEqual(await head("/v1/topics/t"), [200, String(length)]);
    assert.deepEqual(await head("/v1/topics/t/live"), [200, null]);
    assert.deepEqual(await head("/v1/topics/t"), [200, String(length)]);
  } finally {
    await server.shutdown();
  }
});

Deno.test("HEAD of what flows tells no length", async () => {
  const client = new HttpClient();
  client.broker.addTopic("t");
  for (const path of ["/v1/topics/t/live", "/v1/live?topics=t", "/v1/events"]) {
    const head = await client.send("HEAD", path);
    assert.deepEqual([head.status, head.headers.get("content-type"), head.headers.get("content-length")], [
      200,
      "text/event-stream",
      null,
    ], path);
    assert.equal(head.text, "");
  }
});

Deno.test("a URL of 100 KB is 414", async () => {
  assert.equal((await new HttpClient().get(`/v1/topics/${"x".repeat(100_000)}`)).status, 414);
});

Deno.test("unknown, doubled and malformed parameters are 400", async () => {
  const client = new HttpClient();
  for (
    const query of [
      "limt=1",
      "limit=1&limit=2",
      "limit=0",
      "limit=-1",
      "limit=1e3",
      "limit=0x10",
      "limit=",
      "limit=1001",
    ]
  ) {
    const { status, body } = await client.get(`/v1/topics?${query}`);
    assert.equal(status, 400, query);
    assert.equal(body.errors[0].field, query.split("=")[0]);
  }
});

Deno.test("the cluster, its consumers and actors are shown", async () => {
  const client = new HttpClient();
  const { broker } = client;
  assert.deepEqual((await client.get("/v1/cluster")).body, {
    clusterId: "cluster",
    controllerId: 1,
    brokers: [{ brokerId: 1, host: "127.0.0.1", port: 9092, rack: null, alive: true, sinceHeartbeatMs: 5 }],
  });
  const consumer = { memberId: "m", clientId: "c", host: "/127.0.0.1", lastHeartbeatMs: 1, assignment: [] };
  broker.consumers = [{ groupId: "a", ...consumer }, { groupId: "b", ...consumer }];
  const consumers = await client.get("/v1/consumers?group=b");
  assert.deepEqual(consumers.body, {
    consumers: [{ groupId: "b", ...consumer, partitions: [], lag: null }],
    total: 1,
  });
  assert.deepEqual((await client.get("/v1/consumers?limit=1")).body.total, 2);
  const snapshot = {
    kind: "partition",
    key: "x/0",
    status: "running" as const,
    mailboxLength: 0,
    stagedEffectCount: 0,
    parkedReplyCount: 0,
    ageMs: 1,
    idleMs: 1,
    restartCount: 0,
    lastError: null,
    details: {},
  };
  broker.snapshots = [snapshot, { ...snapshot, kind: "supervisor" }];
  assert.deepEqual((await client.get("/v1/actors?kind=partition")).body, { actors: [snapshot], total: 1 });
});

Deno.test("the OpenAPI document names every route and every problem", async () => {
  const { status, body } = await new HttpClient().get("/openapi.json");
  assert.equal(status, 200);
  assert.equal(body.openapi, "3.1.0");
  const documented = Object.entries(body.paths as Record<string, object>).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`)
  );
  const routes = createApi(new FakeBroker(), { version: "0", adminKey: null }).routes()
    .filter(({ method, path }) => /^\/v1\//.test(path) && method !== "HEAD")
    .map(({ method, path }) => `${method} ${path.replaceAll("*}", "}")}`);
  assert.ok(routes.length > 25);
  assert.deepEqual(routes.filter((route) => !documented.includes(route)), []);
  const produce = body.paths["/v1/topics/{topic}/records"].post;
  assert.deepEqual(Object.keys(produce.requestBody.content), [
    "application/json",
    "application/octet-stream",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
  ]);
  assert.ok(produce.responses["413"].content["application/problem+json"]);
  const limit = body.paths["/v1/topics"].get.parameters.find(({ name }: { name: string }) =>
    name === "limit"
  );
  assert.equal(limit.schema.type, "integer");
  assert.equal(limit.required, false);
  for (const name of ["Problem", "RecordData", "ProduceRecord", "ReadRecords", "Topic"]) {
    assert.ok(body.components.schemas[name], name);
  }
});

Deno.test("the OpenAPI document tells of each JSON body how it can be refused", async () => {
  const { body } = await new HttpClient().get("/openapi.json");
  const missing: string[] = [];
  let count = 0;
  for (const [path, item] of Object.entries<Record<string, OpenApiOperation>>(body.paths)) {
    for (const [method, { requestBody, responses }] of Object.entries(item)) {
      // Contracts of others have one entry for all their failures.
      if (requestBody?.content["application/json"] === undefined || "default" in responses) continue;
      count++;
      const untold = ["400", "408", "413", "415"].filter((status) => !(status in responses));
      if (untold.length > 0) missing.push(`${method} ${path}: ${untold}`);
    }
  }
  assert.deepEqual(missing, []);
  assert.ok(count > 10, String(count));
});

Deno.test("the OpenAPI document tells of each route that parameters which it does not know are refused", async () => {
  const client = new HttpClient();
  const { body } = await client.get("/openapi.json");
  for (const [path, item] of Object.entries<Record<string, OpenApiOperation>>(body.paths)) {
    for (const [method, { responses }] of Object.entries(item)) {
      if ("default" in responses) continue;
      const { status } = await client.send(
        method.toUpperCase(),
        `${path.replaceAll(/\{\w+\}/g, "0")}?nope=1`,
      );
      assert.ok(String(status) in responses, `${method} ${path}: ${status}`);
    }
  }
});

interface OpenApiOperation {
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> };
  readonly responses: Readonly<Record<string, unknown>>;
}

Deno.test("the OpenAPI document has the contracts' routes too, each operation once", async () => {
  const { body } = await new HttpClient().get("/openapi.json");
  const operations = Object.values(body.paths as Record<string, Record<string, { operationId: string }>>)
    .flatMap((item) => Object.values(item).map(({ operationId }) => operationId));
  assert.equal(new Set(operations).size, operations.length);
  assert.ok(body.paths["/v3/clusters/{cluster_id}/topics/{topic_name}/records:batch"].post);
  assert.ok(body.paths["/consumers/{group}/instances/{instance}/records"].get);
  assert.ok(body.paths["/v1/stream/{path}"].put);
  assert.ok(body.paths["/v1/stream/__ds/subscriptions/{id}"].put);
});

Deno.test("the OpenAPI document has the headers that routes read", async () => {
  const { body } = await new HttpClient().get("/openapi.json");
  const headersOf = (method: string, path: string): string[] =>
    body.paths[path][method].parameters
      .filter((parameter: { in: string }) => parameter.in === "header")
      .map(({ name, required }: { name: string; required?: boolean }) =>
        required === true ? `${name}!` : name
      );
  const once = ["Producer-Id", "Producer-Epoch", "Producer-Seq", "Idempotency-Key"];
  const event = ["specversion", "id", "source", "type", "subject", "time", "dataschema", "partitionkey"];
  assert.deepEqual(headersOf("post", "/v1/topics/{topic}/records"), [
    ...once,
    ...event.map((attribute) => `ce-${attribute}`),
    "Kavka-Client-Id",
    "traceparent",
  ]);
  assert.deepEqual(headersOf("post", "/v1/records"), [...once, "Kavka-Client-Id", "traceparent"]);
  for (const path of ["/v1/live", "/v1/topics/{topic}/live", "/v1/events"]) {
    assert.equal(headersOf("get", path)[0], "Last-Event-ID", path);
  }
  assert.deepEqual(headersOf("post", "/v1/stream/{path}"), [
    "Stream-Seq",
    "Stream-Closed",
    ...once.slice(0, 3),
  ]);
  assert.equal(headersOf("put", "/v1/stream/{path}").length, 6);
  assert.equal(headersOf("post", "/consume/{group}/{instance}").length, 2);
  const [producerEpoch] = body.paths["/v1/records"].post.parameters
    .filter(({ name }: { name: string }) => name === "Producer-Epoch");
  assert.deepEqual([producerEpoch.schema.type, producerEpoch.schema.minimum], ["integer", 0]);
});

Deno.test("/docs loads nothing from elsewhere, and its policy lets only its own script run", async () => {
  const { status, headers, text } = await new HttpClient().get("/docs");
  assert.equal(status, 200);
  assert.equal(/(src|href)="(https?:)?\/\//.test(text) || /@import|url\(/.test(text), false);
  const script = /<script>([\s\S]*)<\/script>/.exec(text)?.[1] ?? "";
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(script)))
    .toBase64();
  assert.ok(headers.get("content-security-policy")?.includes(`script-src 'sha256-${hash}'`));
  assert.doesNotThrow(() => new Function(script));
});

Deno.test("/asyncapi.json has the topics of the moment as channels", async () => {
  const client = new HttpClient();
  client.broker.addTopic("orders", 3);
  const { body } = await client.get("/asyncapi.json");
  assert.equal(body.asyncapi, "3.0.0");
  assert.deepEqual(body.channels.orders.bindings.kafka, {
    topic: "orders",
    partitions: 3,
    replicas: 1,
    bindingVersion: "0.5.0",
  });
  assert.deepEqual(Object.keys(body.operations), [
    "tail topics",
    "hold a tail",
    "produce orders",
    "consume orders",
  ]);
  assert.deepEqual(body.servers["kafka-1"].host, "127.0.0.1:9092");
});

Deno.test("/asyncapi.json tells the messages of the live tail, and every reference leads somewhere", async () => {
  const { body, text } = await new HttpClient().get("/asyncapi.json");
  const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path = ""]) => path);
  assert.ok(references.length > 20, text);
  for (const path of references) {
    const names = path.split("/").map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
    // deno-lint-ignore no-explicit-any -- a walk through any document
    const found = names.reduce((at: any, name) => Object.hasOwn(at ?? {}, name) ? at[name] : undefined, body);
    assert.ok(found !== undefined, path);
  }
  assert.deepEqual(body.channels["/v1/live"].messages.record, { $ref: "#/components/messages/live record" });
});

Deno.test("many requests before the API is loaded share one load", async () => {
  const client = new HttpClient();
  const requests = Array.from({ length: 5 }, () => client.app.fetch(new Request("http://localhost/")));
  for (const response of requests) assert.equal((await readAnswer(await response)).body.name, "kavka");
  await client.app.warmUp();
});

Deno.test("a broker whose store takes no writes is alive and not ready", async () => {
  const client = new HttpClient();
  client.broker.storeFault = "The store takes no commits: database or disk is full";
  assert.equal((await client.get("/healthz")).status, 200);
  const notReady = await client.get("/readyz");
  assert.equal(notReady.status, 503);
  assert.match(
    JSON.stringify(notReady.body),
    /takes no commits: database or disk is full\. What is stored can be read/,
  );
});
