/** The live tail of one topic on a whole broker. */
import assert from "node:assert/strict";
import { topicTag } from "../../routes/live/places.ts";
import { serveBroker, type ServedBroker } from "../served_broker.ts";
import { produceTo, Tail } from "./live_client.ts";

function open(served: ServedBroker, query = "", headers: Record<string, string> = {}): Promise<Tail> {
  return Tail.open(served.http, `/v1/topics/t/live${query}`, headers);
}

function produce(served: ServedBroker, ...records: object[]): Promise<void> {
  return produceTo(served.http, "t", records);
}

/** What the ids of its events begin with. */
function tagOf({ broker }: ServedBroker): string {
  return topicTag(broker.metadata.topicsByName.get("t")?.topicId ?? "");
}

Deno.test("live: records come as they are written, from all partitions or one", async () => {
  await using served = await serveBroker({ config: { "num.partitions": "2" } });
  await produce(served, { value: "old", partition: 0 });
  await using tail = await open(served);
  await using one = await open(served, "?partition=1&format=binary&from=earliest");
  await produce(served, { key: "k", value: "a", partition: 0 }, { value: "b\n\n", partition: 1 });
  const events = (await tail.take(2)).sort((x, y) => x.data.partition - y.data.partition);
  assert.deepEqual(events.map(({ event, data }) => [event, data.partition, data.offset, data.value.data]), [
    ["record", 0, 1, "a"],
    ["record", 1, 0, "b\n\n"],
  ]);
  const [only] = await one.take(1);
  assert.deepEqual([only?.id, only?.data.value], [`${tagOf(served)}.1-1`, { type: "binary", data: "YgoK" }]);
  assert.equal(tail.response.headers.get("content-type"), "text/event-stream");
});

Deno.test("live: a reader that comes again goes on exactly where it was", async () => {
  await using served = await serveBroker({ config: { "num.partitions": "2" } });
  const written = Array.from({ length: 40 }, (_, n) => ({ value: String(n), partition: n % 2 }));
  await produce(served, ...written);
  const seen: string[] = [];
  let id = "";
  for (let round = 0; round < 4; round++) {
    await using tail = await open(served, "?from=earliest", id === "" ? {} : { "last-event-id": id });
    for (const event of await tail.take(10)) {
      seen.push(event.data.value.data);
      id = event.id;
    }
  }
  assert.deepEqual(seen.sort(), written.map(({ value }) => value).sort());
});

Deno.test("live: a topic that was made again meanwhile is read from its beginning", async () => {
  await using served = await serveBroker();
  await produce(served, { value: "old 0" }, { value: "old 1" });
  let id = "";
  {
    await using tail = await open(served, "?from=earliest");
    id = (await tail.take(1))[0]?.id ?? "";
  }
  const response = await served.http("/v1/topics/t", { method: "DELETE" });
  assert.equal(response.status, 204);
  await produce(served, { value: "new 0" }, { value: "new 1" });
  await using again = await open(served, "", { "last-event-id": id });
  assert.deepEqual((await again.take(2)).map(({ data }) => data.value.data), ["new 0", "new 1"]);
});

Deno.test("live: JSON with line breaks stays one event", async () => {
  await using served = await serveBroker();
  await produce(served, { value: '{\n"a":\r\n\n1\r}' });
  await using tail = await open(served, "?from=earliest&format=json");
  assert.deepEqual((await tail.take(1))[0]?.data.value, { type: "json", data: { a: 1 } });
});

Deno.test("live: only records with the key", async () => {
  await using served = await serveBroker();
  await produce(served, { key: "a", value: "1" }, { value: "2" }, { key: "ab", value: "3" }, {
    key: "a",
    value: "4",
  });
  await using tail = await open(served, "?from=earliest&key=a");
  assert.deepEqual((await tail.take(2)).map(({ data }) => data.value.data), ["1", "4"]);
});

Deno.test("live: a place that is not in the log any more is told as a gap", async () => {
  await using served = await serveBroker();
  await produce(served, { value: "1" });
  await using tail = await open(served, "", { "last-event-id": "0:99" });
  assert.deepEqual((await tail.take(1))[0]?.data, {
    topic: "t",
    partition: 0,
    fromOffset: 99,
    nextOffset: 1,
    kafkaError: "OFFSET_OUT_OF_RANGE",
  });
  await produce(served, { value: "2" });
  assert.equal((await tail.take(1))[0]?.data.value.data, "2");
});

Deno.test("live: the tail ends when the topic is deleted", async () => {
  await using served = await serveBroker();
  await produce(served, { value: "1" });
  await using tail = await open(served);
  const ended = tail.ended();
  assert.equal((await served.http("/v1/topics/t", { method: "DELETE" })).status, 204);
  assert.equal(await ended, true);
});

Deno.test("live: bad input", async () => {
  await using served = await serveBroker();
  await produce(served, { value: "1" });
  const cases: readonly [path: string, headers: Record<string, string>, status: number][] = [
    ["/v1/topics/x/live", {}, 404],
    ["/v1/topics/t/live?partition=9", {}, 404],
    ["/v1/topics/t/live?from=5", {}, 400],
    ["/v1/topics/t/live?format=x", {}, 400],
    ["/v1/topics/t/live?nope=1", {}, 400],
    ["/v1/topics/t/live", { "last-event-id": "x" }, 400],
  ];
  for (const [path, headers, status] of cases) {
    const response = await served.http(path, { headers });
    assert.equal(response.status, status, path);
    await response.body?.cancel();
  }
});
