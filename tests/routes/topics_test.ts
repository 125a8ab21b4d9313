import assert from "node:assert/strict";
import { ActorFailedError, AskDeadlineError, OverloadedError } from "../../actors/runtime/errors.ts";
import { HttpClient } from "./http_client.ts";

Deno.test("a topic is created, listed, described and deleted", async () => {
  const client = new HttpClient();
  const created = await client.post("/v1/topics", {
    name: "orders",
    partitionCount: 2,
    configs: { "retention.ms": 60000, "preallocate": true },
  });
  assert.equal(created.status, 201);
  assert.equal(created.headers.get("location"), "/v1/topics/orders");
  assert.equal(created.body.partitionCount, 2);

  const described = await client.get("/v1/topics/orders");
  assert.equal(described.status, 200);
  assert.deepEqual(described.body.partitions[1], {
    partition: 1,
    leader: 1,
    leaderEpoch: 0,
    replicas: [1],
    isr: [1],
    logStartOffset: 0,
    highWatermark: 0,
    sizeBytes: 1,
  });
  const retention = described.body.configs.find(({ name }: { name: string }) => name === "retention.ms");
  assert.deepEqual([retention.value, retention.source], ["60000", "topic"]);

  assert.equal((await client.get("/v1/topics")).body.topics.length, 1);
  const deleted = await client.send("DELETE", "/v1/topics/orders");
  assert.deepEqual([deleted.status, deleted.text], [204, ""]);
  assert.equal((await client.get("/v1/topics/orders")).status, 404);
  assert.equal((await client.send("DELETE", "/v1/topics/orders")).status, 404);
});

Deno.test("a topic that exists is 409", async () => {
  const client = new HttpClient();
  client.broker.addTopic("orders");
  const answer = await client.post("/v1/topics", { name: "orders" });
  assert.equal(answer.status, 409);
  assert.equal(answer.headers.get("content-type"), "application/problem+json");
  assert.equal(answer.body.kafkaError, "TOPIC_ALREADY_EXISTS");
});

Deno.test("the list is paged by name", async () => {
  const client = new HttpClient();
  for (const name of ["c", "a", "b"]) client.broker.addTopic(name);
  const first = await client.get("/v1/topics?limit=2");
  assert.deepEqual(first.body.topics.map(({ name }: { name: string }) => name), ["a", "b"]);
  assert.equal(first.body.next, "b");
  const second = await client.get("/v1/topics?limit=2&after=b");
  assert.deepEqual(second.body.topics.map(({ name }: { name: string }) => name), ["c"]);
  assert.equal(second.body.next, null);
});

Deno.test("the partitions of a description are paged", async () => {
  const client = new HttpClient();
  client.broker.addTopic("wide", 5);
  const page = await client.get("/v1/topics/wide?limit=2&fromPartition=2");
  assert.deepEqual(page.body.partitions.map(({ partition }: { partition: number }) => partition), [2, 3]);
  assert.equal(page.body.nextPartition, 4);
  assert.equal((await client.get("/v1/topics/wide?fromPartition=4")).body.nextPartition, null);
  assert.deepEqual((await client.get("/v1/topics/wide?fromPartition=9")).body.partitions, []);
});

Deno.test("a partition that does not answer does not hide the others", async () => {
  const client = new HttpClient();
  client.broker.addTopic("t", 2);
  client.broker.partitionOf("t", 0).failures.push(new ActorFailedError("x"));
  const { status, body } = await client.get("/v1/topics/t");
  assert.equal(status, 200);
  assert.deepEqual(body.partitions.map(({ highWatermark }: { highWatermark: number }) => highWatermark), [
    null,
    0,
  ]);
});

const faults: readonly (readonly [string, unknown, string])[] = [
  ["no name", {}, "name"],
  ["empty name", { name: "" }, "name"],
  ["dots", { name: ".." }, "name"],
  ["slash", { name: "a/b" }, "name"],
  ["NUL", { name: "a\0" }, "name"],
  ["right-to-left override", { name: "a\u202Eb" }, "name"],
  ["250 characters", { name: "x".repeat(250) }, "name"],
  ["a number as name", { name: 5 }, "name"],
  ["0 partitions", { name: "a", partitionCount: 0 }, "partitionCount"],
  ["negative partitions", { name: "a", partitionCount: -1 }, "partitionCount"],
  ["too many partitions", { name: "a", partitionCount: 1e6 }, "partitionCount"],
  ["half a partition", { name: "a", partitionCount: 1.5 }, "partitionCount"],
  ["partitions as text", { name: "a", partitionCount: "1" }, "partitionCount"],
  ["replication factor 0", { name: "a", replicationFactor: 0 }, "replicationFactor"],
  ["more replicas than brokers", { name: "a", replicationFactor: 3 }, "replicationFactor"],
  ["unknown configuration", { name: "a", configs: { "nope": "1" } }, "configs"],
  ["wrong configuration", { name: "a", configs: { "retention.ms": "soon" } }, "configs"],
  ["an object as configuration", { name: "a", configs: { "retention.ms": {} } }, "configs.retention.ms"],
  ["configurations as a list", { name: "a", configs: [] }, "configs"],
  ["unknown field", { name: "a", partitons: 2 }, "partitons"],
  ["a list", [], ""],
  ["a string", "orders", ""],
  ["null", null, ""],
];

for (const [name, body, field] of faults) {
  Deno.test(`creating a topic answers 400 that names the field: ${name}`, async () => {
    const client = new HttpClient();
    const answer = await client.post("/v1/topics", body);
    assert.equal(answer.status, 400, answer.text);
    assert.equal(answer.body.errors[0].field, field);
    assert.equal(answer.headers.get("content-type"), "application/problem+json");
    assert.equal(client.broker.metadata.topicsByName.size, 0);
  });
}

Deno.test("weather is 503 with Retry-After, or 504, and never a stack trace", async () => {
  const client = new HttpClient();
  const expected: [Error, number][] = [
    [new OverloadedError("x"), 503],
    [new ActorFailedError("x"), 503],
    [new AskDeadlineError("x"), 504],
  ];
  for (const [error, status] of expected) {
    client.broker.supervisorFailures.push(error);
    const answer = await client.post("/v1/topics", { name: "a" });
    assert.equal(answer.status, status);
    assert.equal(answer.headers.get("retry-after"), status === 503 ? "1" : null);
    assert.ok(!answer.text.includes("at "), answer.text);
  }
  assert.equal(client.broker.lines.length, 0);
});

Deno.test("a bug is 500 with a request id, logged once, and nothing else is told", async () => {
  const client = new HttpClient();
  client.broker.supervisorFailures.push(new TypeError("secret at x.ts:1:2"));
  const answer = await client.post("/v1/topics", { name: "a" });
  assert.equal(answer.status, 500);
  assert.equal(answer.body.requestId, "11111111-1111-4111-8111-111111111111");
  assert.ok(!answer.text.includes("secret"));
  assert.deepEqual(client.broker.lines.map(({ level, fields }) => [level, fields.requestId]), [
    ["error", answer.body.requestId],
  ]);
});
