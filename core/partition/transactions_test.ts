import assert from "node:assert/strict";
import fc from "fast-check";
import type { ProducerState } from "./producer_state.ts";
import {
  type AbortedTransaction,
  decideMarker,
  decideTransactionalBatch,
  OpenTransactions,
  overlapping,
} from "./transactions.ts";

const producer = (producerEpoch: number, coordinatorEpoch?: number): ProducerState => ({
  producerId: 7,
  producerEpoch,
  lastAppendMs: 1,
  batches: [{ baseSequence: 0, lastSequence: 0, baseOffset: 3, timestampMs: 1 }],
  ...(coordinatorEpoch === undefined ? {} : { coordinatorEpoch }),
});

const marker = (producerEpoch: number, committed = true, coordinatorEpoch = 2) => ({
  producerId: 7,
  producerEpoch,
  coordinatorEpoch,
  committed,
});

Deno.test("lastStableOffset() is the first offset of the oldest open transaction, or the high watermark", () => {
  const open = new OpenTransactions();
  assert.equal(open.lastStableOffset(9), 9);
  open.apply({ type: "opened", producerId: 1, firstOffset: 3 });
  open.apply({ type: "opened", producerId: 2, firstOffset: 5 });
  assert.equal(open.lastStableOffset(9), 3);
  assert.equal(open.lastStableOffset(2), 2, "never above the high watermark");
  open.apply({ type: "ended", producerId: 1, aborted: null });
  assert.equal(open.lastStableOffset(9), 5);
});

Deno.test("decideMarker() ends the open transaction, once", () => {
  const open = new OpenTransactions([[7, 3], [8, 4]]);
  const decision = decideMarker(open, producer(0), marker(1, false), 10, 5);
  assert(decision.type === "append" && decision.change.type === "ended");
  assert.deepEqual(decision.change.aborted, {
    producerId: 7,
    firstOffset: 3,
    lastOffset: 10,
    lastStableOffset: 4,
  });
  assert.equal(decision.producer.producerEpoch, 1);
  assert.deepEqual(decision.producer.batches, [], "a new epoch starts at sequence 0");
  open.apply(decision.change);
  assert.equal(decideMarker(open, decision.producer, marker(1, false), 11, 6).type, "done");
});

Deno.test("decideMarker() leaves an older client its epoch and sequences", () => {
  const decision = decideMarker(new OpenTransactions([[7, 3]]), producer(0), marker(0), 10, 5);
  assert(decision.type === "append" && decision.change.type === "ended");
  assert.equal(decision.producer.batches.length, 1);
  assert.equal(decision.change.aborted, null);
});

Deno.test("decideMarker() refuses older coordinators and older epochs, with a transaction open or not", () => {
  for (const open of [new OpenTransactions([[7, 3]]), new OpenTransactions()]) {
    const late = decideMarker(open, producer(0, 3), marker(0), 10, 5);
    assert.deepEqual(late, { type: "refused", error: "TRANSACTION_COORDINATOR_FENCED" });
    const old = decideMarker(open, producer(1), marker(0), 10, 5);
    assert.deepEqual(old, { type: "refused", error: "INVALID_PRODUCER_EPOCH" });
  }
});

Deno.test("decideTransactionalBatch() keeps everything else out of an open transaction", () => {
  const open = new OpenTransactions([[7, 3]]);
  const batch = { producerId: 7, producerEpoch: 0, isTransactional: true };
  assert.equal(decideTransactionalBatch(open, producer(0), batch), "continues");
  assert.equal(
    decideTransactionalBatch(open, producer(0), { ...batch, isTransactional: false }),
    "INVALID_TXN_STATE",
  );
  assert.equal(
    decideTransactionalBatch(open, producer(0), { ...batch, producerEpoch: 1 }),
    "INVALID_TXN_STATE",
  );
  assert.equal(decideTransactionalBatch(open, null, { ...batch, producerId: 8 }), "opens");
  const plain = { producerId: -1, producerEpoch: -1, isTransactional: false };
  assert.equal(decideTransactionalBatch(open, null, plain), "continues");
});

/** The index against the log itself: who reads committed sees exactly what was committed, wherever the read begins. */
Deno.test("the aborted index tells a read_committed reader the truth", () => {
  const step = fc.record({ producerId: fc.nat(3), act: fc.constantFrom("write", "commit", "abort") });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.nat(80), (steps, from) => {
      const open = new OpenTransactions();
      const log: { producerId: number; outcome: "open" | "committed" | "aborted" | "marker" }[] = [];
      const index: AbortedTransaction[] = [];
      let state: ProducerState | null = null;
      let lastStable = 0;
      for (const { producerId, act } of steps) {
        const offset = log.length;
        if (act === "write") {
          if (open.firstOffsetOf(producerId) === null) {
            open.apply({ type: "opened", producerId, firstOffset: offset });
          }
          log.push({ producerId, outcome: "open" });
        } else {
          const committed = act === "commit";
          const asked = { producerId, producerEpoch: 0, coordinatorEpoch: 0, committed };
          const decision = decideMarker(open, state, asked, offset, 0);
          if (decision.type !== "append") continue;
          state = null;
          open.apply(decision.change);
          for (const entry of log) {
            if (entry.producerId === producerId && entry.outcome === "open") {
              entry.outcome = committed ? "committed" : "aborted";
            }
          }
          log.push({ producerId, outcome: "marker" });
          if (decision.change.type === "ended" && decision.change.aborted !== null) {
            index.push(decision.change.aborted);
          }
        }
        const now = open.lastStableOffset(log.length);
        assert(now >= lastStable, "the last stable offset never falls");
        lastStable = now;
      }
      assert(log.slice(0, lastStable).every(({ outcome }) => outcome !== "open"));
      const aborted = overlapping(index, from, lastStable);
      // As a client does it: an aborted producer's records are dropped from its first offset to its marker.
      const seen = log.map(({ producerId, outcome }, offset) => ({ producerId, outcome, offset }))
        .slice(from, lastStable)
        .filter(({ outcome }) => outcome !== "marker")
        .filter(({ producerId, offset }) =>
          !aborted.some((each) =>
            each.producerId === producerId && each.firstOffset <= offset && offset < each.lastOffset
          )
        );
      const committed = log.map(({ outcome }, offset) => ({ outcome, offset })).slice(from, lastStable)
        .filter(({ outcome }) => outcome === "committed");
      assert.deepEqual(seen.map(({ offset }) => offset), committed.map(({ offset }) => offset));
      // The stored scan stops at the first entry whose last stable offset is at or above the bound.
      for (const [i, entry] of index.entries()) {
        for (const later of index.slice(i + 1)) assert(later.firstOffset >= entry.lastStableOffset);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("decideMarker() in transactions v2 wants an epoch above the data's, but takes its own retry (KIP-1228)", () => {
  const open = new OpenTransactions([[7, 3]]);
  const same = { ...marker(1, false), transactionVersion: 2 };
  assert.deepEqual(decideMarker(open, producer(1), same, 10, 5), {
    type: "refused",
    error: "INVALID_PRODUCER_EPOCH",
  });
  assert.equal(decideMarker(open, producer(0), same, 10, 5).type, "append");
  assert.equal(decideMarker(new OpenTransactions(), producer(1), same, 10, 5).type, "done");
});
