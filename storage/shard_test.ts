import assert from "node:assert/strict";
import { FencedError, StorageUnavailableError } from "./errors.ts";
import { decodeShardHead } from "./keys/shard_head.ts";
import { type CommitFate, MemoryStorage } from "./memory.ts";
import { openShards, settle, testEnv } from "./storage_testkit.ts";
import type { KvKey, Mutation } from "./storage.ts";

const HEAD: KvKey = ["x", "h"];

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function set(key: string, value = "1"): Mutation {
  return { type: "set", key: ["x", key], value: text(value) };
}

async function read(storage: MemoryStorage, key: string): Promise<string | null> {
  const found = await storage.get(["x", key]);
  return found === null ? null : new TextDecoder().decode(found.value);
}

Deno.test("a new shard has no payload; an opened one the last that was committed", async () => {
  const storage = new MemoryStorage();
  const shards = await openShards(storage);
  const shard = await shards.openShard(HEAD);
  assert.equal(shard.payload, null);
  await shard.commit({ mutations: [set("a")], payload: text("one") });
  await shard.commit({ mutations: [set("b")] });
  assert.deepEqual(shard.payload, text("one"));
  const again = await (await openShards(storage)).openShard(HEAD);
  assert.deepEqual(again.payload, text("one"));
  assert.equal(await read(storage, "b"), "1");
});

Deno.test("every commit checks the fence and the head, and overwrites the head", async () => {
  const storage = new MemoryStorage();
  const shard = await (await openShards(storage)).openShard(HEAD);
  storage.commits.length = 0;
  await shard.commit({ mutations: [set("a")] });
  const [commit] = storage.commits;
  assert.deepEqual(commit?.checks.map((check) => check.key), [["b", 1], HEAD]);
  assert.deepEqual(commit?.mutations.map((mutation) => mutation.key), [HEAD, ["x", "a"]]);
});

Deno.test("calls made while a commit is in flight go together in the next, in order, with the last payload", async () => {
  const storage = new MemoryStorage();
  const shard = await (await openShards(storage)).openShard(HEAD);
  storage.commits.length = 0;
  const order: number[] = [];
  const calls = [0, 1, 2, 3].map((i) =>
    shard.commit({ mutations: [set("k", String(i))], ...(i === 2 ? { payload: text("two") } : {}) })
      .then(() => order.push(i))
  );
  await Promise.all(calls);
  assert.equal(storage.commits.length, 2);
  assert.deepEqual(order, [0, 1, 2, 3]);
  assert.equal(await read(storage, "k"), "3");
  assert.deepEqual(shard.payload, text("two"));
});

Deno.test("merging stops at the store's limits, and a single call beyond them is a RangeError that harms nobody", async () => {
  const storage = new MemoryStorage({ limits: { mutationsMax: 10 } });
  const shard = await (await openShards(storage)).openShard(HEAD);
  storage.commits.length = 0;
  const many = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => set(prefix + i));
  const calls = [1, 4, 5, 5, 4].map((count, i) => shard.commit({ mutations: many(`m${i}`, count) }));
  await assert.rejects(shard.commit({ mutations: many("x", 10) }), RangeError);
  await Promise.all(calls);
  assert.deepEqual(storage.commits.map((commit) => commit.mutations.length), [2, 10, 10]);
  await shard.commit({ mutations: many("x", 9) });
});

Deno.test("a value or payload larger than the store takes is a RangeError", async () => {
  const storage = new MemoryStorage();
  const shard = await (await openShards(storage)).openShard(HEAD);
  const large = new Uint8Array(65_537);
  await assert.rejects(
    shard.commit({ mutations: [{ type: "set", key: ["x", "a"], value: large }] }),
    RangeError,
  );
  await assert.rejects(shard.commit({ mutations: [], payload: large.subarray(1) }), RangeError);
  await shard.commit({ mutations: [] });
});

Deno.test("commits of many shards that wait go to the store as one, each with its own check and one of the fence", async () => {
  const storage = new MemoryStorage();
  const shards = await openShards(storage);
  const opened = await Promise.all([0, 1, 2, 3, 4].map((i) => shards.openShard(["x", i, "h"])));
  storage.commits.length = 0;
  await Promise.all(opened.map((shard, i) => shard.commit({ mutations: [set(`s${i}`)] })));
  assert.equal(storage.commits.length, 1);
  assert.equal(storage.commits[0]?.checks.length, 6);
  assert.equal(storage.commits[0]?.mutations.length, 10);
});

Deno.test("shards that are opened at once are opened by few commits", async () => {
  const storage = new MemoryStorage();
  const shards = await openShards(storage);
  storage.commits.length = 0;
  const opened = await Promise.all(Array.from({ length: 300 }, (_, i) => shards.openShard(["x", i, "h"])));
  assert.ok(storage.commits.length <= 6, `${storage.commits.length} commits`);
  await Promise.all(opened.map((shard) => shard.commit({ mutations: [] })));
});

