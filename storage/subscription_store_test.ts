import assert from "node:assert/strict";
import type { Subscription } from "../core/stream/subscription.ts";
import { MemoryStorage } from "./memory.ts";
import { openShards } from "./storage_testkit.ts";
import { SubscriptionStore } from "./subscription_store.ts";

const subscription: Subscription = {
  id: "s",
  config: {
    type: "webhook",
    pattern: "a/**",
    streams: ["x"],
    webhookUrl: "https://worker.example/",
    wakeStream: null,
    leaseTtlMs: 1_000,
    description: "ü",
  },
  streamRoot: "http://host/v1/stream/",
  createdAtMs: 5,
  generation: 3,
  wake: {
    wakeId: "w",
    token: "t",
    tails: { "a/b": 7 },
    holder: "webhook",
    leaseUntilMs: 9,
    failureCount: 1,
    nextAttemptMs: null,
  },
};

Deno.test("subscriptions, their links and the signing key come back", async () => {
  const storage = new MemoryStorage();
  const shards = await openShards(storage);
  const store = await SubscriptionStore.open(shards);
  const link = { explicit: true, ackedOffset: 4 };
  await store.commit([
    { type: "put", subscription },
    { type: "link", id: "s", path: "a/b", link },
    { type: "link", id: "s", path: "x", link },
    { type: "unlink", id: "s", path: "x" },
  ]);
  const key = await store.signingKey(shards, () => Promise.resolve({ kty: "OKP", d: "1" }));
  const again = await SubscriptionStore.open(await openShards(storage));
  assert.deepEqual(again.subscriptions, [subscription]);
  assert.deepEqual(again.links, [{ id: "s", path: "a/b", link }]);
  const stored = await again.signingKey(
    await openShards(storage),
    () => Promise.reject(new Error("there is one")),
  );
  assert.deepEqual(stored, key);
});

Deno.test("more changes than one commit takes are stored all the same", async () => {
  const storage = new MemoryStorage();
  const store = await SubscriptionStore.open(await openShards(storage));
  const link = { explicit: false, ackedOffset: 0 };
  const paths = Array.from({ length: 1_200 }, (_, index) => `p${index}`);
  await store.commit(paths.map((path) => ({ type: "link" as const, id: "s", path, link })));
  assert.equal((await SubscriptionStore.open(await openShards(storage))).links.length, 1_200);
});
