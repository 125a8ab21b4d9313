// npm's cloudevents, unchanged: events written over HTTP in three modes and over Kafka in two, read over both.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { CloudEvent, HTTP, Kafka } from "cloudevents";

const require = createRequire(import.meta.url);
const { Kafka: Client, logLevel } = require("kafkajs");

const topic = process.env.TOPIC;
const url = `${process.env.HTTP}/v1/topics/${topic}/records`;

function make(id, more) {
  return new CloudEvent({
    id,
    type: "com.example.someevent",
    source: "/mycontext/subcontext",
    time: "2026-04-05T17:31:00.000Z",
    subject: "larger context, 50% \"quoted\"",
    partitionkey: "k",
    comexampleextension1: "value",
    comexampleothervalue: 5,
    datacontenttype: "application/json",
    data: { appinfoA: "abc", appinfoB: 123, appinfoC: [true, null, "€"] },
    ...more,
  });
}

/** What the event is, whatever it came by; extensions are text where they went through headers. */
function plain(event, data = event.data) {
  const { id, type, source, time, subject, partitionkey, datacontenttype } =
    event;
  const extensions = [event.comexampleextension1, event.comexampleothervalue]
    .map(String);
  return {
    id,
    type,
    source,
    time: new Date(time).toISOString(),
    subject,
    partitionkey,
    datacontenttype,
    extensions,
    data,
  };
}

async function post({ headers, body }) {
  const response = await fetch(url, { method: "POST", headers, body });
  assert.equal(response.status, 200, await response.text());
}

const text = { datacontenttype: "text/plain", data: "plain € text" };
const events = [
  make("http-binary", { subject: "context" }),
  make("http-structured"),
  make("http-batch-1"),
  make("http-batch-2", text),
  make("kafka-binary"),
  make("kafka-structured", text),
];
const [binary, structured, ...rest] = events;
await post(HTTP.binary(binary));
await post(HTTP.structured(structured));
await post({
  headers: { "content-type": "application/cloudevents-batch+json" },
  body: JSON.stringify(rest.slice(0, 2)),
});

process.env.KAFKAJS_NO_PARTITIONER_WARNING = "1";
const kafka = new Client({
  brokers: [process.env.BOOTSTRAP],
  logLevel: logLevel.NOTHING,
});
const producer = kafka.producer();
await producer.connect();
for (const message of [Kafka.binary(rest[2]), Kafka.structured(rest[3])]) {
  // The library leaves the bytes of the data, and headers without a value, to the program.
  const headers = Object.fromEntries(
    Object.entries(message.headers).filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, String(value)]),
  );
  const { key } = message;
  const value = typeof message.value === "string"
    ? message.value
    : JSON.stringify(message.value);
  await producer.send({ topic, messages: [{ key, value, headers }] });
}
await producer.disconnect();

const read = await fetch(
  `${process.env.HTTP}/v1/topics/${topic}/partitions/0/records?format=cloudevents`,
);
assert.equal(
  read.headers.get("kavka-next-offset"),
  String(events.length),
);
const overHttp = HTTP.toEvent({
  headers: Object.fromEntries(read.headers),
  body: await read.text(),
});
assert.deepEqual(
  overHttp.map((event) => plain(event)),
  events.map((event) => plain(event)),
);
for (const event of overHttp) event.validate();

const consumer = kafka.consumer({ groupId: `g-${topic}` });
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
const messages = [];
await new Promise((done) =>
  consumer.run({
    eachMessage: async ({ message }) => {
      messages.push(message);
      if (messages.length === events.length) done();
    },
  })
);
const overKafka = messages.map(({ key, value, headers }) =>
  Kafka.toEvent({
    key: key?.toString(),
    value: value.toString(),
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, each]) => [name, each.toString()]),
    ),
  })
);
assert.deepEqual(
  overKafka.map((event) => plain(event)),
  events.map((event) => plain(event)),
);
await consumer.disconnect();
process.exit(0);