Deno.test("a group takes no more heads than the store takes checks", async () => {
  const storage = new MemoryStorage({ limits: { checksMax: 3 } });
  const shards = await openShards(storage);
  const opened = await Promise.all([0, 1, 2, 3, 4].map((i) => shards.openShard(["x", i, "h"])));
  storage.commits.length = 0;
  await Promise.all(opened.map((shard, i) => shard.commit({ mutations: [set(`s${i}`)] })));
  assert.deepEqual(storage.commits.map((commit) => commit.checks.length), [3, 3, 2]);
});

const UNKNOWN: readonly { fate: CommitFate; sent: number }[] = [
  { fate: "throwAfter", sent: 1 },
  { fate: "refuseAfter", sent: 1 },
  { fate: "throwBefore", sent: 2 },
  { fate: "refuse", sent: 2 },
];

for (const { fate, sent } of UNKNOWN) {
  Deno.test(`an outcome that is unknown (${fate}) is found out, and the commit applied once`, async () => {
    const storage = new MemoryStorage();
    const shard = await (await openShards(storage)).openShard(HEAD);
    storage.commits.length = 0;
    storage.next(fate);
    await shard.commit({ mutations: [set("a", fate)], payload: text("p") });
    assert.equal(storage.commits.length, sent);
    if (sent === 2) assert.deepEqual(storage.commits[0], storage.commits[1]);
    assert.equal(await read(storage, "a"), fate);
    await shard.commit({ mutations: [set("b")] });
    assert.equal(await read(storage, "b"), "1");
  });

  Deno.test(`a group of unknown outcome (${fate}) is resolved head by head`, async () => {
    const storage = new MemoryStorage();
    const shards = await openShards(storage);
    const opened = await Promise.all([0, 1, 2].map((i) => shards.openShard(["x", i, "h"])));
    storage.commits.length = 0;
    storage.next(fate);
    await Promise.all(opened.map((shard, i) => shard.commit({ mutations: [set(`s${i}`)] })));
    assert.equal(storage.commits.length, sent === 1 ? 1 : 4);
    await Promise.all(opened.map((shard, i) => shard.commit({ mutations: [set(`t${i}`)] })));
    for (const i of [0, 1, 2]) assert.equal(await read(storage, `t${i}`), "1");
  });
}

Deno.test("a commit that the store applies late, after its repetition, changes nothing", async () => {
  const storage = new MemoryStorage();
  const shard = await (await openShards(storage)).openShard(HEAD);
  storage.next("late");
  await shard.commit({ mutations: [set("a", "old")] });
  await shard.commit({ mutations: [set("a", "new")] });
  assert.equal(storage.releaseLate(), 0);
  assert.equal(await read(storage, "a"), "new");
});

Deno.test("a fenced shard of a group does not hold up the others", async () => {
  const storage = new MemoryStorage();
  const shards = await openShards(storage);
  const first = await shards.openShard(["x", 0, "h"]);
  const second = await shards.openShard(["x", 1, "h"]);
  // Another broker takes one of the two.
  await (await openShards(storage.twin(), { brokerId: 2 })).openShard(["x", 0, "h"]);
  const results = await Promise.allSettled([
    first.commit({ mutations: [set("s0")] }),
    second.commit({ mutations: [set("s1")] }),
  ]);
  assert.deepEqual(results.map((result) => result.status), ["rejected", "fulfilled"]);
  assert.equal(await read(storage, "s0"), null);
  await second.commit({ mutations: [set("s2")] });
});

Deno.test("opening a shard again fences the older handle of the same process", async () => {
  const storage = new MemoryStorage();
  const shards = await openShards(storage);
  const older = await shards.openShard(HEAD);
  const newer = await shards.openShard(HEAD);
  await assert.rejects(older.commit({ mutations: [set("a")] }), FencedError);
  await assert.rejects(older.commit({ mutations: [set("a")] }), FencedError);
  await newer.commit({ mutations: [set("b")] });
  assert.equal(await read(storage, "a"), null);
});

Deno.test("a newer incarnation of the broker fences all shards of the older, also unopened ones", async () => {
  const storage = new MemoryStorage();
  const older = await openShards(storage);
  const opened = await older.openShard(HEAD);
  await openShards(storage.twin());
  await assert.rejects(opened.commit({ mutations: [set("a")] }), FencedError);
  await assert.rejects(older.openShard(["y", "h"]), FencedError);
  await assert.rejects(older.commitLoose([set("a")]), FencedError);
  assert.equal(await read(storage, "a"), null);
});

