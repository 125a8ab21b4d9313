import assert from "node:assert/strict";
import { CorruptStorageError } from "./errors.ts";
import { PartitionKeys } from "./keys/partition.ts";
import { deletePartition, removeTombstone } from "./log_deletion.ts";
import { MemoryStorage } from "./memory.ts";
import { MetadataStore } from "./metadata_store.ts";
import { PartitionDeletedError, PartitionLog } from "./partition_log.ts";
import type { Commit, Storage } from "./storage.ts";
import { appendsAfter, openShards, TOPIC_ID } from "./storage_testkit.ts";
import { topicGuard } from "./topic_guard.ts";

const PARTITIONS = [{ leader: 1, leaderEpoch: 0, replicas: [1], isr: [1] }];
/** Inline, pieces in one commit, pieces in several commits of their own. */
const SIZES = [10, 131_072, 3_000_000];

/** Remembers every commit, as a network does that brings some of them again later. */
function remembering(storage: MemoryStorage): { storage: Storage; commits: Commit[] } {
  const commits: Commit[] = [];
  const commit = (each: Commit) => {
    commits.push(each);
    return storage.commit(each);
  };
  const remembered = new Proxy(storage as Storage, {
    get: (target, name) => {
      if (name === "commit") return commit;
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { storage: remembered, commits };
}

Deno.test("no commit of a deleted topic leaves anything when it comes once more, at any moment of the deletion", async () => {
  const memory = new MemoryStorage();
  const { storage, commits } = remembering(memory);
  const shards = await openShards(storage);
  const metadata = await MetadataStore.open(shards);
  await metadata.createTopic({ name: "orders", topicId: TOPIC_ID, partitions: PARTITIONS, configs: {} });
  const log = await PartitionLog.open(shards, TOPIC_ID, 0, topicGuard(TOPIC_ID));
  const appends = appendsAfter(log.head, SIZES.map((valueBytes) => ({ timestamps: [1], valueBytes })));
  for (let done = 0; done < appends.length;) done += await log.append(appends.slice(done));
  log.close();
  const late = async () => {
    for (const commit of [...commits]) await memory.commit(commit);
  };
  const left = () => memory.keys().filter((key) => key[0] === "p");
  await metadata.markDeleting(TOPIC_ID);
  await late();
  let stepCount = 0;
  for await (const _step of deletePartition(shards, TOPIC_ID, 0)) {
    await late();
    assert.ok(++stepCount < 20, "the deletion does not end");
  }
  assert.deepEqual(left(), [new PartitionKeys(TOPIC_ID, 0).head]);
  await removeTombstone(shards, TOPIC_ID, 0);
  await late();
  assert.deepEqual(left(), []);
  await metadata.removeTopic(TOPIC_ID);
  await late();
  assert.deepEqual(left(), []);
});

Deno.test("a log of a topic that is gone, or going, is not opened, and deleting it makes no head", async () => {
  const storage = new MemoryStorage();
  const shards = await openShards(storage);
  const metadata = await MetadataStore.open(shards);
  await metadata.createTopic({ name: "orders", topicId: TOPIC_ID, partitions: PARTITIONS, configs: {} });
  await metadata.markDeleting(TOPIC_ID);
  await assert.rejects(PartitionLog.open(shards, TOPIC_ID, 0, topicGuard(TOPIC_ID)), PartitionDeletedError);
  for await (const _step of deletePartition(shards, TOPIC_ID, 0));
  await metadata.removeTopic(TOPIC_ID);
  await assert.rejects(PartitionLog.open(shards, TOPIC_ID, 0, topicGuard(TOPIC_ID)), PartitionDeletedError);
  assert.deepEqual(storage.keys().filter((key) => key[0] === "p"), []);
});

Deno.test("a late piece of an attempt that is just being swept is found by the next sweep", async () => {
  const memory = new MemoryStorage();
  const { storage, commits } = remembering(memory);
  const shards = await openShards(storage);
  const log = await PartitionLog.open(shards, TOPIC_ID, 0);
  const appends = appendsAfter(log.head, [{ timestamps: [1], valueBytes: 3_000_000 }]);
  // The pieces are written, the commit that makes them a batch is not.
  await log.append(appends);
  const pieces = commits.filter(({ mutations }) =>
    mutations.some(({ key }) => key[3] === "o") && mutations.length > 1
  )
    .filter(({ mutations }) => mutations.every(({ type }) => type === "set") && mutations[0]?.key[3] === "o");
  assert.ok(pieces.length > 1);
  const before = new MemoryStorage();
  const late = { isOn: true };
  const interfering = new Proxy(before as Storage, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "commit") return value.bind(target);
      return async (commit: Commit) => {
        const isSweep = commit.mutations.some(({ type, key }) => type === "delete" && key[3] === "o");
        if (late.isOn && isSweep) {
          late.isOn = false;
          for (const { mutations } of pieces) await before.commit({ checks: [], mutations });
        }
        return await before.commit(commit);
      };
    },
  });
  for (const { mutations } of pieces) await before.commit({ checks: [], mutations });
  await PartitionLog.open(await openShards(interfering), TOPIC_ID, 0);
  assert.equal(late.isOn, false);
  await PartitionLog.open(await openShards(before), TOPIC_ID, 0);
  assert.deepEqual(before.keys().filter((key) => key[3] === "c" || key[3] === "o"), []);
});

