/** Idempotency-Key on the produce routes: stored once, answered as at first, also over restarts and crashes. */
import assert from "node:assert/strict";
import type { LocalBroker } from "../actors/local_broker.ts";
import { limits } from "../core/config/limits.ts";
import { httpApp } from "../routes/app.ts";
import { MemoryStorage } from "../storage/memory.ts";
import { start, type World } from "./local_world.ts";
import { serveBroker, type ServedBroker } from "./served_broker.ts";

interface Answer {
  readonly status: number;
  readonly replayed: boolean;
  readonly text: string;
}

const topicPath = "/v1/topics/a/records";
const json = (value: unknown) => JSON.stringify(value);

function init(body: string, key: string, headers: Record<string, string> = {}): RequestInit {
  return {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key, ...headers },
    body,
  };
}

async function answerOf(response: Response): Promise<Answer> {
  const replayed = response.headers.get("idempotent-replayed") === "true";
  return { status: response.status, replayed, text: await response.text() };
}

async function send(served: ServedBroker, path: string, ...parts: Parameters<typeof init>): Promise<Answer> {
  return await answerOf(await served.http(path, init(...parts)));
}

async function serve(path?: string, config: Record<string, string> = {}): Promise<ServedBroker> {
  const served = await serveBroker({ ...(path === undefined ? {} : { path }), config });
  const body = json({ name: "a", partitionCount: 3 });
  const headers = { "content-type": "application/json" };
  const made = await served.http("/v1/topics", { method: "POST", headers, body });
  await made.body?.cancel();
  return served;
}

async function countOf(served: ServedBroker, topic: string): Promise<number> {
  const { topicId = "", partitions = [] } = served.broker.metadata.topicsByName.get(topic) ?? {};
  let count = 0;
  for (const index of partitions.keys()) {
    const response = await served.http(`/v1/topics/${topic}/partitions/${index}/records`);
    count += (await response.json()).records.length;
  }
  assert.notEqual(topicId, "");
  return count;
}

Deno.test("a request that is repeated with its Idempotency-Key is stored once and answered as at first", async () => {
  await using served = await serve();
  const records = [{ value: "1" }, { key: "k", value: "2" }, { value: "3", timestamp: 5 }, {
    value: "4",
    partition: 2,
  }];
  for (
    const [path, body] of [
      [topicPath, json({ records })],
      ["/v1/records", json({ records: records.map((record) => ({ ...record, topic: "b" })) })],
    ] as const
  ) {
    const topic = path === topicPath ? "a" : "b";
    // A topic that is made for it, with as many partitions.
    if (topic === "b") {
      await (await served.http("/v1/topics", init(json({ name: "b", partitionCount: 3 }), ""))).body
        ?.cancel();
    }
    const first = await send(served, path, body, '"8e03978e-40d5"');
    assert.deepEqual([first.status, first.replayed], [200, false], first.text);
    const told = JSON.parse(first.text).records as { partition: number; timestamp: number }[];
    assert.deepEqual([told[2]?.timestamp, told[3]?.partition], [5, 2]);
    assert.equal(told[0]?.timestamp, told[1]?.timestamp);
    for (let i = 0; i < 5; i++) {
      // Records without a key would go to another partition each time.
      const again = await send(served, path, body, '"8e03978e-40d5"');
      assert.deepEqual(again, { ...first, replayed: true });
    }
    assert.deepEqual(
      (await send(served, path, body, "8e03978e-40d5")).replayed,
      true,
      "without quotes it is the same",
    );
    assert.equal(await countOf(served, topic), 4);
    const other = await send(served, path, body, '"other"');
    assert.deepEqual([other.status, other.replayed], [200, false]);
    assert.equal(await countOf(served, topic), 8);
  }
});