for (const isApplied of [true, false]) {
  Deno.test(`a fenced writer learns from the new head that its last commit was ${isApplied ? "" : "not "}applied`, async () => {
    const storage = new MemoryStorage();
    const shard = await (await openShards(storage)).openShard(HEAD);
    await shard.commit({ mutations: [] });
    const next = await openShards(storage.twin(), { brokerId: 2 });
    // The store answers nothing until another writer has taken the shard and committed.
    storage.fateOf = () => isApplied ? "throwAfter" : "throwBefore";
    storage.readFault = new StorageUnavailableError("away");
    const outcome = shard.commit({ mutations: [set("a")] });
    // It is looked at below; until then its failure is nobody's surprise.
    outcome.catch(() => undefined);
    await Promise.resolve();
    await settle();
    const taken = await next.openShard(HEAD);
    await taken.commit({ mutations: [set("b")] });
    storage.readFault = null;
    if (isApplied) await outcome;
    else await assert.rejects(outcome, FencedError);
    await assert.rejects(shard.commit({ mutations: [] }), FencedError);
    assert.equal(await read(storage, "a"), isApplied ? "1" : null);
  });
}

Deno.test("a store that stays away makes the shard useless until it is opened again", async () => {
  const storage = new MemoryStorage();
  const env = testEnv();
  const shards = await openShards(storage, { env });
  const shard = await shards.openShard(HEAD);
  storage.fateOf = () => "throwBefore";
  storage.readFault = new StorageUnavailableError("away");
  const begun = env.mono();
  const first = shard.commit({ mutations: [set("a")] });
  const second = shard.commit({ mutations: [set("b")] });
  await assert.rejects(first, StorageUnavailableError);
  await assert.rejects(second, StorageUnavailableError);
  assert.ok(env.mono() - begun >= 30_000);
  storage.fateOf = () => "apply";
  storage.readFault = null;
  await assert.rejects(shard.commit({ mutations: [set("c")] }), StorageUnavailableError);
  const again = await shards.openShard(HEAD);
  await again.commit({ mutations: [set("d")] });
  assert.deepEqual([await read(storage, "c"), await read(storage, "d")], [null, "1"]);
});

Deno.test("opening survives unknown outcomes, of the fence and of the head", async () => {
  for (const fate of ["throwAfter", "refuseAfter", "throwBefore", "refuse"] as const) {
    const storage = new MemoryStorage();
    storage.next(fate);
    const shards = await openShards(storage);
    storage.next(fate);
    const shard = await shards.openShard(HEAD);
    await shard.commit({ mutations: [set("a")] });
    assert.equal(await read(storage, "a"), "1");
  }
});

Deno.test("remove() deletes the head, whatever the outcome looks like, and closes the handle", async () => {
  for (const fate of ["apply", "throwAfter", "refuseAfter", "throwBefore"] as const) {
    const storage = new MemoryStorage();
    const shard = await (await openShards(storage)).openShard(HEAD);
    const before = shard.commit({ mutations: [set("a")] });
    await before;
    storage.next(fate);
    await shard.remove();
    assert.equal(await storage.get(HEAD), null);
    await assert.rejects(shard.commit({ mutations: [] }), StorageUnavailableError);
  }
});

Deno.test("a head keeps its writer's token and that of the writer before", async () => {
  const storage = new MemoryStorage();
  const shards = await openShards(storage);
  const older = await shards.openShard(HEAD);
  await older.commit({ mutations: [] });
  await older.commit({ mutations: [] });
  const newer = await shards.openShard(HEAD);
  await newer.commit({ mutations: [] });
  const head = decodeShardHead((await storage.get(HEAD))?.value ?? new Uint8Array());
  assert.deepEqual([head.token.n, head.fencedToken.n], [1, 2]);
  assert.ok(head.token.opening > head.fencedToken.opening);
});

Deno.test("a closed handle takes no more calls, and what was in flight is answered", async () => {
  const storage = new MemoryStorage();
  const shard = await (await openShards(storage)).openShard(HEAD);
  const inFlight = shard.commit({ mutations: [set("a")] });
  const waiting = shard.commit({ mutations: [set("b")] });
  shard.close();
  await inFlight;
  await assert.rejects(waiting, StorageUnavailableError);
  assert.equal(await read(storage, "b"), null);
});

Deno.test("a look at the owner that sees the shard opened anew by this process, after a failure, does not take it for another's", async () => {
  const storage = new MemoryStorage();
  const shards = await openShards(storage);
  const shard = await shards.openShard(HEAD);
  const getMany = storage.getMany.bind(storage);
  const goOn = Promise.withResolvers<void>();
  storage.getMany = async (keys) => {
    await goOn.promise;
    return await getMany(keys);
  };
  const looking = assert.rejects(shard.confirmOwnership(), StorageUnavailableError);
  storage.getMany = getMany;
  storage.fateOf = () => "throwBefore";
  storage.readFault = new StorageUnavailableError("away");
  await assert.rejects(shard.commit({ mutations: [set("a")] }), StorageUnavailableError);
  storage.fateOf = () => "apply";
  storage.readFault = null;
  const again = await shards.openShard(HEAD);
  goOn.resolve();
  await looking;
  await again.confirmOwnership();
  const other = await openShards(storage);
  await assert.rejects(again.confirmOwnership(), FencedError);
  await (await other.openShard(HEAD)).confirmOwnership();
});
