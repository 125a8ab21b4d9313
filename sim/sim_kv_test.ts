/** The fake must not lie: it passes the suite of the real stores, and does to commits what was measured on them. */
import assert from "node:assert/strict";
import type { Env } from "../lib/env.ts";
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
