/**
 * The suite that every implementation of `Storage` passes: what the layers above rely on, and nothing else. Cases are
 * plain functions of an open, empty store, so that a test file runs them against whatever it likes.
 */
import assert from "node:assert/strict";
import { keyBytes } from "./key_order.ts";
import type { Commit, KvKey, KvKeyPart, Mutation, Storage } from "./storage.ts";

export interface StorageCase {
  readonly name: string;
  run(storage: Storage): Promise<void>;
}

function bytes(...values: number[]): Uint8Array {
  return new Uint8Array(values);
}

function set(key: KvKey, value: Uint8Array = bytes(1)): Mutation {
  return { type: "set", key, value };
}

async function put(storage: Storage, mutations: Mutation[], checks: Commit["checks"] = []): Promise<string> {
  const result = await storage.commit({ checks, mutations });
  assert.ok(result.ok);
  return result.versionstamp;
}

/** Ascending, as the store orders them. */
const ORDERED_PARTS: readonly KvKeyPart[] = [
  bytes(),
  bytes(0),
  bytes(0, 255),
  bytes(1),
  bytes(255),
  "",
  "\u0000",
  "a",
  "a\u0000",
  "ab",
  "b",
  "é",
  "\uffff",
  "😀",
  -(2n ** 70n),
  -5n,
  0n,
  5n,
  2n ** 70n,
  -Infinity,
  -(2 ** 53),
  -1.5,
  -1,
  -0,
  0,
  1e-300,
  1,
  255,
  256,
  2 ** 53 - 1,
  Infinity,
  false,
  true,
];

/** A key whose last part is padded so that the whole has `size` bytes. */
function keyOf(prefix: KvKey, size: number): KvKey {
  return [...prefix, "x".repeat(size - keyBytes(prefix) - 2)];
}

