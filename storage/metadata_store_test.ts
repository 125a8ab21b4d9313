import assert from "node:assert/strict";
import type { PartitionImage } from "../core/cluster/metadata_image.ts";
import { FencedError } from "./errors.ts";
import { PartitionKeys } from "./keys/partition.ts";
import { topicKey } from "./keys/topic.ts";
import { deletePartition } from "./log_deletion.ts";
import { MemoryStorage } from "./memory.ts";
import { PartitionLog } from "./partition_log.ts";
import { MetadataStore } from "./metadata_store.ts";
import { openShards, settle } from "./storage_testkit.ts";
import { topicGuard } from "./topic_guard.ts";

const FIRST = "00000000-0000-4000-8000-000000000001";
const SECOND = "00000000-0000-4000-8000-000000000002";
const THIRD = "00000000-0000-4000-8000-000000000003";

function partitions(count: number, replicas = [1]): PartitionImage[] {
  return Array.from(
    { length: count },
    (_, i) => ({ leader: replicas[0] ?? -1, leaderEpoch: i, replicas, isr: replicas }),
  );
}

function topic(topicId: string, name: string, count = 1, configs: Record<string, string> = {}) {
  return { topicId, name, partitions: partitions(count), configs };
}

async function open(storage: MemoryStorage): Promise<MetadataStore> {
  return await MetadataStore.open(await openShards(storage));
}

Deno.test("topics are there after opening again, whole", async () => {
  const storage = new MemoryStorage();
  const store = await open(storage);
  await store.createTopic(topic(FIRST, "orders", 3, { "retention.ms": "1000" }));
  await store.createTopic(topic(SECOND, "größe", 501));
  await store.putConfigs(FIRST, { "cleanup.policy": "compact" });
  const expected = [
    { ...topic(FIRST, "orders", 3, { "cleanup.policy": "compact" }), state: "ACTIVE" },
    { ...topic(SECOND, "größe", 501), state: "ACTIVE" },
  ];
  assert.deepEqual(store.topics(), expected);
  assert.deepEqual((await open(storage)).topics(), expected);
});

Deno.test("a topic of 10,000 partitions is created in one commit, and read back", async () => {
  const storage = new MemoryStorage();
  const store = await open(storage);
  storage.commits.length = 0;
  await store.createTopic(topic(FIRST, "wide", 10_000));
  assert.equal(storage.commits.length, 1);
  assert.deepEqual((await open(storage)).topics()[0]?.partitions, partitions(10_000));
});

Deno.test("a topic too large for one commit appears with the last, and is rolled back when that did not come", async () => {
  const large = { ...topic(FIRST, "wide"), partitions: partitions(10_000, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) };
  const whole = new MemoryStorage();
  const store = await open(whole);
  whole.commits.length = 0;
  await store.createTopic(large);
  const commitCount = whole.commits.length;
  assert.ok(commitCount >= 3);
  assert.deepEqual((await open(whole)).topics(), [{ ...large, state: "ACTIVE" }]);

  for (let crashAt = 0; crashAt < commitCount; crashAt++) {
    const storage = new MemoryStorage();
    const crashing = await open(storage);
    let left = crashAt;
    storage.fateOf = () => left-- > 0 ? "apply" : "crash";
    void crashing.createTopic(large);
    await settle();
    storage.fateOf = () => "apply";
    const again = await open(storage);
    assert.deepEqual(again.topics(), []);
    assert.deepEqual(storage.keys().filter((key) => key[0] === "m").map((key) => key[1]), ["h"]);
    await again.createTopic(topic(SECOND, "wide"));
  }
});

Deno.test("a name is free as soon as its topic is DELETING, and the topic stays until it is removed", async () => {
  const storage = new MemoryStorage();
  const store = await open(storage);
  await store.createTopic(topic(FIRST, "orders"));
  await assert.rejects(store.createTopic(topic(SECOND, "orders")), RangeError);
  await assert.rejects(store.removeTopic(FIRST), RangeError);
  await store.markDeleting(FIRST);
  await store.createTopic(topic(SECOND, "orders"));
  await assert.rejects(store.putConfigs(FIRST, {}), RangeError);
  const states = async () => (await open(storage)).topics().map(({ topicId, state }) => [topicId, state]);
  assert.deepEqual(await states(), [[FIRST, "DELETING"], [SECOND, "ACTIVE"]]);
  const again = await open(storage);
  await again.markDeleting(FIRST);
  await again.removeTopic(FIRST);
  await again.removeTopic(FIRST);
  assert.deepEqual(await states(), [[SECOND, "ACTIVE"]]);
  await assert.rejects((await open(storage)).createTopic(topic(FIRST, "orders")), RangeError);
});

