import assert from "node:assert/strict";
import { Rng } from "./rng.ts";
import { type EventOwner, Scheduler } from "./scheduler.ts";
import { Trace } from "./trace.ts";

function scheduler(seed = "s"): Scheduler {
  return new Scheduler(new Rng(seed), new Trace());
}

function run(world: Scheduler, until: () => boolean = () => false, deadlineMs = 1_000) {
  return world.run({ until, deadlineMs, stepCountMax: 1_000 });
}

Deno.test("events happen in the order of their times, and everything that they lead to before the next one", async () => {
  const world = scheduler();
  const order: string[] = [];
  world.schedule(2, null, "b", () => order.push("b"));
  world.schedule(1, null, "a", async () => {
    for (let i = 0; i < 1_000; i++) await null;
    order.push("a");
  });
  assert.equal(await run(world), "deadlock");
  assert.deepEqual(order, ["a", "b"]);
  assert.equal(world.nowMs, 2);
});

Deno.test("the seed decides the order of events of the same time", async () => {
  const orders = new Set<string>();
  for (let seed = 0; seed < 20; seed++) {
    const texts = [];
    for (let again = 0; again < 2; again++) {
      const world = scheduler(String(seed));
      let order = "";
      for (const name of ["a", "b", "c"]) world.schedule(1, null, name, () => order += name);
      await run(world);
      texts.push(order);
    }
    assert.equal(texts[0], texts[1]);
    orders.add(texts[0] ?? "");
  }
  assert.ok(orders.size > 1);
});

Deno.test("events of a paused owner wait for it, in their order; those of a dead one never happen", async () => {
  const world = scheduler();
  const owner = { name: "o", state: "paused" as EventOwner["state"] };
  const order: string[] = [];
  world.schedule(1, owner, "first", () => order.push("first"));
  const cancel = world.schedule(2, owner, "cancelled", () => order.push("cancelled"));
  world.schedule(3, owner, "second", () => order.push("second"));
  world.schedule(9, owner, "last", () => order.push("last"));
  world.schedule(5, null, "resumes", () => {
    cancel();
    owner.state = "running";
    world.resumed(owner);
    order.push("resumed");
  });
  world.schedule(7, null, "dies", () => owner.state = "dead");
  await run(world);
  assert.deepEqual(order, ["resumed", "first", "second"]);
});

Deno.test("a run ends when it is done, at its deadline, after its steps, or with a failure", async () => {
  const world = scheduler();
  const again = () => world.schedule(10, null, "tick", again);
  again();
  assert.equal(await run(world, () => world.nowMs >= 50), "done");
  assert.equal(await run(world, () => false, 100), "deadline");
  assert.equal(world.nowMs, 100);
  assert.equal(
    await world.run({ until: () => false, deadlineMs: Infinity, stepCountMax: 5 }),
    "tooManySteps",
  );
  world.fail(new Error("broken"));
  await assert.rejects(run(world), /broken/);
});

Deno.test("a trace that differs in one detail has another hash", () => {
  const hashes = ["x", "y", 1, 2].map((detail) => {
    const trace = new Trace();
    trace.add(1, "who", "what", detail);
    return trace.hash;
  });
  assert.equal(new Set(hashes).size, hashes.length);
});
