/** Properties of logs over random histories: crashes at any commit, timestamps in any order, deletion at any step. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { PartitionKeys } from "./keys/partition.ts";
import { deletePartition, removeTombstone } from "./log_deletion.ts";
import { type CommitFate, MemoryStorage } from "./memory.ts";
import { type LogAppend, PartitionDeletedError, PartitionLog } from "./partition_log.ts";
import { appendsAfter, emptyLogHead, openShards, settle, TOPIC_ID } from "./storage_testkit.ts";

const EVERYTHING = { maxBytes: Number.MAX_SAFE_INTEGER, minOneBatch: true, upTo: Number.MAX_SAFE_INTEGER };
/** Small limits make every path short: two pieces in a commit, attempts from the third on. */
const SMALL = { limits: { valueBytesMax: 512, commitBytesMax: 2_048, mutationsMax: 12 } };

async function openLog(storage: MemoryStorage): Promise<PartitionLog> {
  return await PartitionLog.open(await openShards(storage), TOPIC_ID, 0);
}

interface Round {
  readonly sizes: readonly number[];
  readonly survivors: number;
  readonly fate: CommitFate;
  readonly isOneByOne: boolean;
}

const round: fc.Arbitrary<Round> = fc.record({
  sizes: fc.array(fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 401, max: 5_000 })), {
    minLength: 1,
    maxLength: 8,
  }),
  survivors: fc.integer({ min: 0, max: 12 }),
  fate: fc.constantFrom<CommitFate>(
    "crash",
    "crashAfter",
    "apply",
    "throwAfter",
    "refuseAfter",
    "refuse",
    "late",
  ),
  isOneByOne: fc.boolean(),
});

async function crashAndReopen(rounds: readonly Round[], storage: MemoryStorage): Promise<void> {
  const acknowledged: LogAppend[] = [];
  for (const { sizes, survivors, fate, isOneByOne } of rounds) {
    const log = await openLog(storage);
    const found = await log.read(0, EVERYTHING);
    for (const [i, { bytes }] of acknowledged.entries()) assert.deepEqual(found[i], bytes);
    // What crashed unacknowledged is there whole or not at all, behind the rest.
    assert.equal(found.length, acknowledged.length);
    const appends = appendsAfter(log.head, sizes.map((valueBytes) => ({ timestamps: [1], valueBytes })));
    let left = survivors;
    const inFlight: number[] = [];
    storage.fateOf = () => left-- > 0 ? "apply" : fate;
    let durable = 0;
    const work = async () => {
      if (isOneByOne) {
        await Promise.all(appends.map((append) => log.append([append]).then(() => durable++)));
      } else {
        while (durable < appends.length) durable += await log.append(appends.slice(durable));
      }
    };
    work().catch(() => inFlight.push(0));
    await settle();
    await settle();
    // The process is dead from here on. Whatever it may have had in flight, the store decides.
    storage.fateOf = () => "apply";
    const next = await openLog(storage);
    const end = next.head.logEndOffset;
    const count = end - (appends[0]?.baseOffset ?? 0);
    assert.ok(count >= durable, "an acknowledged batch is gone");
    acknowledged.push(...appends.slice(0, count));
    storage.releaseLate();
    assert.equal((await openLog(storage)).head.logEndOffset, end);
  }
  const last = await openLog(storage);
  assert.deepEqual(await last.read(0, EVERYTHING), acknowledged.map(({ bytes }) => bytes));
  assert.equal(last.head.sizeBytes, acknowledged.reduce((sum, { bytes }) => sum + bytes.length, 0));
  assert.ok(storage.keys().every((key) => key[3] !== "o"), "an attempt was not swept");
}

Deno.test("after a crash at any commit the log is the acknowledged batches and at most those in flight", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 5 }), (rounds) => {
      return crashAndReopen(rounds, new MemoryStorage(SMALL));
    }),
    { numRuns: 150 },
  );
});

Deno.test("the same with the store's real limits and batches above 1 MB", async () => {
  const sizes = fc.array(fc.constantFrom(10, 60_000, 130_000, 900_000, 1_200_000), {
    minLength: 1,
    maxLength: 3,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(round, sizes), { minLength: 1, maxLength: 3 }), (rounds) => {
      return crashAndReopen(rounds.map(([each, sizes]) => ({ ...each, sizes })), new MemoryStorage());
    }),
    { numRuns: 6 },
  );
});

