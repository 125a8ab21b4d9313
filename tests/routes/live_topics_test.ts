/** Live tails of several topics and of patterns, on a whole broker. */
import assert from "node:assert/strict";
import { limits } from "../../core/config/limits.ts";
import { buildBatch } from "../../protocol/records/record_batch.ts";
import { httpApp } from "../../routes/app.ts";
import { serveBroker, type ServedBroker } from "../served_broker.ts";
import { HttpClient } from "./http_client.ts";
import { produceTo, Tail } from "./live_client.ts";

const json = { "content-type": "application/json" };

async function createTopic(served: ServedBroker, name: string, partitionCount = 1): Promise<void> {
  const body = JSON.stringify({ name, partitionCount });
  const response = await served.http("/v1/topics", { method: "POST", headers: json, body });
  assert.equal(response.status, 201, await response.text());
}

async function deleteTopic(served: ServedBroker, name: string): Promise<void> {
  assert.equal((await served.http(`/v1/topics/${name}`, { method: "DELETE" })).status, 204);
}

async function addPartitions(served: ServedBroker, name: string, count: number): Promise<void> {
  const clusters = await (await served.http("/v3/clusters")).json();
  const path = `/v3/clusters/${clusters.data[0].cluster_id}/topics/${name}`;
  const body = JSON.stringify({ partitions_count: count });
  const response = await served.http(path, { method: "PATCH", headers: json, body });
  assert.equal(response.status, 200, await response.text());
}

Deno.test("live topics: records of all of them, each with its topic", async () => {
  await using served = await serveBroker();
  await createTopic(served, "a", 2);
  await createTopic(served, "b");
  await createTopic(served, "c");
  await using tail = await Tail.open(served.http, "/v1/live?topics=a,b");
  await produceTo(served.http, "c", [{ value: "not asked for" }]);
  await produceTo(served.http, "a", [{ value: "1", partition: 0 }, { value: "2", partition: 1 }]);
  await produceTo(served.http, "b", [{ value: "3" }]);
  const seen = (await tail.take(3)).map(({ data }) => [data.topic, data.partition, data.value.data]);
  assert.deepEqual(seen.sort(), [["a", 0, "1"], ["a", 1, "2"], ["b", 0, "3"]]);
});

Deno.test("live topics: whoever comes again, by header or parameter, goes on exactly where it was in every topic", async () => {
  await using served = await serveBroker({ config: { "num.partitions": "2" } });
  const written: string[] = [];
  for (const topic of ["a", "b", "c"]) {
    const records = Array.from({ length: 20 }, (_, n) => ({ value: `${topic}${n}`, partition: n % 2 }));
    await produceTo(served.http, topic, records);
    written.push(...records.map(({ value }) => value));
  }
  const seen: string[] = [];
  let id = "";
  for (let round = 0; round < 6; round++) {
    const path = "/v1/live?topics=a,b,c&from=earliest";
    await using tail = round % 2 === 0
      ? await Tail.open(served.http, path, id === "" ? {} : { "last-event-id": id })
      : await Tail.open(served.http, `${path}&lastEventId=${id}`);
    for (const event of await tail.take(10)) {
      seen.push(event.data.value.data);
      id = event.id;
    }
  }
  assert.deepEqual(seen.sort(), written.sort());
});

Deno.test("live topics: a place is for the topic, not for another of the same name", async () => {
  await using served = await serveBroker();
  await produceTo(served.http, "a", [{ value: "old" }, { value: "old" }]);
  await produceTo(served.http, "b", [{ value: "old" }]);
  await using first = await Tail.open(served.http, "/v1/live?topics=a,b");
  const place = await first.block();
  await deleteTopic(served, "a");
  await produceTo(served.http, "a", [{ value: "new 0" }, { value: "new 1" }, { value: "new 2" }]);
  await using again = await Tail.open(served.http, "/v1/live?topics=a,b", {
    "last-event-id": place?.id ?? "",
  });
  assert.deepEqual((await again.take(3)).map(({ data }) => data.value.data), ["new 0", "new 1", "new 2"]);
});

