import assert from "node:assert/strict";
import { unsealed } from "./keys/sealed_testkit.ts";
import { newTransaction, type TransactionRecord } from "../core/transaction/transaction_state.ts";
import { decodeTransaction, encodeTransaction } from "./keys/transaction.ts";
import { MemoryStorage } from "./memory.ts";
import { openShards, TOPIC_ID } from "./storage_testkit.ts";
import { TransactionShards } from "./transaction_store.ts";

const record: TransactionRecord = {
  ...newTransaction("job-1", 4_000, 60_000, 1_700_000_000_000),
  state: "PrepareCommit",
  producerEpoch: 3,
  lastProducerId: 4_000,
  lastProducerEpoch: 2,
  nextProducerId: 5_000,
  partitions: [{ topicId: TOPIC_ID, partition: 2 }, { topicId: TOPIC_ID, partition: 0 }],
  groups: ["readers"],
  startedMs: 1_700_000_000_500,
};

Deno.test("stored bytes are a promise: transactions of version 1", () => {
  const bytes = unsealed(encodeTransaction(record));
  assert.equal(
    bytes.toHex(),
    "01020000000000000fa000030000000000000fa0000200000000000013880000ea600000018bcfe569f40000018bcfe56800" +
      "0000000100112233445566778899aabbccddeeff0000000200000002000000000000000108" + "72656164657273",
  );
  assert.deepEqual(decodeTransaction("job-1", bytes), record);
});

Deno.test("stored bytes are a promise: transactions of version 2, whose producer numbers its requests", () => {
  const numbered = { ...record, lastRequest: { epoch: 4, seq: 9 } };
  const bytes = unsealed(encodeTransaction(numbered));
  assert.equal(bytes[0], 2);
  assert.equal(
    bytes.toHex().slice(2),
    unsealed(encodeTransaction(record)).toHex().slice(2) + "00000000000000040000000000000009",
  );
  assert.deepEqual(decodeTransaction("job-1", bytes), numbered);
});

Deno.test("transactional ids come back, and each opening has a higher coordinator epoch", async () => {
  const storage = new MemoryStorage();
  const first = new TransactionShards(await openShards(storage));
  const store = await first.storeOf("job-1");
  assert.equal(await store.read("job-1"), null);
  await store.commit(record);
  await store.commit({ ...record, state: "CompleteCommit" });
  const second = await new TransactionShards(await openShards(storage)).storeOf("job-1");
  assert.equal((await second.read("job-1"))?.state, "CompleteCommit");
  assert.deepEqual([store.coordinatorEpoch, second.coordinatorEpoch], [0, 1]);
  await assert.rejects(store.commit(record), { name: "FencedError" });
  const listed = [];
  for await (const each of first.list()) listed.push(each.transactionalId);
  assert.deepEqual(listed, ["job-1"]);
  await second.remove("job-1");
  assert.equal(await second.read("job-1"), null);
});
