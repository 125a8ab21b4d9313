import assert from "node:assert/strict";
import { emptyMetadataImage, type MetadataImage, type TopicImage } from "./metadata_image.ts";
import { decidePartitionAddition } from "./partition_addition.ts";

const image: MetadataImage = {
  ...emptyMetadataImage,
  brokers: [1, 2].map((brokerId) => ({ brokerId, host: "h", port: 9092, rack: null, epoch: 1 })),
};
const partition = { leader: 1, leaderEpoch: 0, replicas: [1], isr: [1] };
const topic: TopicImage = {
  name: "t",
  topicId: "id",
  partitions: [partition, partition, partition],
  configs: {},
};

function error(count: number, assignments: number[][] | null = null): string {
  const decision = decidePartitionAddition(image, topic, count, assignments);
  return "error" in decision ? decision.error : "NONE";
}

Deno.test("decidePartitionAddition() goes on round the brokers, or takes the assignment", () => {
  const placed = decidePartitionAddition(image, topic, 5, null);
  assert.ok("added" in placed);
  assert.deepEqual(placed.added.map((each) => each.leader), [2, 1]);
  const assigned = decidePartitionAddition(image, topic, 4, [[2]]);
  assert.ok("added" in assigned);
  assert.deepEqual(assigned.added, [{ leader: 2, leaderEpoch: 0, replicas: [2], isr: [2] }]);
});

Deno.test("decidePartitionAddition() refuses what is no increase, too many, or a wrong assignment", () => {
  assert.equal(error(3), "INVALID_PARTITIONS");
  assert.equal(error(2), "INVALID_PARTITIONS");
  assert.equal(error(10_001), "INVALID_PARTITIONS");
  assert.equal(error(5, [[1]]), "INVALID_REPLICA_ASSIGNMENT");
  assert.equal(error(4, [[9]]), "INVALID_REPLICA_ASSIGNMENT");
  assert.equal(error(4, [[1, 2]]), "INVALID_REPLICA_ASSIGNMENT");
});
