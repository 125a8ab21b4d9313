/** Supervision: failures, restarts with back-off, escalation, fencing, and that the past cannot touch the present. */
import assert from "node:assert/strict";
import { DEADLINE_TICK_MS } from "../../actors/runtime/deadlines.ts";
import { decideRestart } from "../../actors/runtime/restart_policy.ts";
import { invariant } from "../../lib/invariant.ts";
import { FencedError } from "../../storage/errors.ts";
import { scripted } from "./runtime_fixture.ts";

const OPTIONS = { restartDelayMs: 20, restartDelayMsMax: 5000, restartCountMax: 10, restartWindowMs: 60_000 };

Deno.test("decideRestart() doubles the delay up to the maximum, and random takes up to a half off", () => {
  let failures: readonly number[] = [];
  const delays: number[] = [];
  for (let i = 0; i < 10; i++) {
    const decision = decideRestart(failures, i, 0, OPTIONS);
    failures = decision.failureTimesMs;
    delays.push(decision.delayMs);
    assert.equal(decision.escalated, false);
  }
  assert.deepEqual(delays, [20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000]);
  assert.equal(decideRestart([], 0, 0.5, OPTIONS).delayMs, 15);
  assert.ok(decideRestart([], 0, 0.999, OPTIONS).delayMs >= 10);
});

Deno.test("decideRestart() escalates beyond the limit within the window, and forgets what is older", () => {
  const failures = Array.from({ length: 10 }, (_, i) => i);
  const decision = decideRestart(failures, 100, 0.5, OPTIONS);
  assert.deepEqual([decision.escalated, decision.delayMs], [true, 5000]);
  assert.equal(decision.failureTimesMs.length, 11);
  assert.equal(decideRestart(decision.failureTimesMs, 200, 0.5, OPTIONS).failureTimesMs.length, 11);
  const later = decideRestart(failures, 70_000, 0, OPTIONS);
  assert.deepEqual([later.escalated, later.delayMs, later.failureTimesMs], [false, 20, [70_000]]);
});

Deno.test("a throwing receive fails the message, the parked and the gated; the mailbox is processed after the restart", async () => {
  const t = scripted();
  t.commits.hold();
  const cause = new RangeError("broken");
  const parked = t.ask(() => {});
  const parkedLate = t.ask((context) => context.env.sleep(0));
  const gated = t.write("a");
  await t.env.runUntilIdle();
  const thrower = t.ask(() => {
    throw cause;
  });
  const behind = t.ask((context, reply) => reply.send(context.incarnation));
  await t.env.runUntilIdle();
  for (const outcome of [parked, parkedLate, gated, thrower]) {
    assert.equal(outcome.errorName, "ActorFailedError");
    assert.equal((outcome.error as Error).cause, cause);
  }
  assert.equal(behind.done, false);
  assert.equal(t.probe.inspect()?.status, "restarting");
  assert.match(t.probe.inspect()?.lastError ?? "", /broken/);
  await t.env.advance(20);
  assert.equal(behind.value, "test.2");
  assert.equal(t.probe.inspect()?.restartCount, 1);
});

Deno.test("a rejecting receive fails like a throwing one", async () => {
  const t = scripted();
  const thrower = t.ask(async (context) => {
    await context.env.sleep(10);
    throw new Error("late");
  });
  const behind = t.ask((_, reply) => reply.send("alive"));
  await t.env.advance(10);
  assert.equal(thrower.errorName, "ActorFailedError");
  assert.equal(behind.done, false);
  await t.env.advance(20);
  assert.equal(behind.value, "alive");
});

Deno.test("effects of a message that throws, and of those before it in the turn, are not committed", async () => {
  const t = scripted();
  const before = t.write("a");
  t.ask((context) => {
    context.stage("b");
    throw new Error("no");
  });
  await t.env.runUntilIdle();
  assert.deepEqual(t.commits.calls, []);
  assert.equal(before.errorName, "ActorFailedError");
});

Deno.test("a failing commit restarts the actor; what is in the mailbox stays", async () => {
  const t = scripted({ stagedEffectsMax: 1 });
  t.commits.hold();
  const lost = t.write("a");
  const waiting = t.write("b");
  await t.env.runUntilIdle();
  t.commits.fail(new Error("disk"));
  await t.env.runUntilIdle();
  assert.equal(lost.errorName, "ActorFailedError");
  assert.equal(waiting.done, false);
  t.commits.release({ all: true });
  await t.env.advance(20);
  assert.equal(waiting.value, "b");
  assert.deepEqual(t.commits.durable, ["b"]);
});

