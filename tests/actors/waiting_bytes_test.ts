/** Batches that wait for a store which stands still: bounded over all partitions, also when their clients have given up. */
import assert from "node:assert/strict";
import { PARTITION_KIND } from "../../actors/kinds.ts";
import type { PartitionMessage } from "../../actors/messages/partition.ts";
import { partitionKey, partitionKind } from "../../actors/partition.ts";
import { AskDeadlineError, OverloadedError } from "../../actors/runtime/errors.ts";
import { ActorProbe, createTestbed } from "../../actors/runtime/testkit.ts";
import { buildBatch } from "../../protocol/records/record_batch.ts";
import { MemoryStorage } from "../../storage/memory.ts";
import { ShardStore } from "../../storage/shard.ts";

const TOPIC_ID = "3f0e8d4a-1b2c-4d5e-8f90-a1b2c3d4e5f6";
const WAITING_BYTES_MAX = 20_000;
const DEADLINE_MS = 200;

async function createWorld() {
  const testbed = createTestbed({ waitingBytesMax: WAITING_BYTES_MAX });
  const { env, log, runtime } = testbed;
  const storage = new MemoryStorage();
  const incarnation = "00000000-0000-4000-8000-000000000001";
  const opening = ShardStore.open({ storage, env, log, brokerId: 1, incarnation });
  await env.runUntilIdle();
  const shards = await opening;
  runtime.register(partitionKind({ shards, tailCacheBytesMax: 0, leaderEpochOf: () => 0 }));
  const produce = (partition: number, valueBytes = 1_000) => {
    const record = { key: null, value: new Uint8Array(valueBytes), headers: [], timestamp: 1 };
    return new ActorProbe<PartitionMessage>(runtime, PARTITION_KIND, partitionKey(TOPIC_ID, partition)).ref
      .ask({
        type: "produce",
        batch: buildBatch({ records: [record] }),
        maxMessageBytes: 1_048_588,
        timestampType: "CreateTime",
        requireKeys: false,
      }, { deadlineMs: DEADLINE_MS });
  };
  for (let partition = 0; partition < 4; partition++) {
    const first = produce(partition, 10);
    await env.runUntilIdle();
    assert.equal((await first).error, "NONE");
  }
  return { ...testbed, storage, produce };
}

Deno.test("batches count until they are durable, whether or not somebody waits, and beyond the bound none is taken", async () => {
  const { env, storage, runtime, produce } = await createWorld();
  assert.equal(runtime.waitingBytes.bytes, 0);
  storage.fateOf = () => "hold";
  const outcomes = { late: 0, refused: 0 };
  // Clients that try again and again while the disk stands still.
  for (let round = 0; round < 40; round++) {
    for (let partition = 0; partition < 4; partition++) {
      produce(partition).catch((error: unknown) => {
        if (error instanceof AskDeadlineError) outcomes.late++;
        else if (error instanceof OverloadedError) outcomes.refused++;
        else throw error;
      });
    }
    await env.advance(DEADLINE_MS + 100);
  }
  const { bytes, isOverrun } = runtime.waitingBytes;
  assert.ok(isOverrun && bytes < 2 * WAITING_BYTES_MAX + 2_000, `${bytes} bytes wait`);
  assert.equal(outcomes.late + outcomes.refused, 160);
  assert.ok(outcomes.refused > 100, `${outcomes.refused} were refused`);

  storage.fateOf = () => "apply";
  for (let i = 0; i < 10; i++) {
    storage.releaseHeld();
    await env.runUntilIdle();
  }
  assert.equal(runtime.waitingBytes.bytes, 0);
  const again = produce(2);
  await env.runUntilIdle();
  // What was taken is there, although nobody heard of it.
  const { error, baseOffset } = await again;
  assert.deepEqual([error, baseOffset > 1], ["NONE", true]);
});

Deno.test("the bytes of a partition that fails are let go", async () => {
  const { env, storage, runtime, produce } = await createWorld();
  storage.fateOf = () => "throwBefore";
  const failed = assert.rejects(produce(0));
  const late = assert.rejects(produce(0), AskDeadlineError);
  await env.advance(60_000);
  await Promise.all([failed, late]);
  assert.equal(runtime.waitingBytes.bytes, 0);
});

Deno.test("the bytes of a batch that is taken up after its client gave up count until they are durable", async () => {
  const { env, storage, runtime, produce } = await createWorld();
  storage.fateOf = () => "hold";
  // Its partition is still being opened.
  const late = assert.rejects(produce(7), AskDeadlineError);
  await env.advance(DEADLINE_MS + 100);
  await late;
  // The head is made, then the batch is stored: it counts during both.
  for (const keyCount of [0, 1]) {
    assert.equal(storage.keys().filter((key) => key[2] === 7).length, keyCount);
    assert.ok(runtime.waitingBytes.bytes > 1_000, `${runtime.waitingBytes.bytes} bytes, ${keyCount} keys`);
    storage.releaseHeld();
    await env.runUntilIdle();
  }
  assert.equal(runtime.waitingBytes.bytes, 0);
});
