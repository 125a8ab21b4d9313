/** Upstash's Kafka REST API, as its client calls it. The client itself runs in tests/interop/web_clients.py. */
import assert from "node:assert/strict";
import { serveBroker, type ServedBroker } from "../served_broker.ts";

const basic = { authorization: `Basic ${btoa("user:password")}`, "content-type": "application/json" };

async function call(served: ServedBroker, method: string, path: string, body?: unknown, headers = {}) {
  const response = await served.http(path, {
    method,
    headers: { ...basic, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

Deno.test("upstash: produces one, many, and by the path", async () => {
  await using served = await serveBroker();
  const one = await call(served, "POST", "/produce", {
    topic: "t",
    value: "a",
    key: "k",
    timestamp: 5,
    headers: [{ key: "h", value: "v" }],
  });
  assert.deepEqual(one, { status: 200, body: [{ topic: "t", partition: 0, offset: 0, timestamp: 5 }] });
  const many = await call(served, "POST", "/produce", [
    { topic: "t", value: "b" },
    { topic: "u", value: "c" },
    { topic: "t", value: "d", partition: 0 },
  ]);
  assert.deepEqual(many.body.map(({ topic, offset }: { topic: string; offset: number }) => [topic, offset]), [
    ["t", 1],
    ["u", 0],
    ["t", 2],
  ]);
  assert.equal((await call(served, "GET", "/produce/u/hello%20you?key=k")).body.offset, 1);
  const fetched = await call(served, "POST", "/fetch", { topic: "u", partition: 0, offset: 1, timeout: 0 });
  const { timestamp, ...message } = fetched.body[0];
  assert.equal(typeof timestamp, "number");
  assert.deepEqual(message, {
    topic: "u",
    partition: 0,
    offset: 1,
    key: "k",
    value: "hello you",
    headers: [],
  });
});

Deno.test("upstash: consumes, commits, and begins anew where it was", async () => {
  await using served = await serveBroker();
  await call(served, "POST", "/produce", ["a", "b", "c"].map((value) => ({ topic: "t", value })));
  const headers = { "kafka-auto-offset-reset": "earliest", "kafka-enable-auto-commit": "false" };
  const consume = () => call(served, "POST", "/consume/g/i", { topic: "t", timeout: 5_000 }, headers);
  const first = await consume();
  assert.deepEqual(first.body.map(({ value }: { value: string }) => value), ["a", "b", "c"]);
  const offset = { topic: "t", partition: 0, offset: 2 };
  assert.deepEqual((await call(served, "POST", "/commit/g/i", offset)).body, {
    result: "Success",
    status: 200,
  });
  const committed = await call(served, "POST", "/committed/g/i", [{ topic: "t", partition: 0 }]);
  assert.deepEqual(committed.body, [offset]);
  const { body: consumers } = await call(served, "GET", "/consumers");
  assert.deepEqual(
    consumers.map(({ name, instances }: { name: string; instances: unknown[] }) => [name, instances.length]),
    [
      ["g", 1],
    ],
  );
  assert.equal((await call(served, "POST", "/delete-consumer/g/i")).status, 200);
  assert.deepEqual((await consume()).body.map(({ value }: { value: string }) => value), ["c"]);
});

Deno.test("upstash: what one fetch brings is bounded, whatever it asks for", async () => {
  await using served = await serveBroker();
  const value = "x".repeat(900_000);
  for (let n = 0; n < 4; n++) await call(served, "POST", "/produce", { topic: "t", value });
  const places = Array.from({ length: 256 }, (_, n) => ({ topic: "t", partition: 0, offset: n % 4 }));
  const { status, body } = await call(served, "POST", "/fetch", {
    topicPartitionOffsets: places,
    timeout: 0,
  });
  assert.equal(status, 200);
  assert.ok(body.length >= 8 && body.length <= 11, String(body.length));
});

Deno.test("upstash: topics and offsets; GET /topics stays Confluent's for everybody else", async () => {
  await using served = await serveBroker({ config: { "num.partitions": "2" } });
  await call(served, "POST", "/produce", { topic: "t", value: "a", partition: 1, timestamp: 1_000 });
  assert.deepEqual((await call(served, "GET", "/topics")).body, { t: 2 });
  assert.deepEqual(await (await served.http("/topics")).json(), ["t"]);
  const places = [{ topic: "t", partition: 0 }, { topic: "t", partition: 1 }];
  const at = async (time: string) =>
    (await call(served, "POST", `/offsets/${time}`, places)).body.map(({ offset }: { offset: number }) =>
      offset
    );
  assert.deepEqual([await at("earliest"), await at("latest"), await at("999")], [[0, 0], [0, 1], [0, 0]]);
});

Deno.test("upstash: bad input has the contract's error", async () => {
  await using served = await serveBroker();
  await call(served, "POST", "/produce", { topic: "t", value: "a" });
  const cases: [method: string, path: string, body: unknown, status: number][] = [
    ["POST", "/produce", { topic: "t" }, 400],
    ["POST", "/produce", [], 400],
    ["POST", "/produce", { topic: "t", value: 1 }, 400],
    ["POST", "/produce", { topic: "..", value: "a" }, 404],
    ["POST", "/produce", { topic: "t", value: "a", partition: 9 }, 400],
    ["POST", "/consume/g/i", { topic: "nope" }, 404],
    ["POST", "/consume/g/i", {}, 400],
    ["POST", "/consume/g/a%2Fb", { topic: "t" }, 400],
    ["POST", "/commit/g/absent", { topic: "t", partition: 0, offset: 1 }, 404],
    ["POST", "/fetch", { topic: "t", partition: 7, offset: 0 }, 404],
    ["POST", "/fetch", { topic: "t", partition: 0, offset: 99, timeout: 0 }, 416],
    ["POST", "/offsets/tomorrow", [{ topic: "t", partition: 0 }], 400],
    ["POST", "/delete-consumer/g/absent", undefined, 404],
    ["PUT", "/produce", {}, 405],
  ];
  for (const [method, path, body, status] of cases) {
    const answer = await call(served, method, path, body);
    assert.equal(answer.status, status, `${path} ${JSON.stringify(answer.body)}`);
    assert.deepEqual([answer.body.result, answer.body.status, typeof answer.body.error], [
      "Error",
      status,
      "string",
    ]);
  }
});
