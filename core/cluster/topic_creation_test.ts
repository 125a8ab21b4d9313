import assert from "node:assert/strict";
import { emptyMetadataImage, type MetadataImage, type TopicImage } from "./metadata_image.ts";
import { decideTopicCreation, type TopicWish } from "./topic_creation.ts";

const defaults = { partitionCount: 1, replicationFactor: 1 };

function image(brokerIds: readonly number[], topicNames: readonly string[] = []): MetadataImage {
  const brokers = brokerIds.map((brokerId) => ({ brokerId, host: "h", port: 9092, rack: null, epoch: 1 }));
  const topics = topicNames.map((name): TopicImage => ({ name, topicId: name, partitions: [], configs: {} }));
  return {
    ...emptyMetadataImage,
    brokers,
    topicsByName: new Map(topics.map((topic) => [topic.name, topic])),
  };
}

function wish(change: Partial<TopicWish> = {}): TopicWish {
  return { name: "orders", partitionCount: -1, replicationFactor: -1, configs: {}, ...change };
}

function error(metadata: MetadataImage, asked: TopicWish): string {
  const decision = decideTopicCreation(metadata, asked, defaults);
  return "error" in decision ? decision.error : "NONE";
}

Deno.test("decideTopicCreation() takes the defaults and spreads leaders over brokers", () => {
  const decision = decideTopicCreation(
    image([1, 2, 3]),
    wish({ partitionCount: 4, replicationFactor: 2 }),
    defaults,
  );
  assert.ok("plan" in decision);
  assert.deepEqual(decision.plan.partitions.map((each) => each.replicas), [[1, 2], [2, 3], [3, 1], [1, 2]]);
  const single = decideTopicCreation(image([7]), wish(), defaults);
  assert.ok("plan" in single);
  assert.deepEqual(single.plan.partitions, [{ leader: 7, leaderEpoch: 0, replicas: [7], isr: [7] }]);
});

Deno.test("decideTopicCreation() refuses with Kafka's errors", () => {
  const one = image([1], ["orders", "a.b"]);
  assert.equal(error(one, wish({ name: "" })), "INVALID_TOPIC_EXCEPTION");
  assert.equal(error(one, wish({ name: "__consumer_offsets" })), "INVALID_TOPIC_EXCEPTION");
  assert.equal(error(one, wish()), "TOPIC_ALREADY_EXISTS");
  assert.equal(error(one, wish({ name: "a_b" })), "INVALID_TOPIC_EXCEPTION");
  assert.equal(error(one, wish({ name: "x", partitionCount: 0 })), "INVALID_PARTITIONS");
  assert.equal(error(one, wish({ name: "x", partitionCount: 10_001 })), "INVALID_PARTITIONS");
  assert.equal(error(one, wish({ name: "x", replicationFactor: 0 })), "INVALID_REPLICATION_FACTOR");
  assert.equal(error(one, wish({ name: "x", replicationFactor: 2 })), "INVALID_REPLICATION_FACTOR");
  assert.equal(error(one, wish({ name: "x", configs: { "no.such": "1" } })), "INVALID_CONFIG");
  assert.equal(error(one, wish({ name: "x", configs: { "retention.ms": "soon" } })), "INVALID_CONFIG");
});

Deno.test("decideTopicCreation() checks assignments made by hand", () => {
  const two = image([1, 2]);
  const assigned = (...replicas: number[][]) => wish({ assignments: new Map(replicas.entries()) });
  const decision = decideTopicCreation(two, assigned([2, 1], [1, 2]), defaults);
  assert.ok("plan" in decision);
  assert.deepEqual(decision.plan.partitions.map((each) => each.leader), [2, 1]);
  for (const wrong of [assigned([1], [1, 2]), assigned([1, 1]), assigned([]), assigned([3])]) {
    assert.equal(error(two, wrong), "INVALID_REPLICA_ASSIGNMENT");
  }
  const gap = wish({ assignments: new Map([[1, [1]]]) });
  assert.equal(error(two, gap), "INVALID_REPLICA_ASSIGNMENT");
  assert.equal(error(two, { ...assigned([1]), partitionCount: 1 }), "INVALID_REQUEST");
});
