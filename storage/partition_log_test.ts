import assert from "node:assert/strict";
import { realEnv } from "../env/real.ts";
import { silentLogger } from "../lib/log.ts";
import { readRecords } from "../protocol/records/record_batch.ts";
import { DenoKvStorage } from "./deno_kv.ts";
import { CorruptStorageError, FencedError } from "./errors.ts";
import { decodeBatchIndex, encodeBatchIndex } from "./keys/batch_index.ts";
import { decodeLogHead, encodeLogHead, type LiveLogHead } from "./keys/log_head.ts";
import { PartitionKeys, partitionOfKey } from "./keys/partition.ts";
import { unsealed } from "./keys/sealed_testkit.ts";
import { decodeShardHead, encodeShardHead } from "./keys/shard_head.ts";
import { encodeAbortedTransaction } from "./keys/partition_transaction.ts";
import { MemoryStorage } from "./memory.ts";
import { type LogAppend, type LogHead, OffsetTrimmedError, PartitionLog } from "./partition_log.ts";
import { ShardStore } from "./shard.ts";
import { checkStorage } from "./storage_check.ts";
import { storedCrc } from "./stored_crc.ts";
import {
  appendAfter,
  appendsAfter,
  type BatchOptions,
  emptyLogHead,
  nextIncarnation,
  openShards,
  TOPIC_ID,
} from "./storage_testkit.ts";

const KEYS = new PartitionKeys(TOPIC_ID, 0);
const EVERYTHING = { maxBytes: Number.MAX_SAFE_INTEGER, minOneBatch: true, upTo: Number.MAX_SAFE_INTEGER };

async function openLog(storage: MemoryStorage): Promise<PartitionLog> {
  return await PartitionLog.open(await openShards(storage), TOPIC_ID, 0);
}

/** Appends everything, however many calls it takes; returns the calls. */
async function appendAll(log: PartitionLog, appends: readonly LogAppend[]): Promise<number> {
  let calls = 0;
  for (let done = 0; done < appends.length; calls++) done += await log.append(appends.slice(done));
  return calls;
}

function families(storage: MemoryStorage): string {
  return storage.keys().filter((key) => key[0] === "p").map((key) => partitionOfKey(key).family).join("");
}

/** Sizes around every edge: inline, one more than inline, pieces in one commit, an attempt of several commits. */
const SIZES = [0, 1_000, 65_000, 66_000, 131_072, 700_000, 1_048_588, 3_000_000];

Deno.test("a new log is empty, and reading at its end yields nothing", async () => {
  const log = await openLog(new MemoryStorage());
  assert.deepEqual(log.head, emptyLogHead);
  assert.deepEqual(await log.read(0, EVERYTHING), []);
  assert.equal(await log.offsetForTimestamp(0, 10), null);
  assert.equal(await log.producerState(1), null);
});

Deno.test("batches of every size are read back byte for byte, also after opening again", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  const appends = appendsAfter(log.head, SIZES.map((valueBytes, i) => ({ timestamps: [i, i], valueBytes })));
  await appendAll(log, appends);
  const again = await openLog(storage);
  for (const each of [log, again]) {
    assert.deepEqual(each.head, appends[appends.length - 1]?.headAfter);
    const batches = await each.read(0, EVERYTHING);
    assert.equal(batches.length, appends.length);
    for (const [i, batch] of batches.entries()) assert.ok(equal(batch, appends[i]?.bytes));
  }
});

function equal(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);
}

Deno.test("append() puts as many batches into one commit as it takes, and returns how many", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  storage.commits.length = 0;
  const small = appendsAfter(
    log.head,
    Array.from({ length: 100 }, () => ({ timestamps: [1], valueBytes: 1_000 })),
  );
  assert.equal(await log.append(small), 100);
  assert.equal(storage.commits.length, 1);
  const large = appendsAfter(
    log.head,
    Array.from({ length: 10 }, () => ({ timestamps: [1], valueBytes: 131_000 })),
  );
  assert.equal(await log.append(large), 6);
  assert.equal(log.head.logEndOffset, 106);
  assert.equal(await log.append(large.slice(6)), 4);
});