Deno.test("a CloudEvent and a raw value are known again, too, and white space makes no other request", async () => {
  await using served = await serve();
  const event = { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t" };
  assert.equal((await send(served, topicPath, "{}", "e", event)).replayed, false);
  assert.equal((await send(served, topicPath, "{}", "e", event)).replayed, true);
  assert.equal((await send(served, topicPath, "{}", "e", { ...event, "ce-id": "2" })).status, 422);
  const raw = { "content-type": "application/octet-stream" };
  assert.equal((await send(served, `${topicPath}?partition=1`, "x", "r", raw)).replayed, false);
  assert.equal((await send(served, `${topicPath}?partition=1`, "x", "r", raw)).replayed, true);
  assert.equal((await send(served, `${topicPath}?partition=2`, "x", "r", raw)).status, 422);
  assert.equal((await send(served, topicPath, '{"value":"x"}', "w")).replayed, false);
  assert.equal((await send(served, topicPath, ' { "value" : "x" } ', "w")).replayed, true);
});

Deno.test("a topic's own time of appending is told again, too", async () => {
  await using served = await serve();
  const topic = { name: "log", configs: { "message.timestamp.type": "LogAppendTime" } };
  await (await served.http("/v1/topics", init(json(topic), "t"))).body?.cancel();
  const body = json({ value: "x", timestamp: 5 });
  const first = await send(served, "/v1/topics/log/records", body, "k");
  assert.ok(JSON.parse(first.text).records[0].timestamp > 5, first.text);
  assert.deepEqual(await send(served, "/v1/topics/log/records", body, "k"), { ...first, replayed: true });
});

Deno.test("the same key with another request is 422, and nothing of that is stored", async () => {
  await using served = await serve();
  const body = json({ value: "x" });
  assert.equal((await send(served, topicPath, body, "k")).status, 200);
  for (
    const other of [{ value: "y" }, { value: "x", key: "a" }, { value: null }, {
      value: "x",
      timestamp: 1,
    }]
  ) {
    const refused = await send(served, topicPath, json(other), "k");
    assert.equal(refused.status, 422, refused.text);
  }
  assert.equal(await countOf(served, "a"), 1);
  const elsewhere = await send(served, "/v1/topics/c/records", body, "k");
  assert.deepEqual([elsewhere.status, elsewhere.replayed], [200, false], "another topic's keys are others");
  assert.equal((await send(served, topicPath, body, "k")).replayed, true);
});

Deno.test("what is refused is not remembered: the key may be used again", async () => {
  await using served = await serve();
  const large = json({ value: "x".repeat(1_200_000) });
  assert.equal((await send(served, topicPath, large, "k")).status, 413);
  assert.equal((await send(served, topicPath, "{", "k")).status, 400);
  const stored = await send(served, topicPath, json({ value: "x" }), "k");
  assert.deepEqual([stored.status, stored.replayed], [200, false]);
  assert.equal((await send(served, topicPath, large, "k")).status, 422);
});

Deno.test("keys that are none, and two ways at once to be stored once, are 400", async () => {
  await using served = await serve();
  const body = json({ value: "x" });
  for (const key of ["", '""', '"a', 'a"b', "x".repeat(limits.idempotencyKeyLengthMax + 1), "\u00e9"]) {
    assert.equal((await send(served, topicPath, body, key)).status, 400, key);
  }
  assert.equal((await send(served, topicPath, body, '"a \\"b\\" \\\\"')).status, 200);
  assert.equal((await send(served, topicPath, body, 'a "b" \\')).status, 400);
  const numbered = { "producer-id": "p", "producer-epoch": "0", "producer-seq": "0" };
  assert.equal((await send(served, topicPath, body, "k", numbered)).status, 400);
  const batch = { "content-type": "application/cloudevents-batch+json" };
  assert.equal((await send(served, topicPath, "[]", "k", batch)).status, 400);
  const wide = json({ name: "wide", partitionCount: limits.idempotentPartitionsMax + 1 });
  await (await served.http("/v1/topics", init(wide, "t"))).body?.cancel();
  const records = Array.from(
    { length: limits.idempotentPartitionsMax + 1 },
    (_, partition) => ({ value: "", partition }),
  );
  assert.equal((await send(served, "/v1/topics/wide/records", json({ records }), "k")).status, 400);
});

Deno.test("an Idempotency-Key holds over a restart of the server", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/kavka.sqlite`;
  try {
    const body = json({ records: [{ value: "1" }, { value: "2" }] });
    let first: Answer;
    {
      await using served = await serve(path);
      first = await send(served, topicPath, body, "k");
      assert.equal(first.status, 200, first.text);
    }
    await using served = await serve(path);
    assert.deepEqual(await send(served, topicPath, body, "k"), { ...first, replayed: true });
    assert.equal((await send(served, topicPath, json({ value: "y" }), "k")).status, 422);
    assert.equal(await countOf(served, "a"), 2);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("keys are each caller's own", async () => {
  await using served = await serve();
  const app = httpApp(served.broker, { version: "test", adminKey: "admin-key-admin-key" });
  const ask = async (path: string, key: string, body: string, name = "k") => {
    const request = init(body, name, { authorization: `Bearer ${key}` });
    return await answerOf(await app.fetch(new Request(`http://127.0.0.1${path}`, request)));
  };
  const made = await ask("/v1/api-keys", "admin-key-admin-key", json({ name: "x", scopes: ["produce"] }));
  const key = JSON.parse(made.text).key;
  assert.equal((await ask(topicPath, "admin-key-admin-key", json({ value: "1" }))).replayed, false);
  const other = await ask(topicPath, key, json({ value: "2" }));
  assert.deepEqual([other.status, other.replayed], [200, false], other.text);
  assert.equal((await ask(topicPath, key, json({ value: "2" }))).replayed, true);
});