Deno.test("live topics: keys and headers are looked at on the server, and the place moves on over what is left out", async () => {
  await using served = await serveBroker();
  const header = (key: string, value: string) => ({ key, value });
  await produceTo(served.http, "a", [
    { key: "x", value: "1", headers: [header("type", "paid")] },
    { key: "y", value: "2", headers: [header("type", "paid"), header("by", "card")] },
    { key: "x", value: "3", headers: [header("type", "due"), header("by", "card")] },
    { key: "x", value: "4", headers: [header("type", "paid"), header("by", "cash")] },
    { value: "5" },
  ]);
  const values = async (query: string, count: number) => {
    await using tail = await Tail.open(served.http, `/v1/live?topics=a&from=earliest&${query}`);
    return (await tail.take(count)).map(({ data }) => data.value.data);
  };
  assert.deepEqual(await values("key=x", 3), ["1", "3", "4"]);
  assert.deepEqual(await values("key=x&key=y", 4), ["1", "2", "3", "4"]);
  assert.deepEqual(await values("header=type:paid", 3), ["1", "2", "4"]);
  assert.deepEqual(await values("header=type:paid&header=by", 2), ["2", "4"]);
  assert.deepEqual(await values("header=type:paid&header=by&key=x", 1), ["4"]);
  await using none = await Tail.open(served.http, "/v1/live?topics=a&from=earliest&key=z");
  const begin = (await none.block())?.id ?? "";
  await produceTo(served.http, "a", [{ key: "z", value: "6" }]);
  const [event] = await none.take(1);
  assert.match(begin, /\.0-0$/);
  assert.match(event?.id ?? "", /\.0-6$/);
});

Deno.test("live topics: the place is told after much reading of which nothing was for the reader", async () => {
  await using served = await serveBroker();
  const { env } = served.broker;
  const { mono, timer } = env;
  let aheadMs = 0;
  env.mono = () => mono() + aheadMs;
  // Silence would be told, too, but later; here never.
  env.timer = (ms, callback) => ms === 15_000 ? () => {} : timer(ms, callback);
  await createTopic(served, "a");
  await using tail = await Tail.open(served.http, "/v1/live?topics=a&key=k");
  await tail.block();
  for (let offset = 0;; offset++) {
    await produceTo(served.http, "a", [{ value: "not for the reader" }]);
    aheadMs += 10_000;
    const block = await tail.block();
    assert.deepEqual([block?.event, block?.data], ["", null]);
    if (Number(tail.lastId.split("-")[1]) > 0) break;
    assert.ok(offset < 10, tail.lastId);
  }
});

Deno.test("live topics: the place is told after a silence", async () => {
  await using served = await serveBroker();
  await createTopic(served, "a");
  const { env } = served.broker;
  const { timer } = env;
  env.timer = (ms, callback) => timer(ms === 15_000 ? 0 : ms, callback);
  await using tail = await Tail.open(served.http, "/v1/live?topics=a");
  const first = await tail.block();
  const second = await tail.block();
  assert.deepEqual([second?.event, second?.data, second?.id], ["", null, first?.id]);
});

Deno.test("live topics: a pattern takes in topics that are made later, from their beginning", async () => {
  await using served = await serveBroker();
  await createTopic(served, "log-a");
  await createTopic(served, "other");
  await using tail = await Tail.open(served.http, "/v1/live?pattern=log-.*");
  await produceTo(served.http, "other", [{ value: "no" }]);
  await produceTo(served.http, "log-a", [{ value: "1" }]);
  assert.equal((await tail.take(1))[0]?.data.value.data, "1");
  await produceTo(served.http, "log-b", [{ value: "2" }]);
  const [created, record] = await tail.take(2);
  assert.deepEqual([created?.event, created?.data], ["topicCreated", { topic: "log-b", partitions: 1 }]);
  assert.deepEqual([record?.data.topic, record?.data.offset], ["log-b", 0]);
  // And whoever comes again reads what is new since then, too.
  await produceTo(served.http, "log-c", [{ value: "3" }]);
  await using again = await Tail.open(served.http, "/v1/live?pattern=log-.*", {
    "last-event-id": record?.id ?? "",
  });
  assert.deepEqual((await again.take(1))[0]?.data.topic, "log-c");
});

