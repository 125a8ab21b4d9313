/** Admin requests of the Kafka door, asked as handlers, on a whole broker under virtual time. */
import assert from "node:assert/strict";
import { errorName } from "../../protocol/errors.ts";
import { metadata } from "../../protocol/messages/03_metadata.ts";
import { alterConfigs } from "../../protocol/messages/33_alter_configs.ts";
import { createPartitions } from "../../protocol/messages/37_create_partitions.ts";
import { createTopics } from "../../protocol/messages/19_create_topics.ts";
import { deleteTopics } from "../../protocol/messages/20_delete_topics.ts";
import { deleteRecords } from "../../protocol/messages/21_delete_records.ts";
import { describeAcls } from "../../protocol/messages/29_describe_acls.ts";
import { describeLogDirs } from "../../protocol/messages/35_describe_log_dirs.ts";
import { describeConfigs } from "../../protocol/messages/32_describe_configs.ts";
import { describeTopicPartitions } from "../../protocol/messages/75_describe_topic_partitions.ts";
import { describeCluster } from "../../protocol/messages/60_describe_cluster.ts";
import { incrementalAlterConfigs } from "../../protocol/messages/44_incremental_alter_configs.ts";
import { listConfigResources } from "../../protocol/messages/74_list_config_resources.ts";
import { ZERO_UUID } from "../../lib/bytes.ts";
import type { ResponseOf } from "../../protocol/schema/api.ts";
import { buildBatch } from "../../protocol/records/record_batch.ts";
import { brokerWith } from "../broker_with.ts";
import { call } from "../handler_call.ts";
import { settled, start, type World } from "../local_world.ts";

const TOPIC = 2;
const BROKER = 4;

async function create(world: World, name: string, numPartitions = 1) {
  const { topics } = await call(world, createTopics, {
    topics: [{ name, numPartitions, replicationFactor: -1, assignments: [], configs: [] }],
  });
  assert.equal(topics[0]?.errorCode, 0);
}

async function settings(world: World, name: string, keys: readonly string[]) {
  const { results } = await call(world, describeConfigs, {
    resources: [{ resourceType: TOPIC, resourceName: name, configurationKeys: [...keys] }],
  });
  return Object.fromEntries(results[0]?.configs.map((config) => [config.name, config.value]) ?? []);
}

Deno.test("IncrementalAlterConfigs changes one setting, AlterConfigs all of them", async () => {
  const world = await start();
  await create(world, "orders");
  const alter = (configs: { name: string; configOperation: number; value: string | null }[]) =>
    call(world, incrementalAlterConfigs, {
      resources: [{ resourceType: TOPIC, resourceName: "orders", configs }],
      validateOnly: false,
    });
  const first = await alter([
    { name: "retention.ms", configOperation: 0, value: "1000" },
    { name: "cleanup.policy", configOperation: 2, value: "compact" },
  ]);
  assert.equal(first.responses[0]?.errorCode, 0, first.responses[0]?.errorMessage ?? "");
  const keys = ["retention.ms", "cleanup.policy"];
  assert.deepEqual(await settings(world, "orders", keys), {
    "retention.ms": "1000",
    "cleanup.policy": "delete,compact",
  });
  await alter([{ name: "retention.ms", configOperation: 1, value: null }]);
  assert.equal((await settings(world, "orders", keys))["retention.ms"], "604800000");
  await call(world, alterConfigs, {
    resources: [{
      resourceType: TOPIC,
      resourceName: "orders",
      configs: [{ name: "retention.ms", value: "7" }],
    }],
    validateOnly: false,
  });
  assert.deepEqual(await settings(world, "orders", keys), {
    "retention.ms": "7",
    "cleanup.policy": "delete",
  });
});

Deno.test("altering settings only validates when asked, and refuses with Kafka's errors", async () => {
  const world = await start();
  await create(world, "orders");
  const alter = async (
    resourceType: number,
    resourceName: string,
    name: string,
    value: string,
    validateOnly = false,
  ) => {
    const configs = [{ name, configOperation: 0, value }];
    const resources = [{ resourceType, resourceName, configs }];
    const { responses } = await call(world, incrementalAlterConfigs, { resources, validateOnly });
    return errorName(responses[0]?.errorCode ?? 0);
  };
  assert.equal(await alter(TOPIC, "orders", "retention.ms", "5", true), "NONE");
  assert.equal((await settings(world, "orders", ["retention.ms"]))["retention.ms"], "604800000");
  assert.equal(await alter(TOPIC, "orders", "retention.ms", "soon"), "INVALID_CONFIG");
  assert.equal(await alter(TOPIC, "orders", "no.such.setting", "1"), "INVALID_CONFIG");
  assert.equal(await alter(TOPIC, "nobody", "retention.ms", "1"), "UNKNOWN_TOPIC_OR_PARTITION");
  assert.equal(await alter(BROKER, "1", "num.partitions", "3"), "INVALID_REQUEST");
  assert.equal(await alter(9, "x", "y", "z"), "INVALID_REQUEST");
});

