/** Work in slices: one after the other, and none holds up the rest for ever. */
import assert from "node:assert/strict";
import { TestEnv } from "../../actors/runtime/testkit.ts";
import { SlicedWork } from "../../actors/slices.ts";
import { limits } from "../../core/config/limits.ts";

Deno.test("work in slices is done in turn, also behind work that failed", async () => {
  const env = new TestEnv();
  const work = new SlicedWork();
  const done: string[] = [];
  const piece = (name: string) =>
    work.inTurn(env, async () => {
      done.push(`${name} begins`);
      await env.sleep(10);
      done.push(`${name} ends`);
      if (name === "second") throw new Error("wrong");
    });
  const all = Promise.allSettled([piece("first"), piece("second"), piece("third")]);
  await env.advance(100);
  assert.deepEqual((await all).map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  assert.deepEqual(done.map((each) => each.split(" ")[0]), [
    "first",
    "first",
    "second",
    "second",
    "third",
    "third",
  ]);
  assert.equal(env.timerCount, 0);
});

Deno.test("work in slices that never ends fails, and what is behind it is done", async () => {
  const env = new TestEnv();
  const work = new SlicedWork();
  const stuck = assert.rejects(work.inTurn(env, () => new Promise(() => {})), /60000 ms have passed/);
  const behind = work.inTurn(env, () => Promise.resolve("done"));
  await env.advance(limits.slicedWorkMsMax);
  await stuck;
  assert.equal(await behind, "done");
});
