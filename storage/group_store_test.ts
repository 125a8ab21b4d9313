/** Groups on a store in memory: what comes back, groups and commits beyond one value or one commit, crashes, fencing. */
import assert from "node:assert/strict";
import type { OffsetFact } from "../core/group/group_event.ts";
import type { GroupRecord } from "../core/group/group_state.ts";
import { CorruptStorageError, FencedError } from "./errors.ts";
import { GroupShards, type StoredGroup } from "./group_store.ts";
import { MemoryStorage } from "./memory.ts";
import { openShards, settle, TOPIC_ID } from "./storage_testkit.ts";

async function openGroup(storage: MemoryStorage, groupId = "g"): Promise<StoredGroup> {
  return await (await new GroupShards(await openShards(storage)).storeOf(groupId)).openGroup(groupId);
}

function record(generationId: number, memberCount: number, metadataBytes = 10): GroupRecord {
  return {
    generationId,
    protocolType: "consumer",
    protocolName: "range",
    leaderId: memberCount > 0 ? "m0" : null,
    assigned: memberCount > 0,
    changedAtMs: 1_700_000_000_000,
    members: Array.from({ length: memberCount }, (_, i) => ({
      memberId: `m${i}`,
      groupInstanceId: i % 2 === 0 ? null : `i${i}`,
      clientId: "client",
      clientHost: "/127.0.0.1",
      sessionTimeoutMs: 45_000,
      rebalanceTimeoutMs: 300_000,
      protocols: [{ name: "range", metadata: new Uint8Array(metadataBytes).fill(i) }],
      assignment: Uint8Array.of(generationId, i),
    })),
  };
}

function recorded(generationId: number, memberCount: number, metadataBytes?: number) {
  return { type: "groupRecorded" as const, record: record(generationId, memberCount, metadataBytes) };
}

function committed(...offsets: OffsetFact[]) {
  return { type: "offsetsCommitted" as const, offsets };
}

function fact(partition: number, offset: number): OffsetFact {
  return {
    topic: "t",
    topicId: TOPIC_ID,
    partition,
    offset,
    leaderEpoch: 2,
    metadata: "é",
    committedAtMs: 5,
  };
}

Deno.test("what was committed comes back, in one commit for all", async () => {
  const storage = new MemoryStorage();
  const group = await openGroup(storage);
  assert.equal(group.record, null);
  assert.deepEqual(group.offsets, []);
  storage.commits.length = 0;
  await group.commit([
    recorded(1, 2),
    committed(fact(0, 5), fact(3, 6)),
    committed(fact(0, 7)),
    recorded(2, 3),
  ]);
  assert.equal(storage.commits.length, 1);
  const again = await openGroup(storage);
  assert.deepEqual(again.record, record(2, 3));
  assert.deepEqual(again.offsets, [fact(0, 7), fact(3, 6)]);
});

Deno.test("an empty group comes back as empty", async () => {
  const storage = new MemoryStorage();
  const empty = { ...record(4, 0), protocolName: null };
  await (await openGroup(storage)).commit([{ type: "groupRecorded", record: empty }]);
  assert.deepEqual((await openGroup(storage)).record, empty);
});

Deno.test("groups of a shard do not mix, whatever their names", async () => {
  const storage = new MemoryStorage();
  // All in shard 0 of 1.
  const shards = new GroupShards(await openShards(storage), 1);
  const names = ["a", "a\u0000", "ab", "", "a/b"];
  for (const [index, name] of names.entries()) {
    const group = await (await shards.storeOf(name)).openGroup(name);
    await group.commit([recorded(index + 1, 1), committed(fact(0, index))]);
  }
  for (const [index, name] of names.entries()) {
    const group = await (await shards.storeOf(name)).openGroup(name);
    assert.equal(group.record?.generationId, index + 1, JSON.stringify(name));
    assert.deepEqual(group.offsets, [fact(0, index)]);
  }
  assert.deepEqual(new Set((await shards.list()).map(({ groupId }) => groupId)), new Set(names));
});

Deno.test("list() says which groups have members", async () => {
  const storage = new MemoryStorage();
  await (await openGroup(storage, "full")).commit([recorded(1, 2)]);
  await (await openGroup(storage, "empty")).commit([recorded(1, 0)]);
  await (await openGroup(storage, "large")).commit([recorded(1, 2, 100_000)]);
  const groups = await new GroupShards(await openShards(storage)).list();
  assert.deepEqual(
    new Map(groups.map(({ groupId, memberCount }) => [groupId, memberCount])),
    new Map([
      ["full", 2],
      ["empty", 0],
      ["large", 2],
    ]),
  );
});

Deno.test("a group of 500 with large metadata is kept in pieces; old pieces go with the next generation", async () => {
  const storage = new MemoryStorage();
  const group = await openGroup(storage);
  await group.commit([recorded(1, 500, 4_000)]);
  assert.deepEqual((await openGroup(storage)).record, record(1, 500, 4_000));
  const second = await openGroup(storage);
  await second.commit([recorded(2, 500, 4_000)]);
  const later = await openGroup(storage);
  assert.deepEqual(later.record, record(2, 500, 4_000));
  assert.equal(await pieceCount(storage), 31);
  await later.commit([recorded(3, 1)]);
  assert.equal(await pieceCount(storage), 0);
  assert.deepEqual((await openGroup(storage)).record, record(3, 1));
});

