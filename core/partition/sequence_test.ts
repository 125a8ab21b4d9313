import assert from "node:assert/strict";
import fc from "fast-check";
import type { ProducerState } from "./producer_state.ts";
import { addToSequence, applySequence, decideSequence, type SequencedBatch } from "./sequence.ts";

function batch(baseSequence: number, recordCount: number, producerEpoch = 0): SequencedBatch {
  return { producerId: 7, producerEpoch, baseSequence, recordCount, maxTimestamp: 1_000 };
}

function appendAll(...batches: SequencedBatch[]): ProducerState {
  let state: ProducerState | null = null;
  let offset = 0;
  for (const each of batches) {
    assert.equal(decideSequence(state, each).type, "next");
    state = applySequence(state, each, offset, 5);
    offset += each.recordCount;
  }
  assert.ok(state !== null);
  return state;
}

Deno.test("decideSequence() accepts the next sequence and any first sequence of an unknown producer", () => {
  assert.equal(decideSequence(null, batch(40, 3)).type, "next");
  assert.equal(decideSequence(appendAll(batch(0, 3)), batch(3, 1)).type, "next");
});

Deno.test("decideSequence() answers each of the last five batches with its original offset", () => {
  const state = appendAll(batch(0, 2), batch(2, 1), batch(3, 1), batch(4, 1), batch(5, 1), batch(6, 4));
  for (const [sequence, count, offset] of [[2, 1, 2], [3, 1, 3], [4, 1, 4], [5, 1, 5], [6, 4, 6]] as const) {
    const decision = decideSequence(state, batch(sequence, count));
    assert.ok(decision.type === "duplicate");
    assert.equal(decision.batch.baseOffset, offset);
  }
  const tooOld = decideSequence(state, batch(0, 2));
  assert.ok(tooOld.type === "refused");
  assert.equal(tooOld.error, "OUT_OF_ORDER_SEQUENCE_NUMBER");
});

Deno.test("decideSequence() refuses gaps, overlaps and old epochs", () => {
  const state = appendAll(batch(0, 3, 4));
  for (const wrong of [batch(4, 1, 4), batch(2, 2, 4), batch(0, 2, 4)]) {
    const decision = decideSequence(state, wrong);
    assert.ok(decision.type === "refused");
    assert.equal(decision.error, "OUT_OF_ORDER_SEQUENCE_NUMBER");
  }
  const zombie = decideSequence(state, batch(3, 1, 3));
  assert.ok(zombie.type === "refused");
  assert.equal(zombie.error, "INVALID_PRODUCER_EPOCH");
});

Deno.test("decideSequence() wants a new epoch to begin at sequence 0 and forgets the old epoch's batches", () => {
  const state = appendAll(batch(0, 3));
  assert.equal(decideSequence(state, batch(3, 1, 1)).type, "refused");
  assert.equal(decideSequence(state, batch(0, 3, 1)).type, "next");
  assert.deepEqual(applySequence(state, batch(0, 3, 1), 3, 5).batches.length, 1);
});

Deno.test("addToSequence() wraps from 2^31-1 to 0", () => {
  assert.equal(addToSequence(0x7fff_ffff, 1), 0);
  assert.equal(addToSequence(0x7fff_fffe, 3), 1);
  assert.equal(addToSequence(5, 0), 5);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0x7fff_ffff }), fc.integer({ min: 0, max: 100_000 }), (a, b) => {
      assert.equal(addToSequence(a, b), (a + b) % 2 ** 31);
    }),
  );
});

Deno.test("decideSequence() in transactions v2 wants an unknown producer to begin at sequence 0 (KIP-890)", () => {
  const first = (baseSequence: number) => ({ ...batch(baseSequence, 1), firstSequenceMax: 0 });
  const refused = decideSequence(null, first(1));
  assert.ok(refused.type === "refused");
  assert.equal(refused.error, "OUT_OF_ORDER_SEQUENCE_NUMBER");
  assert.equal(decideSequence(null, first(0)).type, "next");
  assert.equal(decideSequence(appendAll(batch(0, 3)), first(3)).type, "next", "a known producer goes on");
});
