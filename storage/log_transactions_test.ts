/** Open and aborted transactions as the log stores them, with the batches that change them. */
import assert from "node:assert/strict";
import type { TransactionChange } from "../core/partition/transactions.ts";
import { MemoryStorage } from "./memory.ts";
import { PartitionLog } from "./partition_log.ts";
import { appendAfter, emptyLogHead, openShards, TOPIC_ID } from "./storage_testkit.ts";

async function openLog(storage: MemoryStorage): Promise<PartitionLog> {
  return await PartitionLog.open(await openShards(storage), TOPIC_ID, 0);
}

Deno.test("open and aborted transactions change with their batches and are there after a restart", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  let head = emptyLogHead;
  const append = async (transaction?: TransactionChange) => {
    const batch = appendAfter(head, { timestamps: [1] });
    head = batch.headAfter;
    await log.append([transaction === undefined ? batch : { ...batch, transaction }]);
  };
  await append({ type: "opened", producerId: 9, firstOffset: 0 });
  await append({ type: "opened", producerId: 2, firstOffset: 1 });
  await append({ type: "opened", producerId: 5, firstOffset: 2 });
  const aborted = { producerId: 2, firstOffset: 1, lastOffset: 3, lastStableOffset: 0 };
  await append({ type: "ended", producerId: 2, aborted });
  await append({ type: "ended", producerId: 5, aborted: null });
  const again = await openLog(storage);
  const open = await again.openTransactions();
  assert.deepEqual([open.count, open.firstOffsetOf(9), open.lastStableOffset(5)], [1, 0, 0]);
  assert.deepEqual(await again.abortedTransactions(0, 5), [aborted]);
  assert.deepEqual(await again.abortedTransactions(4, 5), [], "it ended before");
  assert.deepEqual(await again.abortedTransactions(0, 1), [], "it began after");
  assert.equal(await again.lastAbort(), 3);
});

Deno.test("a producer's state keeps the epoch of the coordinator that wrote its last marker", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  const producer = { producerId: 9, producerEpoch: 3, lastAppendMs: 5, batches: [], coordinatorEpoch: 4 };
  await log.append([appendAfter(emptyLogHead, { timestamps: [1], producer })]);
  assert.deepEqual(await Array.fromAsync((await openLog(storage)).allProducers()), [producer]);
});