async function request(broker: LocalBroker, body = json({ value: "x" }), key = "k"): Promise<Answer> {
  const app = httpApp(broker, { version: "0" });
  return await answerOf(await app.fetch(new Request(`http://127.0.0.1${topicPath}`, init(body, key))));
}

/** Lets time go on until the work is done. */
async function settle<T>({ env }: World, work: Promise<T>): Promise<T> {
  let isDone = false;
  work.finally(() => isDone = true).catch(() => "it is awaited below");
  for (let i = 0; i < 10_000 && !isDone; i++) await env.advance(5);
  return await work;
}

async function createTopic(world: World): Promise<string> {
  const outcome = await settle(
    world,
    world.broker.supervisor.ask({
      type: "createTopic",
      name: "a",
      partitionCount: 1,
      replicationFactor: 1,
      configs: {},
      validateOnly: false,
    }),
  );
  assert.ok("topic" in outcome);
  return outcome.topic.topicId;
}

async function committedCount(world: World, topicId: string): Promise<number> {
  const { readBatchHeader } = await import("../protocol/records/record_batch.ts");
  const { records, abortedTransactions } = await settle(
    world,
    world.broker.partition(topicId, 0).ask({
      type: "fetch",
      offset: 0,
      maxBytes: 1 << 20,
      minOneBatch: true,
      isolationLevel: "read_committed",
      currentLeaderEpoch: -1,
    }),
  );
  return records.filter((batch) => !readBatchHeader(batch).isControl).length - abortedTransactions.length;
}

Deno.test("while the first request is under way a repetition is 409, and another request is 422", async () => {
  const world = await start();
  const topicId = await createTopic(world);
  const { storage, broker } = world;
  storage.fateOf = ({ mutations }) => mutations.some(({ key }) => key[0] === "p") ? "hold" : "apply";
  const first = request(broker);
  for (let i = 0; i < 20; i++) await world.env.advance(5);
  const again = await request(broker);
  assert.equal(again.status, 409);
  assert.equal((await request(broker, json({ value: "y" }))).status, 422);
  storage.fateOf = () => "apply";
  storage.releaseHeld();
  assert.equal((await settle(world, first)).status, 200);
  const later = await settle(world, request(broker));
  assert.deepEqual([later.status, later.replayed], [200, true]);
  assert.equal(await committedCount(world, topicId), 1);
});

Deno.test("a key is forgotten when its time is over", async () => {
  const world = await start(new MemoryStorage(), { "http.idempotency.key.expiration.ms": "60000" });
  const topicId = await createTopic(world);
  await settle(world, request(world.broker));
  await world.env.advance(50_000);
  assert.equal((await settle(world, request(world.broker))).replayed, true);
  await world.env.advance(10_000);
  assert.equal((await settle(world, request(world.broker))).replayed, false);
  assert.equal(await committedCount(world, topicId), 2);
});

Deno.test("kill -9 between any two steps of a keyed request: a repetition stores it once, and is answered as at first", async () => {
  let outcomes = "";
  for (let step = 0; step < 12; step++) {
    for (const fate of ["crash", "crashAfter"] as const) {
      const storage = new MemoryStorage();
      const before = await start(storage);
      const topicId = await createTopic(before);
      let commits = 0;
      storage.fateOf = () => commits++ < step ? "apply" : commits === step + 1 ? fate : "crash";
      void request(before.broker).catch(() => "killed");
      for (let i = 0; i < 20; i++) await before.env.advance(1);
      storage.fateOf = () => "apply";

      const after = await start(storage);
      for (let i = 0; i < 10; i++) await after.env.advance(10);
      const stored = await committedCount(after, topicId);
      const again = await settle(after, request(after.broker));
      assert.deepEqual(
        [again.status, again.replayed],
        [200, stored === 1],
        `the record and its key are one outcome, after step ${step} (${fate})`,
      );
      const third = await settle(after, request(after.broker));
      assert.deepEqual(third, { ...again, replayed: true });
      assert.equal(await committedCount(after, topicId), 1, `after step ${step} (${fate})`);
      outcomes += again.replayed ? "r" : "n";
    }
  }
  assert.match(outcomes, /^n+r+$/, "there is one commit point");
});
