/** REST v2 on a whole broker: metadata, producing in every format, reading of partitions. */
import assert from "node:assert/strict";
import { serveBroker, type ServedBroker } from "../served_broker.ts";

// deno-lint-ignore no-explicit-any -- tests look into answers freely
type Body = any;

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly body: Body;
}

async function get(served: ServedBroker, path: string, accept = "*/*"): Promise<Answer> {
  return await read(await served.http(path, { headers: { accept } }));
}

async function post(served: ServedBroker, path: string, body: unknown, format = "json.v2"): Promise<Answer> {
  const type = format.includes("/") ? format : `application/vnd.kafka.${format}+json`;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return await read(
    await served.http(path, { method: "POST", headers: { "content-type": type }, body: text }),
  );
}

async function read(response: Response): Promise<Answer> {
  const text = await response.text();
  return {
    status: response.status,
    type: response.headers.get("content-type"),
    body: text === "" ? null : JSON.parse(text),
  };
}

function records(...values: unknown[]) {
  return { records: values.map((value) => ({ value })) };
}

Deno.test("v2: topics, partitions, offsets, brokers", async () => {
  await using served = await serveBroker({ config: { "num.partitions": "2" } });
  assert.deepEqual((await get(served, "/topics")).body, []);
  const produced = await post(served, "/topics/t", {
    records: [{ value: 1, partition: 1 }, { value: 2, partition: 1 }],
  });
  assert.deepEqual(produced.body, {
    offsets: [0, 1].map((offset) => ({ partition: 1, offset, error_code: null, error: null })),
    key_schema_id: null,
    value_schema_id: null,
  });
  const topics = await get(served, "/topics");
  assert.deepEqual([topics.type, topics.body], ["application/vnd.kafka.v2+json", ["t"]]);
  const partition = { partition: 1, leader: 1, replicas: [{ broker: 1, leader: true, in_sync: true }] };
  const { body: topic } = await get(served, "/topics/t");
  assert.deepEqual([topic.name, topic.configs["cleanup.policy"], topic.partitions[1]], [
    "t",
    "delete",
    partition,
  ]);
  assert.deepEqual((await get(served, "/topics/t/partitions")).body[1], partition);
  assert.deepEqual((await get(served, "/topics/t/partitions/1")).body, partition);
  assert.deepEqual((await get(served, "/topics/t/partitions/1/offsets")).body, {
    beginning_offset: 0,
    end_offset: 2,
  });
  assert.deepEqual((await get(served, "/brokers")).body, { brokers: [1] });
  assert.equal((await get(served, "/status/ready")).status, 200);
});

Deno.test("v2: what is produced in a format is read in any", async () => {
  await using served = await serveBroker();
  const header = { key: "h", value: "AQ==" };
  await post(served, "/topics/t", {
    records: [{ key: { k: 1 }, value: { v: [1] }, timestamp: 5, headers: [header] }],
  });
  await post(served, "/topics/t", { records: [{ key: "aw==", value: "AP8=" }] }, "binary.v2");
  await post(served, "/topics/t", records("dGV4dA=="), "v2");
  await post(served, "/topics/t/partitions/0", records("hi"), "text.v2");
  await post(served, "/topics/t", records({ plain: true }, null), "application/json");
  const path = "/topics/t/partitions/0/records?offset=0";
  const json = await get(served, path, "application/vnd.kafka.json.v2+json");
  assert.equal(json.type, "application/vnd.kafka.json.v2+json");
  assert.deepEqual(json.body.map(({ value }: Body) => value), [{ v: [1] }, "\0\uFFFD", "text", "hi", {
    plain: true,
  }, null]);
  assert.deepEqual(json.body[0], {
    topic: "t",
    key: { k: 1 },
    value: { v: [1] },
    partition: 0,
    offset: 0,
    timestamp: 5,
    headers: [header],
  });
  const binary = await get(served, path);
  assert.deepEqual(binary.body.slice(1, 4).map(({ value }: Body) => value), ["AP8=", "dGV4dA==", "aGk="]);
  const text = await get(served, path, "application/vnd.kafka.text.v2+json");
  assert.equal(text.body[0].value, '{"v":[1]}');
});

