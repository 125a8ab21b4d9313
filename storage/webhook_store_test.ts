import assert from "node:assert/strict";
import type { Trouble } from "../core/webhook/delivery.ts";
import type { Webhook } from "../core/webhook/webhook.ts";
import { CorruptStorageError } from "./errors.ts";
import { webhookKey, webhookTroubleKey } from "./keys/webhook.ts";
import { MemoryStorage } from "./memory.ts";
import { openShards, TOPIC_ID } from "./storage_testkit.ts";
import { listWebhookNames, WebhookStore } from "./webhook_store.ts";

const webhook: Webhook = {
  id: "0a1b2c3d-0000-4000-8000-000000000001",
  config: {
    url: "https://worker.example/ü",
    topics: ["t"],
    pattern: null,
    groupId: "g",
    from: "latest",
    format: "json",
    maxRecords: 1,
    maxBytes: 2,
    maxWaitMs: 3,
    timeoutMs: 4,
    maxAttempts: 5,
    backoffMs: 6,
    maxBackoffMs: 7,
    concurrency: 8,
    deadLetterTopic: "d",
  },
  secret: "whsec_AA==",
  previousSecret: { secret: "whsec_AQ==", untilMs: 9 },
  createdMs: 10,
  paused: { atMs: 11, reason: "why" },
  memberId: "m",
};
const trouble: Trouble = {
  offset: 1,
  endOffset: 3,
  attempts: 2,
  nextAttemptMs: 5,
  splitEnd: null,
  error: "500",
  givenUp: null,
};

Deno.test("a webhook and the batches of it that failed come back; others have their own", async () => {
  const shards = await openShards(new MemoryStorage());
  const store = new WebhookStore(shards, "a");
  assert.equal(await store.load(), null);
  await store.save(webhook);
  await new WebhookStore(shards, "b").save({ ...webhook, id: "other" });
  await store.saveTrouble(TOPIC_ID, 0, trouble);
  await store.saveTrouble(TOPIC_ID, 7, { ...trouble, givenUp: { failures: 1, fault: "full" } });
  await store.saveTrouble(TOPIC_ID, 0, null);
  assert.deepEqual(await new WebhookStore(shards, "a").load(), {
    webhook,
    troubles: [{
      topicId: TOPIC_ID,
      partition: 7,
      trouble: { ...trouble, givenUp: { failures: 1, fault: "full" } },
    }],
  });
  assert.deepEqual(await listWebhookNames(shards), ["a", "b"]);
  await store.remove();
  assert.equal(await store.load(), null);
  assert.equal(await shards.storage.get(webhookTroubleKey("a", TOPIC_ID, 7)), null);
  assert.deepEqual(await listWebhookNames(shards), ["b"]);
});

Deno.test("golden bytes of version 1 of a webhook are read, a newer version is refused", async () => {
  const shards = await openShards(new MemoryStorage());
  const text = JSON.stringify(webhook);
  const bytes = new TextEncoder().encode(text);
  // Version, length + 1 as a varint, UTF-8.
  const length = bytes.length + 1;
  const value = new Uint8Array([1, (length & 0x7f) | 0x80, length >> 7, ...bytes]);
  await shards.commitLoose([{ type: "set", key: webhookKey("old"), value }]);
  assert.deepEqual((await new WebhookStore(shards, "old").load())?.webhook, webhook);
  const newer = value.slice();
  newer[0] = 2;
  await shards.commitLoose([{ type: "set", key: webhookKey("new"), value: newer }]);
  await assert.rejects(new WebhookStore(shards, "new").load(), CorruptStorageError);
});
