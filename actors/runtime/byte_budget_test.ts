import assert from "node:assert/strict";
import { ByteBudget } from "./byte_budget.ts";

Deno.test("ByteBudget makes readers wait while it is used up, and lets them go on together", async () => {
  const budget = new ByteBudget(100);
  await budget.room();
  budget.take(60);
  await budget.room();
  budget.take(60);
  let awake = 0;
  const waiting = [1, 2].map(() => budget.room().then(() => awake += 1));
  await Promise.resolve();
  assert.equal(awake, 0);
  budget.give(10);
  await Promise.resolve();
  assert.equal(awake, 0);
  budget.give(60);
  await Promise.all(waiting);
  assert.equal(awake, 2);
  assert.equal(budget.bytes, 50);
});