Deno.test("append() may be called again before the last call ended", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  storage.commits.length = 0;
  const appends = appendsAfter(log.head, SIZES.map((valueBytes, i) => ({ timestamps: [i], valueBytes })));
  const counts = await Promise.all(appends.map((append) => log.append([append])));
  assert.deepEqual(counts, appends.map(() => 1));
  assert.equal(log.head.logEndOffset, SIZES.length);
  assert.equal((await log.read(0, EVERYTHING)).length, SIZES.length);
  const few = appendsAfter(
    log.head,
    Array.from({ length: 64 }, () => ({ timestamps: [1], valueBytes: 500 })),
  );
  storage.commits.length = 0;
  await Promise.all(few.map((append) => log.append([append])));
  assert.equal(storage.commits.length, 2);
});

Deno.test("a batch's bytes are handed to the store without copies, or with one when they are small", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  let views = 0;
  const commit = storage.commit.bind(storage);
  const [append] = appendsAfter(log.head, [{ timestamps: [1], valueBytes: 131_000 }]);
  storage.commit = (each) => {
    views += each.mutations.filter((m) => m.type === "set" && m.value.buffer === append?.bytes.buffer).length;
    return commit(each);
  };
  await log.append([append as LogAppend]);
  assert.equal(views, 3 - (append && append.bytes.length <= 131_072 ? 1 : 0));
});

Deno.test("read() begins with the batch that contains the offset and ends at the bounds", async () => {
  const log = await openLog(new MemoryStorage());
  const appends = appendsAfter(
    log.head,
    Array.from({ length: 50 }, (_, i) => ({ timestamps: [1, 2, 3], valueBytes: i % 7 === 0 ? 70_000 : 200 })),
  );
  await appendAll(log, appends);
  const first = async (from: number, options: Partial<typeof EVERYTHING>) =>
    (await log.read(from, { ...EVERYTHING, ...options })).map((batch) => readRecords(batch)[0]?.offset);
  assert.deepEqual(await first(4, { upTo: 10 }), [3, 6, 9]);
  assert.deepEqual(await first(5, { upTo: 6 }), [3]);
  assert.deepEqual(await first(3, { maxBytes: 1, minOneBatch: true }), [3]);
  assert.deepEqual(await first(3, { maxBytes: 1, minOneBatch: false }), []);
  const size = appends[1]?.bytes.length ?? 0;
  assert.deepEqual(await first(3, { maxBytes: 2 * size, minOneBatch: true }), [3, 6]);
  assert.deepEqual(await first(3, { maxBytes: 3 * size - 1, minOneBatch: false }), [3, 6]);
  assert.deepEqual(await first(148, {}), [147]);
  assert.deepEqual(await first(150, {}), []);
});

Deno.test("read() asks the store for about as much as it was asked for", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  const many = Array.from({ length: 200 }, () => ({ timestamps: [1], valueBytes: 40_000 }));
  await appendAll(log, appendsAfter(log.head, many));
  let read = 0;
  const list = storage.list.bind(storage);
  storage.list = async (range, options) => {
    const found = await list(range, options);
    for (const entry of found) read += entry.value.length;
    return found;
  };
  assert.equal((await log.read(10, { ...EVERYTHING, maxBytes: 200_000 })).length, 4);
  assert.ok(read < 2 * 200_000, `${read} bytes`);
});

Deno.test("the state of a producer changes with its batch; the last one of a commit is kept", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  const producer = (producerId: number, baseSequence: number) => ({
    producerId,
    producerEpoch: 3,
    lastAppendMs: 7,
    batches: [{ baseSequence, lastSequence: baseSequence + 4, baseOffset: 12, timestampMs: -1 }],
  });
  const batches: BatchOptions[] = [
    { timestamps: [1], producer: producer(5, 0) },
    { timestamps: [1], producer: producer(6, 0) },
    { timestamps: [1], producer: producer(5, 5) },
  ];
  storage.commits.length = 0;
  assert.equal(await log.append(appendsAfter(log.head, batches)), 3);
  assert.deepEqual(await log.producerState(5), producer(5, 5));
  assert.deepEqual(await log.producerState(6), producer(6, 0));
  const keys = storage.commits[0]?.mutations.filter((mutation) => mutation.key[3] === "s");
  assert.equal(keys?.length, 2);
  await log.append([
    appendAfter(log.head, { timestamps: [1], producer: producer(6, 9), valueBytes: 2_000_000 }),
  ]);
  assert.deepEqual(await (await openLog(storage)).producerState(6), producer(6, 9));
});

