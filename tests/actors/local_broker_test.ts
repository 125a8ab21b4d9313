/** Supervisor, broker, partition and group actors together on a memory store, under virtual time. */
import assert from "node:assert/strict";
import type { TopicImage } from "../../core/cluster/metadata_image.ts";
import type { TopicOutcome } from "../../actors/messages/supervisor.ts";
import { buildBatch } from "../../protocol/records/record_batch.ts";
import { MemoryStorage } from "../../storage/memory.ts";
import { settled, start, type World } from "../local_world.ts";

function create(
  { env, broker }: World,
  name: string,
  change: Record<string, unknown> = {},
): Promise<TopicOutcome> {
  return settled(
    env,
    broker.supervisor.ask({
      type: "createTopic",
      name,
      partitionCount: 2,
      replicationFactor: 1,
      configs: {},
      validateOnly: false,
      ...change,
    }),
  );
}

async function createdTopic(world: World, name: string): Promise<TopicImage> {
  const outcome = await create(world, name);
  assert.ok("topic" in outcome);
  return outcome.topic;
}

function produce({ env, broker }: World, topic: TopicImage, value: string, partition = 0) {
  const record = { key: null, value: new TextEncoder().encode(value), headers: [], timestamp: 1 };
  return settled(
    env,
    broker.partition(topic.topicId, partition).ask({
      type: "produce",
      batch: buildBatch({ records: [record] }),
      maxMessageBytes: 1_000_000,
      timestampType: "CreateTime",
      requireKeys: false,
    }),
  );
}

Deno.test("supervisor answers a change only after the doors see it", async () => {
  const world = await start();
  let seenAtAnswer = false;
  const answered = world.broker.supervisor.ask({
    type: "createTopic",
    name: "orders",
    partitionCount: 2,
    replicationFactor: 1,
    configs: { "retention.ms": "5000" },
    validateOnly: false,
  }).then(() => seenAtAnswer = world.broker.metadata.topicsByName.has("orders"));
  await settled(world.env, answered);
  assert.equal(seenAtAnswer, true);
  const topic = world.broker.metadata.topicsByName.get("orders");
  assert.deepEqual(topic?.partitions.map((each) => each.leader), [1, 1]);
  assert.deepEqual(topic?.configs, { "retention.ms": "5000" });
  assert.deepEqual(world.broker.metadata.brokers.map((each) => each.brokerId), [1]);
});

Deno.test("supervisor validates without creating", async () => {
  const world = await start();
  assert.ok("topic" in await create(world, "orders", { validateOnly: true }));
  assert.equal(world.broker.metadata.topicsByName.size, 0);
  await createdTopic(world, "orders");
  const again = await create(world, "orders");
  assert.ok("error" in again);
  assert.equal(again.error, "TOPIC_ALREADY_EXISTS");
});

Deno.test("supervisor keeps topics and settings over a restart", async () => {
  const world = await start();
  const topic = await createdTopic(world, "orders");
  await settled(
    world.env,
    world.broker.supervisor.ask({
      type: "alterTopicConfigs",
      name: "orders",
      changes: [{ name: "max.message.bytes", operation: "set", value: "2000" }],
      replace: false,
      validateOnly: false,
    }),
  );
  const next = await start(world.storage);
  assert.deepEqual(next.broker.metadata.topicsByName.get("orders"), {
    ...topic,
    configs: { "max.message.bytes": "2000" },
  });
});

Deno.test("supervisor frees the name at once, removes the data, and a new topic of the name is empty", async () => {
  const world = await start();
  const old = await createdTopic(world, "orders");
  await produce(world, old, "old");
  const keysWithData = world.storage.keys().length;
  const deleted = await settled(
    world.env,
    world.broker.supervisor.ask({ type: "deleteTopic", name: "orders" }),
  );
  assert.ok("topic" in deleted);
  assert.equal(world.broker.metadata.topicsByName.has("orders"), false);
  const renewed = await createdTopic(world, "orders");
  assert.notEqual(renewed.topicId, old.topicId);
  assert.equal((await produce(world, renewed, "new")).baseOffset, 0);
  assert.equal((await produce(world, old, "late")).error, "UNKNOWN_TOPIC_OR_PARTITION");
  await world.env.advance(5_000);
  assert.ok(world.storage.keys().length <= keysWithData, "the old topic's keys are still there");
});

Deno.test("deletions of several topics go one partition after the other, with a pause as long as each step took", async () => {
  const world = await start();
  const { storage, env } = world;
  for (const name of ["a", "b", "c"]) {
    const topic = await createdTopic(world, name);
    for (let i = 0; i < 3; i++) await produce(world, topic, "x".repeat(600_000));
  }
  const steps: { readonly topic: string; readonly fromMs: number; toMs: number }[] = [];
  const commit = storage.commit.bind(storage);
  storage.commit = async (each) => {
    const deleted = each.mutations.find(({ type, key }) =>
      type === "delete" && key[0] === "p" && key[3] !== "h"
    );
    if (deleted === undefined) return await commit(each);
    const step = { topic: String(deleted.key[1]), fromMs: env.mono(), toMs: 0 };
    steps.push(step);
    await env.sleep(50);
    const result = await commit(each);
    step.toMs = env.mono();
    return result;
  };
  for (const name of ["a", "b", "c"]) {
    await settled(env, world.broker.supervisor.ask({ type: "deleteTopic", name }));
  }
  const isLeft = () => storage.keys().some(([family]) => family === "p");
  for (let i = 0; i < 1_000 && isLeft(); i++) await env.advance(10);
  assert.ok(!isLeft() && steps.length > 9, `${steps.length} steps`);
  for (const [i, { fromMs }] of steps.entries()) {
    const before = steps[i - 1];
    if (before !== undefined && before.topic === steps[i]?.topic) assert.ok(fromMs - before.toMs >= 50);
    assert.ok(before === undefined || fromMs >= before.toMs, "two steps at once");
  }
  const order = steps.map(({ topic }) => topic).filter((topic, i, all) => topic !== all[i - 1]);
  assert.equal(order.length, 3, "topics by turns");
});

