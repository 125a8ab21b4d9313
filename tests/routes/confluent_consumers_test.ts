/** REST v2's consumers on a whole broker: group membership, offsets, positions, rebalances, restarts. */
import assert from "node:assert/strict";
import { serveBroker, type ServedBroker } from "../served_broker.ts";

// deno-lint-ignore no-explicit-any -- tests look into answers freely
type Body = any;

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly body: Body;
}

const V2 = "application/vnd.kafka.v2+json";
const JSON_V2 = "application/vnd.kafka.json.v2+json";

async function call(
  served: ServedBroker,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await served.http(path, {
    method,
    headers: { ...(body === undefined ? {} : { "content-type": V2 }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const type = response.headers.get("content-type");
  return { status: response.status, type, body: text === "" ? null : JSON.parse(text) };
}

const early = { format: "json", "auto.offset.reset": "earliest", "auto.commit.enable": "false" };

async function createConsumer(served: ServedBroker, name: string, config: object = early): Promise<string> {
  const { status, body } = await call(served, "POST", "/consumers/g", { name, ...config });
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(body, { instance_id: name, base_uri: `http://127.0.0.1/consumers/g/instances/${name}` });
  return `/consumers/g/instances/${name}`;
}

async function produce(
  served: ServedBroker,
  ...records: { value: unknown; partition?: number }[]
): Promise<void> {
  const { status } = await call(served, "POST", "/topics/t", { records }, { "content-type": JSON_V2 });
  assert.equal(status, 200);
}

async function values(served: ServedBroker, consumer: string, query = "timeout=5000"): Promise<unknown[]> {
  const { status, body } = await call(served, "GET", `${consumer}/records?${query}`, undefined, {
    accept: JSON_V2,
  });
  assert.equal(status, 200, JSON.stringify(body));
  return body.map(({ value }: Body) => value);
}

/** Reads until `count` records came. */
async function take(served: ServedBroker, consumer: string, count: number): Promise<unknown[]> {
  const taken: unknown[] = [];
  for (let attempt = 0; attempt < 20 && taken.length < count; attempt++) {
    taken.push(...await values(served, consumer, "timeout=500"));
  }
  return taken;
}

async function assignments(served: ServedBroker, consumer: string): Promise<string[]> {
  const { body } = await call(served, "GET", `${consumer}/assignments`);
  return body.partitions.map(({ topic, partition }: Body) => `${topic}-${partition}`);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail("it never came about");
}

Deno.test("v2: a consumer subscribes, reads, commits, seeks and leaves", async () => {
  await using served = await serveBroker();
  await produce(served, { value: 1 }, { value: { two: 2 } });
  const consumer = await createConsumer(served, "c");
  const again = await call(served, "POST", "/consumers/g", { name: "c" });
  assert.deepEqual([again.status, again.body.error_code], [409, 40902]);
  assert.equal((await call(served, "POST", `${consumer}/subscription`, { topics: ["t"] })).status, 204);
  assert.deepEqual((await call(served, "GET", `${consumer}/subscription`)).body, { topics: ["t"] });
  assert.deepEqual(await values(served, consumer), [1, { two: 2 }]);
  assert.deepEqual(await assignments(served, consumer), ["t-0"]);

  // The offset of a commit is that of the last record, what is committed the one behind it.
  const offsets = [{ topic: "t", partition: 0, offset: 0, metadata: "m" }];
  assert.equal((await call(served, "POST", `${consumer}/offsets`, { offsets })).status, 204);
  const committed = await call(served, "GET", `${consumer}/offsets`);
  assert.deepEqual(committed.body, { offsets: [{ topic: "t", partition: 0, offset: 1, metadata: "m" }] });
  assert.equal((await call(served, "POST", `${consumer}/offsets`)).status, 204);
  assert.equal((await call(served, "GET", `${consumer}/offsets`)).body.offsets[0].offset, 2);

  const partitions = [{ topic: "t", partition: 0 }];
  await call(served, "POST", `${consumer}/positions`, { offsets: [{ topic: "t", partition: 0, offset: 1 }] });
  assert.deepEqual(await values(served, consumer), [{ two: 2 }]);
  await call(served, "POST", `${consumer}/positions/beginning`, { partitions });
  // One larger than max_bytes is returned alone.
  assert.deepEqual(await values(served, consumer, "max_bytes=1"), [1]);
  assert.equal((await call(served, "POST", `${consumer}/positions/end`, { partitions })).status, 204);
  assert.deepEqual(await values(served, consumer, "timeout=0"), []);
  const waiting = values(served, consumer);
  await produce(served, { value: 3 });
  assert.deepEqual(await waiting, [3]);

  assert.equal((await call(served, "DELETE", consumer)).status, 204);
  const gone = await call(served, "GET", `${consumer}/records`, undefined, { accept: JSON_V2 });
  assert.deepEqual([gone.status, gone.body.error_code], [404, 40403]);
  assert.equal((await served.broker.group("g").ask({ type: "describe" })).members.length, 0);
});

Deno.test("v2: two consumers share the partitions, and take over from the one that leaves", async () => {
  await using served = await serveBroker({ config: { "num.partitions": "2" } });
  await produce(served, { value: 0, partition: 0 }, { value: 1, partition: 1 });
  const first = await createConsumer(served, "a");
  await call(served, "POST", `${first}/subscription`, { topic_pattern: "t.*" });
  assert.deepEqual((await take(served, first, 2)).sort(), [0, 1]);
  await call(served, "POST", `${first}/offsets`);
  const second = await createConsumer(served, "b");
  await call(served, "POST", `${second}/subscription`, { topics: ["t"] });
  await until(async () => {
    const both = [await assignments(served, first), await assignments(served, second)];
    return both.every((each) => each.length === 1) && new Set(both.flat()).size === 2;
  });
  await produce(served, { value: 2, partition: 0 }, { value: 3, partition: 1 });
  const shared = [...await take(served, first, 1), ...await take(served, second, 1)];
  assert.deepEqual(shared.sort(), [2, 3]);
  await call(served, "POST", `${first}/offsets`);
  await call(served, "POST", `${second}/offsets`);
  assert.equal((await call(served, "DELETE", second)).status, 204);
  await until(async () => (await assignments(served, first)).length === 2);
  await produce(served, { value: 4, partition: 0 }, { value: 5, partition: 1 });
  assert.deepEqual((await take(served, first, 2)).sort(), [4, 5]);
});

Deno.test("v2: a request for records never waits longer than its timeout, also while the group rebalances", async () => {
  await using served = await serveBroker({ config: { "group.initial.rebalance.delay.ms": "3000" } });
  await produce(served, { value: 1 });
  const consumer = await createConsumer(served, "c");
  await call(served, "POST", `${consumer}/subscription`, { topics: ["t"] });
  const begin = performance.now();
  assert.deepEqual(await values(served, consumer, "timeout=100"), []);
  assert.ok(performance.now() - begin < 1_500);
});

Deno.test("v2: a consumer and its offsets survive a restart; automatic commits come with the next request", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/store.sqlite`;
    {
      await using served = await serveBroker({ path });
      await produce(served, { value: 1 }, { value: 2 });
      const consumer = await createConsumer(served, "c", { ...early, "auto.commit.enable": true });
      await call(served, "POST", `${consumer}/subscription`, { topics: ["t"] });
      assert.deepEqual(await values(served, consumer), [1, 2]);
      assert.deepEqual(await values(served, consumer, "timeout=0"), []);
      assert.equal((await call(served, "GET", `${consumer}/offsets`)).body.offsets[0].offset, 2);
    }
    await using served = await serveBroker({ path });
    await produce(served, { value: 3 });
    const consumer = "/consumers/g/instances/c";
    assert.deepEqual((await call(served, "GET", `${consumer}/subscription`)).body, { topics: ["t"] });
    // It is the same member again, so nobody waits for a session to end.
    assert.deepEqual(await values(served, consumer), [3]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("v2: a client that leaves its request loses nothing, and may ask again at once", async () => {
  await using served = await serveBroker();
  await call(served, "POST", "/v1/topics", { name: "t", partitionCount: 1 }, {
    "content-type": "application/json",
  });
  const consumer = await createConsumer(served, "c", { ...early, "auto.commit.enable": true });
  await call(served, "POST", `${consumer}/subscription`, { topics: ["t"] });
  assert.deepEqual(await values(served, consumer, "timeout=500"), []);
  const client = new AbortController();
  const { signal } = client;
  const left = served.http(`${consumer}/records?timeout=20000`, { headers: { accept: JSON_V2 }, signal });
  await new Promise((resolve) => setTimeout(resolve, 50));
  client.abort();
  assert.equal((await left).status, 499);
  await produce(served, { value: 1 });
  assert.deepEqual(await values(served, consumer), [1]);
});

Deno.test("v2: partitions assigned by hand are read without a group's share", async () => {
  await using served = await serveBroker({ config: { "num.partitions": "2" } });
  await produce(served, { value: 0, partition: 0 }, { value: 1, partition: 1 });
  const consumer = await createConsumer(served, "c");
  const partitions = [{ topic: "t", partition: 1 }];
  assert.equal((await call(served, "POST", `${consumer}/assignments`, { partitions })).status, 204);
  assert.deepEqual((await call(served, "GET", `${consumer}/assignments`)).body, { partitions });
  assert.deepEqual(await values(served, consumer), [1]);
  const both = await call(served, "POST", `${consumer}/subscription`, { topics: ["t"] });
  assert.deepEqual([both.status, both.body.error_code], [409, 40903]);
});

Deno.test("v2: bad input of consumers has the contract's error", async () => {
  await using served = await serveBroker();
  await produce(served, { value: 1 });
  const consumer = await createConsumer(served, "c");
  const bad: readonly [name: string, method: string, path: string, body: unknown, code: number][] = [
    ["an unknown consumer", "POST", "/consumers/g/instances/x/subscription", { topics: ["t"] }, 40403],
    ["reading of an unknown consumer", "GET", "/consumers/g/instances/x/records", undefined, 40403],
    ["an unknown group", "DELETE", "/consumers/x/instances/c", undefined, 40403],
    ["an unknown format", "POST", "/consumers/g", { format: "avro" }, 400],
    ["a wrong reset", "POST", "/consumers/g", { "auto.offset.reset": "x" }, 400],
    ["an odd name", "POST", "/consumers/g", { name: "a b" }, 42204],
    ["no topics", "POST", `${consumer}/subscription`, {}, 400],
    ["topics and a pattern", "POST", `${consumer}/subscription`, { topics: [], topic_pattern: "x" }, 400],
    ["a pattern that would have to look ahead", "POST", `${consumer}/subscription`, {
      topic_pattern: "(?=t).*",
    }, 400],
    ["a pattern that is none", "POST", `${consumer}/subscription`, { topic_pattern: "(" }, 400],
    ["a position of what it does not have", "POST", `${consumer}/positions`, {
      offsets: [{ topic: "t", partition: 0, offset: 0 }],
    }, 40903],
    ["a commit for an unknown topic", "POST", `${consumer}/offsets`, {
      offsets: [{ topic: "x", partition: 0, offset: 0 }],
    }, 40401],
    ["a negative offset", "POST", `${consumer}/offsets`, {
      offsets: [{ topic: "t", partition: 0, offset: -1 }],
    }, 400],
    ["a timeout that is none", "GET", `${consumer}/records?timeout=x`, undefined, 400],
    ["an unknown path", "GET", `${consumer}/nope`, undefined, 404],
  ];
  for (const [name, method, path, body, code] of bad) {
    const answer = await call(served, method, path, body);
    const status = code > 999 ? Math.floor(code / 100) : code;
    assert.deepEqual(
      [answer.status, answer.body.error_code],
      [status, code],
      `${name}: ${JSON.stringify(answer.body)}`,
    );
  }
  const mismatch = await call(served, "GET", `${consumer}/records`, undefined, {
    accept: "application/vnd.kafka.binary.v2+json",
  });
  assert.deepEqual([mismatch.status, mismatch.body.error_code], [406, 40601]);
});

Deno.test("a consumer never sees a record of an aborted transaction", async () => {
  await using served = await serveBroker();
  for (const name of ["t", "u"]) {
    await call(served, "POST", "/v1/topics", { name, partitionCount: 1 }, {
      "content-type": "application/json",
    });
  }
  const data = (topic: string, value: string) => ({ topic, value: { type: "string", data: value } });
  const refused = await call(served, "POST", "/v1/records", {
    records: [data("t", "aborted"), data("u", "x".repeat(1_200_000))],
  }, { "content-type": "application/json" });
  assert.equal(refused.status, 413);
  await produce(served, { value: "plain" });
  const consumer = await createConsumer(served, "c");
  await call(served, "POST", `${consumer}/subscription`, { topics: ["t"] });
  assert.deepEqual(await take(served, consumer, 1), ["plain"]);
});