Deno.test("offsetForTimestamp() agrees with a plain search, whatever the order of the timestamps", async () => {
  const batch = fc.record({
    timestamps: fc.array(fc.integer({ min: -1, max: 40 }), { minLength: 1, maxLength: 3 }),
    repeat: fc.constantFrom(1, 1, 1, 5, 70),
    valueBytes: fc.constantFrom(0, 0, 0, 20_000),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(batch, { minLength: 1, maxLength: 12 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      async (batches, startAt) => {
        const storage = new MemoryStorage();
        const log = await openLog(storage);
        const all = batches.flatMap(({ repeat, timestamps, valueBytes }) =>
          Array.from({ length: repeat }, () => ({ timestamps, valueBytes }))
        );
        const appends = appendsAfter(log.head, all);
        for (let done = 0; done < appends.length;) done += await log.append(appends.slice(done));
        const timestamps = all.flatMap((each) => each.timestamps);
        for (const logStartOffset of [0, Math.floor(startAt * timestamps.length)]) {
          await log.commitHead({ ...log.head, logStartOffset });
          while (await log.trim());
          for (const upTo of [timestamps.length, Math.floor(timestamps.length / 2)]) {
            for (let timestamp = 0; timestamp <= 41; timestamp += 3) {
              const offset = timestamps.findIndex((each, i) =>
                i >= logStartOffset && i < upTo && each >= timestamp
              );
              const expected = offset < 0 ? null : { offset, timestamp: timestamps[offset] };
              assert.deepEqual(await log.offsetForTimestamp(timestamp, upTo), expected);
            }
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("searching by timestamp reads little, also when time stood still for long", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  const batches = Array.from(
    { length: 4_000 },
    (_, i) => ({ timestamps: [i < 1_000 ? i : i < 3_000 ? 5 : i] }),
  );
  const appends = appendsAfter(log.head, batches);
  for (let done = 0; done < appends.length;) done += await log.append(appends.slice(done));
  let entries = 0;
  const list = storage.list.bind(storage);
  storage.list = async (range, options) => {
    const found = await list(range, options);
    entries += found.length;
    return found;
  };
  for (const timestamp of [0, 64, 65, 500, 999, 1_000, 3_000, 3_333, 3_999]) {
    const expected = batches.findIndex((batch) => (batch.timestamps[0] ?? 0) >= timestamp);
    assert.equal((await log.offsetForTimestamp(timestamp, 4_000))?.offset, expected);
  }
  assert.equal(await log.offsetForTimestamp(4_000, 4_000), null);
  assert.ok(entries < 9 * 120, `${entries} entries`);
});

Deno.test("searching by timestamp reads little after a deletion, too", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  // Time stands still from 1,000 to 3,000: what the index says of it lies below the log start.
  const batches = Array.from(
    { length: 4_000 },
    (_, i) => ({ timestamps: [i < 1_000 ? i : i < 3_000 ? 999 : i] }),
  );
  const appends = appendsAfter(log.head, batches);
  for (let done = 0; done < appends.length;) done += await log.append(appends.slice(done));
  await log.commitHead({ ...log.head, logStartOffset: 1_100 });
  while (await log.trim());
  let entries = 0;
  const list = storage.list.bind(storage);
  storage.list = async (range, options) => {
    const found = await list(range, options);
    entries += found.length;
    return found;
  };
  for (const timestamp of [0, 999, 1_000, 2_999, 3_000, 3_333, 3_999]) {
    const offset = batches.findIndex((batch, i) => i >= 1_100 && (batch.timestamps[0] ?? 0) >= timestamp);
    assert.equal((await log.offsetForTimestamp(timestamp, 4_000))?.offset, offset, String(timestamp));
  }
  assert.equal(await log.offsetForTimestamp(4_000, 4_000), null);
  assert.ok(entries < 8 * 120, `${entries} entries`);
});

Deno.test("a deletion that crashes at any step ends when it is begun again, and nothing is left", async () => {
  for (let crashAt = 0; crashAt < 12; crashAt++) {
    const storage = new MemoryStorage();
    const log = await openLog(storage);
    const appends = appendsAfter(
      emptyLogHead,
      Array.from(
        { length: 150 },
        (_, i) => ({ timestamps: [i], valueBytes: i % 50 === 0 ? 1_000_000 : 100 }),
      ),
    );
    for (let done = 0; done < appends.length;) done += await log.append(appends.slice(done));
    // A neighbour that must not be touched.
    const other = await PartitionLog.open(await openShards(storage, { brokerId: 2 }), TOPIC_ID, 1);
    await other.append(appendsAfter(other.head, [{ timestamps: [1] }]));

    let left = crashAt;
    storage.fateOf = () => left-- > 0 ? "apply" : crashAt % 2 === 0 ? "crash" : "crashAfter";
    void openShards(storage).then(async (shards) => {
      for await (const count of deletePartition(shards, TOPIC_ID, 0)) assert.ok(count < 100);
    });
    await settle();
    storage.fateOf = () => "apply";

    const shards = await openShards(storage);
    for (let again = 0; again < 2; again++) {
      for await (const count of deletePartition(shards, TOPIC_ID, 0)) assert.ok(count < 100);
    }
    const { prefix, head } = new PartitionKeys(TOPIC_ID, 0);
    const rest = storage.keys().filter((key) => key[0] === "p" && key[2] === prefix[2]);
    assert.deepEqual(rest, [head]);
    await assert.rejects(PartitionLog.open(shards, TOPIC_ID, 0), PartitionDeletedError);
    await removeTombstone(shards, TOPIC_ID, 0);
    await removeTombstone(shards, TOPIC_ID, 0);
    assert.equal(await storage.get(head), null);
    assert.equal((await other.read(0, EVERYTHING)).length, 1);
  }
});

Deno.test("the writer of a log that is being deleted is fenced", async () => {
  const storage = new MemoryStorage();
  const shards = await openShards(storage);
  const log = await PartitionLog.open(shards, TOPIC_ID, 0);
  await log.append(appendsAfter(log.head, [{ timestamps: [1] }]));
  for await (const _step of deletePartition(shards, TOPIC_ID, 0));
  await assert.rejects(log.append(appendsAfter(log.head, [{ timestamps: [1] }])));
  await assert.rejects(
    removeTombstone(shards, TOPIC_ID, 7).then(() => PartitionLog.open(shards, TOPIC_ID, 0)),
    PartitionDeletedError,
  );
});
