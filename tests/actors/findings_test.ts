/**
 * What others' brokers were found to do wrong, one test for each finding, named after it: Jepsen's reports on Redpanda
 * 21.10.1, Bufstream 0.1.0 and NATS 2.12.1, and Kafka's and YDB's own. A whole broker on a memory store, under virtual time.
 */
import assert from "node:assert/strict";
import type { TopicImage } from "../../core/cluster/metadata_image.ts";
import type { IsolationLevel } from "../../actors/messages/partition.ts";
import { buildBatch, readBatchHeader, readRecords } from "../../protocol/records/record_batch.ts";
import { type CommitFate, MemoryStorage } from "../../storage/memory.ts";
import { settled, start } from "../local_world.ts";

interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

const NOBODY: Identity = { producerId: -1, producerEpoch: -1 };
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const FATES: readonly CommitFate[] = ["throwBefore", "throwAfter", "refuseAfter", "late", "crashAfter"];

/** A broker on `storage`; another one on the same storage is the next process after kill -9. */
async function createWorld(storage = new MemoryStorage()) {
  const { broker, env } = await start(storage);
  let topic: TopicImage | undefined = broker.metadata.topicsByName.get("t");
  if (topic === undefined) {
    const type = "createTopic" as const;
    const named = { name: "t", partitionCount: 2, replicationFactor: 1, configs: {}, validateOnly: false };
    const outcome = await settled(env, broker.supervisor.ask({ type, ...named }));
    assert.ok("topic" in outcome);
    topic = outcome.topic;
  }
  const { topicId } = topic;
  const transaction = (id: string) => broker.transaction(id);
  const ask = (index: number, value: string, identity = NOBODY, baseSequence = -1, transactionalId = "") => {
    const isTransactional = transactionalId !== "";
    const record = { key: null, value: encoder.encode(value), headers: [], timestamp: 1 };
    return broker.partition(topicId, index).ask({
      type: "produce",
      batch: buildBatch({ records: [record], ...identity, baseSequence, isTransactional }),
      maxMessageBytes: 1 << 20,
      timestampType: "CreateTime",
      requireKeys: false,
      transactionalId: isTransactional ? transactionalId : null,
      supportsEpochBump: true,
    });
  };
  return {
    storage,
    env,
    broker,
    topicId,
    ask,
    produce: (...args: Parameters<typeof ask>) => settled(env, ask(...args)),
    init: (id: string, timeoutMs = 60_000) =>
      settled(
        env,
        transaction(id).ask({ type: "initProducerId", timeoutMs, producerId: -1, producerEpoch: -1 }),
      ),
    add: (id: string, { producerId, producerEpoch }: Identity, partitions = [0, 1], groups: string[] = []) =>
      settled(
        env,
        transaction(id).ask({
          type: "addToTransaction",
          producerId,
          producerEpoch,
          partitions: partitions.map((partition) => ({ topicId, partition })),
          groups,
        }),
      ),
    askEnd: (id: string, { producerId, producerEpoch }: Identity, committed: boolean) =>
      transaction(id).ask({ type: "endTransaction", producerId, producerEpoch, committed, bumpsEpoch: true }),
    async fetch(index: number, isolationLevel: IsolationLevel = "read_committed", offset = 0) {
      const type = "fetch" as const;
      const options = {
        offset,
        maxBytes: 1 << 20,
        minOneBatch: true,
        isolationLevel,
        currentLeaderEpoch: -1,
      };
      return await settled(env, broker.partition(topicId, index).ask({ type, ...options }));
    },
    /** `offset value` of everything that a client of this isolation level hands to its user. */
    async read(index: number, isolationLevel: IsolationLevel = "read_committed") {
      const { records, abortedTransactions } = await this.fetch(index, isolationLevel);
      const found: string[] = [];
      const aborted = new Set<number>();
      const waiting = [...abortedTransactions].sort((a, b) => a.firstOffset - b.firstOffset);
      for (const batch of records) {
        const header = readBatchHeader(batch);
        while (waiting[0] !== undefined && waiting[0].firstOffset <= header.baseOffset) {
          aborted.add(waiting.shift()?.producerId ?? -1);
        }
        if (header.isControl) aborted.delete(header.producerId);
        else if (!header.isTransactional || !aborted.has(header.producerId)) {
          for (const { offset, value } of readRecords(batch)) {
            found.push(`${offset} ${decoder.decode(value ?? new Uint8Array())}`);
          }
        }
      }
      return found;
    },
    async committedOffset(group: string) {
      const { offsets } = await settled(
        env,
        broker.group(group).ask({
          type: "offsetFetch",
          partitions: [{ topic: "in", topicId, partition: 0 }],
          memberId: null,
          memberEpoch: -1,
          requireStable: true,
        }),
      );
      return offsets[0]?.isUnstable === true ? "unstable" : offsets[0]?.offset;
    },
    async commitOffset(id: string, group: string, { producerId, producerEpoch }: Identity, offset: number) {
      const { error } = await settled(
        env,
        broker.group(group).ask({
          type: "txnOffsetCommit",
          transactionalId: id,
          producerId,
          producerEpoch,
          generationId: -1,
          memberId: "",
          groupInstanceId: null,
          offsets: [{ topic: "in", topicId, partition: 0, offset, leaderEpoch: -1, metadata: "" }],
        }),
      );
      return error;
    },
  };
}

