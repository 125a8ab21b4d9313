/** Kafka's client quotas at the HTTP door, under virtual time: who is refused, for how long, and what is slowed instead. */
import assert from "node:assert/strict";
import { alterClientQuotas } from "../../protocol/messages/49_alter_client_quotas.ts";
import { httpApp } from "../../routes/app.ts";
import { call } from "../handler_call.ts";
import { settled, start, type World } from "../local_world.ts";
import { type Answer, readAnswer } from "./http_client.ts";
import { plainForm } from "../plain_form.ts";

const ADMIN = "the-admin-key-of-these-tests";
const produce = "/v1/topics/t/records";
const read = "/v1/topics/t/partitions/0/records";

async function setQuota(world: World, entity: Record<string, string | null>, quotas: Record<string, number>) {
  const entries = [{
    entity: Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName })),
    ops: Object.entries(quotas).map(([key, value]) => ({ key, value, remove: false })),
  }];
  const { entries: [outcome] } = await settled(
    world.env,
    call(world, alterClientQuotas, { entries, validateOnly: false }),
  );
  assert.equal(outcome?.errorCode, 0);
}

async function open(adminKey: string | null = null) {
  const world = await start();
  const app = httpApp(world.broker, { version: "0", adminKey });
  const fetch = async (path: string, init: RequestInit = {}): Promise<Response> =>
    await app.fetch(await plainForm(`http://127.0.0.1${path}`, init));
  const send = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    let isDone = false;
    const work = fetch(path, init).then(readAnswer).finally(() => isDone = true);
    for (let i = 0; i < 200 && !isDone; i++) await world.env.runUntilIdle();
    return await work;
  };
  /** With the length told, as every client does. */
  const post = (path: string, value: unknown, headers: Record<string, string> = {}): Promise<Answer> => {
    const body = JSON.stringify(value);
    const length = { "content-type": "application/json", "content-length": String(body.length) };
    return send(path, { method: "POST", headers: { ...length, ...headers }, body });
  };
  return { world, fetch, send, post };
}

const large = { value: "x".repeat(150_000) };

Deno.test("a client that produced too much is refused with 429 for the time that it is told", async () => {
  const { world, post, send } = await open();
  await setQuota(world, { "client-id": "slow" }, { producer_byte_rate: 10_000 });
  const slow = { "kavka-client-id": "slow" };
  assert.equal((await post(produce, large, slow)).status, 200, "what takes it over the quota is served");
  const refused = await post(produce, { value: "x" }, slow);
  assert.deepEqual([refused.status, refused.body.kafkaError], [429, "THROTTLING_QUOTA_EXCEEDED"]);
  assert.match(
    refused.body.detail,
    /producer_byte_rate of user "ANONYMOUS" with client id "slow" is used up/,
  );
  assert.equal((await post(produce, { value: "x" })).status, 200, "nobody else is held back");
  const stored = await send(read);
  assert.equal(stored.body.records.length, 2, "what is refused is not stored");
  const afterSeconds = Number(refused.headers.get("retry-after"));
  assert.ok(afterSeconds >= 5 && afterSeconds <= 6, String(afterSeconds));
  await world.env.advance((afterSeconds - 2) * 1_000);
  assert.equal((await post(produce, { value: "x" }, slow)).status, 429);
  await world.env.advance(2_000);
  assert.equal((await post(produce, { value: "x" }, slow)).status, 200);
});

