/** Offsets of open transactions in a group's shard. */
import assert from "node:assert/strict";
import { GroupShards } from "./group_store.ts";
import { MemoryStorage } from "./memory.ts";
import { openShards, TOPIC_ID } from "./storage_testkit.ts";

const fact = {
  topic: "t",
  topicId: TOPIC_ID,
  partition: 3,
  offset: 9,
  leaderEpoch: -1,
  metadata: "m",
  committedAtMs: 5,
};
const pending = { type: "offsetsPending", producerId: 7, producerEpoch: 2, offsets: [fact] } as const;

async function openGroup(storage: MemoryStorage) {
  const shards = new GroupShards(await openShards(storage));
  return await (await shards.storeOf("g")).openGroup("g");
}

Deno.test("pending offsets are stored until their transaction ends", async () => {
  const storage = new MemoryStorage();
  await (await openGroup(storage)).commit([pending]);
  const found = await openGroup(storage);
  assert.deepEqual([found.offsets, found.pendingOffsets], [[], [{ producerId: 7, producerEpoch: 2, fact }]]);
  await found.commit([{ type: "transactionEnded", producerId: 7, committed: true, offsets: [fact] }]);
  const ended = await openGroup(storage);
  assert.deepEqual([ended.offsets, ended.pendingOffsets], [[fact], []]);
});

Deno.test("pending offsets that end in the commit that brings them leave no trace when aborted", async () => {
  const storage = new MemoryStorage();
  const group = await openGroup(storage);
  await group.commit([pending, {
    type: "transactionEnded",
    producerId: 7,
    committed: false,
    offsets: [fact],
  }]);
  const ended = await openGroup(storage);
  assert.deepEqual([ended.offsets, ended.pendingOffsets], [[], []]);
});
