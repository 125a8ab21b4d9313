// @upstash/kafka, unchanged: produce, consume with a consumer on the server, commit, fetch, offsets, admin.
import assert from "node:assert/strict";
import { Kafka, UpstashError } from "@upstash/kafka";

const kafka = new Kafka({
  url: process.env.HTTP,
  username: "user",
  password: process.env.KEY,
});
const topic = `upstash-${Date.now()}`;
const producer = kafka.producer();
const one = await producer.produce(topic, { hello: "you" }, {
  key: "k",
  headers: [{ key: "h", value: "v" }],
});
assert.deepEqual([one.topic, one.partition, one.offset], [topic, 0, 0]);
const many = await producer.produceMany([{ topic, value: "a" }, {
  topic,
  value: { b: 1 },
}]);
assert.deepEqual(many.map(({ offset }) => offset), [1, 2]);

const consumer = kafka.consumer();
const group = { consumerGroupId: `g-${topic}`, instanceId: "i" };
const wish = {
  ...group,
  topics: [topic],
  autoOffsetReset: "earliest",
  autoCommit: false,
  timeout: 8_000,
};
const messages = await consumer.consume(wish);
assert.deepEqual(messages.map(({ value }) => value), [
  '{"hello":"you"}',
  "a",
  '{"b":1}',
]);
assert.deepEqual([messages[0].key, messages[0].headers], ["k", [{
  key: "h",
  value: "v",
}]]);
await consumer.commit({ ...group, offset: { topic, partition: 0, offset: 2 } });
const place = { topic, partition: 0 };
assert.deepEqual(
  await consumer.committed({ ...group, topicPartitions: [place] }),
  [{ ...place, offset: 2 }],
);
const fetched = await consumer.fetch({
  topicPartitionOffsets: [{ ...place, offset: 1 }],
  timeout: 100,
});
assert.deepEqual(fetched.map(({ offset }) => offset), [1, 2]);

const admin = kafka.admin();
assert.equal((await admin.topics())[topic], 1);
assert.ok(
  (await admin.consumers()).some(({ name }) => name === group.consumerGroupId),
);
assert.deepEqual(
  await admin.topicPartitionOffsets({
    timestamp: "latest",
    topicPartition: place,
  }),
  [{ ...place, offset: 3 }],
);
await admin.removeConsumerInstance(group.consumerGroupId, group.instanceId);
const failure = await producer.client.request("POST", {
  path: ["fetch"],
  body: { topic: "absent" },
  retries: 0,
})
  .catch((error) => error);
assert.ok(failure instanceof UpstashError);
assert.equal(failure.status, 404);