Deno.test("a commit that throws synchronously, or that is missing, fails the actor", async () => {
  const t = scripted();
  t.host = {
    commit: () => {
      throw new Error("sync");
    },
  };
  const outcome = t.write("a");
  await t.env.runUntilIdle();
  assert.equal(outcome.errorName, "ActorFailedError");
});

Deno.test("a throwing background task fails the actor; after the end its errors are ignored", async () => {
  const t = scripted();
  let reason: unknown;
  const parked = t.ask((context) => {
    context.run(async (signal) => {
      signal.addEventListener("abort", () => reason = signal.reason);
      await context.env.sleep(1000, signal);
    });
    context.run(async () => {
      await context.env.sleep(10);
      throw new Error("task");
    });
  });
  await t.env.advance(10);
  assert.equal(parked.errorName, "ActorFailedError");
  assert.ok(reason instanceof Error);
  await t.env.advance(30);
  assert.equal(t.probe.inspect()?.status, "running");
  assert.equal(t.probe.inspect()?.restartCount, 1);
  await t.env.advance(1000);
  assert.equal(t.probe.inspect()?.restartCount, 1);
});

Deno.test("a throwing onAbandon callback fails the actor", async () => {
  const t = scripted();
  t.ask((_, reply) =>
    reply.onAbandon(() => {
      throw new Error("callback");
    }), { deadlineMs: 50 });
  await t.env.advance(50 + DEADLINE_TICK_MS);
  assert.match(t.probe.inspect()?.lastError ?? "", /callback/);
});

Deno.test("a failing activation is tried again, and the mailbox waits", async () => {
  const t = scripted();
  let attempts = 0;
  t.onActivate = () => {
    if (++attempts < 3) throw new Error("not yet");
  };
  const outcome = t.write("a");
  await t.env.advance(100);
  assert.deepEqual([outcome.value, attempts], ["a", 3]);
});

Deno.test("restarts follow the back-off, within its jitter", async () => {
  const t = scripted({ restartCountMax: 100 });
  const atMs: number[] = [];
  t.onActivate = (context) => {
    atMs.push(context.env.mono());
    throw new Error("never");
  };
  t.write("a");
  await t.env.advance(10_000);
  for (const [i, fullMs] of [20, 40, 80, 160, 320, 640, 1280].entries()) {
    const delayMs = (atMs[i + 1] ?? 0) - (atMs[i] ?? 0);
    assert.ok(delayMs >= fullMs / 2 && delayMs <= fullMs, `restart ${i} after ${delayMs} ms`);
  }
});

Deno.test("beyond the limit it escalates: messages are refused, and after the longest delay it tries again", async () => {
  const t = scripted({ restartCountMax: 2, restartDelayMsMax: 1000, askDeadlineMs: 60_000 });
  let broken = true;
  t.onActivate = () => {
    if (broken) throw new Error("broken");
  };
  const first = t.write("a");
  await t.env.advance(100);
  assert.equal(t.probe.inspect()?.status, "escalated");
  assert.equal(first.errorName, "ActorStoppedError");
  const refused = t.write("b");
  await t.env.runUntilIdle();
  assert.equal(refused.errorName, "ActorStoppedError");
  assert.throws(() => t.probe.ref.tell({ type: "do", run: () => {} }), { name: "ActorStoppedError" });
  assert.equal(t.log.lines.at(-1)?.level, "error");
  broken = false;
  await t.env.advance(1000);
  assert.equal(t.probe.inspect()?.status, "running");
  const accepted = t.write("c");
  await t.env.runUntilIdle();
  assert.equal(accepted.value, "c");
});

Deno.test("FencedError stops the actor for good; eviction makes room for a new one", async () => {
  const t = scripted({ stagedEffectsMax: 1 });
  t.commits.hold();
  const inFlight = t.write("a");
  const queued = t.write("b");
  await t.env.runUntilIdle();
  t.commits.fence();
  await t.env.runUntilIdle();
  assert.equal(inFlight.errorName, "ActorFailedError");
  assert.equal(queued.errorName, "ActorStoppedError");
  assert.equal(t.probe.inspect()?.status, "fenced");
  await t.env.advance(100_000);
  const refused = t.write("c");
  await t.env.runUntilIdle();
  assert.equal(refused.errorName, "ActorStoppedError");
  assert.equal(t.contexts.length, 1);
  await t.probe.evict();
  assert.equal(t.probe.inspect(), undefined);
  t.commits.release({ all: true });
  const accepted = t.write("d");
  await t.env.runUntilIdle();
  assert.equal(accepted.value, "d");
});

