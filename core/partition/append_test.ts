import assert from "node:assert/strict";
import { type BatchFacts, decideAppend } from "./append.ts";
import { emptyLogHead, type LogHead } from "./log_head.ts";

function facts(change: Partial<BatchFacts> = {}): BatchFacts {
  return {
    recordCount: 3,
    maxTimestamp: 100,
    sizeInBytes: 200,
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
    ...change,
  };
}

function append(head: LogHead, batch: BatchFacts, epoch = 0) {
  const decision = decideAppend(head, batch, null, epoch, 1);
  assert.ok(decision.type === "append");
  return decision;
}

Deno.test("decideAppend() assigns consecutive offsets and adds up sizes", () => {
  const first = append(emptyLogHead, facts());
  assert.deepEqual([first.baseOffset, first.lastOffset], [0, 2]);
  const second = append(first.head, facts({ recordCount: 1 }));
  assert.deepEqual([second.baseOffset, second.head.logEndOffset, second.head.sizeBytes], [3, 4, 400]);
});

Deno.test("decideAppend() keeps the largest timestamp when timestamps go back", () => {
  const first = append(emptyLogHead, facts({ maxTimestamp: 500 }));
  const second = append(first.head, facts({ maxTimestamp: 400 }));
  assert.deepEqual([second.head.maxTimestamp, second.head.maxTimestampOffset], [500, 2]);
});

Deno.test("decideAppend() enters an epoch in the lineage at its first append only", () => {
  const first = append(emptyLogHead, facts(), 2);
  const second = append(first.head, facts(), 2);
  const third = append(second.head, facts(), 5);
  assert.deepEqual(third.head.epochs, [{ epoch: 2, startOffset: 0 }, { epoch: 5, startOffset: 6 }]);
});

Deno.test("decideAppend() answers a duplicate with the original offset and leaves the head alone", () => {
  const batch = facts({ producerId: 9, producerEpoch: 0, baseSequence: 0 });
  const first = append(emptyLogHead, batch);
  const again = decideAppend(first.head, batch, first.producer, 0, 2);
  assert.deepEqual(again, { type: "duplicate", baseOffset: 0 });
});
