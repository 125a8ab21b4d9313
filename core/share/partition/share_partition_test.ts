/** A share partition by example, and against a model that keeps every offset by itself. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { acknowledgementFault, decideAcknowledge } from "./acknowledge.ts";
import { type AcquireRequest, decideAcquire, redeliveryMax } from "./acquire.ts";
import type { LogBatch } from "./log_batches.ts";
import { expireLocks, releaseMember } from "./release.ts";
import {
  newSharePartition,
  nextFetchOffset,
  nextLockMs,
  raiseStart,
  shareLag,
  type SharePartitionState,
} from "./share_partition_state.ts";
import { pictureOf, restoreSharePartition } from "./stored_picture.ts";

const limits = { deliveryCountLimit: 5, maxRecordLocks: 2_000 };
const ACCEPT = 1;
const RELEASE = 2;
const REJECT = 3;
const RENEW = 4;

function batch(firstOffset: number, lastOffset: number, isDeliverable = true): LogBatch {
  return { firstOffset, lastOffset, isDeliverable, bytes: new Uint8Array() };
}

function acquire(
  state: SharePartitionState,
  memberId: string,
  batches: readonly LogBatch[],
  more: Partial<AcquireRequest> = {},
) {
  const readFrom = nextFetchOffset(state, limits);
  assert(readFrom !== null);
  return decideAcquire(state, limits, {
    memberId,
    lockUntilMs: 30_000,
    maxRecords: 500,
    wholeBatches: false,
    readFrom,
    batches,
    ...more,
  });
}

function acknowledge(
  state: SharePartitionState,
  memberId: string,
  firstOffset: number,
  lastOffset: number,
  ...types: number[]
) {
  const batches = [{ firstOffset, lastOffset, acknowledgeTypes: types }];
  return decideAcknowledge(state, limits, memberId, batches, 60_000).error;
}

Deno.test("records are handed to one member, and the start moves over what is done", () => {
  const state = newSharePartition(10);
  assert.deepEqual(acquire(state, "a", [batch(10, 19)], { maxRecords: 4 }).ranges, [
    { firstOffset: 10, lastOffset: 13, deliveryCount: 1 },
  ]);
  assert.deepEqual(acquire(state, "b", [batch(10, 19)]).ranges, [
    { firstOffset: 14, lastOffset: 19, deliveryCount: 1 },
  ]);
  assert.equal(acknowledge(state, "a", 11, 12, ACCEPT), "NONE");
  assert.equal(state.startOffset, 10, "the first record is still held");
  assert.equal(shareLag(state, 20), 8);
  assert.equal(acknowledge(state, "a", 10, 10, REJECT), "NONE");
  assert.equal(state.startOffset, 13);
  assert.equal(nextFetchOffset(state, limits), 20);
});

Deno.test("a batch is taken whole where the client counts batches", () => {
  const state = newSharePartition(0);
  const result = acquire(state, "a", [batch(0, 9), batch(10, 19)], { maxRecords: 3, wholeBatches: true });
  assert.deepEqual(result.ranges, [{ firstOffset: 0, lastOffset: 9, deliveryCount: 1 }]);
  assert.equal(result.batches.length, 1, "only batches with something in them are sent");
});

Deno.test("acknowledgements of others' records, of free ones and of unknown ones change nothing", () => {
  const state = newSharePartition(0);
  acquire(state, "a", [batch(0, 9)]);
  assert.equal(acknowledge(state, "b", 0, 0, ACCEPT), "INVALID_RECORD_STATE");
  assert.equal(acknowledge(state, "a", 9, 10, ACCEPT), "INVALID_REQUEST");
  assert.equal(acknowledge(state, "a", 3, 4, RELEASE), "NONE");
  assert.equal(acknowledge(state, "a", 0, 9, ACCEPT), "INVALID_RECORD_STATE", "3 and 4 were given back");
  assert.deepEqual(pictureOf(state).runs.map(({ length, state }) => [length, state]), [
    [3, "available"],
    [2, "available"],
  ]);
  assert.equal(acknowledge(state, "a", 0, 2, ACCEPT), "NONE");
  assert.equal(
    acknowledge(state, "a", 0, 2, ACCEPT),
    "INVALID_RECORD_STATE",
    "it is done, as a late one is told",
  );
});

Deno.test("acknowledgementFault() finds ranges and types that make no sense", () => {
  const fault = (...batches: [number, number, number[]][]) =>
    acknowledgementFault(
      batches.map(([firstOffset, lastOffset, acknowledgeTypes]) => ({
        firstOffset,
        lastOffset,
        acknowledgeTypes,
      })),
      { mayRenew: false },
    )?.error ?? null;
  assert.equal(fault([0, 2, [1]], [3, 4, [1, 2]]), null);
  assert.equal(fault([2, 1, [1]]), "INVALID_REQUEST");
  assert.equal(fault([-1, 1, [1]]), "INVALID_REQUEST");
  assert.equal(fault([0, 2, []]), "INVALID_REQUEST");
  assert.equal(fault([0, 2, [1, 1]]), "INVALID_REQUEST");
  assert.equal(fault([0, 2, [1]], [2, 4, [1]]), "INVALID_REQUEST");
  assert.equal(fault([0, 0, [RENEW]]), "INVALID_REQUEST");
  assert.equal(fault([0, 0, [9]]), "INVALID_REQUEST");
});

Deno.test("a lock that runs out gives the record to somebody else; the late holder is told", () => {
  const state = newSharePartition(0);
  acquire(state, "a", [batch(0, 1)]);
  assert.equal(nextLockMs(state), 30_000);
  assert.equal(expireLocks(state, limits, 29_999), 0);
  assert.equal(expireLocks(state, limits, 30_000), 2);
  assert.deepEqual(acquire(state, "b", [batch(0, 1)]).ranges, [
    { firstOffset: 0, lastOffset: 1, deliveryCount: 2 },
  ]);
  assert.equal(acknowledge(state, "a", 0, 0, ACCEPT), "INVALID_RECORD_STATE");
  assert.equal(acknowledge(state, "b", 0, 0, RENEW), "NONE");
  assert.equal(expireLocks(state, limits, 59_999), 1, "the one that was not renewed");
});

Deno.test("a record that was delivered often enough is archived; before, it comes alone", () => {
  const state = newSharePartition(0);
  const log = [batch(0, 99)];
  for (let delivery = 1; delivery <= 5; delivery++) {
    const { ranges, recordCount } = acquire(state, "a", log, { wholeBatches: true });
    assert.equal(ranges[0]?.deliveryCount, delivery);
    if (delivery === 5) assert.equal(recordCount, 1);
    assert.equal(releaseMember(state, limits, "a"), recordCount);
  }
  assert.equal(state.startOffset, 1, "record 0 is archived, the others wait");
  assert.equal(redeliveryMax(2, 5, 500), null);
  assert.equal(redeliveryMax(3, 5, 500), 250);
  assert.equal(redeliveryMax(4, 5, 500), 1);
  assert.equal(redeliveryMax(1, 2, 500), 1);
  assert.equal(redeliveryMax(0, 1, 500), 1, "one delivery: each alone, or a crash would lose a batch");
});

Deno.test("what is not for consumers, or is not there, is passed over", () => {
  const state = newSharePartition(0);
  const { ranges } = acquire(state, "a", [batch(2, 3), batch(4, 4, false), batch(7, 7), batch(8, 8, false)]);
  assert.deepEqual(ranges.map(({ firstOffset, lastOffset }) => [firstOffset, lastOffset]), [[2, 3], [7, 7]]);
  assert.equal(state.startOffset, 2);
  acknowledge(state, "a", 2, 3, ACCEPT);
  assert.equal(state.startOffset, 7);
  acknowledge(state, "a", 7, 7, ACCEPT);
  assert.equal(state.startOffset, 9);
});

Deno.test("records that are deleted from the log are given up", () => {
  const state = newSharePartition(0);
  acquire(state, "a", [batch(0, 9)]);
  assert(raiseStart(state, 5));
  assert.equal(acknowledge(state, "a", 0, 9, ACCEPT), "NONE");
  assert.equal(state.startOffset, 10);
  assert(raiseStart(state, 50));
  assert.equal(nextFetchOffset(state, limits), 50);
});

Deno.test("there is a bound to what is under way; done records do not count", () => {
  const state = newSharePartition(0);
  const tight = { ...limits, maxRecordLocks: 10 };
  const request = { memberId: "a", lockUntilMs: 1, wholeBatches: false, batches: [batch(0, 99)] };
  assert.equal(decideAcquire(state, tight, { ...request, maxRecords: 99, readFrom: 0 }).recordCount, 10);
  assert.equal(nextFetchOffset(state, tight), null);
  acknowledge(state, "a", 3, 4, ACCEPT);
  assert.equal(nextFetchOffset(state, tight), 10);
  assert.equal(decideAcquire(state, tight, { ...request, maxRecords: 99, readFrom: 10 }).recordCount, 2);
});

/** Of one offset. */
interface ModelRecord {
  state: string;
  deliveryCount: number;
  holder: string | null;
  lockUntilMs: number;
}