Deno.test("Redpanda #3039, duplicates: a retry finds its first attempt, whatever became of the commit", async () => {
  for (const fate of FATES) {
    const storage = new MemoryStorage();
    const before = await createWorld(storage);
    const producerId = await settled(before.env, before.broker.nextProducerId());
    const me = { producerId, producerEpoch: 0 };
    await before.produce(0, "a", me, 0);
    storage.next(fate);
    const first = before.ask(0, "b", me, 1).catch(() => null);
    await before.env.advance(40_000);
    void first;
    storage.next();
    const after = await createWorld(storage);
    storage.releaseLate();
    const again = await after.produce(0, "b", me, 1);
    assert.deepEqual([again.error, again.baseOffset], ["NONE", 1], fate);
    assert.deepEqual(await after.read(0), ["0 a", "1 b"], fate);
  }
});

Deno.test("Redpanda #3003, inconsistent offsets: an acknowledged offset holds its record for ever", async () => {
  for (const fate of FATES) {
    const storage = new MemoryStorage();
    const acknowledged: string[] = [];
    for (let life = 0; life < 3; life++) {
      const world = await createWorld(storage);
      acknowledged.push(`${(await world.produce(0, `before ${life}`)).baseOffset} before ${life}`);
      storage.next(fate);
      void world.ask(0, `unknown ${life}`).then(
        ({ error, baseOffset }) => {
          if (error === "NONE") acknowledged.push(`${baseOffset} unknown ${life}`);
        },
        () => "the client does not know",
      );
      await world.env.advance(40_000);
      storage.next();
      storage.releaseLate();
    }
    const found = await (await createWorld(storage)).read(0);
    for (const each of acknowledged) assert.ok(found.includes(each), `${fate}: ${each} of ${found}`);
    const offsets = found.map((each) => each.split(" ")[0]);
    assert.equal(new Set(offsets).size, offsets.length, fate);
  }
});

Deno.test("Redpanda #3036, aborted reads and circular flow: nothing of an open or aborted transaction is read, ever", async () => {
  const world = await createWorld();
  const [a, b] = [await world.init("a"), await world.init("b")];
  await world.add("a", a);
  await world.add("b", b);
  for (const index of [0, 1]) {
    await world.produce(index, `a${index}`, a, 0, "a");
    await world.produce(index, `b${index}`, b, 0, "b");
    assert.deepEqual(await world.read(index), [], "neither reads the other, nor itself");
  }
  await settled(world.env, world.askEnd("a", a, false));
  assert.deepEqual([await world.read(0), await world.read(1)], [[], []]);
  await settled(world.env, world.askEnd("b", b, true));
  assert.deepEqual([await world.read(0), await world.read(1)], [["1 b0"], ["1 b1"]]);
  const after = await createWorld(world.storage);
  assert.deepEqual([await after.read(0), await after.read(1)], [["1 b0"], ["1 b1"]]);
});

Deno.test("Redpanda, lost and stale writes after kills: every acknowledged record is read, in each life", async () => {
  const storage = new MemoryStorage();
  const acknowledged: string[] = [];
  for (let life = 0; life < 5; life++) {
    const world = await createWorld(storage);
    assert.deepEqual(await world.read(0), acknowledged);
    for (let i = 0; i < 4; i++) {
      const { baseOffset } = await world.produce(0, `${life}.${i}`);
      acknowledged.push(`${baseOffset} ${life}.${i}`);
    }
  }
  assert.deepEqual(await (await createWorld(storage)).read(0), acknowledged);
});