Deno.test("opening a log reads few keys, however long it is", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  for (let i = 0; i < 5; i++) {
    await appendAll(log, appendsAfter(log.head, Array.from({ length: 200 }, () => ({ timestamps: [1] }))));
  }
  const shards = await openShards(storage);
  let reads = 0;
  for (const name of ["get", "getMany", "list"] as const) {
    const original = storage[name].bind(storage) as (...args: unknown[]) => Promise<unknown>;
    Object.assign(storage, { [name]: (...args: unknown[]) => (reads++, original(...args)) });
  }
  await PartitionLog.open(shards, TOPIC_ID, 0);
  assert.ok(reads <= 3, `${reads} reads`);
});

Deno.test("an attempt that did not end leaves nothing behind once the log is opened again", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  await log.append(appendsAfter(log.head, [{ timestamps: [1] }]));
  // The two commits of pieces are applied, the one that would make them a batch is not.
  storage.next("apply", "apply", "crash");
  void log.append([appendAfter(log.head, { timestamps: [2], valueBytes: 1_100_000 })]);
  for (let i = 0; i < 200; i++) await null;
  assert.match(families(storage), /c+hio/);
  const again = await openLog(storage);
  assert.equal(families(storage), "hit");
  assert.equal(again.head.logEndOffset, 1);
});

Deno.test("the commit that makes an attempt a batch ends its registration", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  await log.append([appendAfter(log.head, { timestamps: [2], valueBytes: 1_100_000 })]);
  assert.match(families(storage), /^c+hit$/);
});

Deno.test("read() finds a batch that another was put in the place of", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  await log.append(appendsAfter(log.head, [{ timestamps: [1] }, { timestamps: [2] }, { timestamps: [3] }]));
  // Whole and with a right CRC of its own, but not the one that was written.
  storage.tamper(KEYS.index(1), (value) => {
    const entry = decodeBatchIndex(value);
    const bytes = appendAfter({ ...emptyLogHead, logEndOffset: 1 }, { timestamps: [9] }).bytes;
    const crc = storedCrc(bytes);
    return encodeBatchIndex({ ...entry, crc, chainCrc: crc, place: { kind: "inline", bytes } });
  });
  assert.equal((await log.read(0, EVERYTHING)).length, 1);
  for (const offset of [1, 2]) await assert.rejects(log.read(offset, EVERYTHING), CorruptStorageError);
});

Deno.test("a registration that came back late does not cost a batch its pieces", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  storage.next("late");
  const append = appendAfter(log.head, { timestamps: [2], valueBytes: 1_100_000 });
  await log.append([append]);
  assert.equal(storage.releaseLate(), 1);
  assert.match(families(storage), /o/);
  const again = await openLog(storage);
  assert.doesNotMatch(families(storage), /o/);
  assert.ok(equal((await again.read(0, EVERYTHING))[0] as Uint8Array, append.bytes));
});

Deno.test("pieces of an attempt that is not yet swept do not disturb readers", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  const append = appendAfter(log.head, { timestamps: [2], valueBytes: 1_100_000 });
  const stray = new Uint8Array(100).fill(9);
  const mutations = ["", "zzz", "0"].map((attempt) => ({
    type: "set" as const,
    key: KEYS.chunk(0, attempt, 1),
    value: stray,
  }));
  await storage.commit({ checks: [], mutations });
  await log.append([append]);
  assert.ok(equal((await log.read(0, EVERYTHING))[0] as Uint8Array, append.bytes));
});

Deno.test("of two writers the one who opened last wins, and the log stays one chain", async () => {
  const storage = new MemoryStorage();
  const older = await openLog(storage);
  await older.append(appendsAfter(older.head, [{ timestamps: [1] }]));
  const newer = await openLog(storage);
  await assert.rejects(older.append(appendsAfter(older.head, [{ timestamps: [2] }])), FencedError);
  await assert.rejects(
    older.append([appendAfter(older.head, { timestamps: [2], valueBytes: 2_000_000 })]),
    FencedError,
  );
  await newer.append(appendsAfter(newer.head, [{ timestamps: [3] }]));
  assert.equal((await newer.read(0, EVERYTHING)).length, 2);
  assert.equal(families(storage).includes("o"), false);
});

