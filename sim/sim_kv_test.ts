/** The fake must not lie: it passes the suite of the real stores, and does to commits what was measured on them. */
import assert from "node:assert/strict";
import { realEnv } from "../env/real.ts";
import type { Env, KvKey, RawKv } from "../lib/env.ts";
import { keyBytes } from "../storage/key_order.ts";
import { storageSuite } from "../storage/storage_suite.ts";
import { DenoKvStorage } from "../storage/deno_kv.ts";
import { embeddedLimits } from "../storage/limits.ts";
import { FaultLog } from "./fault_log.ts";
import { SimNetwork } from "./network.ts";
import { SimProcess } from "./process.ts";
import { Rng } from "./rng.ts";
import { Scheduler } from "./scheduler.ts";
import { SimDisk } from "./sim_files.ts";
import { SimStore } from "./sim_kv.ts";
import { type KvFaults, noDiskFaults, noKvFaults, noProcessFaults, type StoreProfile } from "./swarm.ts";
import { Trace } from "./trace.ts";

interface Small {
  readonly env: Env;
  readonly process: SimProcess;
  readonly store: SimStore;
  readonly scheduler: Scheduler;
  /** Lets virtual time pass until the promise has settled. */
  settle<T>(promise: Promise<T>): Promise<T>;
}

function smallWorld(profile: StoreProfile, faults: Partial<KvFaults> = {}): Small {
  const rng = new Rng("sim_kv_test");
  const scheduler = new Scheduler(rng.split("scheduler"), new Trace());
  const faultLog = new FaultLog();
  const store = new SimStore(profile, rng.split("store"));
  const net = { latencyMs: [0.1, 1] as const, chunk: 0, shortWrite: 0, refuse: 0 };
  const process = new SimProcess({
    name: "p",
    hostname: "p",
    scheduler,
    network: new SimNetwork({ scheduler, rng: rng.split("network"), faultLog, faults: () => net }),
    rng: rng.split("process"),
    faultLog,
    disk: new SimDisk(),
    storeAt: () => store,
    kvFaults: () => ({ ...noKvFaults, ...faults }),
    processFaults: () => noProcessFaults,
    diskFaults: () => noDiskFaults,
  });
  return {
    env: process.env,
    process,
    store,
    scheduler,
    async settle(promise) {
      let isSettled = false;
      const done = () => isSettled = true;
      promise.then(done, done);
      const end = await scheduler.run({
        until: () => isSettled,
        deadlineMs: Infinity,
        stepCountMax: 100_000,
      });
      assert.equal(end, "done");
      return await promise;
    },
  };
}

for (const profile of ["embedded", "remote"] as const) {
  for (const { name, run } of storageSuite) {
    Deno.test(`SimKv, ${profile}: ${name}`, async () => {
      const { env, settle } = smallWorld(profile);
      const limits = profile === "remote" ? { ...embeddedLimits, checksMax: 10 } : embeddedLimits;
      const storage = await DenoKvStorage.open({ env, path: "store", limits });
      await settle(run(storage));
      await storage.close();
    });
  }
}

/** A key of exactly so many bytes. */
function keyOf(prefix: KvKey, size: number): KvKey {
  return [...prefix, "x".repeat(size - keyBytes(prefix) - 2)];
}

/** Calls at the very edge of what a store takes: with 0 it is taken, with 1, one beyond, it is refused before anything is sent. */
const EDGES: Readonly<Record<string, (kv: RawKv, beyond: number) => Promise<unknown>>> = {
  "the length of a key": (kv, beyond) =>
    kv.atomic().set(keyOf([], 2_048 + beyond), new Uint8Array()).commit(),
  "the size of a value": (kv, beyond) => kv.atomic().set(["v"], new Uint8Array(65_536 + beyond)).commit(),
  "mutations": (kv, beyond) => {
    const atomic = kv.atomic();
    for (let i = 0; i < 1_000 + beyond; i++) atomic.delete([i]);
    return atomic.commit();
  },
  "checks": (kv, beyond) => {
    const atomic = kv.atomic().delete(["a"]);
    for (let i = 0; i < 100 + beyond; i++) atomic.check({ key: ["absent", i], versionstamp: null });
    return atomic.commit();
  },
  "bytes of a commit, the keys of what is set counted twice": (kv, beyond) => {
    const atomic = kv.atomic().check({ key: keyOf(["c"], 1_000), versionstamp: null }).delete(
      keyOf(["d"], 1_000),
    );
    let left = 819_200 - 2_000;
    for (let i = 0; left > 0; i++) {
      const key = keyOf([i], 100);
      const size = Math.min(65_536, left - 200);
      left -= size + 200;
      atomic.set(key, new Uint8Array(left === 0 ? size + beyond : size));
    }
    return atomic.commit();
  },
  "bytes of keys, of what is set alone": (kv, beyond) => {
    const atomic = kv.atomic().delete(keyOf(["d"], 1_000));
    atomic.check({ key: keyOf(["c"], 1_000), versionstamp: null });
    for (let i = 0; i < 81; i++) atomic.set(keyOf([i], 1_000), new Uint8Array());
    return atomic.set(keyOf(["last"], 920 + beyond), new Uint8Array()).commit();
  },
  "keys of one read": (kv, beyond) => kv.getMany(Array.from({ length: 10 + beyond }, (_, i) => [i])),
  "entries of one page": async (kv, beyond) => {
    for await (
      const _ of kv.list({ start: ["l"], end: ["m"] }, { limit: 2_000, batchSize: 1_000 + beyond })
    ) break;
  },
  "keys of one watch": async (kv, beyond) => {
    await kv.watch(Array.from({ length: 10 + beyond }, (_, i) => [i])).cancel();
  },
};

