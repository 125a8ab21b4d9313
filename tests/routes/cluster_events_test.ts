/** `/v1/events` on a whole broker. */
import assert from "node:assert/strict";
import { EventFeed } from "../../actors/event_feed.ts";
import { TestEnv } from "../../actors/runtime/test_env.ts";
import { realEnv } from "../../env/real.ts";
import { httpApp } from "../../routes/app.ts";
import { serveBroker, type ServedBroker } from "../served_broker.ts";
import { FakeBroker } from "./fake_broker.ts";

async function watch(served: ServedBroker, query = "", headers: Record<string, string> = {}) {
  const response = await served.http(`/v1/events${query}`, { headers });
  assert.equal(response.status, 200);
  assert.ok(response.body !== null);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  /** The next events with data, as [id, type, data]. */
  async function take(count: number) {
    const events: [id: string, type: string, data: Record<string, unknown>][] = [];
    while (events.length < count) {
      const end = text.indexOf("\n\n");
      if (end === -1) {
        const { value, done } = await reader.read();
        assert.ok(!done, "the stream ended");
        text += value;
        continue;
      }
      const [, id = "", type = "", data] = /^id: (\S+)\nevent: (\w+)\ndata: (.*)$/.exec(text.slice(0, end)) ??
        [];
      text = text.slice(end + 2);
      if (data !== undefined) events.push([id, type, JSON.parse(data)]);
    }
    return events;
  }
  return { take, [Symbol.asyncDispose]: () => reader.cancel() };
}

const json = { "content-type": "application/json" };

async function createTopic(served: ServedBroker, name: string): Promise<void> {
  const body = JSON.stringify({ name });
  const response = await served.http("/v1/topics", { method: "POST", headers: json, body });
  assert.equal(response.status, 201);
  await response.body?.cancel();
}

Deno.test("events: topics and members as they come and go, and again by Last-Event-ID", async () => {
  await using served = await serveBroker();
  await using first = await watch(served);
  await createTopic(served, "t");
  const [created] = await first.take(1);
  assert.deepEqual([created?.[1], created?.[2]["topic"]], ["topicCreated", "t"]);
  const v2 = { "content-type": "application/vnd.kafka.v2+json" };
  const post = async (path: string, body: unknown) =>
    await (await served.http(path, { method: "POST", headers: v2, body: JSON.stringify(body) })).text();
  await post("/consumers/g", { name: "c" });
  await post("/consumers/g/instances/c/subscription", { topics: ["t"] });
  await (await served.http("/consumers/g/instances/c/records?timeout=1")).text();
  assert.deepEqual((await first.take(2)).map(([, type, { group }]) => [type, group]), [
    ["memberJoined", "g"],
    ["groupRebalanced", "g"],
  ]);
  await (await served.http("/consumers/g/instances/c", { method: "DELETE" })).text();
  await (await served.http("/v1/topics/t", { method: "DELETE" })).text();
  await using again = await watch(served, "?types=memberLost,topicDeleted", {
    "last-event-id": created?.[0] ?? "",
  });
  assert.deepEqual((await again.take(2)).map(([, type]) => type), ["memberLost", "topicDeleted"]);
});

Deno.test("events: an id of another process is a gap, a strange one is 400", async () => {
  await using served = await serveBroker();
  await using watched = await watch(served, "", { "last-event-id": "00000000-7" });
  assert.deepEqual((await watched.take(1))[0]?.slice(1), ["gap", { events: null }]);
  const [, feed = ""] = /^id: (\w+)-/m.exec(await firstText(served)) ?? [];
  await using ahead = await watch(served, "", { "last-event-id": `${feed}-999999` });
  await createTopic(served, "t");
  assert.deepEqual((await ahead.take(2)).map(([, type]) => type), ["gap", "topicCreated"]);
  const bad = await served.http("/v1/events", { headers: { "last-event-id": "x" } });
  assert.equal(bad.status, 400);
  await bad.body?.cancel();
});

async function firstText(served: ServedBroker): Promise<string> {
  const reader = (await served.http("/v1/events")).body?.pipeThrough(new TextDecoderStream()).getReader();
  const text = (await reader?.read())?.value ?? "";
  await reader?.cancel();
  return text;
}

Deno.test("events: watchers have seats among the live tails", async () => {
  await using served = await serveBroker({ config: { "http.live.tails.max": "2" } });
  await createTopic(served, "t");
  {
    await using _one = await watch(served);
    await using _two = await watch(served);
    for (const path of ["/v1/events", "/v1/topics/t/live"]) {
      const refused = await served.http(path);
      assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "5"], path);
      await refused.body?.cancel();
    }
  }
  await using _again = await watch(served);
});

Deno.test("events: a filter that lets nothing through does not keep the connection silent", async () => {
  const broker = new FakeBroker();
  const env = new TestEnv();
  Object.defineProperty(broker, "env", { value: env });
  const app = httpApp(broker, { version: "0" });
  const response = await app.fetch(new Request("http://localhost/v1/events?types=topicDeleted"));
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const [, place = ""] = /^id: (\S+)$/m.exec((await reader?.read())?.value ?? "") ?? [];
  const next = reader?.read();
  for (let second = 0; second < 20; second++) {
    broker.events.publish({ type: "brokerUp", brokerId: second, host: "h", port: 1 });
    await env.advance(1_000);
  }
  assert.match((await next)?.value ?? "", /^:\nid: \w+-1\d\n\n$/);
  assert.match(place, /-0$/);
  await reader?.cancel();
});

Deno.test("events: when the server stops they end, and no new ones begin", async () => {
  const broker = new FakeBroker();
  // Its time stands still: nothing but the end of the server wakes the reader.
  Object.defineProperty(broker, "env", { value: new TestEnv() });
  const app = httpApp(broker, { version: "0" });
  const events = () => app.fetch(new Request("http://localhost/v1/events"));
  const reader = (await events()).body?.getReader();
  await reader?.read();
  const next = reader?.read();
  await app.endStreams();
  assert.equal((await next)?.done, true);
  assert.equal((await events()).status, 503);
});

Deno.test("EventFeed: a feed that is closed keeps nobody waiting", async () => {
  const feed = new EventFeed(realEnv());
  const { signal } = new AbortController();
  const before = feed.wait(0, signal);
  feed.close();
  await before;
  await feed.wait(0, signal);
});

Deno.test("EventFeed: the newest are kept, and a watcher's place tells how many it missed", () => {
  const feed = new EventFeed(realEnv());
  const member = { memberId: "m", clientId: "c", assignment: [] };
  for (let n = 0; n < 1_500; n++) feed.members(`g${n}`, [member]);
  assert.equal(feed.newest, 1_500);
  assert.deepEqual(feed.after(1_498).map(({ number }) => number), [1_499, 1_500]);
  const kept = feed.after(0);
  assert.deepEqual([kept.length, kept[0]?.number], [1_000, 501]);
  assert.deepEqual(feed.after(1_500), []);
});
