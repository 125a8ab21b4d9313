/** A process whose broker fence was taken finds out, whether or not anybody writes to it. */
import assert from "node:assert/strict";
import { createTestbed } from "../../actors/runtime/testkit.ts";
import { FenceWatch } from "../../storage/fence_watch.ts";
import { brokerFenceKey } from "../../storage/keys/broker_fence.ts";
import { MemoryStorage } from "../../storage/memory.ts";
import { ShardStore } from "../../storage/shard.ts";

const INTERVAL_MS = 2_000;

async function createWorld() {
  const { env, log } = createTestbed();
  const storage = new MemoryStorage();
  const open = async (brokerId: number, incarnation: string) => {
    const opening = ShardStore.open({ storage, env, log, brokerId, incarnation });
    await env.runUntilIdle();
    return await opening;
  };
  const shards = await open(1, "00000000-0000-4000-8000-000000000001");
  let lostCount = 0;
  const watch = new FenceWatch({ env, shards, intervalMs: INTERVAL_MS, onLost: () => lostCount++ });
  watch.start();
  return { env, storage, shards, open, watch, lostCount: () => lostCount };
}

Deno.test("a fence that was taken is noticed within one interval, and told once", async () => {
  const { env, open, lostCount } = await createWorld();
  await env.advance(10 * INTERVAL_MS);
  await open(2, "00000000-0000-4000-8000-000000000002");
  await env.advance(2 * INTERVAL_MS);
  assert.equal(lostCount(), 0);
  await open(1, "00000000-0000-4000-8000-000000000003");
  await env.advance(INTERVAL_MS);
  assert.equal(lostCount(), 1);
  await env.advance(10 * INTERVAL_MS);
  assert.equal(lostCount(), 1);
});

Deno.test("a commit that finds the fence taken tells at once; a store that was emptied is another's, too", async () => {
  const fenced = await createWorld();
  const opening = fenced.shards.openShard(["x", "h"]);
  await fenced.env.runUntilIdle();
  const shard = await opening;
  await fenced.open(1, "00000000-0000-4000-8000-000000000002");
  const commit = shard.commit({ mutations: [] });
  commit.catch(() => undefined);
  await fenced.env.runUntilIdle();
  await assert.rejects(commit, { name: "FencedError" });
  assert.equal(fenced.lostCount(), 1);

  const emptied = await createWorld();
  emptied.storage.tamper(brokerFenceKey(1), () => null);
  await emptied.env.advance(INTERVAL_MS);
  assert.equal(emptied.lostCount(), 1);
});

Deno.test("a store that cannot be read for a while says nothing, and after stop() nothing is told", async () => {
  const { env, storage, open, watch, lostCount } = await createWorld();
  storage.readFault = new Error("away");
  await env.advance(3 * INTERVAL_MS);
  assert.equal(lostCount(), 0);
  storage.readFault = null;
  watch.stop();
  await open(1, "00000000-0000-4000-8000-000000000002");
  await env.advance(3 * INTERVAL_MS);
  assert.equal(lostCount(), 0);
});