const members = ["a", "b", "c"] as const;
const LOG_END = 60;
/** Batches of 1 to 5 records; every fourth one is a control batch. */
const log: LogBatch[] = [];
for (let first = 0, length = 1; first < LOG_END; first += length, length = length % 5 + 1) {
  log.push(batch(first, Math.min(first + length, LOG_END) - 1, log.length % 4 !== 3));
}

const operation = fc.oneof(
  fc.record({
    type: fc.constant("acquire" as const),
    member: fc.constantFrom(...members),
    max: fc.integer({ min: 1, max: 9 }),
    whole: fc.boolean(),
  }),
  fc.record({
    type: fc.constant("acknowledge" as const),
    member: fc.constantFrom(...members),
    first: fc.nat({ max: LOG_END }),
    types: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 6 }),
  }),
  fc.record({ type: fc.constant("acknowledgeHeld" as const), member: fc.constantFrom(...members) }),
  fc.record({ type: fc.constant("leave" as const), member: fc.constantFrom(...members) }),
  fc.record({ type: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ type: fc.constant("trim" as const), to: fc.nat({ max: LOG_END }) }),
  fc.record({ type: fc.constant("restart" as const) }),
);

Deno.test("whatever happens: one holder at a time, done is done, and nothing is forgotten", () => {
  const few = { deliveryCountLimit: 3, maxRecordLocks: 20 };
  const isDelivered = (offset: number) =>
    log.some((b) => b.isDeliverable && b.firstOffset <= offset && offset <= b.lastOffset);
  fc.assert(fc.property(fc.array(operation, { maxLength: 60, size: "max" }), (operations) => {
    let state = newSharePartition(0);
    const model = new Map<number, ModelRecord>();
    const done = new Set<number>();
    let nowMs = 0;
    let trimmed = 0;
    /** What is below is nobody's concern; a restart forgets why it is not there. */
    let floor = 0;
    const giveBack = (offset: number, record: ModelRecord) => {
      const isOver = record.deliveryCount >= few.deliveryCountLimit;
      if (isOver) done.add(offset);
      const next = isOver ? "archived" : "available";
      Object.assign(record, { state: next, holder: null, lockUntilMs: Infinity });
    };
    for (const op of operations) {
      switch (op.type) {
        case "acquire": {
          const readFrom = nextFetchOffset(state, few);
          if (readFrom === null) break;
          const { ranges } = decideAcquire(state, few, {
            memberId: op.member,
            lockUntilMs: nowMs + 10,
            maxRecords: op.max,
            wholeBatches: op.whole,
            readFrom,
            batches: log.filter(({ lastOffset }) => lastOffset >= readFrom),
          });
          for (const { firstOffset, lastOffset, deliveryCount } of ranges) {
            for (let offset = firstOffset; offset <= lastOffset; offset++) {
              const before = model.get(offset);
              assert(!done.has(offset), `${offset} was done`);
              assert(isDelivered(offset) && offset >= trimmed);
              assert(before === undefined || before.state === "available", `${offset} has a holder`);
              assert.equal(deliveryCount, (before?.deliveryCount ?? 0) + 1);
              model.set(offset, {
                state: "acquired",
                deliveryCount,
                holder: op.member,
                lockUntilMs: nowMs + 10,
              });
            }
          }
          break;
        }
        case "acknowledge": {
          const lastOffset = op.first + op.types.length - 1;
          const offsets = op.types.map((_, index) => op.first + index).filter((o) => o >= floor);
          const isHeld = offsets.every((o) => model.get(o)?.holder === op.member);
          const { error } = decideAcknowledge(
            state,
            few,
            op.member,
            [{ firstOffset: op.first, lastOffset, acknowledgeTypes: op.types }],
            nowMs + 10,
          );
          assert.equal(error === "NONE", isHeld);
          if (!isHeld) break;
          for (const offset of offsets) {
            const record = model.get(offset);
            assert(record);
            const type = op.types[offset - op.first];
            if (type === RELEASE) giveBack(offset, record);
            else if (type === RENEW) record.lockUntilMs = nowMs + 10;
            else {
              done.add(offset);
              Object.assign(record, { state: "done", holder: null, lockUntilMs: Infinity });
            }
          }
          break;
        }
        case "acknowledgeHeld": {
          const held = [...model].filter(([, { holder }]) => holder === op.member);
          const batches = held.map(([offset]) => ({
            firstOffset: offset,
            lastOffset: offset,
            acknowledgeTypes: [ACCEPT],
          })).sort((a, b) => a.firstOffset - b.firstOffset);
          assert.equal(decideAcknowledge(state, few, op.member, batches, 0).error, "NONE");
          for (const [offset, record] of held) {
            done.add(offset);
            Object.assign(record, { state: "done", holder: null, lockUntilMs: Infinity });
          }
          break;
        }
        case "leave":
          releaseMember(state, few, op.member);
          for (const [offset, record] of model) if (record.holder === op.member) giveBack(offset, record);
          break;
        case "pass":
          nowMs += op.ms;
          expireLocks(state, few, nowMs);
          for (const [offset, record] of model) if (record.lockUntilMs <= nowMs) giveBack(offset, record);
          break;
        case "trim":
          raiseStart(state, op.to);
          trimmed = Math.max(trimmed, op.to);
          floor = Math.max(floor, op.to);
          for (const offset of model.keys()) if (offset < op.to) model.delete(offset);
          break;
        case "restart":
          state = restoreSharePartition(pictureOf(state));
          floor = 0;
          for (const [offset, record] of model) {
            if (record.state !== "acquired") continue;
            Object.assign(record, {
              state: "available",
              deliveryCount: record.deliveryCount - 1,
              holder: null,
              lockUntilMs: Infinity,
            });
            if (record.deliveryCount === 0) model.delete(offset);
          }
      }
      // The runs are whole, and say what the model says.
      let next = state.startOffset;
      for (const run of state.runs.all) {
        assert.equal(run.first, next);
        next = run.last + 1;
        for (let offset = run.first; offset <= run.last; offset++) {
          const record = model.get(offset);
          if (run.state === "acquired") assert.equal(record?.holder, run.holder);
          if (run.state === "available" && run.deliveryCount > 0) assert.equal(record?.state, "available");
          if (done.has(offset)) assert(run.state === "acknowledged" || run.state === "archived");
        }
      }
      assert.equal(next, state.endOffset);
      for (let offset = trimmed; offset < state.startOffset; offset++) {
        assert(done.has(offset) || !isDelivered(offset), `${offset} was lost`);
      }
    }
  }));
});