Deno.test("FencedError from receive or activate fences too", async () => {
  const t = scripted();
  t.ask(() => {
    throw new FencedError("receive");
  });
  await t.env.runUntilIdle();
  assert.equal(t.probe.inspect()?.status, "fenced");
  const u = scripted();
  u.onActivate = () => {
    throw new FencedError("activate");
  };
  u.write("a");
  await u.env.runUntilIdle();
  assert.equal(u.probe.inspect()?.status, "fenced");
});

Deno.test("a broken invariant is logged as an error, weather as a warning", async () => {
  const t = scripted();
  t.ask(() => {
    throw new Error("weather");
  });
  await t.env.advance(20);
  assert.equal(t.log.lines.some((line) => line.level === "error"), false);
  assert.equal(t.log.lines.filter((line) => line.level === "warn").length, 1);
  t.ask(() => invariant(false, "bug"));
  await t.env.runUntilIdle();
  const line = t.log.lines.find((line) => line.level === "error");
  assert.match(String(line?.fields["error"]), /InvariantError: bug/);
  assert.equal(line?.fields["actor"], "scripted/a");
});

Deno.test("late completions of a previous activation do not touch the new one", async () => {
  const t = scripted();
  t.commits.hold();
  const late = Promise.withResolvers<void>();
  const taskStarted: string[] = [];
  // An old commit in flight, an old receive under way, an old task, an old timer, an old context.
  t.write("old");
  await t.env.runUntilIdle();
  t.write("old, staged behind it");
  await t.env.runUntilIdle();
  t.ask(async (context, reply) => {
    context.setTimer("t", 100, { type: "do", run: () => void taskStarted.push("timer") });
    context.tellSelf({ type: "do", run: () => void taskStarted.push("self") });
    context.run(async () => {
      await late.promise;
      throw new Error("old task");
    });
    await late.promise;
    context.stage("zombie");
    reply.send("zombie");
    throw new Error("old receive");
  });
  await t.env.runUntilIdle();
  t.probe.crash();
  await t.env.advance(20);
  const fresh = t.ask((context, reply) => {
    context.stage("new");
    reply.send(context.incarnation);
  });
  await t.env.runUntilIdle();
  assert.equal(t.commits.pendingCount, 2);
  late.resolve();
  await t.env.runUntilIdle();
  // The old commit completes: it must not open the new gate.
  t.commits.release();
  await t.env.runUntilIdle();
  assert.equal(fresh.done, false);
  assert.equal(t.probe.inspect()?.stagedEffectCount, 1);
  const [old] = t.contexts;
  const timersBefore = t.env.timerCount;
  old?.stage("zombie");
  old?.tellSelf({ type: "do", run: () => void taskStarted.push("old self") });
  old?.setTimer("t", 1, { type: "do", run: () => void taskStarted.push("old timer") });
  assert.equal(t.env.timerCount, timersBefore);
  old?.passivate();
  old?.run(() => Promise.reject(new Error("old run")));
  t.commits.release({ all: true });
  await t.env.advance(1000);
  assert.equal(fresh.value, "test.2");
  assert.deepEqual(taskStarted, []);
  assert.deepEqual(t.commits.calls, [["old"], ["new"]]);
  assert.equal(t.probe.inspect()?.restartCount, 1);
});

Deno.test("a late failure of an old commit does not kill the new activation", async () => {
  const t = scripted();
  t.commits.hold();
  t.write("old");
  await t.env.runUntilIdle();
  t.probe.crash();
  await t.env.advance(20);
  t.commits.fence();
  await t.env.runUntilIdle();
  assert.equal(t.probe.inspect()?.status, "running");
});

Deno.test("a late completion of an old activate() does not become the host", async () => {
  const t = scripted();
  const late = Promise.withResolvers<void>();
  const loaded = Promise.withResolvers<void>();
  t.onActivate = () => t.contexts.length === 1 ? late.promise : loaded.promise;
  const asked = t.ask((context, reply) => reply.send(context.incarnation));
  await t.env.runUntilIdle();
  t.probe.crash();
  await t.env.advance(20);
  late.resolve();
  await t.env.runUntilIdle();
  assert.equal(t.probe.inspect()?.status, "activating");
  loaded.resolve();
  await t.env.runUntilIdle();
  assert.equal(asked.value, "test.2");
  const again = t.ask((context, reply) => reply.send(context.incarnation));
  await t.env.runUntilIdle();
  assert.equal(again.value, "test.2");
});