const TAMPERINGS: readonly { name: string; tamper: (storage: MemoryStorage) => void; offset: number }[] = [
  { name: "a missing entry", tamper: (s) => s.tamper(KEYS.index(1), () => null), offset: 1 },
  { name: "a missing piece", tamper: (s) => s.tamper(KEYS.chunk(2, "", 1), () => null), offset: 2 },
  { name: "a changed piece", tamper: (s) => s.tamper(KEYS.chunk(2, "", 1), flip), offset: 2 },
  { name: "a shorter piece", tamper: (s) => s.tamper(KEYS.chunk(2, "", 1), (v) => v.subarray(1)), offset: 2 },
  {
    name: "a longer piece",
    tamper: (s) => s.tamper(KEYS.chunk(2, "", 2), (v) => new Uint8Array(v.length + 1)),
    offset: 2,
  },
  { name: "a changed small batch", tamper: (s) => s.tamper(KEYS.index(1), flip), offset: 1 },
  {
    name: "a changed entry",
    tamper: (s) => s.tamper(KEYS.index(1), (v) => v.with(36, (v[36] ?? 0) ^ 4)),
    offset: 1,
  },
  {
    name: "a cut small batch",
    tamper: (s) => s.tamper(KEYS.index(1), (v) => v.subarray(0, v.length - 1)),
    offset: 1,
  },
];

function flip(value: Uint8Array): Uint8Array {
  value[value.length - 1] = (value[value.length - 1] ?? 0) ^ 1;
  return value;
}

for (const { name, tamper, offset } of TAMPERINGS) {
  Deno.test(`read() finds ${name}, and reads what lies before it`, async () => {
    const storage = new MemoryStorage();
    const log = await openLog(storage);
    const sizes = [100, 100, 140_000, 100];
    await appendAll(
      log,
      appendsAfter(log.head, sizes.map((valueBytes) => ({ timestamps: [1], valueBytes }))),
    );
    tamper(storage);
    assert.equal((await log.read(0, EVERYTHING)).length, offset);
    assert.equal((await log.read(3, EVERYTHING)).length, 1);
    await assert.rejects(log.read(offset, EVERYTHING), (error: Error) => {
      assert.ok(error instanceof CorruptStorageError);
      assert.ok(error.message.includes(`topic ${TOPIC_ID}, partition 0, offset ${offset}`), error.message);
      return true;
    });
  });
}

Deno.test("open() refuses a head with a flipped bit, whichever it is, and writes nothing", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  await appendAll(log, appendsAfter(log.head, [{ timestamps: [1] }, { timestamps: [2] }]));
  const head = (await storage.get(KEYS.head))?.value ?? new Uint8Array();
  const commitCount = storage.commits.length;
  for (let bit = 0; bit < 8 * head.length; bit++) {
    storage.tamper(KEYS.head, () => head.with(bit >> 3, (head[bit >> 3] ?? 0) ^ (1 << (bit & 7))));
    await assert.rejects(openLog(storage), CorruptStorageError);
  }
  // The fences of the brokers that tried.
  const written = storage.commits.slice(commitCount).flatMap(({ mutations }) => mutations);
  assert.ok(written.every(({ key }) => key[0] === "b"));
  storage.tamper(KEYS.head, () => head);
  assert.equal((await (await openLog(storage)).read(0, EVERYTHING)).length, 2);
});

/** As an entry with its batch was written before there were seals. */
function unsealedEntry(value: Uint8Array): Uint8Array {
  const { bytes } = decodeBatchIndex(value).place as { readonly bytes: Uint8Array };
  return new Uint8Array([...unsealed(value.slice(0, -bytes.length)), ...bytes]);
}

/** Bytes of an entry without a seal, and up to where reads from the start get when bit 1 of one is flipped in entry 5. */
const UNSEALED_BYTES = { version: 0, place: 1, lastOffset: 41, crc: 57 };

