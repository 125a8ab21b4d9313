/** The output gate and group commit: no answer leaves before what it rests on is durable. */
import assert from "node:assert/strict";
import { scripted } from "./runtime_fixture.ts";

Deno.test("an answer leaves only after the commit of what was staged before it", async () => {
  const t = scripted();
  t.commits.hold();
  const written = t.write("a");
  await t.env.runUntilIdle();
  assert.deepEqual(t.commits.calls, [["a"]]);
  assert.equal(written.done, false);
  t.commits.release();
  await t.env.runUntilIdle();
  assert.equal(written.value, "a");
});

Deno.test("an error answer is gated too", async () => {
  const t = scripted();
  t.commits.hold();
  const failed = t.ask((context, reply) => {
    context.stage("a");
    reply.fail(new RangeError("no"));
  });
  await t.env.runUntilIdle();
  assert.equal(failed.done, false);
  t.commits.release();
  await t.env.runUntilIdle();
  assert.equal(failed.errorName, "RangeError");
});

Deno.test("an answer without an effect waits for the effects of earlier messages, sendNow does not", async () => {
  const t = scripted();
  t.commits.hold();
  t.write("a");
  const gated = t.ask((_, reply) => reply.send("read"));
  const now = t.ask((_, reply) => reply.sendNow("durable"));
  await t.env.runUntilIdle();
  assert.deepEqual([gated.done, now.value], [false, "durable"]);
  t.commits.release();
  await t.env.runUntilIdle();
  assert.equal(gated.value, "read");
});

Deno.test("an answer sent before a later effect does not wait for that effect", async () => {
  const t = scripted();
  t.commits.hold();
  t.write("a");
  await t.env.runUntilIdle();
  const before = t.ask((context, reply) => {
    reply.send("before b");
    context.stage("b");
  });
  await t.env.runUntilIdle();
  t.commits.release();
  await t.env.runUntilIdle();
  assert.equal(before.value, "before b");
  assert.equal(t.commits.durable.length, 1);
});

Deno.test("answers leave in the order in which they were sent", async () => {
  const t = scripted();
  t.commits.hold();
  const order: unknown[] = [];
  for (let i = 0; i < 20; i++) {
    t.probe.ref.ask({
      type: "do",
      run: (context, reply) => {
        if (i % 3 === 0) context.stage(String(i));
        reply.send(i);
      },
    }).then((value) => order.push(value));
    if (i % 5 === 0) await t.env.runUntilIdle();
  }
  t.commits.release({ all: true });
  await t.env.runUntilIdle();
  assert.deepEqual(order, Array.from({ length: 20 }, (_, i) => i));
});

Deno.test("the first answer counts, later ones are ignored", async () => {
  const t = scripted();
  const asked = t.ask((_, reply) => {
    reply.send(1);
    assert.equal(reply.settled, true);
    reply.send(2);
    reply.sendNow(3);
    reply.fail(new Error());
  });
  const gated = t.ask((context, reply) => {
    context.stage("a");
    reply.send(1);
    reply.send(2);
    reply.sendNow(3);
  });
  await t.env.runUntilIdle();
  assert.deepEqual([asked.value, gated.value], [1, 1]);
});

Deno.test("group commit: one commit in flight, and what is staged meanwhile goes into the next", async () => {
  const t = scripted();
  t.commits.hold();
  const first = t.write("a");
  await t.env.runUntilIdle();
  const second = [t.write("b"), t.write("c")];
  await t.env.runUntilIdle();
  second.push(t.write("d"));
  await t.env.runUntilIdle();
  assert.deepEqual(t.commits.calls, [["a"]]);
  t.commits.release();
  await t.env.runUntilIdle();
  assert.equal(first.done, true);
  assert.deepEqual(t.commits.calls, [["a"], ["b", "c", "d"]]);
  assert.deepEqual(second.map((outcome) => outcome.done), [false, false, false]);
  t.commits.release();
  await t.env.runUntilIdle();
  assert.deepEqual(second.map((outcome) => outcome.value), ["b", "c", "d"]);
});

Deno.test("messages of one turn share one commit", async () => {
  const t = scripted();
  for (let i = 0; i < 100; i++) t.write(String(i));
  await t.env.runUntilIdle();
  assert.equal(t.commits.calls.length, 1);
  assert.equal(t.commits.durable.length, 100);
});

