import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type AttemptOutcome,
  type Delivery,
  type DeliverySettings,
  nextStep,
  resumeDelivery,
  settleAttempt,
  settleDeadLetter,
  SINGLE_ATTEMPTS_MAX,
} from "./delivery.ts";

const settings: DeliverySettings = {
  maxRecords: 100,
  maxAttempts: 3,
  backoffMs: 1_000,
  maxBackoffMs: 60_000,
};
const start: Delivery = { position: 10, trouble: null };
const batch = { count: 5, endOffset: 15 };
const delivered: AttemptOutcome = { type: "delivered" };
const failed: AttemptOutcome = { type: "failed", error: "500", retryAfterMs: null };
const at = (nowMs: number) => ({ nowMs, random: 0.5 });

function failTimes(delivery: Delivery, times: number, attempted = batch): Delivery {
  for (let i = 0; i < times; i++) {
    delivery = settleAttempt(delivery, attempted, failed, settings, at(i * 1_000));
  }
  return delivery;
}

Deno.test("a batch that is taken moves the position behind it", () => {
  assert.deepEqual(nextStep(start, settings, 0), { type: "send", endOffset: null, maxRecords: 100 });
  assert.deepEqual(settleAttempt(start, batch, delivered, settings, at(0)), { position: 15, trouble: null });
});

Deno.test("a batch that fails is sent again as it was, later and later", () => {
  const once = failTimes(start, 1);
  assert.equal(once.position, 10);
  assert.deepEqual(nextStep(once, settings, 999), { type: "wait", untilMs: 1_000 });
  assert.deepEqual(nextStep(once, settings, 1_000), { type: "send", endOffset: 15, maxRecords: Infinity });
  // Unless each event has a request of its own now.
  const single = nextStep(once, { ...settings, eventMode: "structured" }, 1_000);
  assert.deepEqual(single, { type: "send", endOffset: 15, maxRecords: 1 });
  const twice = settleAttempt(once, batch, failed, settings, at(1_000));
  assert.deepEqual(nextStep(twice, settings, 1_000), { type: "wait", untilMs: 3_000 });
  assert.deepEqual(settleAttempt(twice, batch, delivered, settings, at(3_000)), {
    position: 15,
    trouble: null,
  });
});

Deno.test("Retry-After is heeded when it is later than the back-off", () => {
  const asked: AttemptOutcome = { type: "failed", error: "503", retryAfterMs: 30_000 };
  const later = settleAttempt(start, batch, asked, settings, at(0));
  assert.deepEqual(nextStep(later, settings, 0), { type: "wait", untilMs: 30_000 });
  const soon = settleAttempt(start, batch, { ...asked, retryAfterMs: 1 }, settings, at(0));
  assert.deepEqual(nextStep(soon, settings, 0), { type: "wait", untilMs: 1_000 });
});

Deno.test("a batch whose attempts are used up is sent record by record, and only what fails alone is given up", () => {
  let delivery = failTimes(start, 3);
  assert.equal(delivery.trouble?.splitEnd, 15);
  const ready = () => nextStep(delivery, settings, delivery.trouble?.nextAttemptMs ?? 0);
  assert.deepEqual(ready(), { type: "send", endOffset: 15, maxRecords: 1 });
  delivery = settleAttempt(delivery, { count: 1, endOffset: 11 }, delivered, settings, at(9_000));
  assert.equal(delivery.position, 11);
  assert.deepEqual(nextStep(delivery, settings, 9_000), { type: "send", endOffset: 15, maxRecords: 1 });
  delivery = failTimes(delivery, SINGLE_ATTEMPTS_MAX, { count: 1, endOffset: 12 });
  assert.deepEqual(ready(), { type: "deadLetter", endOffset: 12, maxRecords: 1 });
  assert.equal(delivery.position, 11, "nothing is behind it before it is stored as a dead letter");
  const attempts = delivery.trouble?.attempts;
  delivery = settleDeadLetter(delivery, { count: 1, endOffset: 12 }, "full", settings, at(9_000));
  assert.deepEqual(nextStep(delivery, settings, 9_000), { type: "wait", untilMs: 10_000 });
  assert.deepEqual([delivery.trouble?.attempts, delivery.trouble?.error], [attempts, "500"]);
  delivery = settleDeadLetter(delivery, { count: 1, endOffset: 12 }, null, settings, at(10_000));
  assert.equal(delivery.position, 12);
  assert.deepEqual(ready(), { type: "send", endOffset: 15, maxRecords: 1 });
  delivery = settleAttempt(delivery, { count: 1, endOffset: 15 }, delivered, settings, at(11_000));
  assert.deepEqual(delivery, { position: 15, trouble: null }, "then whole batches again");
});

