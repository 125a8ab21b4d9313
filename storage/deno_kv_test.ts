import assert from "node:assert/strict";
import type { Env, RawKv, RawKvAtomic } from "../lib/env.ts";
import { DenoKvStorage } from "./deno_kv.ts";
import {
  CorruptStorageError,
  StorageUnavailableError,
  StoreClosedError,
  UnknownOutcomeError,
} from "./errors.ts";
import { testEnv } from "./storage_testkit.ts";
import type { Commit } from "./storage.ts";

type CommitResult = Awaited<ReturnType<RawKvAtomic["commit"]>>;

/** A KV whose commits are answered by the test, and timers that the test fires. */
function world(): {
  env: Env;
  timers: (() => void)[];
  commits: PromiseWithResolvers<CommitResult>[];
  kv: RawKv;
} {
  const timers: (() => void)[] = [];
  const commits: PromiseWithResolvers<CommitResult>[] = [];
  const atomic: RawKvAtomic = {
    check: () => atomic,
    set: () => atomic,
    delete: () => atomic,
    commit: () => {
      const commit = Promise.withResolvers<CommitResult>();
      commits.push(commit);
      return commit.promise;
    },
  };
  const never = () => new Promise<never>(() => {});
  const kv: RawKv = {
    get: never,
    getMany: never,
    list: () => {
      throw new TypeError("broken");
    },
    atomic: () => atomic,
    watch: () => new ReadableStream(),
    close: () => {},
  };
  const env: Env = {
    ...testEnv(),
    kv: () => Promise.resolve(kv),
    timer: (_ms, callback) => {
      timers.push(callback);
      return () => {
        const at = timers.indexOf(callback);
        if (at >= 0) timers.splice(at, 1);
      };
    },
  };
  return { env, timers, commits, kv };
}

const COMMIT: Commit = { checks: [], mutations: [{ type: "set", key: ["a"], value: new Uint8Array(1) }] };

Deno.test("a commit that throws may have been applied", async () => {
  const { env, commits, timers } = world();
  const storage = await DenoKvStorage.open({ env, path: "x" });
  const result = storage.commit(COMMIT);
  await Promise.resolve();
  commits[0]?.reject(new TypeError("disk I/O error"));
  await assert.rejects(
    result,
    (error: Error) => error instanceof UnknownOutcomeError && /disk I\/O/.test(error.message),
  );
  assert.equal(timers.length, 0);
});

Deno.test("a commit without an answer is unknown at its deadline, and a late answer is nobody's", async () => {
  const { env, commits, timers } = world();
  const storage = await DenoKvStorage.open({ env, path: "x" });
  const result = storage.commit(COMMIT);
  await Promise.resolve();
  timers[0]?.();
  await assert.rejects(result, UnknownOutcomeError);
  commits[0]?.resolve({ ok: true, versionstamp: "1" });
});

Deno.test("what is too large is refused before it is sent", async () => {
  const { env, commits } = world();
  const storage = await DenoKvStorage.open({ env, path: "x" });
  const value = new Uint8Array(65_537);
  await assert.rejects(
    storage.commit({ checks: [], mutations: [{ type: "set", key: ["a"], value }] }),
    RangeError,
  );
  assert.equal(commits.length, 0);
});

Deno.test("commits in flight are bounded, those past their deadline included", async () => {
  const { env, commits, timers } = world();
  const storage = await DenoKvStorage.open({ env, path: "x" });
  const results = Array.from({ length: 64 }, () => storage.commit(COMMIT));
  for (let i = 0; i < 10; i++) await null;
  assert.equal(commits.length, 64);
  for (const timer of [...timers]) timer();
  for (const result of results) await assert.rejects(result, UnknownOutcomeError);
  const waiting = storage.commit(COMMIT);
  const hopeless = storage.commit(COMMIT);
  for (let i = 0; i < 10; i++) await null;
  assert.equal(commits.length, 64);
  commits[0]?.resolve({ ok: true, versionstamp: "1" });
  for (let i = 0; i < 10; i++) await null;
  assert.equal(commits.length, 65);
  commits[64]?.resolve({ ok: true, versionstamp: "2" });
  assert.deepEqual(await waiting, { ok: true, versionstamp: "2" });
  for (let i = 0; i < 10; i++) await null;
  assert.equal(commits.length, 66);
  commits[65]?.resolve({ ok: false });
  assert.deepEqual(await hopeless, { ok: false });
});

Deno.test("reads that fail or hang are unavailable; values that are no bytes are corrupt", async () => {
  const { env, timers, kv } = world();
  const storage = await DenoKvStorage.open({ env, path: "x" });
  await assert.rejects(storage.list({ start: ["a"], end: ["b"] }, { limit: 1 }), StorageUnavailableError);
  const result = storage.get(["a"]);
  for (const timer of [...timers]) timer();
  await assert.rejects(result, StorageUnavailableError);
  kv.get = (key) => Promise.resolve({ key, value: "text", versionstamp: "1" });
  await assert.rejects(storage.get(["a"]), CorruptStorageError);
});

Deno.test("a store that cannot be opened is unavailable", async () => {
  const env = { ...testEnv(), kv: () => Promise.reject(new Error("unable to open database file")) };
  await assert.rejects(DenoKvStorage.open({ env, path: "x" }), StorageUnavailableError);
});

Deno.test("a store that closes answers what waits for it, and leaves no timer behind", async () => {
  const { env, timers } = world();
  const storage = await DenoKvStorage.open({ env, path: "x" });
  const reads = [storage.get(["a"]), storage.getMany([["a"], ["b"]])];
  const commits = Array.from({ length: 65 }, () => storage.commit(COMMIT));
  const ended = Promise.all([
    ...reads.map((read) => assert.rejects(read, StoreClosedError)),
    ...commits.slice(0, 64).map((commit) => assert.rejects(commit, UnknownOutcomeError)),
    // It was never sent.
    assert.rejects(commits[64] ?? Promise.resolve(), StoreClosedError),
  ]);
  for (let turn = 0; turn < 10; turn++) await null;
  await storage.close();
  await ended;
  assert.equal(timers.length, 0);
  await assert.rejects(storage.commit(COMMIT), StoreClosedError);
});
