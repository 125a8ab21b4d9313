/** Kafka's error code for what a client may ask and not get, through the handlers, under virtual time. */
import assert from "node:assert/strict";
import { ZERO_UUID } from "../../lib/bytes.ts";
import { type ErrorName, errorName } from "../../protocol/errors.ts";
import { produce } from "../../protocol/messages/00_produce.ts";
import { metadata } from "../../protocol/messages/03_metadata.ts";
import { createTopics } from "../../protocol/messages/19_create_topics.ts";
import { deleteTopics } from "../../protocol/messages/20_delete_topics.ts";
import { updateFeatures } from "../../protocol/messages/57_update_features.ts";
import { describeCluster } from "../../protocol/messages/60_describe_cluster.ts";
import { buildBatch } from "../../protocol/records/record_batch.ts";
import { call } from "../handler_call.ts";
import { start, type World } from "../local_world.ts";

async function look(world: World, name: string, allowAutoTopicCreation = true) {
  const { topics } = await call(world, metadata, {
    topics: [{ name, topicId: ZERO_UUID }],
    allowAutoTopicCreation,
  });
  return [errorName(topics[0]?.errorCode ?? 0), topics[0]?.partitions.length];
}

Deno.test("Metadata creates topics with num.partitions where client and server allow it, and those alone", async () => {
  const world = await start(undefined, { "num.partitions": "3" });
  assert.deepEqual(await look(world, "asked", false), ["UNKNOWN_TOPIC_OR_PARTITION", 0]);
  assert.deepEqual(await look(world, "no/name"), ["INVALID_TOPIC_EXCEPTION", 0]);
  assert.deepEqual(await look(world, "asked"), ["NONE", 3]);
  assert.deepEqual(await look(world, "asked", false), ["NONE", 3]);
  assert.deepEqual([...world.broker.metadata.topicsByName.keys()], ["asked"]);
  const strict = await start(undefined, { "auto.create.topics.enable": "false" });
  assert.deepEqual(await look(strict, "asked"), ["UNKNOWN_TOPIC_OR_PARTITION", 0]);
});

async function create(world: World, name: string, replicationFactor = 1): Promise<ErrorName> {
  const { topics } = await call(world, createTopics, {
    topics: [{ name, numPartitions: 1, replicationFactor, assignments: [], configs: [] }],
    timeoutMs: 1_000,
  });
  return errorName(topics[0]?.errorCode ?? 0);
}

Deno.test("CreateTopics and DeleteTopics refuse what the cluster cannot do or must not", async () => {
  const world = await start(undefined, { "delete.topic.enable": "false" });
  assert.equal(await create(world, "a.b", 2), "INVALID_REPLICATION_FACTOR");
  assert.equal(await create(world, "a.b"), "NONE");
  assert.equal(await create(world, "a.b"), "TOPIC_ALREADY_EXISTS");
  assert.equal(await create(world, "a_b"), "INVALID_TOPIC_EXCEPTION");
  const { responses } = await call(world, deleteTopics, {
    topics: [{ name: "a.b", topicId: ZERO_UUID }],
    timeoutMs: 1_000,
  });
  assert.equal(errorName(responses[0]?.errorCode ?? 0), "TOPIC_DELETION_DISABLED");
});

Deno.test("Produce refuses acks that there are not, and a topic id that nobody has", async () => {
  const world = await start();
  assert.equal(await create(world, "t"), "NONE");
  const topicId = world.broker.metadata.topicsByName.get("t")?.topicId ?? "";
  const batch = buildBatch({ records: [{ timestamp: 1, key: null, value: null, headers: [] }] });
  const answered = async (acks: number, id: string) => {
    const { responses } = await call(world, produce, {
      acks,
      timeoutMs: 1_000,
      topicData: [{ topicId: id, partitionData: [{ index: 0, records: batch.slice() }] }],
    });
    return errorName(responses[0]?.partitionResponses[0]?.errorCode ?? 0);
  };
  assert.equal(await answered(2, topicId), "INVALID_REQUIRED_ACKS");
  assert.equal(await answered(-1, "00000000-0000-4000-8000-000000000001"), "UNKNOWN_TOPIC_ID");
  assert.equal(await answered(1, topicId), "NONE");
});

Deno.test("DescribeCluster has no controllers' endpoint, and UpdateFeatures no other levels", async () => {
  const world = await start();
  const described = await call(world, describeCluster, {
    endpointType: 2,
    includeClusterAuthorizedOperations: false,
  });
  assert.equal(errorName(described.errorCode), "MISMATCHED_ENDPOINT_TYPE");
  const updated = await call(world, updateFeatures, {
    timeoutMs: 1_000,
    featureUpdates: [{ feature: "transaction.version", maxVersionLevel: 1, upgradeType: 2 }],
  });
  assert.equal(errorName(updated.errorCode), "INVALID_UPDATE_VERSION");
});