Deno.test("live topics: a pattern may match nothing yet, and never Kafka's own topics", async () => {
  await using served = await serveBroker();
  await using tail = await Tail.open(served.http, "/v1/live?pattern=.*");
  assert.equal((await tail.block())?.id, "~");
  await produceTo(served.http, "a", [{ value: "1" }]);
  assert.deepEqual((await tail.take(2)).map(({ event }) => event), ["topicCreated", "record"]);
});

Deno.test("live topics: partitions that a topic gains are read from their beginning", async () => {
  await using served = await serveBroker();
  await createTopic(served, "a");
  await using tail = await Tail.open(served.http, "/v1/live?topics=a");
  await using one = await Tail.open(served.http, "/v1/topics/a/live");
  await using fixed = await Tail.open(served.http, "/v1/topics/a/live?partition=0");
  await addPartitions(served, "a", 3);
  await produceTo(served.http, "a", [{ value: "1", partition: 2 }]);
  for (const each of [tail, one]) {
    const [added, record] = await each.take(2);
    assert.deepEqual([added?.event, added?.data], ["partitionsAdded", { topic: "a", partitions: 3 }]);
    assert.deepEqual([record?.data.partition, record?.data.offset], [2, 0]);
  }
  await produceTo(served.http, "a", [{ value: "2", partition: 0 }]);
  const [last] = await fixed.take(1);
  assert.equal(last?.event, "record");
  assert.match(last?.id ?? "", /^[0-9a-f]{12}\.0-1$/);
});

Deno.test("live topics: a deleted topic is told and the others go on; made again, it is read from its beginning", async () => {
  await using served = await serveBroker();
  await createTopic(served, "a");
  await createTopic(served, "b");
  await using tail = await Tail.open(served.http, "/v1/live?topics=a,b");
  await tail.block();
  await deleteTopic(served, "a");
  const [deleted] = await tail.take(1);
  assert.deepEqual([deleted?.event, deleted?.data], ["topicDeleted", { topic: "a" }]);
  await produceTo(served.http, "b", [{ value: "1" }]);
  assert.equal((await tail.take(1))[0]?.data.value.data, "1");
  await produceTo(served.http, "a", [{ value: "2" }]);
  assert.deepEqual((await tail.take(2)).map(({ event, data }) => [event, data.topic]), [
    ["topicCreated", "a"],
    ["record", "a"],
  ]);
  await deleteTopic(served, "a");
  await deleteTopic(served, "b");
  assert.deepEqual((await tail.take(2)).map(({ event }) => event), ["topicDeleted", "topicDeleted"]);
  assert.equal(await tail.next(), null);
});

Deno.test("live topics: a topic that would be too much is told once, and the others go on", async () => {
  await using served = await serveBroker({ config: { "http.live.tails.max": "2" } });
  await createTopic(served, "t-0", limits.livePartitionsMax - 1);
  await using tail = await Tail.open(served.http, "/v1/live?pattern=t-.*");
  await createTopic(served, "t-1", 2);
  assert.deepEqual((await tail.take(1)).map(({ event, data }) => [event, data]), [
    ["topicSkipped", { topic: "t-1", partitions: 2 }],
  ]);
  await produceTo(served.http, "t-2", [{ value: "1" }]);
  assert.deepEqual((await tail.take(2)).map(({ event, data }) => [event, data.topic]), [
    ["topicCreated", "t-2"],
    ["record", "t-2"],
  ]);
  // Whoever is refused for that takes no place among those that may be open.
  for (let n = 0; n < 2; n++) assert.equal((await served.http("/v1/live?topics=t-0,t-1")).status, 400);
});