Deno.test("every contract refuses in its own words, for produce and for reads", async () => {
  const { world, post, send } = await open();
  await post(produce, large);
  await setQuota(world, { "client-id": null }, { producer_byte_rate: 1_000, consumer_byte_rate: 1_000 });
  assert.equal((await post(produce, large)).status, 200);
  assert.equal((await send(read)).status, 200);
  const { clusterId } = world.broker.metadata;
  const v3 = await post(`/v3/clusters/${clusterId}/topics/t/records`, {
    value: { type: "STRING", data: "x" },
  });
  assert.deepEqual([v3.status, v3.body.error_code], [429, 429]);
  assert.ok(Number(v3.headers.get("retry-after")) > 0);
  const v2 = await post("/topics/t", { records: [{ value: 1 }] });
  assert.deepEqual([v2.status, v2.body.error_code], [429, 429]);
  assert.equal((await post("/v1/records", { records: [{ topic: "t", value: "x" }] })).status, 429);
  const upstash = await post("/produce/t/x", {});
  assert.deepEqual([upstash.status, upstash.body.result], [429, "Error"]);
  for (const path of [read, "/topics/t/partitions/0/records", "/v1/topics/t/live"]) {
    assert.equal((await send(path)).status, 429, path);
  }
  for (const path of ["/v1/topics", "/v1/cluster", "/metrics", "/topics", "/v1/topics/t"]) {
    assert.equal((await send(path)).status, 200, path);
  }
});

Deno.test("what is read is counted as sent, and no answer is larger than a window", async () => {
  const { world, post, send } = await open();
  for (let i = 0; i < 4; i++) await post(produce, { value: "x".repeat(40_000) });
  await setQuota(world, { user: null }, { consumer_byte_rate: 5_000 });
  const first = await send(read);
  assert.equal(first.body.records.length, 1, "50,000 bytes are a window of ten seconds");
  assert.equal((await send(`${read}?offset=1`)).status, 200, "it was not over");
  const refused = await send(`${read}?offset=2`);
  assert.equal(refused.status, 429);
  await world.env.advance(Number(refused.headers.get("retry-after")) * 1_000);
  const again = await send(`${read}?offset=2`);
  assert.deepEqual([again.status, again.body.records.length], [200, 1]);
});

Deno.test("with API keys the user is the key's name", async () => {
  const { world, post } = await open(ADMIN);
  const admin = { authorization: `Bearer ${ADMIN}` };
  const keyOf = async (name: string) => {
    const { body } = await post("/v1/api-keys", { name, scopes: ["produce", "consume"] }, admin);
    return { authorization: `Bearer ${body.key}` };
  };
  const [one, other] = [await keyOf("one"), await keyOf("other")];
  await setQuota(world, { user: "one" }, { producer_byte_rate: 1_000 });
  assert.equal((await post(produce, large, one)).status, 200);
  assert.equal((await post(produce, large, one)).status, 429);
  assert.equal(
    (await post(produce, large, { ...one, "kavka-client-id": "x" })).status,
    429,
    "whatever it calls itself",
  );
  assert.equal((await post(produce, large, other)).status, 200);
  assert.equal((await post(produce, large, {})).status, 401, "who has no key is told that");
  assert.equal((await post(produce, large, { authorization: "Bearer wrong" })).status, 401);
});

Deno.test("both doors share a quota, and the thread's time is counted for request_percentage", async () => {
  const { world, post } = await open();
  await setQuota(world, { "client-id": "c" }, { producer_byte_rate: 1_000, request_percentage: 1 });
  const client = { user: "ANONYMOUS", clientId: "c" };
  // As Kafka's door does it.
  world.broker.quotas.record("producer_byte_rate", client, 100_000, world.env.mono());
  assert.equal((await post(produce, { value: "x" }, { "kavka-client-id": "c" })).status, 200);
  assert.equal((await post(produce, { value: "x" }, { "kavka-client-id": "c" })).status, 429);
  await world.env.advance(200_000);
  assert.equal((await post(produce, { value: "x" }, { "kavka-client-id": "c" })).status, 200);
  // A clock on which each look takes 50 ms.
  const mono = world.env.mono.bind(world.env);
  let looks = 0;
  world.env.mono = () => mono() + 50 * looks++;
  assert.equal((await post(produce, { value: "x" }, { "kavka-client-id": "c" })).status, 200);
  const refused = await post(produce, { value: "x" }, { "kavka-client-id": "c" });
  assert.equal(refused.status, 429);
  assert.match(refused.body.detail, /request_percentage/);
});

