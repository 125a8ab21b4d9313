/** Timers, passivation, eviction, drain and introspection. */
import assert from "node:assert/strict";
import { createTestbed } from "../../actors/runtime/testkit.ts";
import { scripted } from "./runtime_fixture.ts";

Deno.test("a timer is delivered once as a message; the same key replaces it; cancelling drops it", async () => {
  const t = scripted();
  const seen: string[] = [];
  t.ask((context) => {
    context.setTimer("a", 10, { type: "do", run: () => void seen.push("a1") });
    context.setTimer("a", 20, { type: "do", run: () => void seen.push("a2") });
    context.setTimer("b", 10, { type: "do", run: () => void seen.push("b") });
    context.setTimer("c", 10, { type: "do", run: () => void seen.push("c") });
    context.cancelTimer("c");
  }, { deadlineMs: 1 });
  await t.env.runUntilIdle();
  assert.equal(t.env.timerCount, 3, "a, b and the one that all asks share");
  await t.env.advance(100);
  assert.deepEqual(seen, ["b", "a2"]);
});

Deno.test("a timer that was cancelled while its message waited is not delivered", async () => {
  const t = scripted();
  const seen: string[] = [];
  t.ask(async (context) => {
    context.setTimer("a", 10, { type: "do", run: () => void seen.push("a") });
    context.setTimer("b", 10, { type: "do", run: () => void seen.push("b") });
    await context.env.sleep(20);
    context.cancelTimer("a");
  });
  await t.env.advance(100);
  assert.deepEqual(seen, ["b"]);
});

Deno.test("an idle actor is passivated after idleAfterMs and activated anew by the next message", async () => {
  const t = scripted({ idleAfterMs: 1000 });
  let stopCount = 0;
  t.host = { stop: () => void stopCount++ };
  t.write("a");
  await t.env.advance(900);
  t.write("b");
  await t.env.advance(950);
  assert.equal(t.probe.inspect()?.status, "running");
  await t.env.advance(400);
  assert.equal(t.probe.inspect(), undefined);
  assert.equal(stopCount, 1);
  const again = t.ask((context, reply) => reply.send(context.incarnation));
  await t.env.runUntilIdle();
  assert.equal(again.value, "test.2");
});

Deno.test("passivation waits until idle() agrees, and takes the timers along", async () => {
  const t = scripted({ idleAfterMs: 1000 });
  let idle = false;
  t.host = { idle: () => idle };
  t.ask((context, reply) => {
    context.setTimer("far", 1e9, { type: "do", run: () => {} });
    reply.send(null);
  });
  await t.env.advance(5000);
  assert.equal(t.probe.inspect()?.status, "running");
  idle = true;
  await t.env.advance(1000);
  assert.equal(t.probe.inspect(), undefined);
  assert.equal(t.env.timerCount, 0);
});

Deno.test("passivation waits for parked replies and staged effects; a timer tick is no use of the actor", async () => {
  const t = scripted({ idleAfterMs: 1000, askDeadlineMs: 1e9 });
  let reply: { send(value: unknown): void } | undefined;
  t.ask((context, parked) => {
    reply = parked;
    const tick = () => context.setTimer("tick", 100, { type: "do", run: tick });
    tick();
  });
  await t.env.advance(5000);
  assert.notEqual(t.probe.inspect(), undefined);
  t.commits.hold();
  t.contexts[0]?.stage("a");
  reply?.send(null);
  await t.env.advance(5000);
  assert.notEqual(t.probe.inspect(), undefined);
  t.commits.release();
  await t.env.advance(5000);
  assert.equal(t.probe.inspect(), undefined);
  await t.env.advance(1000);
  assert.equal(t.env.timerCount, 0);
});