Deno.test("Bufstream, stuck consumers: the transaction of a dead producer ends at its timeout, and readers go on", async () => {
  const storage = new MemoryStorage();
  const before = await createWorld(storage);
  const dead = await before.init("dead", 10_000);
  await before.add("dead", dead, [0]);
  await before.produce(0, "open", dead, 0, "dead");
  await before.produce(0, "plain");
  assert.deepEqual(await before.read(0), [], "behind an open transaction");
  // Producer and broker are killed; nobody but the new broker itself knows of the transaction.
  const after = await createWorld(storage);
  for (let i = 0; i < 5; i++) await after.env.advance(5_000);
  assert.deepEqual(await after.read(0), ["1 plain"]);
});

Deno.test("Bufstream, stuck producers: a coordinator that died between decision and markers lets the next instance in", async () => {
  const storage = new MemoryStorage();
  const before = await createWorld(storage);
  const first = await before.init("x");
  await before.add("x", first);
  await before.produce(0, "v", first, 0, "x");
  await before.produce(1, "v", first, 0, "x");
  // The decision is stored, no marker is.
  let commits = 0;
  storage.fateOf = () => commits++ === 0 ? "apply" : "crash";
  void before.askEnd("x", first, true).catch(() => "killed");
  await before.env.advance(1_000);
  storage.next();
  const after = await createWorld(storage);
  for (let i = 0; i < 5; i++) await after.env.advance(100);
  const second = await after.init("x");
  assert.equal(second.error, "NONE");
  assert.ok(second.producerEpoch > first.producerEpoch);
  assert.deepEqual([await after.read(0), await after.read(1)], [["0 v"], ["0 v"]], "what was decided holds");
});

Deno.test("Bufstream, spurious zero offsets: no error carries an offset that looks like one", async () => {
  const world = await createWorld();
  const me = { producerId: 7, producerEpoch: 3 };
  await world.produce(0, "a", me, 0);
  const errors = [
    await world.produce(0, "jump", me, 9),
    await world.produce(0, "old", { ...me, producerEpoch: 2 }, 0),
    await world.produce(0, "no transaction", me, 1, "nobody"),
  ];
  for (const { error, baseOffset } of errors) {
    assert.notEqual(error, "NONE");
    assert.equal(baseOffset, -1, error);
  }
  const outside = await world.fetch(0, "read_committed", 99);
  assert.deepEqual([outside.error, outside.records.length], ["OFFSET_OUT_OF_RANGE", 0]);
  const type = "listOffset" as const;
  const stale = { type, timestamp: -1, isolationLevel: "read_committed", currentLeaderEpoch: 77 } as const;
  const listed = await settled(world.env, world.broker.partition(world.topicId, 0).ask(stale));
  assert.deepEqual([listed.error, listed.offset], ["UNKNOWN_LEADER_EPOCH", -1]);
  const absent = world.broker.partition("00000000-0000-4000-8000-00000000dead", 0);
  const nowhere = await settled(world.env, absent.ask({ ...stale, currentLeaderEpoch: -1 }));
  assert.deepEqual([nowhere.error, nowhere.offset], ["UNKNOWN_TOPIC_OR_PARTITION", -1]);
});

Deno.test("Bufstream, lost writes in healthy clusters: producers at once, each record once, each producer's in order", async () => {
  const world = await createWorld();
  const pending: Promise<{ readonly error: string }>[] = [];
  for (let i = 0; i < 40; i++) {
    for (let id = 1; id <= 5; id++) {
      pending.push(world.ask(0, `${id}.${i}`, { producerId: id, producerEpoch: 0 }, i));
    }
  }
  for (let i = 0; i < 20; i++) await world.env.runUntilIdle();
  for (const { error } of await Promise.all(pending)) assert.equal(error, "NONE");
  const found = (await world.read(0)).map((each) => each.split(" ")[1]);
  assert.equal(found.length, 200);
  for (let id = 1; id <= 5; id++) {
    const own = found.filter((each) => each?.startsWith(`${id}.`));
    assert.deepEqual(own, Array.from({ length: 40 }, (_, i) => `${id}.${i}`));
  }
});

Deno.test("KAFKA-17754, torn transactions: an EndTxn that was delayed on another connection ends nothing later", async () => {
  for (const late of [true, false]) {
    const world = await createWorld();
    const first = await world.init("x");
    await world.add("x", first);
    await world.produce(0, "one", first, 0, "x");
    const second = await settled(world.env, world.askEnd("x", first, true));
    await world.add("x", second);
    await world.produce(0, "two", second, 0, "x");
    const delayed = await settled(world.env, world.askEnd("x", first, late));
    assert.equal(delayed.error, "PRODUCER_FENCED");
    await world.produce(1, "two", second, 0, "x");
    assert.deepEqual(
      [await world.read(0), await world.read(1)],
      [["0 one"], []],
      "the second is still whole, and open",
    );
    await settled(world.env, world.askEnd("x", second, true));
    assert.deepEqual([await world.read(0), await world.read(1)], [["0 one", "2 two"], ["0 two"]]);
  }
});

