/** Live tails whose records are CloudEvents in structured mode, over server-sent events and WebSockets. */
import assert from "node:assert/strict";
import { serveBroker, type ServedBroker } from "../served_broker.ts";
import { HttpDoor, produceTo, SocketTail, Tail } from "./live_client.ts";

const placed = { specversion: "1.0", id: "1", source: "/shop", type: "order.placed", partitionkey: "a" };

async function produceEvent(served: ServedBroker, topic: string, event: object): Promise<void> {
  const response = await served.http(`/v1/topics/${topic}/records`, {
    method: "POST",
    headers: { "content-type": "application/cloudevents+json" },
    body: JSON.stringify(event),
  });
  assert.equal(response.status, 200, await response.text());
}

/** What a Kafka client writes in structured mode, with line breaks in it. */
const structured = JSON.stringify({ ...placed, id: "2", data: { n: [1, 2] } }, null, 2);

async function fill(served: ServedBroker): Promise<void> {
  await produceEvent(served, "t", { ...placed, data: { n: 1 } });
  await produceTo(served.http, "t", [
    { value: structured, headers: [{ key: "content-type", value: "application/cloudevents+json" }] },
    { key: "k", value: "plain", timestamp: 1_767_225_600_000 },
  ]);
}

const wanted = [
  { ...placed, datacontenttype: "application/json", data: { n: 1 } },
  { ...placed, id: "2", data: { n: [1, 2] } },
  {
    specversion: "1.0",
    id: "2",
    source: "/v1/topics/t/partitions/0",
    type: "kavka.record",
    time: "2026-01-01T00:00:00.000Z",
    partitionkey: "k",
    data_base64: btoa("plain"),
  },
];

Deno.test("live CloudEvents: the data of each record is its event, and reading goes on behind an id", async () => {
  await using served = await serveBroker();
  await fill(served);
  const path = "/v1/live?topics=t&from=earliest&format=cloudevents";
  let id: string;
  {
    await using tail = await Tail.open(served.http, path);
    const events = await tail.records(3);
    assert.deepEqual(events.map(({ data }) => data), wanted);
    id = events[1]?.id ?? "";
  }
  await using again = await Tail.open(served.http, path, { "last-event-id": id });
  assert.deepEqual((await again.records(1)).map(({ data }) => data), wanted.slice(2));
});

Deno.test("live CloudEvents: of one topic, with filters, and over a WebSocket", async () => {
  await using served = await serveBroker();
  await using door = await HttpDoor.open(served);
  await fill(served);
  await using one = await Tail.open(
    served.http,
    "/v1/topics/t/live?from=earliest&format=cloudevents&header=ce_type:order.placed",
  );
  assert.deepEqual((await one.records(1)).map(({ data }) => data), wanted.slice(0, 1));
  await using socket = new SocketTail(door, "/v1/live?topics=t&from=earliest&format=cloudevents");
  const messages = (await socket.take(4)).filter(({ event }) => event === "record");
  assert.deepEqual(messages.map(({ data }) => data), wanted);
  assert.ok(messages.every(({ id }) => id !== ""));
});

Deno.test("live CloudEvents: another format is 400, as in reading", async () => {
  await using served = await serveBroker();
  await fill(served);
  const response = await served.http("/v1/live?topics=t&format=cloudevents-batch");
  assert.deepEqual([response.status, (await response.json()).errors[0].field], [400, "format"]);
});