Deno.test("CreatePartitions adds partitions that can be written to at once", async () => {
  const world = await start();
  await create(world, "orders", 2);
  const grow = async (name: string, count: number, validateOnly = false) => {
    const topics = [{ name, count, assignments: null }];
    const { results } = await call(world, createPartitions, { topics, timeoutMs: 1_000, validateOnly });
    return errorName(results[0]?.errorCode ?? 0);
  };
  assert.equal(await grow("orders", 5, true), "NONE");
  assert.equal(world.broker.metadata.topicsByName.get("orders")?.partitions.length, 2);
  assert.equal(await grow("orders", 5), "NONE");
  assert.equal(world.broker.metadata.topicsByName.get("orders")?.partitions.length, 5);
  assert.equal(await grow("orders", 4), "INVALID_PARTITIONS");
  assert.equal(await grow("nobody", 4), "UNKNOWN_TOPIC_OR_PARTITION");
  const topic = world.broker.metadata.topicsByName.get("orders");
  const described = world.broker.partition(topic?.topicId ?? "", 4).ask({ type: "describe" });
  assert.equal((await settled(world.env, described)).leaderEpoch, 0);
  const next = await start(world.storage);
  assert.equal(next.broker.metadata.topicsByName.get("orders")?.partitions.length, 5);
});

Deno.test("DescribeTopicPartitions pages through topics and partitions without a gap", async () => {
  const world = await start();
  for (const [name, count] of [["a", 3], ["b", 1], ["c", 4]] as const) await create(world, name, count);
  const seen: string[] = [];
  let cursor: { topicName: string; partitionIndex: number } | null = null;
  for (let page = 0; page < 20; page++) {
    const answer: ResponseOf<typeof describeTopicPartitions> = await call(world, describeTopicPartitions, {
      topics: [],
      responsePartitionLimit: 2,
      cursor,
    });
    for (const topic of answer.topics) {
      seen.push(...topic.partitions.map((partition) => `${topic.name}${partition.partitionIndex}`));
    }
    cursor = answer.nextCursor;
    if (cursor === null) break;
  }
  assert.deepEqual(seen, ["a0", "a1", "a2", "b0", "c0", "c1", "c2", "c3"]);
  const unknown = await call(world, describeTopicPartitions, { topics: [{ name: "nobody" }, { name: "b" }] });
  assert.deepEqual(unknown.topics.map((topic) => [topic.name, errorName(topic.errorCode)]), [
    ["b", "NONE"],
    ["nobody", "UNKNOWN_TOPIC_OR_PARTITION"],
  ]);
});

Deno.test("DescribeTopicPartitions refuses a cursor that points to nothing that was asked for", async () => {
  const world = await start();
  await create(world, "a", 2);
  const ask = async (cursor: { topicName: string; partitionIndex: number }, names = ["a", "b"]) => {
    const topics = names.map((name) => ({ name }));
    const answer = await call(world, describeTopicPartitions, { topics, responsePartitionLimit: 5, cursor });
    return answer.topics.map((topic) => [topic.name, errorName(topic.errorCode), topic.partitions.length]);
  };
  assert.deepEqual(await ask({ topicName: "a", partitionIndex: 1 }), [
    ["a", "NONE", 1],
    ["b", "UNKNOWN_TOPIC_OR_PARTITION", 0],
  ]);
  const refused = ["a", "b"].map((name) => [name, "INVALID_REQUEST", 0]);
  assert.deepEqual(await ask({ topicName: "a", partitionIndex: -1 }), refused);
  assert.deepEqual(await ask({ topicName: "aa", partitionIndex: 0 }), refused);
  // Of all topics, one that was deleted between two pages is no reason to end.
  assert.deepEqual(await ask({ topicName: "Z", partitionIndex: 0 }, []), [["a", "NONE", 2]]);
});

Deno.test("what a client may do to topics and the cluster is told to whoever asks", async () => {
  const world = await start();
  await create(world, "a");
  // Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs.
  const topicBits = 0b1101_1111_1000;
  // Create, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite.
  const clusterBits = 0b1_1111_1010_0000;
  const notAsked = -0x8000_0000;
  const ask = async (isAsked: boolean) => {
    const { topics, clusterAuthorizedOperations } = await call(world, metadata, {
      topics: [{ name: "a", topicId: ZERO_UUID }],
      includeClusterAuthorizedOperations: isAsked,
      includeTopicAuthorizedOperations: isAsked,
    }, 10);
    const cluster = await call(world, describeCluster, { includeClusterAuthorizedOperations: isAsked });
    return [
      topics[0]?.topicAuthorizedOperations,
      clusterAuthorizedOperations,
      cluster.clusterAuthorizedOperations,
    ];
  };
  assert.deepEqual(await ask(true), [topicBits, clusterBits, clusterBits]);
  assert.deepEqual(await ask(false), [notAsked, notAsked, notAsked]);
  // Nobody has to ask here, as in Kafka.
  const pages = await call(world, describeTopicPartitions, { topics: [{ name: "a" }] });
  assert.equal(pages.topics[0]?.topicAuthorizedOperations, topicBits);
});