Deno.test("a crash while pieces are written leaves the old generation, and nothing behind in the end", async () => {
  // Four commits of pieces, and the fifth that names them.
  for (let survivors = 0; survivors < 5; survivors++) {
    const storage = new MemoryStorage();
    const group = await openGroup(storage);
    await group.commit([recorded(1, 500, 4_000)]);
    let count = 0;
    storage.fateOf = () => (count++ < survivors ? "apply" : "crash");
    abandon(group.commit([recorded(2, 500, 5_000)]));
    await settle();
    storage.fateOf = () => "apply";
    const restarted = await openGroup(storage);
    assert.deepEqual(restarted.record, record(1, 500, 4_000));
    await restarted.commit([recorded(3, 500, 3_000)]);
    assert.deepEqual((await openGroup(storage)).record, record(3, 500, 3_000));
    assert.equal(await pieceCount(storage), 24, `after ${survivors} commits`);
  }
});

Deno.test("more offsets than a commit takes go in several, and a crash keeps a prefix", async () => {
  const storage = new MemoryStorage();
  const group = await openGroup(storage);
  const offsets = Array.from({ length: 2_500 }, (_, partition) => fact(partition, partition));
  storage.commits.length = 0;
  await group.commit([committed(...offsets)]);
  assert.equal(storage.commits.length, 3);
  const again = await openGroup(storage);
  assert.equal(again.offsets.length, 2_500);

  storage.next("apply", "crash");
  abandon(again.commit([committed(...offsets.map((old) => ({ ...old, offset: old.offset + 1 })))]));
  await settle();
  storage.fateOf = () => "apply";
  const found = (await openGroup(storage)).offsets;
  const storedCount = found.filter(({ partition, offset }) => offset === partition + 1).length;
  assert(storedCount > 900 && storedCount < 1_000);
  assert(
    found.every(({ partition, offset }) => offset === (partition < storedCount ? partition + 1 : partition)),
  );
});

Deno.test("long group ids and metadata do not break a commit's limits", async () => {
  const storage = new MemoryStorage();
  const groupId = "\u0000".repeat(900);
  const group = await openGroup(storage, groupId);
  const metadata = "€".repeat(4_096);
  const offsets = Array.from({ length: 200 }, (_, partition) => ({ ...fact(partition, 1), metadata }));
  await group.commit([committed(...offsets), recorded(1, 100, 20_000)]);
  const again = await openGroup(storage, groupId);
  assert.equal(again.offsets.length, 200);
  assert.equal(again.record?.members.length, 100);
});

Deno.test("a new owner fences the old one", async () => {
  const storage = new MemoryStorage();
  const old = await openGroup(storage);
  await old.commit([committed(fact(0, 1))]);
  const owner = await openGroup(storage);
  await assert.rejects(old.commit([committed(fact(0, 99))]), FencedError);
  await owner.commit([committed(fact(1, 2))]);
  assert.deepEqual((await openGroup(storage)).offsets, [fact(0, 1), fact(1, 2)]);
});

Deno.test("a shard is opened once for its groups, and anew after a failure", async () => {
  const storage = new MemoryStorage();
  const shards = new GroupShards(await openShards(storage), 1);
  const [a, b] = await Promise.all([shards.storeOf("a"), shards.storeOf("b")]);
  assert.equal(a, b);
  storage.fateOf = () => "throwBefore";
  const group = await a.openGroup("a");
  await assert.rejects(group.commit([committed(fact(0, 1))]));
  storage.fateOf = () => "apply";
  assert.notEqual(group.fault, null);
  const [c, d] = await Promise.all([shards.storeOf("a"), shards.storeOf("b")]);
  assert.equal(c, d);
  assert.notEqual(c, a);
  await (await c.openGroup("a")).commit([committed(fact(0, 2))]);
});

Deno.test("bytes that are not what was written are an error, not an empty group", async () => {
  const storage = new MemoryStorage();
  await (await openGroup(storage)).commit([recorded(1, 500, 4_000)]);
  const pieces = await storage.list({ start: ["g"], end: ["g", true] }, { limit: 1_000 });
  const piece = pieces.find(({ key }) => key[2] === "c");
  assert(piece !== undefined);
  const broken = piece.value.slice();
  broken[100] = (broken[100] ?? 0) ^ 1;
  await storage.commit({ checks: [], mutations: [{ type: "set", key: piece.key, value: broken }] });
  await assert.rejects(openGroup(storage), CorruptStorageError);
  await storage.commit({ checks: [], mutations: [{ type: "delete", key: piece.key }] });
  await assert.rejects(openGroup(storage), CorruptStorageError);
});

/** The process is gone: nobody hears what becomes of the call, which another owner may refuse later. */
function abandon(call: Promise<void>): void {
  call.catch((error) => assert(error instanceof FencedError));
}

async function pieceCount(storage: MemoryStorage): Promise<number> {
  const all = await storage.list({ start: ["g"], end: ["g", true] }, { limit: 1_000 });
  return all.filter(({ key }) => key[2] === "c").length;
}

Deno.test("deleted offsets and a removed group are gone, large ones too", async () => {
  const storage = new MemoryStorage();
  const group = await openGroup(storage);
  await group.commit([recorded(1, 20, 40_000), committed(fact(0, 5), fact(3, 6))]);
  await group.commit([{ type: "offsetsDeleted", partitions: [fact(0, 5)] }]);
  assert.deepEqual((await openGroup(storage)).offsets, [fact(3, 6)]);
  const again = await openGroup(storage);
  await again.commit([{ type: "offsetsDeleted", partitions: [fact(3, 6)] }, { type: "groupRemoved" }]);
  const gone = await openGroup(storage);
  assert.deepEqual([gone.record, gone.offsets], [null, []]);
  assert.deepEqual(await new GroupShards(await openShards(storage)).list(), []);
  await (await openGroup(storage)).commit([recorded(1, 1), { type: "groupRemoved" }, recorded(2, 1)]);
  assert.deepEqual((await openGroup(storage)).record, record(2, 1), "what came last holds");
});