Deno.test("a partition that cannot be deleted keeps none of its topic's others, and is tried again", async () => {
  const world = await start();
  const { env, broker, storage } = world;
  const topic = await createdTopic(world, "orders");
  for (const partition of [0, 1]) await produce(world, topic, "v", partition);
  const left = () => storage.keys().filter((key) => key[0] === "p").map((key) => key[2]);
  storage.fateOf = ({ mutations }) =>
    mutations.some(({ key }) => key[0] === "p" && key[2] === 0) ? "throwBefore" : "apply";
  await settled(env, broker.supervisor.ask({ type: "deleteTopic", name: "orders" }));
  await env.advance(120_000);
  assert.deepEqual([...new Set(left())], [0]);
  storage.fateOf = () => "apply";
  await env.advance(120_000);
  assert.deepEqual(left(), []);
});

Deno.test("supervisor goes on with a deletion that a crash interrupted", async () => {
  const world = await start();
  const topic = await createdTopic(world, "orders");
  for (const value of ["a", "b", "c"]) await produce(world, topic, value);
  // The first commit of the deletion is answered, then the process is gone.
  world.storage.next("apply", "crash");
  void world.broker.supervisor.ask({ type: "deleteTopic", name: "orders" }).catch(() => undefined);
  await world.env.runUntilIdle();
  world.storage.fateOf = () => "apply";
  const next = await start(world.storage);
  assert.equal(next.broker.metadata.topicsByName.has("orders"), false);
  await next.env.advance(5_000);
  const left = next.storage.keys().filter((key) => key[0] === "p");
  assert.deepEqual(left, []);
});

Deno.test("supervisor never hands out a producer id twice, also over a restart", async () => {
  const world = await start();
  const first = await settled(
    world.env,
    Promise.all([world.broker.nextProducerId(), world.broker.nextProducerId()]),
  );
  const next = await start(world.storage);
  const second = await settled(next.env, next.broker.nextProducerId());
  assert.equal(new Set([...first, second]).size, 3);
});

Deno.test("supervisor keeps a broker that beats, and shows it", async () => {
  const world = await start();
  await world.env.advance(60_000);
  const description = await settled(world.env, world.broker.supervisor.ask({ type: "describe" }));
  assert.deepEqual(description.brokers.map((each) => [each.brokerId, each.alive]), [[1, true]]);
  assert.ok((description.brokers[0]?.sinceHeartbeatMs ?? Infinity) <= 2_000);
});

Deno.test("supervisor expires a broker that fell silent, and drops stale consumer reports", async () => {
  const world = await start(new MemoryStorage(), { "broker.heartbeat.interval.ms": "3600000" });
  world.broker.supervisor.tell({
    type: "reportConsumers",
    groupId: "g",
    consumers: [{
      groupId: "g",
      memberId: "m",
      clientId: "c",
      host: "/127.0.0.1",
      lastHeartbeatMs: 0,
      assignment: [],
    }],
  });
  const describe = () => settled(world.env, world.broker.supervisor.ask({ type: "describe" }));
  assert.equal((await describe()).consumers.length, 1);
  await world.env.advance(8_000);
  assert.equal((await describe()).brokers[0]?.alive, true);
  await world.env.advance(12_000);
  const description = await describe();
  assert.equal(description.brokers[0]?.alive, false);
  assert.deepEqual(description.consumers, []);
  assert.deepEqual(world.broker.metadata.topicsByName.size, 0);
});

Deno.test("broker drains: every actor stops, and asks are refused", async () => {
  const world = await start();
  const topic = await createdTopic(world, "orders");
  await produce(world, topic, "a");
  await settled(world.env, world.broker.drain());
  assert.equal(world.broker.ready, false);
  await assert.rejects(produce(world, topic, "b"));
});

Deno.test("broker wakes the groups of the last process, so that members that do not come back expire", async () => {
  const config = { "group.initial.rebalance.delay.ms": "0" };
  const world = await start(new MemoryStorage(), config);
  const joining = world.broker.group("g").ask({
    type: "joinGroup",
    client: { clientId: "c", clientHost: "/127.0.0.1" },
    memberId: "",
    groupInstanceId: null,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: new Uint8Array() }],
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    requireKnownMemberId: false,
    supportsSkippingAssignment: true,
    reason: null,
  });
  await world.env.advance(1_000);
  assert.equal((await joining).error, "NONE");
  const next = await start(world.storage, config);
  await next.env.advance(5_000);
  const describe = () => settled(next.env, next.broker.supervisor.ask({ type: "describe" }));
  assert.equal((await describe()).consumers.length, 1);
  await next.env.advance(30_000);
  assert.deepEqual((await describe()).consumers, []);
});