for (const [name, at] of Object.entries(UNSEALED_BYTES)) {
  Deno.test(`an old entry whose ${name} is damaged costs its own batch and no other`, async () => {
    const storage = new MemoryStorage();
    const log = await openLog(storage);
    await appendAll(log, appendsAfter(log.head, Array.from({ length: 10 }, () => ({ timestamps: [1] }))));
    for (let offset = 0; offset < 10; offset++) storage.tamper(KEYS.index(offset), unsealedEntry);
    for (const bit of [1, 2, 4, 128]) {
      const sound = (await storage.get(KEYS.index(5)))?.value ?? new Uint8Array();
      storage.tamper(KEYS.index(5), (value) => value.with(at, (value[at] ?? 0) ^ bit));
      const counts = [0, 3, 4, 6, 9].map(async (from) => (await log.read(from, EVERYTHING)).length);
      assert.deepEqual(await Promise.all(counts), [5, 2, 1, 4, 1], `bit ${bit}`);
      await assert.rejects(log.read(5, EVERYTHING), CorruptStorageError);
      await assert.rejects(log.read(5, { ...EVERYTHING, maxBytes: 1 }), CorruptStorageError);
      storage.tamper(KEYS.index(5), () => sound);
    }
  });
}

Deno.test("read() goes as far as entries follow each other, and serves neither of two that do not", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  const batches = Array.from({ length: 10 }, () => ({ timestamps: [1], valueBytes: 100 }));
  await appendAll(log, appendsAfter(log.head, batches));
  storage.tamper(KEYS.index(5), (value) => encodeBatchIndex({ ...decodeBatchIndex(value), previousCrc: 1 }));
  for (const maxBytes of [EVERYTHING.maxBytes, 200]) {
    const options = { ...EVERYTHING, maxBytes };
    for (const [from, count] of [[0, 4], [3, 1], [6, 4], [7, 3]] as const) {
      assert.equal((await log.read(from, options)).length, Math.min(count, maxBytes === 200 ? 1 : count));
    }
    await assert.rejects(log.read(4, options), CorruptStorageError);
    await assert.rejects(log.read(5, options), CorruptStorageError);
  }
});

Deno.test("a consumer that goes on where it was is checked without one more look at the store", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  await appendAll(log, appendsAfter(log.head, Array.from({ length: 10 }, () => ({ timestamps: [1] }))));
  const size = (await log.read(0, { ...EVERYTHING, maxBytes: 1 }))[0]?.length ?? 0;
  let listCount = 0;
  const list = storage.list.bind(storage);
  storage.list = (range, options) => (listCount++, list(range, options));
  for (let from = 1; from < 10; from += 3) await log.read(from, { ...EVERYTHING, maxBytes: 3 * size });
  assert.equal(listCount, 3);
});

/** Data of producer 7 at 0 to 2, its abort marker's place at 3, a batch at 4. */
async function withAborted(storage: MemoryStorage): Promise<PartitionLog> {
  const log = await openLog(storage);
  const appends = appendsAfter(log.head, Array.from({ length: 5 }, () => ({ timestamps: [1] })));
  const change = { type: "opened", producerId: 7, firstOffset: 0 } as const;
  const aborted = { producerId: 7, firstOffset: 0, lastOffset: 3, lastStableOffset: 4 };
  await appendAll(log, [
    { ...appends[0] as LogAppend, transaction: change },
    ...appends.slice(1, 3),
    { ...appends[3] as LogAppend, transaction: { type: "ended", producerId: 7, aborted } },
    appends[4] as LogAppend,
  ]);
  return log;
}

/** Runs `work` once, when the aborted transactions are about to be read. */
function beforeAbortedIndex(storage: MemoryStorage, work: () => Promise<void>): void {
  const list = storage.list.bind(storage);
  let isDone = false;
  storage.list = async (range, options) => {
    if (!isDone && range.start[3] === "a") {
      isDone = true;
      await work();
    }
    return await list(range, options);
  };
}