Deno.test("a commit may make only a prefix durable: the rest goes first into the next", async () => {
  const t = scripted();
  t.commits.hold();
  const early = ["a", "b", "c"].map((effect) => t.write(effect));
  await t.env.runUntilIdle();
  const late = t.write("d");
  await t.env.runUntilIdle();
  t.commits.partial(1);
  await t.env.runUntilIdle();
  assert.deepEqual(early.map((outcome) => outcome.done), [true, false, false]);
  assert.deepEqual(t.commits.calls[1], ["b", "c", "d"]);
  t.commits.partial(2);
  await t.env.runUntilIdle();
  assert.deepEqual([...early, late].map((outcome) => outcome.done), [true, true, true, false]);
  t.commits.release();
  await t.env.runUntilIdle();
  assert.equal(late.value, "d");
  assert.deepEqual(t.commits.durable, ["a", "b", "c", "d"]);
});

Deno.test("a commit that makes nothing durable, or more than it was given, is a bug", async () => {
  for (const count of [0, 2, 0.5]) {
    const t = scripted();
    t.host = { commit: () => Promise.resolve(count) };
    const written = t.write("a");
    await t.env.runUntilIdle();
    assert.equal(written.errorName, "ActorFailedError");
    assert.equal(t.log.lines.some((line) => line.level === "error"), true);
  }
});

Deno.test("at stagedEffectsMax the mailbox is no longer taken from", async () => {
  const t = scripted({ stagedEffectsMax: 3 });
  t.commits.hold();
  const outcomes = Array.from({ length: 5 }, (_, i) => t.write(String(i)));
  await t.env.runUntilIdle();
  assert.equal(t.probe.inspect()?.mailboxLength, 2);
  assert.equal(t.probe.inspect()?.stagedEffectCount, 3);
  assert.equal(t.probe.inspect()?.parkedReplyCount, 3);
  t.commits.release({ all: true });
  await t.env.runUntilIdle();
  assert.equal(outcomes.every((outcome) => outcome.done), true);
});

Deno.test("effects of a message that is still being received are not committed", async () => {
  const t = scripted();
  t.write("before");
  const gate = Promise.withResolvers<void>();
  const slow = t.ask(async (context, reply) => {
    context.stage("early");
    await gate.promise;
    context.stage("late");
    reply.send("done");
  });
  await t.env.runUntilIdle();
  assert.deepEqual(t.commits.calls, [["before"]]);
  gate.resolve();
  await t.env.runUntilIdle();
  assert.deepEqual(t.commits.calls, [["before"], ["early", "late"]]);
  assert.equal(slow.value, "done");
});

Deno.test("the rest of a prefix commit does not wait for a message that is being received", async () => {
  const t = scripted();
  t.commits.hold();
  const early = [t.write("a"), t.write("b")];
  t.ask(async (context) => {
    context.stage("c");
    await context.env.sleep(1000);
  });
  await t.env.runUntilIdle();
  t.commits.partial(1);
  await t.env.runUntilIdle();
  assert.deepEqual(t.commits.calls, [["a", "b"], ["b"]]);
  t.commits.release();
  await t.env.runUntilIdle();
  assert.deepEqual(early.map((outcome) => outcome.value), ["a", "b"]);
  assert.equal(t.commits.calls.length, 2);
});

Deno.test("an effect staged by a background task is committed", async () => {
  const t = scripted();
  t.ask((context) => {
    context.run(async () => {
      await context.env.sleep(10);
      context.stage("late");
    });
  });
  await t.env.advance(10);
  assert.deepEqual(t.commits.durable, ["late"]);
});

Deno.test("a parked reply can be answered from a later message", async () => {
  const t = scripted();
  let parked: { send(value: unknown): void } | undefined;
  const waiting = t.ask((_, reply) => {
    parked = reply;
  });
  await t.env.runUntilIdle();
  assert.equal(t.probe.inspect()?.parkedReplyCount, 1);
  t.commits.hold();
  t.ask((context) => {
    context.stage("a");
    parked?.send("at last");
  });
  await t.env.runUntilIdle();
  assert.equal(waiting.done, false);
  t.commits.release();
  await t.env.runUntilIdle();
  assert.equal(waiting.value, "at last");
});
