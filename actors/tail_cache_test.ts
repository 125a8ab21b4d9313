import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { TailCache, TailCacheBudget } from "./tail_cache.ts";

function batch(baseOffset: number, recordCount: number, byteLength = 10) {
  return {
    baseOffset,
    lastOffset: baseOffset + recordCount - 1,
    bytes: new Uint8Array(byteLength).fill(baseOffset),
  };
}

function firstBytes(found: Uint8Array[] | null): number[] | null {
  return found?.map((bytes) => bytes[0] ?? -1) ?? null;
}

Deno.test("TailCache.read() returns whole batches from the one that holds the offset", () => {
  const cache = new TailCache(new TailCacheBudget(1_000));
  for (const each of [batch(5, 3), batch(8, 1), batch(9, 4)]) cache.add(each);
  assert.equal(cache.read(4, 13, 100, true), null);
  assert.deepEqual(firstBytes(cache.read(6, 13, 100, true)), [5, 8, 9]);
  assert.deepEqual(firstBytes(cache.read(8, 13, 100, true)), [8, 9]);
  assert.deepEqual(firstBytes(cache.read(12, 13, 100, true)), [9]);
  assert.deepEqual(firstBytes(cache.read(5, 9, 100, true)), [5, 8]);
});

Deno.test("TailCache.read() keeps to maxBytes but for the first batch when one is demanded", () => {
  const cache = new TailCache(new TailCacheBudget(1_000));
  for (const each of [batch(0, 1), batch(1, 1), batch(2, 1)]) cache.add(each);
  assert.deepEqual(firstBytes(cache.read(0, 3, 25, true)), [0, 1]);
  assert.deepEqual(firstBytes(cache.read(0, 3, 5, true)), [0]);
  assert.deepEqual(firstBytes(cache.read(0, 3, 5, false)), []);
});

Deno.test("TailCacheBudget drops what was cached first, over all partitions", () => {
  const budget = new TailCacheBudget(40);
  const [one, other] = [new TailCache(budget), new TailCache(budget)];
  one.add(batch(0, 1));
  other.add(batch(0, 1));
  one.add(batch(1, 1));
  other.add(batch(1, 1));
  one.add(batch(2, 1));
  assert.equal(budget.bytes, 40);
  assert.equal(one.read(0, 3, 100, true), null);
  assert.deepEqual(firstBytes(one.read(1, 3, 100, true)), [1, 2]);
  assert.deepEqual(firstBytes(other.read(0, 2, 100, true)), [0, 1]);
  one.clear();
  assert.equal(budget.bytes, 20);
  one.add(batch(3, 1));
  assert.equal(budget.bytes, 20);
});

Deno.test("TailCache survives thousands of batches with a small budget", () => {
  const budget = new TailCacheBudget(100);
  const cache = new TailCache(budget);
  for (let offset = 0; offset < 5_000; offset++) cache.add(batch(offset, 1));
  assert.equal(budget.bytes, 100);
  assert.equal(cache.read(4_989, 5_000, 1_000, true), null);
  assert.equal(cache.read(4_990, 5_000, 1_000, true)?.length, 10);
});

Deno.test("TailCache does not keep a whole frame for the sake of a small batch in it", () => {
  const cache = new TailCache(new TailCacheBudget(1_000));
  const frame = new Uint8Array(10_000);
  cache.add({ baseOffset: 0, lastOffset: 0, bytes: frame.subarray(100, 120) });
  const [kept] = cache.read(0, 1, 100, true) ?? [];
  assert.equal(kept?.byteLength, 20);
  assert.equal(kept?.buffer.byteLength, 20);
});

Deno.test("TailCacheBudget drops the right batches after partitions have stopped", () => {
  const budget = new TailCacheBudget(100_000);
  const kept = new TailCache(budget);
  for (let round = 0; round < 5; round++) {
    kept.add(batch(round, 1));
    const stopped = new TailCache(budget);
    for (let offset = 0; offset < 1_000; offset++) stopped.add(batch(offset, 1));
    stopped.clear();
  }
  assert.equal(budget.bytes, 50);
  const large = new TailCache(budget);
  large.add(batch(0, 1, 99_980));
  assert.equal(kept.read(2, 5, 100, true), null);
  assert.deepEqual(firstBytes(kept.read(3, 5, 100, true)), [3, 4]);
});

Deno.test("TailCache keeps no bytes of a batch that was dropped", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const cache = new TailCache(new TailCacheBudget(15));
  const oldest = addTracked(cache, 0);
  const newest = addTracked(cache, 1);
  // A WeakRef holds on until the turn ends.
  await new Promise((resolve) => setTimeout(resolve, 0));
  collectGarbage();
  assert.equal(oldest.deref(), undefined);
  assert.notEqual(newest.deref(), undefined);
  assert.deepEqual(firstBytes(cache.read(1, 2, 100, true)), [1]);
});

/** In a function of its own, so that no variable of the test holds the bytes. */
function addTracked(cache: TailCache, baseOffset: number): WeakRef<Uint8Array> {
  const added = batch(baseOffset, 1);
  cache.add(added);
  return new WeakRef(added.bytes);
}
