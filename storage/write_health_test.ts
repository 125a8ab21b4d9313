import assert from "node:assert/strict";
import type { Env } from "../lib/env.ts";
import { silentLogger } from "../lib/log.ts";
import { StoreClosedError, UnknownOutcomeError } from "./errors.ts";
import { testEnv } from "./storage_testkit.ts";
import { WriteHealth, type WritePath } from "./write_health.ts";

interface World {
  readonly health: WriteHealth;
  readonly probed: WritePath[];
  /** What the probes meet. */
  readonly broken: Set<WritePath>;
  readonly errors: string[];
  pass(ms: number): Promise<void>;
}

function world(): World {
  let nowMs = 0;
  let timer: { readonly atMs: number; readonly callback: () => void } | null = null;
  const env: Env = {
    ...testEnv(),
    mono: () => nowMs,
    timer(ms, callback) {
      assert.equal(timer, null, "one probe at a time");
      timer = { atMs: nowMs + ms, callback };
      return () => timer = null;
    },
  };
  const probed: WritePath[] = [];
  const broken = new Set<WritePath>();
  const errors: string[] = [];
  const log = { ...silentLogger, error: (message: string) => void errors.push(message) };
  const health = new WriteHealth({
    env,
    log,
    probe(path) {
      probed.push(path);
      return broken.has(path) ? Promise.reject(new Error("still full")) : Promise.resolve();
    },
  });
  async function pass(ms: number): Promise<void> {
    nowMs += ms;
    while (timer !== null && timer.atMs <= nowMs) {
      const { callback } = timer;
      timer = null;
      callback();
      for (let turn = 0; turn < 16; turn++) await null;
    }
  }
  return { health, probed, broken, errors, pass };
}

Deno.test("a write that works takes back a fault, and nothing was probed or logged", async () => {
  const { health, probed, errors, pass } = world();
  health.failed("store", new Error("no answer"));
  assert.equal(health.isFailing, false);
  health.succeeded("store");
  await pass(10_000);
  assert.equal(health.fault, null);
  assert.deepEqual([probed, errors], [[], []]);
});

Deno.test("a fault that lasts is probed until the probe works, and reported once", async () => {
  const { health, probed, broken, errors, pass } = world();
  broken.add("store");
  health.failed("store", new Error("database or disk is full"));
  let hasRecovered = false;
  void health.recovered().then(() => hasRecovered = true);
  for (let second = 0; second < 3; second++) await pass(1_000);
  assert.equal(health.isFailing, true);
  assert.equal(health.fault, "The store takes no commits: database or disk is full");
  assert.deepEqual(errors, ["Writes fail; what is stored can still be read"]);
  assert.equal(hasRecovered, false);
  broken.clear();
  await pass(1_000);
  assert.deepEqual(probed, ["store", "store", "store", "store"]);
  assert.deepEqual([health.fault, health.isFailing, hasRecovered], [null, false, true]);
  await pass(10_000);
  assert.equal(probed.length, 4);
});

Deno.test("commits that work say nothing about segment files that fail", async () => {
  const { health, broken, pass } = world();
  broken.add("segments");
  health.failed("segments", new Error("No space left on device"));
  health.succeeded("store");
  await pass(1_000);
  assert.equal(health.fault, "The segment files take no writes: No space left on device");
  broken.clear();
  await pass(1_000);
  assert.equal(health.fault, null);
});

Deno.test("nothing is probed after closing", async () => {
  const { health, probed, pass } = world();
  health.failed("store", new Error("closed"));
  health.close();
  await pass(10_000);
  assert.deepEqual(probed, []);
});

Deno.test("that this process closed the store is no fault, and nothing is probed for it", async () => {
  const { health, probed, pass } = world();
  health.failed("store", new StoreClosedError());
  health.failed("store", new UnknownOutcomeError("closed", { cause: new StoreClosedError() }));
  await pass(10_000);
  assert.deepEqual([health.fault, probed.length], [null, 0]);
});
