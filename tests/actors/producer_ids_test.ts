/** The block allocator of producer ids, under virtual time. */
import assert from "node:assert/strict";
import { MemoryStorage } from "../../storage/memory.ts";
import { start } from "../local_world.ts";

Deno.test("no producer id is given out twice: not at once, not over blocks, not after a kill or an unknown outcome", async () => {
  const storage = new MemoryStorage();
  const given: number[] = [];
  for (const fate of ["throwAfter", "refuseAfter", "throwBefore"] as const) {
    const { broker, env } = await start(storage);
    // More than a block, asked for at the same time.
    const first = Promise.all(Array.from({ length: 1_500 }, () => broker.nextProducerId()));
    for (let i = 0; i < 10; i++) await env.runUntilIdle();
    given.push(...await first);
    storage.next(fate);
    const asked = Array.from({ length: 1_000 }, () => broker.nextProducerId());
    for (let i = 0; i < 10; i++) await env.advance(5_000);
    storage.next();
    for (const each of await Promise.allSettled(asked)) {
      if (each.status === "fulfilled") given.push(each.value);
    }
    // Killed: nothing is drained.
  }
  assert.ok(given.length >= 4_500);
  assert.equal(new Set(given).size, given.length);
  assert.ok(given.every((id) => Number.isSafeInteger(id) && id >= 0));
});