Deno.test("live topics: a slow reader is told how far it is behind, loses nothing, and nothing is read ahead for it", async () => {
  await using served = await serveBroker();
  await createTopic(served, "a");
  await createTopic(served, "b");
  await using tail = await Tail.open(served.http, "/v1/live?topics=a,b");
  await tail.block();
  const count = 3 * limits.liveBehindRecordsMin;
  const value = "x".repeat(200);
  for (const topic of ["a", "b"]) {
    await produceTo(served.http, topic, Array.from({ length: count }, (_, n) => ({ key: String(n), value })));
  }
  const fetches = () =>
    [...served.broker.metrics.fetches.family().samples].reduce((sum, { value }) => sum + value, 0);
  const before = fetches();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(fetches(), before);
  const next: Record<string, number> = { a: 0, b: 0 };
  const behind: number[] = [];
  for (let read = 0; read < 2 * count;) {
    const [event] = await tail.take(1);
    if (event?.event === "behind") behind.push(event.data.records);
    if (event?.event !== "record") continue;
    const { topic, offset }: { topic: string; offset: number } = event.data;
    assert.equal(offset, next[topic]);
    next[topic] = offset + 1;
    read++;
  }
  assert.deepEqual(next, { a: count, b: count });
  const [last] = behind.at(-1) === 0 ? [] : await tail.take(1);
  if (last !== undefined) behind.push(last.data.records);
  assert.ok((behind[0] ?? 0) >= limits.liveBehindRecordsMin, String(behind));
  assert.deepEqual([behind.at(-1), behind.filter((records) => records === 0).length], [0, 1]);
  assert.ok(tail.chunkBytesMax < 4 * limits.livePageBytesMax, String(tail.chunkBytesMax));
});

Deno.test("live topics: an unreadable batch is told as a gap, and what is behind it is read", async () => {
  const client = new HttpClient();
  client.broker.addTopic("a");
  const partition = client.broker.partitionOf("a", 0);
  const batch = () =>
    buildBatch({
      records: [{ key: null, value: new Uint8Array(9), headers: [], timestamp: 1_700_000_000_000 }],
    });
  const damaged = batch();
  damaged.fill(255, 61);
  for (const each of [batch(), damaged, batch()]) partition.append(each);
  await using tail = await Tail.open(
    async (path, init) => await client.app.fetch(new Request(`http://localhost${path}`, init)),
    "/v1/live?topics=a&from=earliest",
  );
  assert.deepEqual((await tail.take(3)).map(({ event, data }) => [event, data.offset ?? data.fromOffset]), [
    ["record", 0],
    ["gap", 1],
    ["record", 2],
  ]);
});

Deno.test("live topics: no more than http.live.tails.max, and room again when one leaves", async () => {
  await using served = await serveBroker({ config: { "http.live.tails.max": "2" } });
  await createTopic(served, "a");
  const open = () => served.http("/v1/live?topics=a");
  await using first = new Tail(await open());
  const second = new Tail(await open());
  const third = await open();
  assert.deepEqual([third.status, third.headers.get("retry-after")], [503, "5"]);
  await third.body?.cancel();
  // Neither a question about the headers nor one that is refused takes a place.
  const head = await served.http("/v1/live?topics=a", { method: "HEAD" });
  assert.deepEqual([head.status, await head.text()], [200, ""]);
  await second[Symbol.asyncDispose]();
  assert.equal((await served.http("/v1/live?topics=nope")).status, 404);
  assert.equal((await served.http("/v1/live?topics=a", { headers: { "last-event-id": "x" } })).status, 400);
  await using again = new Tail(await open());
  assert.deepEqual([first.response.status, again.response.status], [200, 200]);
});