Deno.test("v2: reading begins at an offset, a time, or the last records, and waits", async () => {
  await using served = await serveBroker();
  await post(served, "/topics/t", { records: [1, 2, 3].map((value) => ({ value, timestamp: value * 10 })) });
  const values = async (query: string) =>
    (await get(served, `/topics/t/partitions/0/records?${query}`, "application/json")).body.map((
      { value }: Body,
    ) => value);
  assert.deepEqual(await values(""), [1, 2, 3]);
  assert.deepEqual(await values("offset=1"), [2, 3]);
  assert.deepEqual(await values("timestamp=30"), [3]);
  assert.deepEqual(await values("last=2"), [2, 3]);
  assert.deepEqual(await values("last=99"), [1, 2, 3]);
  assert.deepEqual(await values("offset=3"), []);
  // One larger than max_bytes is returned alone.
  assert.deepEqual(await values("offset=1&max_bytes=0"), [2]);
  const waiting = values("offset=3&timeout=5000");
  await post(served, "/topics/t", records(4));
  assert.deepEqual(await waiting, [4]);
});

Deno.test("v2: a record that fails is told beside those that do not", async () => {
  await using served = await serveBroker({ config: { "num.partitions": "2" } });
  await served.http("/v3/clusters/kavka-test-cluster-001/topics", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      topic_name: "t",
      partitions_count: 2,
      configs: [{ name: "max.message.bytes", value: "200" }],
    }),
  });
  const large = "x".repeat(300);
  const { status, body } = await post(served, "/topics/t", {
    records: [{ value: large, partition: 0 }, { value: "y", partition: 1 }],
  });
  assert.equal(status, 200);
  assert.equal(body.offsets[0].error_code, 1);
  assert.deepEqual(body.offsets[1], { partition: 1, offset: 0, error_code: null, error: null });
});

const bad: readonly [
  name: string,
  method: "GET" | "POST",
  path: string,
  body: unknown,
  type: string,
  code: number,
][] = [
  ["an unknown topic", "GET", "/topics/x", null, "", 40401],
  ["an unknown partition", "GET", "/topics/t/partitions/9", null, "", 40402],
  ["produce to an unknown partition", "POST", "/topics/t/partitions/9", records(1), "json.v2", 40402],
  [
    "an unknown partition in a record",
    "POST",
    "/topics/t",
    { records: [{ value: 1, partition: 9 }] },
    "json.v2",
    400,
  ],
  ["a schema's format", "POST", "/topics/t", records(1), "avro.v2", 415],
  ["half a character as text", "POST", "/topics/t", { records: [{ value: "\ud800" }] }, "text.v2", 42206],
  ["a wrong type", "POST", "/topics/t", "x", "text/plain", 415],
  ["no records", "POST", "/topics/t", { records: [] }, "json.v2", 400],
  ["records that are none", "POST", "/topics/t", { records: 1 }, "json.v2", 400],
  ["binary that is no text", "POST", "/topics/t", records(1), "binary.v2", 42206],
  ["binary that is no base64", "POST", "/topics/t", records("%"), "binary.v2", 42206],
  ["a broken body", "POST", "/topics/t", "{", "json.v2", 400],
  ["an offset that is none", "GET", "/topics/t/partitions/0/records?offset=x", null, "", 400],
  ["two places to begin", "GET", "/topics/t/partitions/0/records?offset=1&last=1", null, "", 400],
  ["an offset beyond the end", "GET", "/topics/t/partitions/0/records?offset=9", null, "", 416],
  ["an illegal name", "POST", "/topics/a%20b", records(1), "json.v2", 40401],
  ["an internal topic", "POST", "/topics/__consumer_offsets", records(1), "json.v2", 403],
];

Deno.test("v2: bad input has the contract's error", async () => {
  await using served = await serveBroker();
  await post(served, "/topics/t", records(1));
  for (const [name, method, path, body, type, code] of bad) {
    const answer = method === "GET" ? await get(served, path) : await post(served, path, body, type);
    const status = code > 999 ? Math.floor(code / 100) : code;
    assert.deepEqual(
      [answer.status, answer.body.error_code],
      [status, code],
      `${name}: ${JSON.stringify(answer.body)}`,
    );
  }
  assert.equal((await get(served, "/topics/t/partitions/0/records", "text/html")).status, 406);
  assert.equal((await served.http("/topics/t", { method: "DELETE" })).status, 405);
});