Deno.test("a step of a deletion is bounded in bytes where values are large, and in keys where they are small", async () => {
  const storage = new MemoryStorage();
  const shards = await openShards(storage);
  const log = await PartitionLog.open(shards, TOPIC_ID, 0);
  const sizes = [
    ...Array.from({ length: 200 }, () => 100),
    ...Array.from({ length: 100 }, () => 60_000),
    3_000_000,
  ];
  const appends = appendsAfter(log.head, sizes.map((valueBytes) => ({ timestamps: [1], valueBytes })));
  for (let done = 0; done < appends.length;) done += await log.append(appends.slice(done));
  log.close();
  const before = new Map<string, number>();
  for (const { key, value } of await storage.list(new PartitionKeys(TOPIC_ID, 0).all(), { limit: 1_000 })) {
    before.set(String(key), value.length);
  }
  storage.commits.length = 0;
  let keyCountMax = 0;
  for await (const count of deletePartition(shards, TOPIC_ID, 0)) keyCountMax = Math.max(keyCountMax, count);
  assert.equal(keyCountMax, 64);
  for (const { mutations } of storage.commits) {
    const deleted = mutations.filter(({ type }) => type === "delete").map(({ key }) =>
      before.get(String(key)) ?? 0
    );
    assert.ok(deleted.reduce((sum, bytes) => sum + bytes, 0) <= 256 * 1_024);
  }
  assert.ok(storage.commits.length < 60, `${storage.commits.length} commits`);
});

Deno.test("a step of retention is bounded in the same way, and in what files hold by more", async () => {
  const storage = new MemoryStorage();
  const log = await PartitionLog.open(await openShards(storage), TOPIC_ID, 0);
  const sizes = Array.from({ length: 120 }, (_, i) => i % 40 === 7 ? 1_500_000 : i % 2 === 0 ? 16_000 : 100);
  const appends = appendsAfter(log.head, sizes.map((valueBytes) => ({ timestamps: [1], valueBytes })));
  for (let done = 0; done < appends.length;) done += await log.append(appends.slice(done));
  await log.commitHead({ ...log.head, logStartOffset: log.head.logEndOffset });
  const list = storage.list.bind(storage);
  let readBytes = 0;
  storage.list = async (range, options) => {
    const page = await list(range, options);
    readBytes += page.reduce((sum, { value }) => sum + value.length, 0);
    return page;
  };
  const from = storage.commits.length;
  const valueBytes = new Map(
    await Promise.all(
      storage.keys().map(async (key) => {
        return [JSON.stringify(key), (await storage.get(key))?.value.length ?? 0] as const;
      }),
    ),
  );
  while (await log.trim());
  const largest = storage.commits.slice(from).map(({ mutations }) =>
    mutations.filter(({ type }) => type === "delete")
      .reduce((sum, { key }) => sum + (valueBytes.get(JSON.stringify(key)) ?? 0), 0)
  );
  assert.ok(Math.max(...largest) <= 300_000, `${Math.max(...largest)} bytes in one step`);
  const total = appends.reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.ok(largest.length < 3 * total / 262_144, `${largest.length} steps`);
  assert.ok(readBytes < 2 * total, `${readBytes} bytes were read to delete ${total}`);
  assert.equal(log.head.sizeBytes, 0);
});

Deno.test("a partition whose head is damaged can be deleted like any other", async () => {
  const storage = new MemoryStorage();
  const log = await PartitionLog.open(await openShards(storage), TOPIC_ID, 0);
  const [append] = appendsAfter(log.head, [{ timestamps: [1] }]);
  if (append !== undefined) await log.append([append]);
  const { head } = new PartitionKeys(TOPIC_ID, 0);
  const { length } = (await storage.get(head))?.value ?? { length: 0 };
  for (const at of [0, 1, length >> 1, length - 1]) {
    const damaged = new MemoryStorage();
    for (const key of storage.keys()) {
      const value = (await storage.get(key))?.value ?? new Uint8Array();
      await damaged.commit({ checks: [], mutations: [{ type: "set", key, value }] });
    }
    damaged.tamper(head, (value) => value.with(at, (value[at] ?? 0) ^ 64));
    const shards = await openShards(damaged);
    await assert.rejects(PartitionLog.open(shards, TOPIC_ID, 0), CorruptStorageError);
    for await (const _step of deletePartition(shards, TOPIC_ID, 0));
    await removeTombstone(shards, TOPIC_ID, 0);
    assert.deepEqual(damaged.keys().filter((key) => key[0] === "p"), []);
  }
});