for (const [what, call] of Object.entries(EDGES)) {
  Deno.test(`SimKv takes what Deno KV takes, and refuses what it refuses: ${what}`, async () => {
    const real = await realEnv().kv(":memory:");
    const { env, settle } = smallWorld("embedded");
    const fake = await env.kv("store");
    await call(real, 0);
    await settle(call(fake, 0));
    await assert.rejects(async () => await call(real, 1), TypeError);
    await assert.rejects(settle((async () => await call(fake, 1))()), TypeError);
    real.close();
    fake.close();
  });
}

const key = ["a"];
const commitOf = (value: number, versionstamp: string | null) => ({
  checks: [{ key, versionstamp }],
  mutations: [{ type: "set" as const, key, value: new Uint8Array([value]) }],
});

Deno.test("SimKv, remote: a commit whose reply was lost is refused and yet applied", async () => {
  const { env, store, settle } = smallWorld("remote", { refusedApplied: 1 });
  const storage = await DenoKvStorage.open({ env, path: "store" });
  assert.deepEqual(await settle(storage.commit(commitOf(1, null))), { ok: false });
  assert.deepEqual(store.get(key)?.value, new Uint8Array([1]));
});

Deno.test("SimKv: a commit that throws may have been applied", async () => {
  for (
    const [faults, expected] of [[{ thrownApplied: 1 }, 1], [{ thrownUnapplied: 1 }, undefined]] as const
  ) {
    const { env, store, settle } = smallWorld("embedded", faults);
    const storage = await DenoKvStorage.open({ env, path: "store" });
    await assert.rejects(settle(storage.commit(commitOf(1, null))));
    assert.equal(store.get(key)?.value[0], expected);
  }
});

Deno.test("SimKv, remote: a late commit comes after its caller gave up, and its check still holds", async () => {
  const { env, store, scheduler, settle } = smallWorld("remote", { late: 1 });
  const storage = await DenoKvStorage.open({ env, path: "store", deadlineMs: 10 });
  await assert.rejects(settle(storage.commit(commitOf(1, null))));
  assert.equal(store.get(key), null);
  store.apply("another", commitOf(2, null));
  await scheduler.run({ until: () => false, deadlineMs: scheduler.nowMs + 200_000, stepCountMax: 1_000 });
  assert.equal(store.get(key)?.value[0], 2);
});

Deno.test("SimKv, remote: a commit without a check whose reply was lost is applied twice, and says so of the second time", async () => {
  const { env, store, scheduler, settle } = smallWorld("remote", { refusedApplied: 1 });
  const storage = await DenoKvStorage.open({ env, path: "store" });
  const mutations = [{ type: "set" as const, key, value: new Uint8Array([1]) }];
  const committing = storage.commit({ checks: [], mutations });
  await scheduler.run({ until: () => store.get(key) !== null, deadlineMs: Infinity, stepCountMax: 1_000 });
  const first = store.get(key)?.versionstamp ?? "";
  store.apply("another", { checks: [], mutations: commitOf(2, null).mutations });
  const result = await settle(committing);
  assert.ok(result.ok && result.versionstamp > first);
  assert.equal(store.get(key)?.value[0], 1, "what came between is gone");
});