Deno.test("readCommitted() names every aborted transaction, or says that the offset was trimmed meanwhile", async () => {
  const storage = new MemoryStorage();
  const log = await withAborted(storage);
  const sound = await log.readCommitted(0, EVERYTHING);
  assert.deepEqual([sound.batches.length, sound.aborted.map(({ producerId }) => producerId)], [5, [7]]);
  for (const cached of [null, sound.batches]) {
    const raced = new MemoryStorage();
    const racedLog = await withAborted(raced);
    beforeAbortedIndex(raced, async () => {
      await racedLog.commitHead({ ...racedLog.head, logStartOffset: 4 });
      while (await racedLog.trim());
    });
    await assert.rejects(racedLog.readCommitted(0, EVERYTHING, cached), OffsetTrimmedError);
    assert.doesNotMatch(families(raced), /a/);
  }
});

Deno.test("readCommitted() reads again when compaction took the index of a transaction meanwhile", async () => {
  const storage = new MemoryStorage();
  const log = await withAborted(storage);
  const { batches } = await log.readCommitted(0, EVERYTHING);
  beforeAbortedIndex(storage, async () => {
    // As a round does whose tombstones need not be kept: the data, the marker, and what names them, at once.
    const entry = decodeBatchIndex((await storage.get(KEYS.index(3)))?.value ?? new Uint8Array());
    const hole = encodeBatchIndex({ ...entry, sizeBytes: 0, crc: 0, place: { kind: "hole" } });
    const mutations = [0, 1, 2, 3].map((offset) => ({ type: "delete", key: KEYS.index(offset) }) as const);
    await log.append([{
      headAfter: log.head,
      trim: {
        mutations: [
          ...mutations,
          { type: "set", key: KEYS.index(0), value: hole },
          { type: "delete", key: KEYS.abortedTransaction(3, 7) },
        ],
        batchCount: 3,
        sizeBytes: 0,
        freedBytes: new Map(),
        rewritten: { extents: [], upTo: 4 },
      },
    }]);
  });
  const read = await log.readCommitted(0, EVERYTHING, batches);
  assert.deepEqual(read.aborted, []);
  assert.deepEqual(read.batches.map((batch) => readRecords(batch)[0]?.offset), [4]);
});

/** The head, written anew by `change`, as no flipped bit would have it. */
function changeHead(storage: MemoryStorage, change: (payload: LiveLogHead) => LiveLogHead): void {
  storage.tamper(KEYS.head, (value) => {
    const head = decodeShardHead(value);
    const payload = decodeLogHead(head.payload);
    assert.ok(payload.state === "live");
    return encodeShardHead({ ...head, payload: encodeLogHead(change(payload)) });
  });
}

const DISAGREEMENTS: Readonly<Record<string, (storage: MemoryStorage) => void>> = {
  "a log end that is too low": (storage) =>
    changeHead(storage, (each) => ({ ...each, head: { ...each.head, logEndOffset: 8 } })),
  "a log end that is too high": (storage) =>
    changeHead(storage, (each) => ({ ...each, head: { ...each.head, logEndOffset: 11 } })),
  "another newest batch": (storage) =>
    changeHead(storage, (each) => ({ ...each, writer: { ...each.writer, lastCrc: 1 } })),
  "a newest entry that is gone": (storage) => storage.tamper(KEYS.index(9), () => null),
  "entries that are all gone": (storage) => {
    for (let offset = 0; offset < 10; offset++) storage.tamper(KEYS.index(offset), () => null);
  },
};

for (const [name, damage] of Object.entries(DISAGREEMENTS)) {
  Deno.test(`open() refuses ${name}, and nothing is appended`, async () => {
    const storage = new MemoryStorage();
    const log = await openLog(storage);
    await appendAll(log, appendsAfter(log.head, Array.from({ length: 10 }, () => ({ timestamps: [1] }))));
    damage(storage);
    const shards = await openShards(storage);
    const refused = { name: "CorruptStorageError", message: /^Cannot open log of topic .*, partition 0: / };
    await assert.rejects(PartitionLog.open(shards, TOPIC_ID, 0), refused);
    await assert.rejects(PartitionLog.openToRead(shards, TOPIC_ID, 0), refused);
  });
}