Deno.test("passivate() stops the actor as soon as nothing is pending", async () => {
  const t = scripted();
  t.commits.hold();
  t.ask((context) => context.passivate());
  t.write("a");
  await t.env.runUntilIdle();
  assert.equal(t.probe.inspect()?.status, "running");
  t.commits.release();
  await t.env.runUntilIdle();
  assert.notEqual(t.probe.inspect(), undefined, "the first message's reply is parked");
  await t.env.advance(31_000);
  assert.equal(t.probe.inspect(), undefined);
});

Deno.test("a message that arrives during stop() activates the actor afterwards", async () => {
  const t = scripted({ idleAfterMs: 1000 });
  const stopped = Promise.withResolvers<void>();
  t.host = { stop: () => stopped.promise };
  t.write("a");
  await t.env.advance(1300);
  assert.equal(t.probe.inspect()?.status, "stopping");
  t.host = {};
  const late = t.ask((context, reply) => reply.send(context.incarnation));
  await t.env.runUntilIdle();
  assert.equal(late.done, false);
  stopped.resolve();
  await t.env.runUntilIdle();
  assert.equal(late.value, "test.2");
});

Deno.test("a stop() that throws or hangs does not keep the address", async () => {
  for (const stop of [() => Promise.reject(new Error("no")), () => new Promise<void>(() => {})]) {
    const t = scripted();
    t.host = { stop };
    t.ask((context, reply) => {
      context.passivate();
      reply.send(null);
    });
    await t.env.advance(5000);
    assert.equal(t.probe.inspect(), undefined);
    assert.equal(t.log.lines.some((line) => line.message === "actor failed to stop"), true);
  }
});

Deno.test("evict() takes no more messages, finishes mailbox and commits, answers in stop(), fails what is parked", async () => {
  const t = scripted({ stagedEffectsMax: 1 });
  t.commits.hold();
  let kept: { send(value: unknown): void } | undefined;
  t.host = { stop: () => kept?.send("goodbye") };
  const answered = t.ask((_, reply) => {
    kept = reply;
  });
  const parked = t.ask(() => {});
  const written = [t.write("a"), t.write("b")];
  await t.env.runUntilIdle();
  let evicted = false;
  t.probe.evict().then(() => evicted = true);
  const refused = t.write("c");
  await t.env.runUntilIdle();
  assert.equal(refused.errorName, "ActorStoppedError");
  assert.equal(evicted, false);
  t.commits.release({ all: true });
  await t.env.runUntilIdle();
  assert.equal(evicted, true);
  assert.deepEqual(written.map((outcome) => outcome.value), ["a", "b"]);
  assert.equal(answered.value, "goodbye");
  assert.equal(parked.errorName, "ActorStoppedError");
  assert.equal(t.probe.inspect(), undefined);
  await t.probe.evict();
});

Deno.test("evict() finishes a mailbox of several turns in one activation", async () => {
  const t = scripted();
  const outcomes = Array.from({ length: 1000 }, () => t.ask((_, reply) => reply.send("done")));
  await t.probe.evict();
  assert.equal(outcomes.every((outcome) => outcome.value === "done"), true);
  assert.equal(t.contexts.length, 1);
});

Deno.test("drain() finishes mailboxes and commits, stops every actor and refuses the rest", async () => {
  const t = scripted();
  t.host = { stop: () => void stopped.push("stop") };
  const stopped: string[] = [];
  t.onActivate = (context) => context.env.sleep(100);
  const outcomes = [t.write("a"), t.write("b")];
  t.runtime.ref(t.kind, "b").tell({ type: "do", run: () => {} });
  let result: unknown;
  t.runtime.drain().then((value) => result = value);
  const refused = t.write("c");
  await t.env.runUntilIdle();
  assert.equal(refused.errorName, "ActorStoppedError");
  assert.throws(() => t.runtime.ref(t.kind, "new").tell({ type: "do", run: () => {} }), {
    name: "ActorStoppedError",
  });
  await t.env.advance(100);
  assert.deepEqual(result, { drained: 2, abandoned: 0 });
  assert.deepEqual(outcomes.map((outcome) => outcome.value), ["a", "b"]);
  assert.deepEqual(stopped, ["stop", "stop"]);
  assert.equal(t.env.timerCount, 0);
  assert.deepEqual(t.runtime.inspect(), []);
});