Deno.test("live topics: a key sees the topics of its scopes, of a pattern, too, until it is revoked", async () => {
  await using served = await serveBroker();
  const admin = "the-admin-key-of-these-tests";
  const app = httpApp(served.broker, { version: "0", adminKey: admin });
  const withKey = (key: string) => async (path: string, init: RequestInit = {}) => {
    const headers = { ...init.headers, authorization: `Bearer ${key}` };
    return await app.fetch(new Request(`http://localhost${path}`, { ...init, headers }));
  };
  const asAdmin = withKey(admin);
  for (const name of ["mine-a", "other", "mine-b"]) {
    const body = JSON.stringify({ name });
    assert.equal((await asAdmin("/v1/topics", { method: "POST", headers: json, body })).status, 201);
  }
  const body = JSON.stringify({ name: "k", scopes: ["consume:mine-*", "produce:other"] });
  const made = await (await asAdmin("/v1/api-keys", { method: "POST", headers: json, body })).json();
  const asReader = withKey(made.key);
  assert.equal((await app.fetch(new Request("http://localhost/v1/live?topics=mine-a"))).status, 401);
  assert.equal(
    (await app.fetch(new Request(`http://localhost/v1/live?topics=mine-a&key=${made.key}`))).status,
    401,
  );
  assert.equal((await asReader("/v1/live?topics=mine-a,other")).status, 403);
  // Whether it is there is none of its business.
  assert.equal((await asReader("/v1/live?topics=nope")).status, 403);
  await using tail = await Tail.open(asReader, "/v1/live?pattern=.*");
  await tail.block();
  await produceTo(asAdmin, "other", [{ value: "no" }]);
  await produceTo(asAdmin, "other-new", [{ value: "no" }]);
  await produceTo(asAdmin, "mine-b", [{ value: "1" }]);
  assert.deepEqual((await tail.take(1)).map(({ event, data }) => [event, data.topic]), [[
    "record",
    "mine-b",
  ]]);
  await produceTo(asAdmin, "mine-c", [{ value: "2" }]);
  assert.deepEqual((await tail.take(2)).map(({ event, data }) => [event, data.topic]), [
    ["topicCreated", "mine-c"],
    ["record", "mine-c"],
  ]);
  const next = tail.next();
  assert.equal((await asAdmin(`/v1/api-keys/${made.id}`, { method: "DELETE" })).status, 204);
  await produceTo(asAdmin, "mine-b", [{ value: "not any more" }]);
  assert.equal(await next, null);
});

Deno.test("live topics: when the server stops the tails end, and no new ones begin", async () => {
  await using served = await serveBroker();
  await createTopic(served, "a");
  const app = httpApp(served.broker, { version: "0" });
  const fetch = async (path: string, init?: RequestInit) =>
    await app.fetch(new Request(`http://localhost${path}`, init));
  const tails = [await Tail.open(fetch, "/v1/live?topics=a"), await Tail.open(fetch, "/v1/topics/a/live")];
  const ended = tails.map((tail) => tail.ended());
  await app.endStreams();
  assert.deepEqual(await Promise.all(ended), [true, true]);
  assert.equal((await fetch("/v1/live?topics=a")).status, 503);
});

Deno.test("live topics: bad input", async () => {
  await using served = await serveBroker();
  await createTopic(served, "a");
  const many = Array(limits.liveFiltersMax + 1).fill("x");
  const cases: readonly [query: string, status: number, field: string | null][] = [
    ["", 400, "topics"],
    ["topics=", 400, "topics"],
    ["topics=a,,a", 400, "topics"],
    ["topics=a&topics=a", 400, "topics"],
    ["topics=nope", 404, null],
    ["topics=__proto__", 404, null],
    ["topics=%00", 404, null],
    ["pattern=", 400, "pattern"],
    ["pattern=(", 400, "pattern"],
    ["pattern=(a)\\1", 400, "pattern"],
    [`pattern=${"(".repeat(500)}`, 400, "pattern"],
    [`pattern=((a{1000}){1000}){1000}`, 400, "pattern"],
    ["topics=a&header=", 400, "header"],
    ["topics=a&header=:v", 400, "header"],
    [`topics=a&${many.map((key) => `key=${key}`).join("&")}`, 400, "key"],
    [`topics=a&${many.map((name) => `header=${name}`).join("&")}`, 400, "header"],
    ["topics=a&from=5", 400, "from"],
    ["topics=a&isolation=x", 400, "isolation"],
    ["topics=a&partition=0", 400, "partition"],
    ["topics=a&lastEventId=0:1", 400, "lastEventId"],
    [`topics=a&lastEventId=${"a".repeat(5_000)}`, 400, "lastEventId"],
    [`topics=${"a".repeat(9_000)}`, 414, null],
  ];
  for (const [query, status, field] of cases) {
    const response = await served.http(`/v1/live?${query}`);
    const body = await response.json();
    assert.equal(response.status, status, query.slice(0, 80));
    if (field !== null) assert.equal(body.errors[0].field.replace(/\[.*/, ""), field, query.slice(0, 80));
  }
});
