/** Share groups on a store in memory: what comes back, states beyond one value, fencing, and bytes that are a promise. */
import assert from "node:assert/strict";
import { unsealed } from "./keys/sealed_testkit.ts";
import type { StoredRun } from "../core/share/partition/stored_picture.ts";
import { FencedError } from "./errors.ts";
import { GroupShards } from "./group_store.ts";
import {
  decodeSharePartition,
  encodeShareGroup,
  encodeShareMember,
  encodeSharePartition,
} from "./keys/share.ts";
import { MemoryStorage } from "./memory.ts";
import {
  listShareGroups,
  listSharePartitions,
  StoredShareGroup,
  StoredSharePartition,
} from "./share_store.ts";
import { openShards, TOPIC_ID } from "./storage_testkit.ts";

const member = (memberId: string) => ({
  memberId,
  rackId: null,
  clientId: "client",
  clientHost: "/127.0.0.1",
  subscribedTopicNames: ["orders", "returns"],
});
const id = { topicId: TOPIC_ID, partition: 3 };

Deno.test("stored bytes are a promise: share groups, members and partitions of version 1", () => {
  const hex = (value: Uint8Array) => unsealed(value).toHex();
  assert.equal(hex(encodeShareGroup({ groupEpoch: 7, changedAtMs: 258 })), "01000000070000000000000102");
  assert.equal(
    hex(encodeShareMember(member("m"))),
    "010007636c69656e740b2f3132372e302e302e31000000020" + "76f72646572730872657475726e73",
  );
  const picture = {
    startOffset: 1_000,
    runs: [
      { length: 2, state: "available" as const, deliveryCount: 3 },
      { length: 300, state: "acknowledged" as const, deliveryCount: 0 },
      { length: 1, state: "archived" as const, deliveryCount: 0 },
    ],
  };
  const pieces = encodeSharePartition(picture, 65_536);
  assert.deepEqual(pieces.map(hex), [
    "010000000100000000000003e800000003040cd804010202",
  ]);
  assert.deepEqual(decodeSharePartition(pieces), picture);
  assert.deepEqual(decodeSharePartition(pieces.map(unsealed)), picture);
});

Deno.test("a group and its members come back, and go", async () => {
  const storage = new MemoryStorage();
  const groupShards = new GroupShards(await openShards(storage));
  const stored = await StoredShareGroup.open(groupShards, "q");
  assert.equal(stored.record, null);
  await stored.commit([
    { type: "groupRecorded", record: { groupEpoch: 1, changedAtMs: 5 } },
    { type: "memberRecorded", member: member("a") },
    { type: "memberRecorded", member: member("b") },
    { type: "memberRemoved", memberId: "a" },
    { type: "groupRecorded", record: { groupEpoch: 2, changedAtMs: 6 } },
  ]);
  const again = new GroupShards(await openShards(storage));
  const found = await StoredShareGroup.open(again, "q");
  assert.deepEqual([found.record?.groupEpoch, found.members], [2, [member("b")]]);
  assert.deepEqual(await listShareGroups(again), [{ groupId: "q", memberCount: 1 }]);
  assert.equal((await (await again.storeOf("q")).openGroup("q")).isShareGroup, true);
  assert.deepEqual(await again.list(), [], "it is no consumer group");
  await found.commit([{ type: "memberRemoved", memberId: "b" }, { type: "groupRemoved" }]);
  assert.deepEqual(await listShareGroups(again), []);
});

Deno.test("a state beyond one value comes back whole, and shrinks again", async () => {
  const storage = new MemoryStorage();
  const open = async () =>
    await StoredSharePartition.open(new GroupShards(await openShards(storage)), "q", id);
  const runs = Array.from({ length: 50_000 }, (_, i): StoredRun => ({
    length: 1,
    state: i % 2 === 0 ? "available" : "acknowledged",
    deliveryCount: i % 2 === 0 ? 1 : 0,
  }));
  await (await open()).commit({ startOffset: 9, runs });
  const large = await open();
  assert.deepEqual(large.picture, { startOffset: 9, runs });
  await large.commit({ startOffset: 50_009, runs: [] });
  const groupShards = new GroupShards(await openShards(storage));
  const small = await StoredSharePartition.open(groupShards, "q", id);
  assert.deepEqual(small.picture, { startOffset: 50_009, runs: [] });
  await assert.rejects(large.commit({ startOffset: 0, runs: [] }), FencedError);
  assert.deepEqual(await listSharePartitions(groupShards, "q"), [id]);
  await small.commit(null);
  assert.deepEqual(await listSharePartitions(groupShards, "q"), []);
});