Deno.test("ListConfigResources names topics and the broker, as asked", async () => {
  const world = await start();
  await create(world, "orders");
  const list = async (resourceTypes: number[], version = 1) =>
    (await call(world, listConfigResources, { resourceTypes }, version)).configResources
      .map((each) => `${each.resourceType} ${each.resourceName}`);
  assert.deepEqual(await list([]), ["4 1", "2 orders"]);
  assert.deepEqual(await list([TOPIC]), ["2 orders"]);
  assert.deepEqual(await list([], 0), []);
});

Deno.test("DeleteTopics takes names or ids, and tells what it does not know", async () => {
  const world = await start();
  await create(world, "orders");
  await create(world, "bills");
  const topicId = world.broker.metadata.topicsByName.get("bills")?.topicId ?? "";
  const unknownId = "00000000-0000-4000-8000-0000000000ff";
  const { responses } = await call(world, deleteTopics, {
    topics: [
      { name: "orders", topicId: ZERO_UUID },
      { name: null, topicId },
      { name: null, topicId: unknownId },
      { name: "nobody", topicId: ZERO_UUID },
      { name: "both", topicId: unknownId },
    ],
    timeoutMs: 1_000,
  });
  assert.deepEqual(responses.map((each) => [each.name, errorName(each.errorCode)]), [
    ["orders", "NONE"],
    ["bills", "NONE"],
    [null, "UNKNOWN_TOPIC_ID"],
    ["nobody", "UNKNOWN_TOPIC_OR_PARTITION"],
    ["both", "INVALID_REQUEST"],
  ]);
  assert.equal(world.broker.metadata.topicsByName.size, 0);
});

Deno.test("DeleteRecords raises the log start, and DescribeLogDirs tells what is left", async () => {
  const world = await start();
  await create(world, "orders", 2);
  const topicId = world.broker.metadata.topicsByName.get("orders")?.topicId ?? "";
  const record = { key: null, value: new Uint8Array(100), headers: [], timestamp: 1 };
  for (let i = 0; i < 3; i++) {
    const appended = world.broker.partition(topicId, 1).ask({
      type: "produce",
      batch: buildBatch({ records: [record] }),
      maxMessageBytes: 1_000_000,
      timestampType: "CreateTime",
      requireKeys: false,
    });
    assert.equal((await settled(world.env, appended)).error, "NONE");
  }
  const sizes = async () => {
    const { results } = await call(world, describeLogDirs, { topics: null });
    return results[0]?.topics[0]?.partitions.map((partition) => partition.partitionSize);
  };
  const [empty, full = 0] = await sizes() ?? [];
  assert.equal(empty, 0);
  assert.ok(full > 300);
  const remove = async (partitionIndex: number, offset: number) => {
    const topics = [{ name: "orders", partitions: [{ partitionIndex, offset }] }];
    const answer = await call(world, deleteRecords, { topics, timeoutMs: 1_000 });
    const partition = answer.topics[0]?.partitions[0];
    return [errorName(partition?.errorCode ?? 0), partition?.lowWatermark];
  };
  assert.deepEqual(await remove(1, 2), ["NONE", 2]);
  assert.deepEqual(await remove(1, 9), ["OFFSET_OUT_OF_RANGE", -1]);
  assert.deepEqual(await remove(7, 0), ["UNKNOWN_TOPIC_OR_PARTITION", -1]);
  await world.env.advance(400_000);
  assert.ok(((await sizes())?.[1] ?? full) < full);
});

Deno.test("DescribeAcls says that there is no authorizer", async () => {
  const world = await start();
  const answer = await call(world, describeAcls, {
    resourceTypeFilter: 1,
    resourceNameFilter: null,
    patternTypeFilter: 1,
    principalFilter: null,
    hostFilter: null,
    operation: 1,
    permissionType: 1,
  });
  assert.equal(errorName(answer.errorCode), "SECURITY_DISABLED");
});

Deno.test("a topic that only the supervisor knows, which has just started, is one to ask for again", async () => {
  const world = await start();
  const supervisor = {
    ask: () => Promise.resolve({ error: "TOPIC_ALREADY_EXISTS", message: "Topic 'a' already exists." }),
  };
  const broker = brokerWith(world.broker, { supervisor });
  const { topics } = await call({ env: world.env, broker }, metadata, {
    topics: [{ name: "a", topicId: ZERO_UUID }],
    allowAutoTopicCreation: true,
  });
  assert.deepEqual(topics.map(({ name, errorCode }) => [name, errorName(errorCode)]), [[
    "a",
    "LEADER_NOT_AVAILABLE",
  ]]);
});
