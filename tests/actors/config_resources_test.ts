/** Settings of brokers, groups and client metrics through the handlers: what is refused, what takes effect, what is kept. */
import assert from "node:assert/strict";
import { configResourceTypes } from "../../core/config/config_resource.ts";
import { limits } from "../../core/config/limits.ts";
import { errorName } from "../../protocol/errors.ts";
import { produce as produceApi } from "../../protocol/messages/00_produce.ts";
import { createTopics } from "../../protocol/messages/19_create_topics.ts";
import { describeConfigs } from "../../protocol/messages/32_describe_configs.ts";
import { alterConfigs } from "../../protocol/messages/33_alter_configs.ts";
import { incrementalAlterConfigs } from "../../protocol/messages/44_incremental_alter_configs.ts";
import { consumerGroupHeartbeat } from "../../protocol/messages/68_consumer_group_heartbeat.ts";
import { listConfigResources } from "../../protocol/messages/74_list_config_resources.ts";
import { buildBatch } from "../../protocol/records/record_batch.ts";
import { call } from "../handler_call.ts";
import { start, type World } from "../local_world.ts";

const { TOPIC, BROKER, CLIENT_METRICS, GROUP } = configResourceTypes;

async function alter(
  world: World,
  resourceType: number,
  resourceName: string,
  configs: Record<string, string | null>,
  options: { readonly validateOnly?: boolean; readonly operation?: number } = {},
) {
  const { validateOnly = false, operation = 0 } = options;
  const answer = await call(world, incrementalAlterConfigs, {
    resources: [{
      resourceType,
      resourceName,
      configs: Object.entries(configs).map(([name, value]) => ({
        name,
        configOperation: value === null && operation === 0 ? 1 : operation,
        value,
      })),
    }],
    validateOnly,
  });
  return errorName(answer.responses[0]?.errorCode ?? -1);
}

async function describe(
  world: World,
  resourceType: number,
  resourceName: string,
  names: string[] | null = null,
) {
  const answer = await call(world, describeConfigs, {
    resources: [{ resourceType, resourceName, configurationKeys: names }],
    includeSynonyms: true,
  });
  const result = answer.results[0];
  assert.ok(result !== undefined);
  if (result.errorCode !== 0) return errorName(result.errorCode);
  return result.configs.map(({ name, value, readOnly, configSource, synonyms }) => {
    const others = synonyms.map((each) => `${each.name}=${each.value}@${each.source}`).join(" ");
    return `${name}=${value}@${configSource}${readOnly ? " read-only" : ""} (${others})`;
  });
}