Deno.test("KAFKA-17754, lost writes: a late write of an ended transaction enters no other", async () => {
  const world = await createWorld();
  const first = await world.init("x");
  await world.add("x", first);
  await world.produce(0, "one", first, 0, "x");
  const second = await settled(world.env, world.askEnd("x", first, false));
  await world.add("x", second);
  const delayed = await world.produce(0, "one again", first, 1, "x");
  assert.equal(delayed.error, "INVALID_PRODUCER_EPOCH");
  await world.produce(0, "two", second, 0, "x");
  await settled(world.env, world.askEnd("x", second, true));
  assert.deepEqual(await world.read(0), ["2 two"]);
});

Deno.test("KAFKA-17582, the position after an abort: it is the last committed one, as before the transaction", async () => {
  const world = await createWorld();
  let me: Identity = await world.init("x");
  for (const [committed, offset, expected] of [[true, 5, 5], [false, 9, 5], [true, 7, 7]] as const) {
    await world.add("x", me, [], ["g"]);
    assert.equal(await world.commitOffset("x", "g", me, offset), "NONE");
    assert.equal(await world.committedOffset("g"), "unstable", "while the outcome is open");
    me = await settled(world.env, world.askEnd("x", me, committed));
    assert.equal(await world.committedOffset("g"), expected);
  }
  assert.equal(await (await createWorld(world.storage)).committedOffset("g"), 7);
});

Deno.test("NATS 2.12.1, damaged bytes: a damaged batch is an error and nothing else, its neighbours stay", async () => {
  const storage = new MemoryStorage();
  const before = await createWorld(storage);
  for (const value of ["a", "b", "c"]) await before.produce(0, value);
  const isBatch = (key: readonly unknown[]) => key[0] === "p" && key[3] === "i" && key[4] === 1;
  const key = storage.keys().find(isBatch);
  assert.ok(key !== undefined);
  storage.tamper(key, (value) => {
    const at = value.length - 3;
    value[at] = (value[at] ?? 0) ^ 0x40;
    return value;
  });
  const after = await createWorld(storage);
  assert.equal((await after.fetch(0, "read_committed", 1)).error, "KAFKA_STORAGE_ERROR");
  assert.ok(storage.keys().some(isBatch), "it is kept for whoever can repair it");
  assert.deepEqual((await after.fetch(0, "read_committed", 2)).records.length, 1);
  assert.equal((await after.produce(0, "d")).baseOffset, 3, "its offset is not given out again");
});

Deno.test("KAFKA-20785: a commit that races with the coordinator's abort is INVALID_PRODUCER_EPOCH", async () => {
  const world = await createWorld();
  const me = await world.init("x", 10_000);
  await world.add("x", me);
  await world.produce(0, "late", me, 0, "x");
  await world.env.advance(11_000);
  const { error } = await settled(world.env, world.askEnd("x", me, true));
  assert.equal(error, "INVALID_PRODUCER_EPOCH");
  assert.deepEqual(await world.read(0), []);
});

Deno.test("YDB: an EndTxn while the previous transaction completes is CONCURRENT_TRANSACTIONS, no empty success", async () => {
  const world = await createWorld();
  const first = await world.init("x");
  await world.add("x", first);
  await world.produce(0, "one", first, 0, "x");
  let commits = 0;
  world.storage.fateOf = () => commits++ === 0 ? "apply" : "hold";
  const second = await settled(world.env, world.askEnd("x", first, true));
  assert.equal(second.error, "NONE", "decided, and its markers under way");
  assert.equal((await settled(world.env, world.askEnd("x", second, true))).error, "CONCURRENT_TRANSACTIONS");
  world.storage.fateOf = () => "apply";
  world.storage.releaseHeld();
  await world.env.advance(1_000);
  assert.deepEqual(await world.read(0), ["0 one"]);
});

Deno.test("YDB: an EndTxn with partitions added but nothing produced succeeds", async () => {
  for (const committed of [true, false]) {
    const world = await createWorld();
    const me = await world.init("x");
    await world.add("x", me);
    assert.equal((await settled(world.env, world.askEnd("x", me, committed))).error, "NONE");
    assert.deepEqual(await world.read(0), []);
  }
});