export const storageSuite: readonly StorageCase[] = [
  {
    name: "get() answers null for an absent key, and what was set with its versionstamp",
    async run(storage) {
      assert.equal(await storage.get(["a"]), null);
      const versionstamp = await put(storage, [set(["a"], bytes(1, 2, 3))]);
      const found = await storage.get(["a"]);
      assert.deepEqual(found, { key: ["a"], value: bytes(1, 2, 3), versionstamp });
    },
  },
  {
    name: "getMany() answers in the order of the keys, with null for the absent, and refuses too many",
    async run(storage) {
      await put(storage, [set(["a"], bytes(1)), set(["c"], bytes(3))]);
      const found = await storage.getMany([["c"], ["b"], ["a"]]);
      assert.deepEqual(found.map((entry) => entry?.value[0] ?? null), [3, null, 1]);
      const keys = Array.from({ length: storage.limits.getManyMax + 1 }, (_, i) => [i]);
      await assert.rejects(async () => await storage.getMany(keys), RangeError);
    },
  },
  {
    name: "keys are ordered by type and then by value",
    async run(storage) {
      const shuffled = ORDERED_PARTS.map((part, i) => ({ part, rank: (i * 17) % ORDERED_PARTS.length }))
        .sort((a, b) => a.rank - b.rank);
      for (const { part } of shuffled) await put(storage, [set(["o", part])]);
      const found = await storage.list({ start: ["o"], end: ["p"] }, { limit: 100 });
      assert.deepEqual(found.map((entry) => entry.key[1]), ORDERED_PARTS);
    },
  },
  {
    name: "a key that is the beginning of others comes before them",
    async run(storage) {
      await put(storage, [
        set(["a", "b", 1]),
        set(["a"]),
        set(["a", "b"]),
        set(["a", "b", bytes()]),
        set(["aa"]),
      ]);
      const found = await storage.list({ start: ["a"], end: ["b"] }, { limit: 100 });
      assert.deepEqual(found.map((entry) => entry.key), [
        ["a"],
        ["a", "b"],
        ["a", "b", bytes()],
        ["a", "b", 1],
        ["aa"],
      ]);
    },
  },
  {
    name: "list() has its start in and its end out, both ways, up to the limit",
    async run(storage) {
      await put(storage, Array.from({ length: 10 }, (_, i) => set(["l", i])));
      const keys = async (reverse: boolean, limit: number) =>
        (await storage.list({ start: ["l", 2], end: ["l", 7] }, { reverse, limit })).map((entry) =>
          entry.key[1]
        );
      assert.deepEqual(await keys(false, 100), [2, 3, 4, 5, 6]);
      assert.deepEqual(await keys(true, 100), [6, 5, 4, 3, 2]);
      assert.deepEqual(await keys(false, 2), [2, 3]);
      assert.deepEqual(await keys(true, 2), [6, 5]);
      assert.deepEqual(await storage.list({ start: ["l", 7], end: ["l", 7] }, { limit: 5 }), []);
    },
  },
  {
    name: "list() pages are at most as long as the limits say",
    async run(storage) {
      const { mutationsMax, listPageMax } = storage.limits;
      for (let from = 0; from <= listPageMax; from += mutationsMax) {
        await put(storage, Array.from({ length: mutationsMax }, (_, i) => set(["n", from + i])));
      }
      const found = await storage.list({ start: ["n"], end: ["o"] }, { limit: 1_000_000 });
      assert.equal(found.length, listPageMax);
    },
  },
  {
    name: "commit() applies everything or, when a check fails, nothing",
    async run(storage) {
      const first = await put(storage, [set(["a"]), set(["b"])]);
      const second = await put(storage, [set(["a"], bytes(2))], [{ key: ["a"], versionstamp: first }]);
      assert.notEqual(first, second);
      const checks = [{ key: ["b"], versionstamp: first }, { key: ["a"], versionstamp: first }];
      const mutations = [set(["c"]), set(["a"], bytes(3)), { type: "delete", key: ["b"] } as const];
      assert.deepEqual(await storage.commit({ checks, mutations }), { ok: false });
      assert.equal(await storage.get(["c"]), null);
      assert.equal((await storage.get(["a"]))?.value[0], 2);
      assert.equal((await storage.get(["b"]))?.versionstamp, first);
    },
  },
  {
    name: "a check for null passes only while the key is absent",
    async run(storage) {
      const checks = [{ key: ["a"], versionstamp: null }];
      await put(storage, [set(["a"])], checks);
      assert.deepEqual(await storage.commit({ checks, mutations: [set(["a"])] }), { ok: false });
      await put(storage, [{ type: "delete", key: ["a"] }]);
      await put(storage, [set(["a"])], checks);
    },
  },
  {
    name: "mutations of one commit take effect in order, and share one versionstamp, which rises",
    async run(storage) {
      const first = await put(storage, [set(["a"], bytes(1)), { type: "delete", key: ["a"] }, set(["b"])]);
      assert.equal(await storage.get(["a"]), null);
      const second = await put(storage, [set(["a"], bytes(1)), set(["a"], bytes(2)), set(["b"])]);
      assert.equal((await storage.get(["a"]))?.value[0], 2);
      assert.equal((await storage.get(["b"]))?.versionstamp, second);
      assert.ok(second > first);
    },
  },
  {
    name: "commits in flight at once do not mix",
    async run(storage) {
      const checks = [{ key: ["a"], versionstamp: null }];
      const results = await Promise.all(
        Array.from(
          { length: 20 },
          (_, i) => storage.commit({ checks, mutations: [set(["a"], bytes(i)), set(["b"], bytes(i))] }),
        ),
      );
      assert.equal(results.filter((result) => result.ok).length, 1);
      assert.deepEqual((await storage.get(["a"]))?.value, (await storage.get(["b"]))?.value);
    },
  },
  {
    name: "values are the caller's to change once commit() has answered, and the reader's once read",
    async run(storage) {
      const value = bytes(1, 2, 3);
      await put(storage, [set(["a"], value)]);
      value[0] = 9;
      const found = await storage.get(["a"]);
      assert.deepEqual(found?.value, bytes(1, 2, 3));
      if (found !== null) found.value[0] = 9;
      assert.deepEqual((await storage.get(["a"]))?.value, bytes(1, 2, 3));
    },
  },
  {
    name: "commit() takes a view of a larger buffer as the bytes that it shows",
    async run(storage) {
      await put(storage, [set(["a"], bytes(1, 2, 3, 4, 5).subarray(1, 3)), set(["b"], bytes())]);
      assert.deepEqual((await storage.get(["a"]))?.value, bytes(2, 3));
      assert.deepEqual((await storage.get(["b"]))?.value, bytes());
    },
  },
  {
    name: "commit() takes the largest value and the largest key, and refuses one byte more before sending",
    async run(storage) {
      const { valueBytesMax, keyBytesMax } = storage.limits;
      await put(storage, [set(["v"], new Uint8Array(valueBytesMax))]);
      assert.equal((await storage.get(["v"]))?.value.length, valueBytesMax);
      await assert.rejects(put(storage, [set(["v"], new Uint8Array(valueBytesMax + 1))]), RangeError);
      const key = keyOf(["k"], keyBytesMax);
      await put(storage, [set(key)]);
      assert.equal((await storage.get(key))?.value[0], 1);
      await assert.rejects(put(storage, [set(keyOf(["k"], keyBytesMax + 1))]), RangeError);
    },
  },
  {
    name: "commit() takes as many mutations and checks as the limits say, and no more",
    async run(storage) {
      const { mutationsMax, checksMax } = storage.limits;
      const mutations = Array.from({ length: mutationsMax }, (_, i) => set(["m", i]));
      const checks = Array.from(
        { length: checksMax },
        (_, i) => ({ key: ["absent", i], versionstamp: null }),
      );
      await put(storage, mutations, checks);
      await assert.rejects(put(storage, [...mutations, set(["m", -1])]), RangeError);
      await assert.rejects(
        put(storage, [], [...checks, { key: ["absent", -1], versionstamp: null }]),
        RangeError,
      );
    },
  },
  {
    name: "commit() takes as many bytes as the limits say, keys counted twice, and no more",
    async run(storage) {
      const { commitBytesMax, valueBytesMax } = storage.limits;
      const checks = [{ key: ["some longer key", bytes(0, 0, 0, 1)], versionstamp: null }];
      let left = commitBytesMax - keyBytes(checks[0]?.key ?? []);
      const mutations: Mutation[] = [];
      for (let i = 0; left > 0; i++) {
        const key = [bytes(0, 0, 0, 7), "é\u0000", i];
        const size = Math.min(valueBytesMax, left - 2 * keyBytes(key));
        if (size < 0) break;
        mutations.push(set(key, new Uint8Array(size)));
        left -= size + 2 * keyBytes(key);
      }
      assert.equal(left, 0);
      await put(storage, mutations, checks);
      const last = mutations.pop();
      assert.ok(last?.type === "set");
      const larger = set(last.key, new Uint8Array(last.value.length + 1));
      await assert.rejects(put(storage, [...mutations, larger], checks), RangeError);
    },
  },
  {
    name: "commit() takes as many bytes of keys as the limits say, and no more",
    async run(storage) {
      const { commitKeyBytesMax } = storage.limits;
      const mutations: Mutation[] = [];
      let left = commitKeyBytesMax;
      for (let i = 0; left >= 1_000; i++) {
        const size = left >= 2_000 ? 1_000 : left;
        mutations.push(set(keyOf(["k", i], size)));
        left -= size;
      }
      assert.equal(left, 0);
      await put(storage, mutations);
      await assert.rejects(put(storage, [...mutations, { type: "delete", key: ["k"] }]), RangeError);
    },
  },
  {
    name: "watch() tells of a change to one of the keys, until it is stopped",
    async run(storage) {
      let stop = () => {};
      const changed = new Promise<void>((resolve) => {
        stop = storage.watch([["w", 1], ["w", 2]], resolve);
      });
      // A watch may begin late: change the key until it is seen.
      let isSeen = false;
      void changed.then(() => isSeen = true);
      for (let i = 0; i < 1_000 && !isSeen; i++) {
        await put(storage, [set(["w", 2], bytes(i & 0xff))]);
        await storage.get(["w", 2]);
      }
      await changed;
      stop();
      stop();
    },
  },
  {
    name: "close() ends the store: later calls fail",
    async run(storage) {
      await storage.close();
      await storage.close();
      await assert.rejects(async () => await storage.get(["a"]));
      await assert.rejects(async () => await storage.commit({ checks: [], mutations: [set(["a"])] }));
    },
  },
];