Deno.test("a body whose length is not told is counted, too", async () => {
  const { world, send } = await open();
  await setQuota(world, { "client-id": "c" }, { producer_byte_rate: 1_000 });
  const init = () => ({
    method: "POST",
    headers: { "content-type": "application/json", "kavka-client-id": "c" },
    body: ReadableStream.from([new TextEncoder().encode(JSON.stringify(large))]),
  });
  assert.equal((await send(produce, init())).status, 200);
  assert.equal((await send(produce, init())).status, 429);
});

Deno.test("a record in the path is counted, and no more than a body may have", async () => {
  const { world, send } = await open();
  await setQuota(world, { "client-id": "path" }, { producer_byte_rate: 100 });
  await setQuota(world, { "client-id": "liar" }, { producer_byte_rate: 4_000_000 });
  const path = `/produce/t/${"x".repeat(2_000)}`;
  const init = { headers: { "kavka-client-id": "path" } };
  assert.equal((await send(path, init)).status, 200);
  assert.equal((await send(path, init)).status, 429);
  const liar = { "kavka-client-id": "liar", "content-type": "application/json" };
  const body = '{"value":"x"}';
  const headers = { ...liar, "content-length": "999999999999999" };
  assert.equal((await send(produce, { method: "POST", headers, body })).status, 413);
  await world.env.advance(1_000);
  assert.equal((await send(produce, { method: "POST", headers: liar, body })).status, 200);
});

Deno.test("a stream of records is slowed, not refused, and so is a live tail", async () => {
  const { world, fetch, post } = await open();
  await post(produce, { value: "x" });
  await setQuota(world, { "client-id": "c" }, { producer_byte_rate: 1_000, consumer_byte_rate: 1_000 });
  const { clusterId } = world.broker.metadata;
  const encoder = new TextEncoder();
  const record = encoder.encode(JSON.stringify({ value: { type: "STRING", data: "y".repeat(20_000) } }));
  let given = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (given++ < 3) controller.enqueue(record);
      else controller.close();
    },
  }, { highWaterMark: 0 });
  const headers = { "content-type": "application/json", "kavka-client-id": "c" };
  const answering = fetch(`/v3/clusters/${clusterId}/topics/t/records`, { method: "POST", headers, body });
  await world.env.runUntilIdle();
  const response = await answering;
  assert.equal(response.status, 200);
  let reports = "";
  const reading = response.body?.pipeThrough(new TextDecoderStream()).pipeTo(
    new WritableStream({ write: (text) => void (reports += text) }),
  );
  const count = () => reports.split("\r\n").length - 1;
  for (let i = 0; i < 20; i++) await world.env.runUntilIdle();
  assert.equal(count(), 1, "20 kB are more than ten seconds' worth");
  for (let i = 0; i < 90 && count() < 3; i++) {
    await world.env.advance(1_000);
    for (let k = 0; k < 5; k++) await world.env.runUntilIdle();
  }
  assert.equal(count(), 3);
  for (let i = 0; i < 60; i++) await world.env.advance(1_000);
  await reading;

  const live = await settled(
    world.env,
    fetch("/v1/topics/t/live?from=earliest", { headers: { "kavka-client-id": "c" } }),
  );
  assert.equal(live.status, 200);
  let tail = "";
  const events = live.body?.pipeThrough(new TextDecoderStream()).getReader();
  let isOver = false;
  const tailing = (async () => {
    while (!isOver) tail += (await events?.read())?.value ?? "";
  })();
  const seen = () => tail.split("event: record").length - 1;
  const startMs = world.env.mono();
  for (let i = 0; i < 200 && seen() < 4; i++) {
    await world.env.advance(1_000);
    for (let k = 0; k < 5; k++) await world.env.runUntilIdle();
  }
  assert.equal(seen(), 4);
  assert.ok(world.env.mono() - startMs > 20_000, "60 kB at 1 kB a second");
  isOver = true;
  await events?.cancel();
  await tailing;
});