Deno.test("drain() abandons what does not finish in time, 4,500 ms by default", async () => {
  const t = scripted();
  t.commits.hold();
  const stuck = t.write("a");
  t.runtime.ref(t.kind, "b").tell({ type: "do", run: () => {} });
  await t.env.runUntilIdle();
  let result: unknown;
  t.runtime.drain().then((value) => result = value);
  await t.env.advance(4499);
  assert.equal(result, undefined);
  await t.env.advance(1);
  assert.deepEqual(result, { drained: 1, abandoned: 1 });
  assert.equal(stuck.errorName, "ActorFailedError");
  t.commits.release({ all: true });
  await t.env.advance(100_000);
  assert.equal(t.env.timerCount, 0);
});

Deno.test("drain() does not wait for an actor that is to be restarted, and restarts none", async () => {
  const t = scripted({ restartDelayMs: 5000, restartDelayMsMax: 10_000 });
  t.ask(() => {
    throw new Error("broken");
  });
  const queued = t.write("a");
  await t.env.runUntilIdle();
  let result: unknown;
  t.runtime.drain().then((value) => result = value);
  await t.env.runUntilIdle();
  assert.deepEqual(result, { drained: 1, abandoned: 0 });
  assert.equal(t.env.timerCount, 0);
  assert.equal(queued.errorName, "ActorStoppedError");
  await t.env.advance(100_000);
  assert.equal(t.contexts.length, 1);
});

Deno.test("an actor that fails while it is drained is not restarted", async () => {
  const t = scripted();
  t.commits.hold();
  t.write("a");
  await t.env.runUntilIdle();
  let result: unknown;
  t.runtime.drain().then((value) => result = value);
  t.commits.fail();
  await t.env.runUntilIdle();
  assert.deepEqual(result, { drained: 1, abandoned: 0 });
});

Deno.test("inspect() shows a line for each live actor, even when its host's inspect() throws", async () => {
  const t = scripted();
  t.host = { inspect: () => ({ answer: 42 }) };
  t.write("a");
  await t.env.advance(500);
  assert.deepEqual(t.runtime.inspect(), [{
    kind: "scripted",
    key: "a",
    status: "running",
    mailboxLength: 0,
    stagedEffectCount: 0,
    parkedReplyCount: 0,
    ageMs: 500,
    idleMs: 500,
    restartCount: 0,
    lastError: null,
    details: { answer: 42 },
  }]);
  t.host = {
    inspect: () => {
      throw new Error("no");
    },
  };
  t.probe.crash();
  await t.env.advance(20);
  assert.equal(t.runtime.inspect().length, 1);
});

Deno.test("actors talk to each other through context.ref", async () => {
  const t = scripted();
  const asked = t.ask(async (context, reply) => {
    const other = context.ref(t.kind, "other");
    reply.send(await other.ask({ type: "do", run: (_, answer) => answer.send("hello") }));
  });
  await t.env.runUntilIdle();
  assert.equal(asked.value, "hello");
});

Deno.test("the virtual world is deterministic: same seed, same run", async () => {
  const run = async (seed: number) => {
    const { env } = createTestbed({ seed });
    const events: unknown[] = [env.uuid(), env.random()];
    env.timer(20, () => events.push("late", env.mono()));
    env.timer(10, () => events.push("early", env.mono()));
    env.timer(10, () => events.push("early too", env.mono()));
    env.timer(15, () => events.push("never"))();
    await env.advance(30);
    events.push(env.mono(), env.now());
    return events;
  };
  assert.deepEqual(await run(7), await run(7));
  assert.notDeepEqual(await run(7), await run(8));
  assert.deepEqual((await run(7)).slice(2, 9), ["early", 10, "early too", 10, "late", 20, 30]);
  await assert.rejects(createTestbed().env.kv(undefined), /pass one to the TestEnv/);
});