Deno.test("SimKv: while the store is away a remote call waits and is then applied, an embedded one throws", async () => {
  for (const profile of ["remote", "embedded"] as const) {
    const { env, store, scheduler, settle } = smallWorld(profile);
    const storage = await DenoKvStorage.open({ env, path: "store", deadlineMs: 60_000 });
    store.awayUntilMs = scheduler.nowMs + 5_000;
    const committing = settle(storage.commit(commitOf(1, null)));
    if (profile === "embedded") await assert.rejects(committing);
    else assert.ok((await committing).ok);
    assert.equal(store.get(key) === null, profile === "embedded");
    assert.equal(scheduler.nowMs >= 5_000, profile === "remote");
  }
});

Deno.test("SimKv, remote: a call may never be answered, and a commit be refused without a reason", async () => {
  const hanging = smallWorld("remote", { hang: 1 });
  const kv = await hanging.env.kv("store");
  let isAnswered = false;
  void kv.get(key).finally(() => isAnswered = true);
  void kv.atomic().set(key, new Uint8Array()).commit().finally(() => isAnswered = true);
  await hanging.scheduler.run({ until: () => isAnswered, deadlineMs: 600_000, stepCountMax: 1_000 });
  assert.equal(isAnswered, false);
  const refusing = smallWorld("remote", { conflict: 1 });
  const storage = await DenoKvStorage.open({ env: refusing.env, path: "store" });
  assert.deepEqual(await refusing.settle(storage.commit(commitOf(1, null))), { ok: false });
  assert.equal(refusing.store.get(key), null);
});

Deno.test("SimKv: a list is no snapshot: what is committed between two of its pages is in it", async () => {
  const { env, store, settle } = smallWorld("embedded");
  const kv = await env.kv("store");
  const rows = (value: number) =>
    Array.from(
      { length: 6 },
      (_, i) => ({ type: "set" as const, key: ["l", i], value: new Uint8Array([value]) }),
    );
  store.apply("another", { checks: [], mutations: rows(0) });
  const seen: unknown[] = [];
  await settle((async () => {
    for await (const { value } of kv.list({ start: ["l"], end: ["m"] }, { batchSize: 3 })) {
      if (seen.length === 0) store.apply("another", { checks: [], mutations: rows(1) });
      seen.push((value as Uint8Array)[0]);
    }
  })());
  assert.deepEqual(seen, [0, 0, 0, 1, 1, 1]);
});

Deno.test("SimKv: a watch is late and tells many changes as one, or never tells", async () => {
  for (const watchSilent of [0, 1]) {
    const { env, store, scheduler } = smallWorld("embedded", { watchSilent });
    const told: unknown[] = [];
    const reader = (await env.kv("store")).watch([key]).getReader();
    void (async () => {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        told.push(value[0]?.value === null ? null : (value[0]?.value as Uint8Array)[0]);
      }
    })();
    const pass = (ms: number) =>
      scheduler.run({ until: () => false, deadlineMs: scheduler.nowMs + ms, stepCountMax: 1_000 });
    await pass(3_000);
    assert.deepEqual(told, [null], "the first item is how it is");
    for (let i = 0; i < 9; i++) {
      const versionstamp = store.get(key)?.versionstamp ?? null;
      store.apply("another", commitOf(i, versionstamp));
    }
    assert.equal(told.length, 1, "not at once");
    await pass(3_000);
    assert.deepEqual(told, watchSilent === 1 ? [null] : [null, 8]);
    await reader.cancel();
  }
});

Deno.test("SimStore: a bit that flipped is read so until it is written or repaired, and checks still hold", () => {
  const { store } = smallWorld("embedded");
  store.apply("another", commitOf(1, null));
  assert.ok(store.flipBit(key, () => 0));
  assert.equal(store.flipBit(key, () => 0), false, "it is flipped already");
  const row = store.get(key);
  assert.deepEqual([row?.value[0], row?.damaged?.[0]], [1, 0]);
  assert.ok(store.apply("another", commitOf(2, row?.versionstamp ?? null)).ok);
  assert.equal(store.get(key)?.damaged, undefined);
});

Deno.test("a dead process hears nothing and does nothing more; what it had committed stays", async () => {
  const { env, process, store, scheduler, settle } = smallWorld("embedded");
  const storage = await DenoKvStorage.open({ env, path: "store" });
  await settle(storage.commit(commitOf(1, null)));
  let isHeard = false;
  storage.get(key).then(() => isHeard = true);
  env.timer(1, () => isHeard = true);
  process.kill("test");
  void storage.commit(commitOf(2, store.get(key)?.versionstamp ?? null));
  const end = await scheduler.run({ until: () => isHeard, deadlineMs: Infinity, stepCountMax: 1_000 });
  assert.equal(end, "deadlock");
  assert.equal(store.get(key)?.value[0], 1);
});