Deno.test("a batch that is too large for the receiver is sent record by record at once", () => {
  const tooLarge: AttemptOutcome = { ...failed, isTooLarge: true };
  const split = settleAttempt(start, batch, tooLarge, { ...settings, maxAttempts: 0 }, at(0));
  assert.equal(split.trouble?.splitEnd, 15);
  const single = settleAttempt(start, { count: 1, endOffset: 11 }, tooLarge, settings, at(0));
  assert.equal(single.trouble?.splitEnd, null);
});

Deno.test("a single record is not split, and without a bound nothing is ever given up", () => {
  const single = { count: 1, endOffset: 11 };
  assert.notEqual(failTimes(start, 3, single).trouble?.givenUp ?? null, null);
  let delivery = start;
  for (let i = 0; i < 1_000; i++) {
    delivery = settleAttempt(delivery, batch, failed, { ...settings, maxAttempts: 0 }, at(0));
  }
  assert.deepEqual([delivery.trouble?.attempts, delivery.trouble?.splitEnd], [1_000, null]);
});

Deno.test("what was stored of a batch is taken up where it was, and dropped when it is about something else", () => {
  const { trouble } = failTimes(start, 2);
  assert.deepEqual(resumeDelivery(10, trouble), { position: 10, trouble });
  assert.deepEqual(resumeDelivery(15, trouble), { position: 15, trouble: null });
  assert.deepEqual(resumeDelivery(3, trouble), { position: 3, trouble: null });
  const split = failTimes(start, 3).trouble;
  assert.equal(resumeDelivery(12, split).trouble?.splitEnd, 15);
  assert.equal(resumeDelivery(12, split).trouble?.attempts, 0);
  assert.equal(resumeDelivery(15, split).trouble, null);
});

Deno.test("whatever fails and whenever it restarts, each record is delivered or a dead letter before the position passes it", () => {
  fc.assert(fc.property(
    fc.array(fc.nat(9), { minLength: 1, maxLength: 200 }),
    fc.integer({ min: 1, max: 4 }),
    fc.uniqueArray(fc.nat(30), { maxLength: 5 }),
    (dice, maxAttempts, poison) => {
      const bounds = { ...settings, maxAttempts, maxRecords: 7 };
      const done = new Map<number, "delivered" | "dead">();
      let delivery: Delivery = { position: 0, trouble: null };
      let nowMs = 0;
      for (const die of dice) {
        const step = nextStep(delivery, bounds, nowMs);
        const before = delivery.position;
        if (die === 0) delivery = resumeDelivery(before, delivery.trouble);
        else if (step.type === "wait") nowMs = step.untilMs;
        else {
          const count = Math.min(step.maxRecords, (step.endOffset ?? Infinity) - before);
          const attempted = { count, endOffset: before + count };
          const offsets = Array.from({ length: count }, (_, i) => before + i);
          const moment = { nowMs, random: die / 10 };
          if (step.type === "deadLetter") {
            if (die > 3) offsets.forEach((offset) => done.set(offset, "dead"));
            delivery = settleDeadLetter(delivery, attempted, die > 3 ? null : "busy", bounds, moment);
          } else {
            const isTaken = die > 4 && !offsets.some((offset) => poison.includes(offset));
            if (isTaken) offsets.forEach((offset) => done.set(offset, "delivered"));
            delivery = settleAttempt(delivery, attempted, isTaken ? delivered : failed, bounds, moment);
          }
        }
        assert.ok(delivery.position >= before, "never back");
        for (let offset = before; offset < delivery.position; offset++) {
          assert.ok(done.has(offset), `${offset}`);
        }
      }
      for (const [offset, how] of done) {
        if (poison.includes(offset)) assert.equal(how, "dead");
      }
    },
  ));
});
