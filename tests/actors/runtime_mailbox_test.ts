/** The mailbox: order, one message at a time, the bound, fairness, deadlines and abandoned asks. */
import assert from "node:assert/strict";
import { DEADLINE_TICK_MS } from "../../actors/runtime/deadlines.ts";
import { SLICE_MESSAGES_MAX, TURN_MESSAGES_MAX } from "../../actors/runtime/scheduler.ts";
import { settleMicrotasks } from "../../actors/runtime/testkit.ts";
import { type Do, scripted, watch } from "./runtime_fixture.ts";

Deno.test("messages are taken in order and one at a time, also by an asynchronous receive", async () => {
  const t = scripted();
  const events: string[] = [];
  for (const name of ["a", "b", "c"]) {
    t.ask(async (context, reply) => {
      events.push(`${name} begins`);
      await context.env.sleep(10);
      events.push(`${name} ends`);
      reply.send(null);
    });
  }
  await t.env.advance(30);
  assert.deepEqual(events, ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
});

Deno.test("activation queues messages", async () => {
  const t = scripted();
  t.onActivate = (context) => context.env.sleep(100);
  const outcomes = [t.write("a"), t.write("b")];
  await t.env.advance(99);
  assert.equal(t.probe.inspect()?.status, "activating");
  assert.equal(t.probe.inspect()?.mailboxLength, 2);
  await t.env.advance(1);
  assert.deepEqual(outcomes.map((outcome) => outcome.value), ["a", "b"]);
});

Deno.test("a full mailbox refuses with OverloadedError, asks and tells", async () => {
  const t = scripted({ mailboxLengthMax: 2 });
  t.onActivate = (context) => context.env.sleep(100);
  const outcomes = [t.write("a"), t.write("b"), t.write("c")];
  assert.throws(() => t.probe.ref.tell({ type: "do", run: () => {} }), { name: "OverloadedError" });
  await t.env.advance(100);
  assert.deepEqual(outcomes.map((outcome) => outcome.errorName), [null, null, "OverloadedError"]);
  assert.deepEqual(t.commits.durable, ["a", "b"]);
});

Deno.test("messages to itself and timers are not subject to the bound", async () => {
  const t = scripted({ mailboxLengthMax: 1 });
  const seen: number[] = [];
  t.ask((context) => {
    for (let i = 0; i < 5; i++) context.tellSelf({ type: "do", run: () => void seen.push(i) });
    for (let i = 5; i < 8; i++) context.setTimer(String(i), 1, { type: "do", run: () => void seen.push(i) });
  });
  await t.env.advance(1);
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("an actor with a full mailbox lets others have their turn", async () => {
  const t = scripted({ mailboxLengthMax: 10_000 });
  let busyCount = 0;
  for (let i = 0; i < 2000; i++) t.probe.ref.tell({ type: "do", run: () => void busyCount++ });
  let busyCountSeen = -1;
  const other = t.runtime.ref(t.kind, "other");
  other.tell({ type: "do", run: () => void (busyCountSeen = busyCount) });
  await t.env.runUntilIdle();
  assert.equal(busyCountSeen, TURN_MESSAGES_MAX);
  assert.equal(busyCount, 2000);
});

Deno.test("answers reach their askers between the turns of a busy actor", async () => {
  const t = scripted({ mailboxLengthMax: 10_000 });
  let count = 0;
  let countSeen = -1;
  const first = t.probe.ref.ask({ type: "do", run: (_, reply) => reply.send(null) });
  first.then(() => countSeen = count);
  for (let i = 0; i < 2000; i++) t.probe.ref.tell({ type: "do", run: () => void count++ });
  await t.env.runUntilIdle();
  assert.ok(countSeen < TURN_MESSAGES_MAX * 2, `${countSeen} messages were taken first`);
  assert.equal(count, 2000);
});

Deno.test("an actor that never stops sending to itself lets the event loop run", async () => {
  const t = scripted();
  let count = 0;
  let stop = false;
  const again: Do["run"] = (context) => {
    count++;
    if (!stop) context.tellSelf({ type: "do", run: again });
  };
  t.ask(again);
  // It would go on as long as promises are settled if rounds did not wait for a timer after a slice.
  await settleMicrotasks(SLICE_MESSAGES_MAX);
  const countBefore = count;
  await settleMicrotasks(1000);
  assert.equal(count, countBefore);
  assert.ok(count <= SLICE_MESSAGES_MAX + TURN_MESSAGES_MAX);
  stop = true;
  await t.env.advance(1);
  assert.equal(count, countBefore + 1);
  await t.runtime.drain();
});

Deno.test("a thousand messages to an active actor cost one round: no microtask and no timer each", async () => {
  const t = scripted();
  await t.ask((_, reply) => reply.send(null));
  await t.env.runUntilIdle();
  const timersBefore = t.env.timerCount;
  let count = 0;
  for (let i = 0; i < TURN_MESSAGES_MAX; i++) t.ask(() => void count++);
  assert.equal(t.env.timerCount - timersBefore, 0);
  await null;
  await null;
  assert.equal(count, TURN_MESSAGES_MAX);
});

Deno.test("an ask fails with AskDeadlineError at its deadline, never early and at most one tick late", async () => {
  for (const [startMs, deadlineMs] of [[0, 1000], [33, 17], [7, 120_000], [49, 1], [30, 21]] as const) {
    const t = scripted();
    await t.env.advance(startMs);
    const waiting = t.ask(() => {}, { deadlineMs });
    await t.env.advance(deadlineMs - 1);
    assert.equal(waiting.done, false);
    await t.env.advance(1 + DEADLINE_TICK_MS);
    assert.equal(waiting.errorName, "AskDeadlineError");
  }
});

Deno.test("an ask that brings no deadline has the kind's", async () => {
  const t = scripted({ askDeadlineMs: 500 });
  const waiting = t.ask(() => {});
  await t.env.advance(499);
  assert.equal(waiting.done, false);
  await t.env.advance(1 + DEADLINE_TICK_MS);
  assert.equal(waiting.errorName, "AskDeadlineError");
});

Deno.test("all asks share one timer, which is armed only while asks wait", async () => {
  const t = scripted();
  assert.equal(t.env.timerCount, 0);
  for (let i = 0; i < 100; i++) t.ask(() => {}, { deadlineMs: 100 });
  await t.env.runUntilIdle();
  assert.equal(t.env.timerCount, 1);
  await t.env.advance(200);
  assert.equal(t.env.timerCount, 0);
});

Deno.test("an aborted signal ends the ask with its reason", async () => {
  const t = scripted();
  const controller = new AbortController();
  const waiting = t.ask(() => {}, { signal: controller.signal });
  await t.env.runUntilIdle();
  controller.abort(new RangeError("gone"));
  await t.env.runUntilIdle();
  assert.equal(waiting.errorName, "RangeError");
  assert.equal(t.probe.inspect()?.parkedReplyCount, 0);
  let received = false;
  const late = t.ask(() => void (received = true), { signal: controller.signal });
  await t.env.runUntilIdle();
  assert.deepEqual([late.errorName, received], ["RangeError", false]);
});

Deno.test("an answered ask no longer listens to its signal", async () => {
  const t = scripted();
  const { signal } = new AbortController();
  let listenerCount = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (listenerCount++, add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (listenerCount--, remove(...args));
  t.ask((_, reply) => reply.send(null), { signal });
  assert.equal(listenerCount, 1);
  await t.env.runUntilIdle();
  assert.equal(listenerCount, 0);
});

Deno.test("onAbandon is called once when the asker gives up, by deadline or by signal", async () => {
  const t = scripted();
  const calls: string[] = [];
  const controller = new AbortController();
  t.ask((_, reply) => reply.onAbandon(() => calls.push("deadline")), { deadlineMs: 100 });
  t.ask((_, reply) => reply.onAbandon(() => calls.push("signal")), {
    signal: controller.signal,
    deadlineMs: 100,
  });
  t.ask((_, reply) => {
    reply.onAbandon(() => calls.push("answered"));
    reply.send(null);
  }, { deadlineMs: 100 });
  await t.env.runUntilIdle();
  controller.abort();
  assert.deepEqual(calls, ["signal"]);
  await t.env.advance(500);
  assert.deepEqual(calls, ["signal", "deadline"]);
  assert.equal(t.probe.inspect()?.parkedReplyCount, 0);
});

Deno.test("a message whose asker gave up while it waited is received, settled, and its onAbandon is called", async () => {
  const t = scripted();
  const calls: unknown[] = [];
  t.ask((context) => context.env.sleep(200));
  t.ask((_, reply) => {
    calls.push(reply.settled);
    reply.onAbandon(() => calls.push("abandoned"));
  }, { deadlineMs: 50 });
  await t.env.advance(200);
  assert.deepEqual(calls, [true, "abandoned"]);
});

Deno.test("an ask that gives up while its answer is gated is gone, and the gate goes on", async () => {
  const t = scripted();
  t.commits.hold();
  const controller = new AbortController();
  const outcomes = [
    watch(t.probe.ref.ask({
      type: "do",
      run: (context, reply) => {
        reply.onAbandon(() => assert.fail("it has been answered"));
        context.stage("a");
        reply.send("a");
      },
    }, { signal: controller.signal })),
    t.write("b"),
  ];
  await t.env.runUntilIdle();
  controller.abort(new RangeError("gone"));
  t.commits.release({ all: true });
  await t.env.runUntilIdle();
  assert.deepEqual(outcomes.map((outcome) => outcome.errorName ?? outcome.value), ["RangeError", "b"]);
  assert.equal(t.probe.inspect()?.restartCount, 0);
  assert.equal(t.probe.inspect()?.status, "running");
});

Deno.test("a kind that is not registered is a bug of the caller", async () => {
  const t = scripted();
  await assert.rejects(t.runtime.ref("nobody", "x").ask({ type: "x" } as never), { name: "InvariantError" });
  assert.throws(() => t.runtime.register(t.kind), { name: "InvariantError" });
});
