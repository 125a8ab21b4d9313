/** Rounds of compaction of one log, as its cleaner takes them. Random histories are in `log_model_test.ts`. */
import assert from "node:assert/strict";
import type { LogHead } from "../core/partition/log_head.ts";
import type { ProducerState } from "../core/partition/producer_state.ts";
import type { TransactionChange } from "../core/partition/transactions.ts";
import { buildControlBatch } from "../protocol/records/control_record.ts";
import { buildBatch, iterateRecords, readBatchHeader } from "../protocol/records/record_batch.ts";
import { FakeDisk } from "./fake_disk.ts";
import { LogCompaction } from "./log_compaction.ts";
import { MemoryStorage } from "./memory.ts";
import { type LogAppend, PartitionLog } from "./partition_log.ts";
import { openShards, TOPIC_ID } from "./storage_testkit.ts";

const EVERYTHING = { maxBytes: Number.MAX_SAFE_INTEGER, minOneBatch: true, upTo: Number.MAX_SAFE_INTEGER };
const DELETE_RETENTION_MS = 1_000;

/** Appends bytes behind the head, as a partition would. */
async function append(
  log: PartitionLog,
  bytes: Uint8Array,
  more: { readonly producer?: ProducerState; readonly transaction?: TransactionChange } = {},
): Promise<void> {
  const { head } = log;
  const { lastOffsetDelta } = readBatchHeader(bytes);
  const lastOffset = head.logEndOffset + lastOffsetDelta;
  const headAfter: LogHead = {
    ...head,
    logEndOffset: lastOffset + 1,
    epochs: [{ epoch: 0, startOffset: 0 }],
    maxTimestamp: 1,
    maxTimestampOffset: 0,
    sizeBytes: head.sizeBytes + bytes.length,
  };
  const effect: LogAppend = {
    baseOffset: head.logEndOffset,
    lastOffset,
    leaderEpoch: 0,
    bytes,
    maxTimestamp: 1,
    producer: more.producer ?? null,
    ...(more.transaction !== undefined && { transaction: more.transaction }),
    headAfter,
  };
  await log.append([effect]);
}

function batchOf(
  log: PartitionLog,
  key: string,
  valueBytes: number,
  producer?: { readonly producerId: number; readonly producerEpoch: number },
): Uint8Array {
  return buildBatch({
    baseOffset: log.head.logEndOffset,
    records: [
      { key: new TextEncoder().encode(key), value: new Uint8Array(valueBytes), headers: [], timestamp: 1 },
    ],
    ...(producer !== undefined && { ...producer, baseSequence: 0, isTransactional: true }),
  });
}

/** One whole round; how many of its steps changed something. */
async function compact(log: PartitionLog, nowMs: number): Promise<number> {
  const round = await LogCompaction.begin(log.rewriter(), log.head.logEndOffset, {
    settings: {
      minCleanableDirtyRatio: 0,
      minCompactionLagMs: 0,
      maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
      deleteRetentionMs: DELETE_RETENTION_MS,
    },
    reason: "horizon",
    nowMs,
    mapBytesMax: 1 << 16,
    seed: 1,
    producerExpirationMs: 1_000_000,
  });
  for (let changeCount = 0;;) {
    const { type, plan } = await round.step();
    if (plan !== null) {
      changeCount++;
      const { head } = log;
      await log.append([{ headAfter: { ...head, sizeBytes: head.sizeBytes - plan.sizeBytes }, trim: plan }]);
    }
    if (type === "done") return changeCount;
  }
}

async function keysOf(log: PartitionLog): Promise<string[]> {
  const batches = await log.read(0, EVERYTHING);
  return batches.flatMap((batch) =>
    [...iterateRecords(batch)].map(({ key }) => new TextDecoder().decode(key ?? undefined))
  );
}

for (const usesDisk of [false, true]) {
  const where = usesDisk ? "with segment files" : "in the store";
  Deno.test(`a step of compaction fits into one commit of a small store, ${where}`, async () => {
    const limits = { valueBytesMax: 1_024, commitBytesMax: 8_192, mutationsMax: 450 };
    const storage = new MemoryStorage({ limits });
    const shards = await openShards(storage, usesDisk ? { disk: new FakeDisk(), extentBytesMin: 1 } : {});
    const log = await PartitionLog.open(shards, TOPIC_ID, 0);
    // A hole for each second batch: as many entries to write as there are.
    const count = 150;
    for (let i = 0; i < count; i++) {
      await append(log, batchOf(log, `only ${i}`, usesDisk ? 100 : 5));
      await append(log, batchOf(log, "often", 5));
    }
    assert.ok(await compact(log, 1) > 1);
    const expected = [...Array.from({ length: count }, (_, i) => `only ${i}`), "often"];
    assert.deepEqual(await keysOf(log), expected);
    await compact(log, 2);
    assert.deepEqual(await keysOf(log), expected);
  });
}

Deno.test("once an abort marker is emptied nobody is told of its transaction, or its producer's next one would be hidden", async () => {
  const storage = new MemoryStorage();
  const log = await PartitionLog.open(await openShards(storage), TOPIC_ID, 0);
  const producer = { producerId: 7, producerEpoch: 0 };
  await append(log, batchOf(log, "aborted", 5, producer), {
    transaction: { type: "opened", producerId: 7, firstOffset: 0 },
  });
  const aborted = { producerId: 7, firstOffset: 0, lastOffset: 1, lastStableOffset: 0 };
  // The last that its producer is known by: it stays, without its record.
  await append(
    log,
    buildControlBatch({ type: "ABORT", coordinatorEpoch: 0, ...producer, timestamp: 1, baseOffset: 1 }),
    {
      producer: { ...producer, lastAppendMs: 1, batches: [], coordinatorEpoch: 0 },
      transaction: { type: "ended", producerId: 7, aborted },
    },
  );
  assert.deepEqual(await log.abortedTransactions(0, 2), [aborted]);
  // First the aborted batch goes, then the marker's time begins, then it is over.
  for (const nowMs of [1, 2, 3 + DELETE_RETENTION_MS]) await compact(log, nowMs);
  const [marker] = (await log.read(1, EVERYTHING)).map(readBatchHeader);
  assert.deepEqual([marker?.baseOffset, marker?.isControl, marker?.recordCount], [1, true, 0]);
  assert.deepEqual(await log.abortedTransactions(0, 2), []);
  assert.equal(await log.lastAbort(), -1);
});