Deno.test("open() takes a log whose newest entry alone is damaged, and appends behind it", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  await appendAll(log, appendsAfter(log.head, Array.from({ length: 3 }, () => ({ timestamps: [1] }))));
  storage.tamper(KEYS.index(2), (value) => value.with(40, (value[40] ?? 0) ^ 1));
  const again = await openLog(storage);
  await again.append(appendsAfter(again.head, [{ timestamps: [1] }]));
  const counts = [0, 3].map(async (from) => (await again.read(from, EVERYTHING)).length);
  assert.deepEqual(await Promise.all(counts), [2, 1]);
  await assert.rejects(again.read(2, EVERYTHING), CorruptStorageError);
});

Deno.test("openToRead() is not misled by a commit that comes between its reads", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  await log.append(appendsAfter(log.head, [{ timestamps: [1] }]));
  const shards = await openShards(storage, { brokerId: 2 });
  const list = storage.list.bind(storage);
  let isDone = false;
  storage.list = async (range, options) => {
    if (!isDone) {
      isDone = true;
      await log.append(appendsAfter(log.head, [{ timestamps: [2] }]));
    }
    return await list(range, options);
  };
  assert.equal((await PartitionLog.openToRead(shards, TOPIC_ID, 0)).head.logEndOffset, 2);
});

for (const isTrimmed of [false, true]) {
  const how = isTrimmed ? "deleted" : "given up and not yet deleted";
  Deno.test(`maxTimestampRecord() finds the largest timestamp that is left of what was ${how}`, async () => {
    const storage = new MemoryStorage();
    const log = await openLog(storage);
    assert.equal(await log.maxTimestampRecord(), null);
    const timestamps = [[100, 900], [500, 200], [300], [500], [-1], [400, 500, 90]];
    await appendAll(log, appendsAfter(log.head, timestamps.map((each) => ({ timestamps: each }))));
    const all = timestamps.flat();
    for (let start = 0; start <= 10; start++) {
      await log.commitHead({ ...log.head, logStartOffset: start });
      while (isTrimmed && await log.trim());
      const largest = Math.max(-1, ...all.slice(start));
      const expected = largest < 0 ? null : { offset: all.indexOf(largest, start), timestamp: largest };
      assert.deepEqual(await log.maxTimestampRecord(), expected, `from ${start}`);
      // Without what earlier looks found.
      const again = await PartitionLog.openToRead(await openShards(storage, { brokerId: 2 }), TOPIC_ID, 0);
      assert.deepEqual(await again.maxTimestampRecord(), expected, `from ${start}, opened again`);
    }
    for (const [timestamp, offset] of [[7, 10], [8, 11], [6, 11]] as const) {
      await log.append(appendsAfter(log.head, [{ timestamps: [timestamp] }]));
      assert.deepEqual(await log.maxTimestampRecord(), { offset, timestamp: Math.max(7, offset - 3) });
    }
    let listCount = 0;
    const list = storage.list.bind(storage);
    storage.list = (range, options) => (listCount++, list(range, options));
    await log.maxTimestampRecord();
    assert.equal(listCount, 0, "what was looked through is not looked through again");
  });
}

Deno.test("trim() deletes what lies below the log start, and reading there says so", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  const batches = Array.from(
    { length: 600 },
    (_, i) => ({ timestamps: [i, i + 1], valueBytes: i % 10 === 0 ? 70_000 : 50 }),
  );
  await appendAll(log, appendsAfter(log.head, batches));
  await log.commitHead({ ...log.head, logStartOffset: 1_001 });
  await assert.rejects(log.read(1_000, EVERYTHING), OffsetTrimmedError);
  let steps = 0;
  while (await log.trim()) steps++;
  assert.ok(steps > 1);
  const indexed = storage.keys().filter((key) => key[3] === "i");
  assert.equal(indexed[0]?.[4], 1_000);
  assert.ok(storage.keys().filter((key) => key[3] === "c").every((key) => (key[4] as number) >= 1_000));
  const again = await openLog(storage);
  assert.equal(again.head.logStartOffset, 1_001);
  assert.equal((await again.read(1_001, EVERYTHING)).length, 100);
  assert.deepEqual(await again.offsetForTimestamp(3, 1_200), { offset: 1_001, timestamp: 501 });
  assert.deepEqual(await again.offsetForTimestamp(599, 1_200), { offset: 1_197, timestamp: 599 });
});

