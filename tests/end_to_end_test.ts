/** Client, sockets, handlers, actors and Deno KV together in one process. */
import assert from "node:assert/strict";
import { Admin, type ConsumedRecord, Consumer, Producer } from "../client/mod.ts";
import { COMPRESSIONS } from "../protocol/records/batch_header.ts";
import { serveBroker, type ServedBroker } from "./served_broker.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

async function consume(served: ServedBroker, topic: string, count: number): Promise<ConsumedRecord[]> {
  const { env, bootstrapServers } = served;
  await using consumer = new Consumer(env, { bootstrapServers, offsetReset: "earliest" });
  await consumer.assignTopic(topic, { start: "earliest" });
  const found: ConsumedRecord[] = [];
  while (found.length < count) {
    const records = await consumer.poll({ timeoutMs: 5_000 });
    if (records.length === 0) break;
    found.push(...records);
  }
  return found;
}

function text(record: ConsumedRecord): string {
  return decoder.decode(record.value ?? new Uint8Array());
}

Deno.test("records of every codec come back as they were, in order, with keys, headers and timestamps", async () => {
  await using served = await serveBroker();
  const { env, bootstrapServers } = served;
  for (const compression of COMPRESSIONS) {
    const topic = `codec-${compression}`;
    await using producer = new Producer(env, { bootstrapServers, compression });
    const sent = await Promise.all(Array.from({ length: 500 }, (_, i) =>
      producer.send({
        topic,
        partition: 0,
        key: i % 3 === 0 ? null : Uint8Array.of(0, 255, i % 256),
        value: i % 7 === 0 ? null : encoder.encode(`value ${i} `.repeat(20)),
        headers: [{ key: "h", value: Uint8Array.of(i % 256) }],
        timestamp: 1_700_000_000_000 + i,
      })));
    assert.deepEqual(sent.map((each) => each.offset), Array.from({ length: 500 }, (_, i) => i));
    const found = await consume(served, topic, 500);
    assert.equal(found.length, 500);
    for (const [i, record] of found.entries()) {
      assert.equal(record.offset, i);
      assert.equal(record.timestamp, 1_700_000_000_000 + i);
      assert.deepEqual(record.key, i % 3 === 0 ? null : Uint8Array.of(0, 255, i % 256));
      assert.equal(text(record), i % 7 === 0 ? "" : `value ${i} `.repeat(20));
      assert.deepEqual(record.headers[0]?.value, Uint8Array.of(i % 256));
    }
  }
});

Deno.test("what was written over Kafka is read over HTTP, and the other way round", async () => {
  await using served = await serveBroker();
  const { env, bootstrapServers } = served;
  await using producer = new Producer(env, { bootstrapServers });
  await producer.send({
    topic: "both",
    key: Uint8Array.of(0xff, 0),
    value: "from kafka",
    headers: [],
    timestamp: 5,
  });
  const posted = await served.http("/v1/topics/both/records", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ value: { type: "string", data: "from http" } }),
  });
  assert.equal(posted.status, 200, await posted.text());
  const read = await served.http("/v1/topics/both/partitions/0/records?offset=0");
  const { records, highWatermark } = await read.json();
  assert.equal(highWatermark, 2);
  assert.deepEqual(records[0].key, { type: "binary", data: "/wA=" });
  assert.equal(records[0].timestamp, 5);
  assert.deepEqual((await consume(served, "both", 2)).map(text), ["from kafka", "from http"]);
});

Deno.test("a group divides a topic's partitions and goes on where it was", async () => {
  await using served = await serveBroker();
  const { env, bootstrapServers } = served;
  using admin = new Admin(env, { bootstrapServers });
  await admin.createTopic({ name: "orders", partitionCount: 4 });
  await using producer = new Producer(env, { bootstrapServers });
  const send = (from: number, to: number) =>
    Promise.all(
      Array.from({ length: to - from }, (_, i) =>
        producer.send({ topic: "orders", partition: (from + i) % 4, value: String(from + i) })),
    );
  await send(0, 100);
  const seen: string[] = [];
  async function drink(consumer: Consumer, enough: () => boolean): Promise<void> {
    while (!enough()) seen.push(...(await consumer.poll({ timeoutMs: 200 })).map(text));
  }
  {
    const options = { bootstrapServers, groupId: "g", offsetReset: "earliest" } as const;
    await using one = new Consumer(env, options);
    await using other = new Consumer(env, options);
    one.subscribe(["orders"]);
    other.subscribe(["orders"]);
    await Promise.all([drink(one, () => seen.length >= 100), drink(other, () => seen.length >= 100)]);
  }
  assert.deepEqual(seen.toSorted(), Array.from({ length: 100 }, (_, i) => String(i)).toSorted());
  await send(100, 110);
  await using later = new Consumer(env, { bootstrapServers, groupId: "g", offsetReset: "latest" });
  later.subscribe(["orders"]);
  await drink(later, () => seen.length >= 110);
  assert.deepEqual(
    seen.slice(100).toSorted(),
    Array.from({ length: 10 }, (_, i) => String(100 + i)).toSorted(),
  );
});

Deno.test("a batch larger than one commit of the store is kept whole", async () => {
  await using served = await serveBroker();
  const { env, bootstrapServers } = served;
  await using producer = new Producer(env, { bootstrapServers });
  const large = new Uint8Array(1_000_000).map((_, i) => i * 7 % 256);
  await producer.send({ topic: "large", value: large });
  await producer.send({ topic: "large", value: "behind it" });
  const [first, second] = await consume(served, "large", 2);
  assert.deepEqual(first?.value, large);
  assert.equal(second && text(second), "behind it");
});

Deno.test("everything acknowledged is there after the process's store is opened again", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/store.sqlite`;
  try {
    {
      await using served = await serveBroker({ path });
      await using producer = new Producer(served.env, { bootstrapServers: served.bootstrapServers });
      await Promise.all(
        Array.from({ length: 200 }, (_, i) => producer.send({ topic: "kept", value: String(i) })),
      );
    }
    await using served = await serveBroker({ path });
    const found = await consume(served, "kept", 200);
    assert.deepEqual(found.map(text), Array.from({ length: 200 }, (_, i) => String(i)));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a fetch waits for data without a clock and is answered by the append", async () => {
  await using served = await serveBroker();
  const { env, bootstrapServers } = served;
  await using producer = new Producer(env, { bootstrapServers, lingerMs: 0 });
  await producer.send({ topic: "live", value: "first" });
  await using consumer = new Consumer(env, {
    bootstrapServers,
    offsetReset: "latest",
    fetchMaxWaitMs: 20_000,
  });
  await consumer.assignTopic("live", { start: "latest" });
  // The position is taken by the first poll, before the second record is there.
  assert.deepEqual(await consumer.poll({ timeoutMs: 300 }), []);
  const polled = consumer.poll({ timeoutMs: 20_000 });
  await producer.send({ topic: "live", value: "second" });
  assert.deepEqual((await polled).map(text), ["second"]);
});