Deno.test("removing a topic takes the tombstones of its partitions along, also of many", async () => {
  const storage = new MemoryStorage();
  const shards = await openShards(storage);
  const store = await MetadataStore.open(shards);
  await store.createTopic(topic(FIRST, "orders", 1_200));
  const partitions = [0, 700, 1_199];
  for (const partition of partitions) await PartitionLog.open(shards, FIRST, partition);
  await store.markDeleting(FIRST);
  for (const partition of partitions) {
    for await (const _step of deletePartition(shards, FIRST, partition));
    assert.notEqual(await storage.get(new PartitionKeys(FIRST, partition).head), null);
  }
  await store.removeTopic(FIRST);
  assert.deepEqual(storage.keys().map((key) => key[0]), ["b", "m"]);
});

Deno.test("producer ids are handed out once, whatever happens to the commit", async () => {
  const storage = new MemoryStorage();
  const store = await open(storage);
  const firsts = [await store.allocateProducerIdBlock(1_000)];
  storage.next("throwAfter");
  firsts.push(await store.allocateProducerIdBlock(1_000));
  storage.next("refuse");
  firsts.push(await store.allocateProducerIdBlock(10));
  const again = await open(storage);
  firsts.push(await again.allocateProducerIdBlock(1));
  assert.deepEqual(firsts, [0, 1_000, 2_000, 2_010]);
  await assert.rejects(store.allocateProducerIdBlock(1), FencedError);
});

Deno.test("a failed change is not seen in memory", async () => {
  const storage = new MemoryStorage();
  const store = await open(storage);
  await open(storage);
  await assert.rejects(store.createTopic(topic(FIRST, "orders")), FencedError);
  assert.deepEqual(store.topics(), []);
});

Deno.test("added partitions are there after opening again, and none when adding did not end", async () => {
  const storage = new MemoryStorage();
  const store = await open(storage);
  await store.createTopic(topic(FIRST, "orders", 499));
  const wanted = partitions(1_200);
  await store.addPartitions(FIRST, wanted.slice(499));
  assert.deepEqual(store.topics()[0]?.partitions, wanted);
  assert.deepEqual((await open(storage)).topics()[0]?.partitions, wanted);
  // So many replicas that it takes several commits, the last of which never comes.
  const many = partitions(9_000, Array.from({ length: 12 }, (_, i) => i));
  const interrupted = await open(storage);
  storage.commits.length = 0;
  storage.next("apply", "crash");
  void interrupted.addPartitions(FIRST, many).catch(() => undefined);
  await settle();
  assert.ok(storage.commits.length >= 2);
  storage.fateOf = () => "apply";
  assert.deepEqual((await open(storage)).topics()[0]?.partitions, wanted);
});

Deno.test("a topic that is being restored is there until it has its name, and goes at the next start if it never got it", async () => {
  const storage = new MemoryStorage();
  const store = await open(storage);
  await store.createTopic(topic(FIRST, "restoring-1"), "RESTORING");
  await store.createTopic(topic(SECOND, "restoring-2"), "RESTORING");
  await assert.rejects(store.createTopic(topic(THIRD, "restoring-2")), RangeError);
  await store.putConfigs(FIRST, { "retention.ms": "1" });
  await store.renameTopics(new Map([[FIRST, "orders"]]));
  const states = (each: MetadataStore) => each.topics().map(({ name, state }) => `${name} ${state}`).sort();
  assert.deepEqual(states(store), ["orders ACTIVE", "restoring-2 RESTORING"]);
  const again = await open(storage);
  assert.deepEqual(states(again), ["orders ACTIVE", "restoring-2 DELETING"]);
  await again.createTopic(topic(THIRD, "restoring-2"));
  assert.equal(topicGuard(SECOND).isOpen(await storage.get(topicKey(SECOND))), false);
});