Deno.test("trim() deletes a batch of more pieces than a commit takes in several, and the rest after a restart", async () => {
  const storage = new MemoryStorage({ limits: { mutationsMax: 20 } });
  const log = await openLog(storage);
  const appends = appendsAfter(log.head, [
    { timestamps: [1], valueBytes: 2_000_000 },
    { timestamps: [2], valueBytes: 100 },
    { timestamps: [3], valueBytes: 100 },
  ]);
  await appendAll(log, appends);
  await log.commitHead({ ...log.head, logStartOffset: 2 });
  assert.equal(await log.trim(), true);
  // The entry goes last: it names what is left.
  assert.match(families(storage), /^c{20,30}hiiit+$/);
  await assert.rejects(log.read(0, EVERYTHING), OffsetTrimmedError);
  for await (const { faults } of checkStorage({ storage, segments: null })) assert.deepEqual(faults, []);
  const again = await openLog(storage);
  while (await again.trim());
  assert.equal(families(storage).replaceAll("t", ""), "him");
  assert.equal(again.head.sizeBytes, appends[2]?.bytes.length);
  assert.equal((await again.read(2, EVERYTHING)).length, 1);
});

Deno.test("trim() forgets aborted transactions that end below the log start", async () => {
  const storage = new MemoryStorage();
  const log = await openLog(storage);
  await appendAll(log, appendsAfter(log.head, Array.from({ length: 6 }, (_, i) => ({ timestamps: [i] }))));
  const mutations = [1, 2, 4].map((lastOffset) => ({
    type: "set" as const,
    key: KEYS.abortedTransaction(lastOffset, 7),
    value: encodeAbortedTransaction({
      producerId: 7,
      firstOffset: 0,
      lastOffset,
      lastStableOffset: lastOffset,
    }),
  }));
  await storage.commit({ checks: [], mutations });
  await log.commitHead({ ...log.head, logStartOffset: 2 });
  while (await log.trim());
  const left = storage.keys().filter((key) => key[3] === "a").map((key) => key[4]);
  assert.deepEqual(left, [2, 4]);
});

Deno.test("a log in a file is there after the store is opened again", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    const env = realEnv();
    const heads: LogHead[] = [];
    for (let round = 0; round < 3; round++) {
      const storage = await DenoKvStorage.open({ env, path: `${directory}/kv.sqlite` });
      const shards = await ShardStore.open({
        storage,
        env,
        log: silentLogger,
        brokerId: 1,
        incarnation: nextIncarnation(),
      });
      const log = await PartitionLog.open(shards, TOPIC_ID, 3);
      assert.deepEqual(log.head, heads[heads.length - 1] ?? emptyLogHead);
      const appends = appendsAfter(log.head, SIZES.map((valueBytes, i) => ({ timestamps: [i], valueBytes })));
      await appendAll(log, appends);
      assert.equal((await log.read(0, EVERYTHING)).length, SIZES.length * (round + 1));
      assert.deepEqual((await log.offsetForTimestamp(3, 100))?.offset, 3);
      heads.push(log.head);
      await storage.close();
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a search by timestamp whose beginning is deleted under it goes on at the new log start", async () => {
  for (const search of ["time", "newest"] as const) {
    const storage = new MemoryStorage();
    const log = await openLog(storage);
    // The largest timestamp is the first to go, so that all of the log has to be looked at.
    const timestamps = [500, ...Array.from({ length: 100 }, (_, i) => i)];
    const appends = appendsAfter(log.head, timestamps.map((timestamp) => ({ timestamps: [timestamp] })));
    for (let done = 0; done < appends.length;) done += await log.append(appends.slice(done));
    await log.commitHead({ ...log.head, logStartOffset: 1 });
    while (await log.trim());
    const list = storage.list.bind(storage);
    let calls = 0;
    storage.list = async (range, options) => {
      if (++calls === 4) {
        await log.commitHead({ ...log.head, logStartOffset: 60 });
        while (await log.trim());
      }
      return await list(range, options);
    };
    const found = search === "time"
      ? await log.offsetForTimestamp(90, log.head.logEndOffset)
      : await log.maxTimestampRecord();
    assert.deepEqual(
      found,
      search === "time" ? { offset: 91, timestamp: 90 } : { offset: 100, timestamp: 99 },
    );
    assert.ok(calls > 4, "nothing was deleted meanwhile");
  }
});