async function createTopic(world: World) {
  const topic = { name: "orders", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  await call(world, createTopics, { topics: [topic], timeoutMs: 1_000, validateOnly: false });
}

async function produce(world: World, byteLength: number) {
  const record = { key: null, value: new Uint8Array(byteLength), headers: [], timestamp: world.env.now() };
  const answer = await call(world, produceApi, {
    acks: -1,
    timeoutMs: 1_000,
    topicData: [{
      name: "orders",
      partitionData: [{ index: 0, records: buildBatch({ records: [record] }) }],
    }],
  }, 12);
  return errorName(answer.responses[0]?.partitionResponses[0]?.errorCode ?? -1);
}

Deno.test("a broker's setting that changes while it runs holds for the next request, and after a restart", async () => {
  const world = await start();
  await createTopic(world);
  assert.equal(await produce(world, 5_000), "NONE");
  assert.equal(await alter(world, BROKER, "", { "message.max.bytes": "3000" }), "NONE");
  assert.equal(await produce(world, 5_000), "MESSAGE_TOO_LARGE");
  assert.equal(await alter(world, BROKER, "1", { "message.max.bytes": "9000" }), "NONE");
  assert.equal(await produce(world, 5_000), "NONE");
  const layers = "message.max.bytes=9000@2 message.max.bytes=3000@3 message.max.bytes=1048588@5";
  assert.deepEqual(await describe(world, BROKER, "1", ["message.max.bytes", "num.partitions"]), [
    `message.max.bytes=9000@2 (${layers})`,
    "num.partitions=1@5 read-only (num.partitions=1@5)",
  ]);
  assert.deepEqual(await describe(world, BROKER, ""), [
    "message.max.bytes=3000@3 (message.max.bytes=3000@3)",
  ]);
  assert.deepEqual(await describe(world, TOPIC, "orders", ["max.message.bytes"]), [
    `max.message.bytes=9000@2 (${layers})`,
  ]);
  await world.broker.drain();
  const again = await start(world.storage);
  assert.equal(again.broker.config("message.max.bytes"), "9000");
  assert.equal(await alter(again, BROKER, "1", { "message.max.bytes": null }), "NONE");
  assert.equal(again.broker.config("message.max.bytes"), "3000");
  assert.equal(await produce(again, 5_000), "MESSAGE_TOO_LARGE");
});

Deno.test("what Kafka refuses of brokers, groups and client metrics is refused with its codes", async () => {
  const world = await start();
  const cases: readonly (readonly [number, string, Record<string, string | null>, string])[] = [
    [BROKER, "1", { "num.partitions": "7" }, "INVALID_REQUEST"],
    [BROKER, "", { "listeners": "PLAINTEXT://:1" }, "INVALID_REQUEST"],
    [BROKER, "1", { "message.max.bytes": "x" }, "INVALID_REQUEST"],
    [BROKER, "1", { "message.max.bytes": "-5" }, "INVALID_REQUEST"],
    [BROKER, "9", { "message.max.bytes": "7" }, "INVALID_REQUEST"],
    [BROKER, "x", { "message.max.bytes": "7" }, "INVALID_REQUEST"],
    [GROUP, "", { "consumer.session.timeout.ms": "50000" }, "INVALID_REQUEST"],
    [GROUP, "g".repeat(901), { "consumer.session.timeout.ms": "50000" }, "INVALID_REQUEST"],
    [GROUP, "g", { "consumer.session.timeout.ms": "1000" }, "INVALID_CONFIG"],
    [GROUP, "g", { "consumer.session.timeout.ms": "100000" }, "INVALID_CONFIG"],
    [GROUP, "g", { "consumer.heartbeat.interval.ms": "soon" }, "INVALID_CONFIG"],
    [GROUP, "g", { "nope": "1" }, "INVALID_CONFIG"],
    [GROUP, "g", { "share.auto.offset.reset": "never" }, "INVALID_CONFIG"],
    [GROUP, "g", { "share.auto.offset.reset": "by_duration:PT1H" }, "NONE"],
    [CLIENT_METRICS, "m", { "interval.ms": "10" }, "INVALID_REQUEST"],
    [CLIENT_METRICS, "m", { "interval.ms": "x" }, "INVALID_CONFIG"],
    [CLIENT_METRICS, "m", { "match": "client_id=(" }, "INVALID_CONFIG"],
    [CLIENT_METRICS, "m", { "match": "shoe_size=1" }, "INVALID_CONFIG"],
    [CLIENT_METRICS, "m", { "nope": "1" }, "INVALID_REQUEST"],
    [CLIENT_METRICS, "", { "interval.ms": "1000" }, "INVALID_REQUEST"],
    [CLIENT_METRICS, "m", { "match": "client_id=a.*,client_software_name=x", "interval.ms": "100" }, "NONE"],
    [8, "1", { "root": "INFO" }, "INVALID_REQUEST"],
    [3, "x", {}, "INVALID_REQUEST"],
    [TOPIC, "", { "retention.ms": "5" }, "INVALID_REQUEST"],
    [TOPIC, "a b", { "retention.ms": "5" }, "INVALID_TOPIC_EXCEPTION"],
    [TOPIC, "none", { "retention.ms": "5" }, "UNKNOWN_TOPIC_OR_PARTITION"],
  ];
  for (const [type, name, configs, error] of cases) {
    assert.equal(
      await alter(world, type, name, configs),
      error,
      `${type} ${name} ${JSON.stringify(configs)}`,
    );
  }
  assert.equal(
    await alter(world, GROUP, "g", { "share.isolation.level": "x" }, { operation: 2 }),
    "INVALID_CONFIG",
  );
  assert.equal(await describe(world, GROUP, ""), "INVALID_REQUEST");
  assert.equal(await describe(world, 8, "1"), "INVALID_REQUEST");
});

Deno.test("a group's own settings take effect and are told with those of the server", async () => {
  const world = await start();
  const beat = async (groupId: string) => {
    const member = { memberId: "m", memberEpoch: 0, rebalanceTimeoutMs: 60_000, topicPartitions: [] };
    const request = { groupId, ...member, subscribedTopicNames: ["orders"] };
    return (await call(world, consumerGroupHeartbeat, request)).heartbeatIntervalMs;
  };
  assert.equal(await beat("other"), 5_000);
  assert.equal(await alter(world, GROUP, "g", { "consumer.heartbeat.interval.ms": "7000" }), "NONE");
  assert.deepEqual([await beat("g"), await beat("other")], [7_000, 5_000]);
  assert.deepEqual(await describe(world, GROUP, "g", ["consumer.heartbeat.interval.ms"]), [
    "consumer.heartbeat.interval.ms=7000@8 (consumer.heartbeat.interval.ms=7000@8 group.consumer.heartbeat.interval.ms=5000@5)",
  ]);
  assert.deepEqual(await describe(world, GROUP, "unset", ["share.isolation.level"]), [
    "share.isolation.level=read_uncommitted@5 (share.isolation.level=read_uncommitted@5)",
  ]);
});

Deno.test("ListConfigResources names what has settings, by type and version", async () => {
  const world = await start();
  await createTopic(world);
  await alter(world, GROUP, "g", { "consumer.heartbeat.interval.ms": "7000" });
  await alter(world, GROUP, "tried", { "consumer.heartbeat.interval.ms": "7000" }, { validateOnly: true });
  await alter(world, CLIENT_METRICS, "m", { "interval.ms": "1000" });
  const list = async (resourceTypes: number[], version = 1) => {
    const answer = await call(world, listConfigResources, { resourceTypes }, version);
    if (answer.errorCode !== 0) return errorName(answer.errorCode);
    return answer.configResources.map(({ resourceName, resourceType }) => `${resourceType} ${resourceName}`);
  };
  assert.deepEqual(await list([]), ["32 g", "16 m", "4 1", "2 orders"]);
  assert.deepEqual(await list([GROUP, TOPIC]), ["32 g", "2 orders"]);
  assert.deepEqual(await list([5]), "UNSUPPORTED_VERSION");
  assert.equal((await list([], 0)).length, 1);
  await alter(world, CLIENT_METRICS, "m", { "interval.ms": null });
  assert.deepEqual(await list([CLIENT_METRICS]), []);
});

Deno.test("AlterConfigs replaces, and a name given twice is refused", async () => {
  const world = await start();
  await alter(world, GROUP, "g", { "consumer.heartbeat.interval.ms": "7000" });
  const resources = [{
    resourceType: GROUP,
    resourceName: "g",
    configs: [{ name: "share.isolation.level", value: "read_committed" }],
  }];
  const answer = await call(world, alterConfigs, { resources, validateOnly: false });
  assert.equal(answer.responses[0]?.errorCode, 0);
  const names = ["consumer.heartbeat.interval.ms", "share.isolation.level"];
  const told = await describe(world, GROUP, "g", names);
  assert.ok(Array.isArray(told));
  assert.deepEqual(told.map((each) => each.split(" ")[0]), [
    "consumer.heartbeat.interval.ms=5000@5",
    "share.isolation.level=read_committed@8",
  ]);
  const change = { name: "retention.ms", configOperation: 0, value: "5" };
  const doubled = [{ resourceType: TOPIC, resourceName: "orders", configs: [change, change] }];
  await createTopic(world);
  const twice = await call(world, incrementalAlterConfigs, { resources: doubled, validateOnly: false });
  assert.equal(errorName(twice.responses[0]?.errorCode ?? -1), "INVALID_REQUEST");
});

Deno.test("resources with settings are bounded", async () => {
  const world = await start();
  const many = new Map(
    Array.from({ length: limits.configResourcesMax }, (_, i) => [`group/${i}`, { a: "1" }] as const),
  );
  Object.assign(world.broker.metadata, { configs: many });
  // The supervisor publishes the very image that the broker holds.
  const configs = { "consumer.heartbeat.interval.ms": "7000" };
  assert.equal(await alter(world, GROUP, "one more", configs), "POLICY_VIOLATION");
  assert.equal(await alter(world, GROUP, "0", configs), "NONE");
});
