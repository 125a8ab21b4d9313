import assert from "node:assert/strict";
import { readBatchHeader } from "../protocol/records/record_batch.ts";
import { type Batch, PartitionQueue, type PendingRecord, recordSizeInBytes } from "./record_accumulator.ts";

const IDENTITY = { producerId: 7, producerEpoch: 0 };
const timeout = new Error("REQUEST_TIMED_OUT");
const refusal = new Error("INVALID_RECORD");

/** A queue with records `r0`, `r1`, …, each in a batch of its own, and what became of them. */
function newQueue(count: number, options: { idempotent?: boolean } = {}) {
  const queue = new PartitionQueue("t", 0, { idempotent: options.idempotent ?? true, batchBytesMax: 1 });
  queue.identity = IDENTITY;
  const outcomes: (number | Error | null)[] = Array.from({ length: count }, () => null);
  for (let i = 0; i < count; i++) {
    const input = { key: null, value: new Uint8Array([i]), headers: [], timestamp: 0 };
    const record: PendingRecord = {
      input,
      sizeInBytes: recordSizeInBytes(input),
      resolve: ({ offset }) => outcomes[i] = offset,
      reject: (error) => outcomes[i] = error,
    };
    queue.append(record, 0);
  }
  return { queue, outcomes };
}

/** Takes all that may be sent now, and says which sequences those batches bear. */
function takeAll(queue: PartitionQueue): { batches: Batch[]; sequences: number[] } {
  const batches: Batch[] = [];
  const sequences: number[] = [];
  while (queue.sendable(0) !== null) {
    const { batch, bytes } = queue.take("none");
    batches.push(batch);
    sequences.push(readBatchHeader(bytes).baseSequence);
  }
  return { batches, sequences };
}

/** A queue whose first record is acknowledged, with the next five under way. */
function fiveUnderWay(count: number) {
  const { queue, outcomes } = newQueue(count);
  const [first] = takeAll(queue).batches;
  assert.ok(first !== undefined);
  queue.succeed(first, 0, -1);
  const { batches, sequences } = takeAll(queue);
  assert.deepEqual(sequences, [1, 2, 3, 4, 5]);
  const [b1, b2, b3, b4, b5] = batches;
  assert.ok(b1 && b2 && b3 && b4 && b5);
  return { queue, outcomes, batches: [b1, b2, b3, b4, b5] as const };
}

Deno.test("PartitionQueue sends one batch until the broker has taken one, then five at a time", () => {
  const { queue } = newQueue(8);
  const { batches, sequences } = takeAll(queue);
  assert.deepEqual(sequences, [0]);
  assert.ok(batches[0] !== undefined);
  queue.succeed(batches[0], 0, -1);
  assert.deepEqual(takeAll(queue).sequences, [1, 2, 3, 4, 5]);
});

Deno.test("PartitionQueue has one batch under way without idempotence", () => {
  const { queue } = newQueue(3, { idempotent: false });
  const [first] = takeAll(queue).batches;
  assert.ok(first !== undefined);
  queue.succeed(first, 0, -1);
  assert.equal(takeAll(queue).batches.length, 1);
});

Deno.test("PartitionQueue sends a batch again alone and with its old sequence, and nothing new before it is settled", () => {
  const { queue, batches: [b1, ...others] } = fiveUnderWay(8);
  queue.retry(b1, { atMs: 0, doubt: timeout });
  assert.equal(queue.sendable(0), null);
  others.forEach((batch, i) => queue.succeed(batch, 2 + i, -1));
  for (let attempt = 0; attempt < 2; attempt++) {
    assert.deepEqual(takeAll(queue).sequences, [1]);
    queue.retry(b1, { atMs: 0, doubt: null });
  }
  assert.deepEqual(takeAll(queue).sequences, [1]);
  queue.succeed(b1, 1, -1);
  assert.deepEqual(takeAll(queue).sequences, [6, 7]);
});

Deno.test("PartitionQueue sends nothing before the back-off has passed", () => {
  const { queue } = newQueue(1);
  const [first] = takeAll(queue).batches;
  assert.ok(first !== undefined);
  queue.retry(first, { atMs: 10, doubt: null });
  assert.equal(queue.sendable(9), null);
  assert.equal(queue.sendable(10), first);
});

Deno.test("PartitionQueue begins a new sequence behind a gap, without the batches that perhaps are stored", () => {
  const { queue, outcomes, batches: [b1, b2, b3, b4, b5] } = fiveUnderWay(7);
  queue.retry(b2, { atMs: 0, doubt: timeout });
  queue.fail(b1, refusal);
  for (const batch of [b3, b4, b5]) queue.retry(batch, { atMs: 0, doubt: null });
  assert.equal(queue.sendable(0), b3);
  assert.equal(queue.identity, null);
  assert.deepEqual(outcomes, [0, refusal, timeout, null, null, null, null]);
  queue.identity = { producerId: 8, producerEpoch: 0 };
  assert.deepEqual(takeAll(queue).sequences, [0]);
  queue.succeed(b3, 2, -1);
  assert.deepEqual(takeAll(queue).sequences, [1]);
});

Deno.test("PartitionQueue keeps a doubt that a later attempt does not remove", () => {
  const { queue, outcomes, batches: [b1, b2, b3, b4, b5] } = fiveUnderWay(6);
  for (const batch of [b1, b2, b3, b4, b5]) queue.retry(batch, { atMs: 0, doubt: timeout });
  assert.deepEqual(takeAll(queue).batches, [b1]);
  queue.retryWithNewIdentity(b1, { atMs: 0, doubt: null });
  assert.equal(queue.sendable(0), null);
  assert.deepEqual(outcomes, [0, timeout, timeout, timeout, timeout, timeout]);
});

Deno.test("PartitionQueue ignores answers for a batch that has failed already", () => {
  const { queue, outcomes, batches: [b1, b2, b3, b4] } = fiveUnderWay(7);
  queue.failAll(refusal);
  queue.succeed(b1, 1, -1);
  queue.retry(b2, { atMs: 0, doubt: null });
  queue.fail(b3, timeout);
  queue.split(b4);
  assert.deepEqual(outcomes, [0, ...Array.from({ length: 6 }, () => refusal)]);
  assert.equal(queue.waiting.length + queue.inFlight.length, 0);
});
