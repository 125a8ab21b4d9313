/** Logs with segment files on a disk that loses what was not synced: order, faults, crashes, space. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { PositionalFile } from "../lib/env.ts";
import { silentLogger } from "../lib/log.ts";
import { CorruptStorageError, StorageUnavailableError } from "./errors.ts";
import { type DiskFate, FakeDisk } from "./fake_disk.ts";
import { decodeBatchIndex } from "./keys/batch_index.ts";
import { decodeLogHead, type LiveSegment } from "./keys/log_head.ts";
import { PartitionKeys } from "./keys/partition.ts";
import { decodeShardHead } from "./keys/shard_head.ts";
import { deletePartition, removeTombstone } from "./log_deletion.ts";
import { type CommitFate, MemoryStorage } from "./memory.ts";
import { type LogAppend, PartitionLog } from "./partition_log.ts";
import { EXTENT_BYTES_MIN, fileName, SegmentStore } from "./segments.ts";
import { appendsAfter, openShards, settle, TOPIC_ID } from "./storage_testkit.ts";

const KEYS = new PartitionKeys(TOPIC_ID, 0);
const DIRECTORY = `data/segments/${TOPIC_ID}-0`;
const EVERYTHING = { maxBytes: Number.MAX_SAFE_INTEGER, minOneBatch: true, upTo: Number.MAX_SAFE_INTEGER };
const LARGE = EXTENT_BYTES_MIN + 1_000;

interface World {
  readonly storage: MemoryStorage;
  readonly disk: FakeDisk;
}

function newWorld(random?: () => number): World {
  return { storage: new MemoryStorage(), disk: new FakeDisk(random) };
}

async function openLog({ storage, disk }: World): Promise<PartitionLog> {
  return await PartitionLog.open(await openShards(storage, { disk }), TOPIC_ID, 0);
}

async function appendAll(log: PartitionLog, appends: readonly LogAppend[]): Promise<void> {
  for (let done = 0; done < appends.length;) done += await log.append(appends.slice(done));
}

function batches(log: PartitionLog, sizes: readonly number[]): LogAppend[] {
  return appendsAfter(log.head, sizes.map((valueBytes, i) => ({ timestamps: [i], valueBytes })));
}

async function assertHolds(log: PartitionLog, appends: readonly LogAppend[]): Promise<void> {
  const found = await log.read(appends[0]?.baseOffset ?? 0, EVERYTHING);
  assert.equal(found.length, appends.length);
  for (const [i, bytes] of found.entries()) {
    assert.ok(Buffer.compare(bytes, appends[i]?.bytes ?? new Uint8Array()) === 0, `batch ${i} differs`);
  }
}

async function liveFiles({ storage }: World): Promise<readonly LiveSegment[]> {
  const head = await storage.get(KEYS.head);
  const payload = decodeLogHead(decodeShardHead((head as { value: Uint8Array }).value).payload);
  return payload.state === "live" ? payload.writer.files : [];
}

/** The files that are there are those that the head names, and the head's live bytes are those of the index. */
async function assertTidy(world: World): Promise<void> {
  const files = await liveFiles(world);
  assert.deepEqual(world.disk.paths, files.map((file) => `${DIRECTORY}/${fileName(file)}`));
  const named = new Map(files.map((file) => [file.number, 0]));
  const entries = await world.storage.list(KEYS.indexRange(0, Number.MAX_SAFE_INTEGER), { limit: 1_000 });
  for (const { value } of entries) {
    const { place, sizeBytes } = decodeBatchIndex(value);
    if (place.kind !== "extent") continue;
    assert.ok(named.has(place.fileNumber), `the head does not name file ${place.fileNumber}`);
    named.set(place.fileNumber, (named.get(place.fileNumber) ?? 0) + sizeBytes);
  }
  assert.deepEqual([...named.values()], files.map((file) => file.liveBytes));
}

Deno.test("larger batches lie in a segment file and small ones in the store, and both are read back", async () => {
  const world = newWorld();
  const log = await openLog(world);
  const appends = batches(log, [100, LARGE, 100, 1_048_588, LARGE, 3_000_000]);
  await appendAll(log, appends);
  await assertHolds(log, appends);
  await assertHolds(await openLog(world), appends);
  assert.equal(world.disk.paths.length, 1);
  assert.ok(world.storage.keys().every((key) => key[3] !== "c" && key[3] !== "o"));
  await assertTidy(world);
  assert.equal((await log.offsetForTimestamp(3, 6))?.offset, 3);
});

Deno.test("the bytes and the names are synced before the commit that names them", async () => {
  const world = newWorld();
  const log = await openLog(world);
  const commit = world.storage.commit.bind(world.storage);
  world.storage.commit = (each) => {
    world.disk.calls.push("commit");
    return commit(each);
  };
  const appends = batches(log, [LARGE, LARGE]);
  await appendAll(log, appends);
  const [first, second] = appends.map(({ bytes }) => bytes.length);
  assert.deepEqual(world.disk.calls.map((call) => call.replace(/[0-9a-f-]{40,}\.log/, "FILE")), [
    "create FILE",
    `syncDirectory ${TOPIC_ID}-0`,
    "syncDirectory segments",
    "syncDirectory data",
    `write FILE 0+${first}`,
    `write FILE ${first}+${second}`,
    "sync FILE",
    "commit",
  ]);
});

Deno.test("what was prepared while a commit is under way needs no more of the disk", async () => {
  const world = newWorld();
  const log = await openLog(world);
  const appends = batches(log, [LARGE, LARGE, LARGE, LARGE]);
  log.prepare(appends[0] as LogAppend);
  await settle();
  world.storage.next("hold");
  const first = log.append(appends.slice(0, 1));
  for (const append of appends.slice(1, 3)) log.prepare(append);
  await settle();
  assert.equal(world.disk.calls.filter((call) => call.startsWith("sync ")).length, 2);
  world.storage.releaseHeld();
  assert.equal(await first, 1);
  // The last one is not on the disk yet, and the two before it do not wait for it.
  assert.equal(await log.append(appends.slice(1)), 2);
  assert.equal(await log.append(appends.slice(3)), 1);
  await assertHolds(log, appends);
});

for (const fate of ["short", "fail", "failAfter"] as const) {
  for (const call of ["write", "sync ", "create"] as const) {
    if (fate !== "fail" && (call === "create" || (fate === "short" && call === "sync "))) continue;
    Deno.test(`after a ${call.trim()} with fate "${fate}" the bytes are written into another file`, async () => {
      const world = newWorld();
      const log = await openLog(world);
      const appends = batches(log, [LARGE, LARGE, LARGE]);
      if (call !== "create") await appendAll(log, appends.slice(0, 1));
      let isDue = true;
      world.disk.fateOf = (each): DiskFate => {
        if (!isDue || !each.startsWith(call)) return "ok";
        isDue = false;
        return fate;
      };
      await appendAll(log, appends.slice(call === "create" ? 0 : 1));
      assert.equal(isDue, false);
      await assertHolds(log, appends);
      world.disk.crash();
      const again = await openLog(world);
      await assertHolds(again, appends);
      await settle();
      await assertTidy(world);
      const positions = world.disk.calls.filter((each) => each.startsWith("write")).map((each) =>
        each.replace(/\+.*/, "")
      );
      assert.equal(new Set(positions).size, positions.length, "a position was used twice");
    });
  }
}

Deno.test("a disk that takes nothing fails the append, and the log opened anew goes on", async () => {
  const world = newWorld();
  const log = await openLog(world);
  const appends = batches(log, [100, LARGE, 100]);
  await appendAll(log, appends.slice(0, 1));
  world.disk.fateOf = () => "fail";
  await assert.rejects(log.append(appends.slice(1)), StorageUnavailableError);
  await assertHolds(log, appends.slice(0, 1));
  world.disk.fateOf = () => "ok";
  const again = await openLog(world);
  assert.equal(again.head.logEndOffset, 1);
  await appendAll(again, appends.slice(1));
  await assertHolds(again, appends);
  await settle();
  await assertTidy(world);
});

Deno.test("a position is not used again after a commit that failed", async () => {
  const world = newWorld();
  const log = await openLog(world);
  const appends = batches(log, [LARGE, LARGE]);
  world.storage.next("refuse", "crash");
  void log.append(appends.slice(0, 1));
  await settle();
  const again = await openLog(world);
  await appendAll(again, appends);
  await assertHolds(again, appends);
  await settle();
  await assertTidy(world);
});

Deno.test("trim() removes a file when nothing in it is named, and lets its last reader end first", async () => {
  const world = newWorld();
  const log = await openLog(world);
  const appends = batches(log, [LARGE, LARGE]);
  await appendAll(log, appends);
  const first = world.disk.paths;
  await log.commitHead({ ...log.head, logStartOffset: 1 });
  while (await log.trim());
  await assertHolds(log, appends.slice(1));
  await assertTidy(world);
  const reading = log.read(1, EVERYTHING);
  await log.commitHead({ ...log.head, logStartOffset: 2 });
  while (await log.trim());
  await reading.catch((error: Error) => assert.equal(error.name, "OffsetTrimmedError"));
  await settle();
  assert.deepEqual(world.disk.paths, []);
  await assertTidy(world);
  const more = appendsAfter(log.head, [{ timestamps: [9], valueBytes: LARGE }]);
  await appendAll(log, more);
  await assertHolds(log, more);
  await assertTidy(world);
  assert.notDeepEqual(world.disk.paths, first);
});

Deno.test("a file with batches that wait for their commit is not removed under them", async () => {
  const world = newWorld();
  const log = await openLog(world);
  const appends = batches(log, [LARGE, LARGE]);
  await appendAll(log, appends.slice(0, 1));
  await log.commitHead({ ...log.head, logStartOffset: 1 });
  log.prepare({ ...appends[1] as LogAppend, headAfter: (appends[1] as LogAppend).headAfter });
  const append = { ...appends[1] as LogAppend };
  const withStart = { ...append, headAfter: { ...append.headAfter, logStartOffset: 1 } };
  log.prepare(withStart);
  await settle();
  while (await log.trim());
  await log.append([withStart]);
  await assertHolds(log, appends.slice(1));
});

Deno.test("opening removes files that the head does not name", async () => {
  const world = newWorld();
  const log = await openLog(world);
  await appendAll(log, batches(log, [LARGE]));
  // Never committed, and in a file of its own since its writer is another.
  const second = await openLog(world);
  second.prepare(batches(second, [LARGE])[0] as LogAppend);
  await settle();
  assert.equal(world.disk.paths.length, 2);
  await openLog(world);
  await settle();
  assert.equal(world.disk.paths.length, 1);
  await assertTidy(world);
});

Deno.test("deleting a partition removes its files, at whatever step it was interrupted", async () => {
  for (let steps = 0; steps < 4; steps++) {
    const world = newWorld();
    const log = await openLog(world);
    await appendAll(log, batches(log, [LARGE, 100, LARGE]));
    const shards = await openShards(world.storage, { disk: world.disk });
    let left = steps;
    for await (const _ of deletePartition(shards, TOPIC_ID, 0)) if (left-- === 0) break;
    for await (const _ of deletePartition(shards, TOPIC_ID, 0));
    await removeTombstone(shards, TOPIC_ID, 0);
    assert.deepEqual(world.disk.paths, []);
    assert.ok(world.storage.keys().every((key) => key[0] !== "p"));
  }
});

Deno.test("files of a deleted partition do not come back at a power failure", async () => {
  for (const isInterrupted of [false, true]) {
    // Whatever was not synced comes back.
    const world = newWorld(() => 0.9);
    const { disk } = world;
    const log = await openLog(world);
    await appendAll(log, batches(log, [LARGE, LARGE]));
    log.close();
    const shards = await openShards(world.storage, { disk });
    if (isInterrupted) {
      disk.fateOf = (call) => call.startsWith("syncDirectory") ? "fail" : "ok";
      await assert.rejects(Array.fromAsync(deletePartition(shards, TOPIC_ID, 0)));
      disk.fateOf = () => "ok";
    }
    await Array.fromAsync(deletePartition(shards, TOPIC_ID, 0));
    disk.crash();
    assert.deepEqual(disk.paths, []);
  }
});

Deno.test("a flipped bit in a file fails the reading of that batch, and of no other", async () => {
  const world = newWorld();
  const log = await openLog(world);
  const appends = batches(log, [LARGE, LARGE, LARGE]);
  await appendAll(log, appends);
  const start = appends[0]?.bytes.length ?? 0;
  for (const at of [0, 18, 30, LARGE]) {
    const flip = () => world.disk.tamper(world.disk.paths[0] as string, (bytes) => bytes[start + at]! ^= 4);
    flip();
    await assert.rejects(log.read(1, EVERYTHING), CorruptStorageError);
    await assertHolds(log, appends.slice(2));
    assert.equal((await log.read(0, { ...EVERYTHING, upTo: 1 })).length, 1);
    flip();
  }
  await assertHolds(log, appends);
});

const round = fc.record({
  sizes: fc.array(fc.constantFrom(10, 2_000, EXTENT_BYTES_MIN, LARGE, 60_000), {
    minLength: 1,
    maxLength: 6,
  }),
  survivors: fc.integer({ min: 0, max: 8 }),
  fate: fc.constantFrom<CommitFate>(
    "crash",
    "crashAfter",
    "apply",
    "throwAfter",
    "refuseAfter",
    "refuse",
    "late",
  ),
  diskFates: fc.array(
    fc.constantFrom<DiskFate>("ok", "ok", "ok", "ok", "ok", "ok", "short", "fail", "failAfter"),
    { maxLength: 12 },
  ),
  mode: fc.constantFrom("together", "one by one", "prepared"),
  trimTo: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: null }),
  isPowerFailure: fc.boolean(),
});

Deno.test("after a crash at any await nothing acknowledged is lost, and no file is left that the head does not name", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(round, { minLength: 1, maxLength: 5 }),
      fc.infiniteStream(fc.double({
        min: 0,
        max: 0.999,
        noNaN: true,
      })),
      async (rounds, chances) => {
        const world = newWorld(() => chances.next().value ?? 0.5);
        const { storage, disk } = world;
        let acknowledged: LogAppend[] = [];
        for (const { sizes, survivors, fate, diskFates, mode, trimTo, isPowerFailure } of rounds) {
          const log = await openLog(world);
          await settle();
          await assertTidy(world);
          if (acknowledged.length > 0) await assertHolds(log, acknowledged);
          if (trimTo !== null && acknowledged.length > 0) {
            const first = acknowledged[Math.floor(trimTo * (acknowledged.length - 1))] as LogAppend;
            const kept = acknowledged.filter((each) => each.baseOffset >= first.baseOffset);
            await log.commitHead({ ...log.head, logStartOffset: first.baseOffset });
            acknowledged = kept;
            await log.trim();
          }
          const appends = batches(log, sizes);
          let left = survivors;
          storage.fateOf = () => left-- > 0 ? "apply" : fate;
          disk.fateOf = () => diskFates.shift() ?? "ok";
          let durable = 0;
          const work = async () => {
            if (mode === "prepared") { for (const append of appends) log.prepare(append); }
            if (mode === "one by one") {
              await Promise.all(appends.map((each) => log.append([each]).then(() => durable++)));
            } else {
              while (durable < appends.length) durable += await log.append(appends.slice(durable));
            }
          };
          const failed = work().catch((error: Error) => error);
          void failed;
          for (let i = 0; i < survivors; i++) await null;
          if (left % 2 === 0) await settle();
          if (isPowerFailure) disk.crash();
          // The process is dead from here on.
          storage.fateOf = () => "apply";
          disk.fateOf = () => "ok";
          const acknowledgedNow = durable;
          const next = await openLog(world);
          const count = next.head.logEndOffset - (appends[0]?.baseOffset ?? 0);
          assert.ok(count >= acknowledgedNow, "an acknowledged batch is gone");
          acknowledged.push(...appends.slice(0, count));
          storage.releaseLate();
        }
        const last = await openLog(world);
        if (acknowledged.length > 0) await assertHolds(last, acknowledged);
        await settle();
        await assertTidy(world);
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("closing a store twice at once closes each file once, and whoever uses one meanwhile opens it anew", async () => {
  const { files } = new FakeDisk();
  const calls: string[] = [];
  const noted = (path: string, file: PositionalFile): PositionalFile => ({
    ...file,
    close: () => {
      calls.push(`close ${path.at(-1)}`);
      return file.close();
    },
  });
  const store = new SegmentStore({
    files: {
      ...files,
      create: async (path) => noted(path, await files.create(path)),
      open: async (path) => {
        calls.push(`open ${path.at(-1)}`);
        return noted(path, await files.open(path));
      },
    },
    log: silentLogger,
    path: "segments",
  });
  await files.makeDirectory("segments");
  for (const name of ["a", "b"]) await store.use(`segments/${name}`, true, () => Promise.resolve());
  const closing = [store.close(), store.close()];
  await store.use("segments/b", false, () => Promise.resolve());
  await Promise.all(closing);
  assert.deepEqual(calls.toSorted(), ["close a", "close b", "open b"]);
});

/** The disk's files, told of each file that is opened or made and of each that is closed. */
function counting(disk: FakeDisk) {
  const open = new Set<string>();
  const counted = (path: string, file: PositionalFile): PositionalFile => {
    open.add(path);
    return {
      ...file,
      close: () => {
        open.delete(path);
        return file.close();
      },
    };
  };
  const { files } = disk;
  return {
    open,
    files: {
      ...files,
      create: async (path: string) => counted(path, await files.create(path)),
      open: async (path: string) => counted(path, await files.open(path)),
    },
  };
}

Deno.test("a file that is removed while somebody reads it is closed when that one is done", async () => {
  const { files, open } = counting(new FakeDisk());
  const store = new SegmentStore({ files, log: silentLogger, path: "data/segments" });
  const segments = store.partition(TOPIC_ID, 0);
  const name = { number: 1, incarnation: TOPIC_ID, opening: 1 };
  await segments.create(name);
  const reading = Promise.withResolvers<void>();
  const done = segments.use(name, () => reading.promise);
  await settle();
  for await (const _file of segments.removeAll());
  assert.deepEqual(await segments.list(), []);
  assert.equal(open.size, 1);
  reading.resolve();
  await done;
  // Open, it would take its bytes on the disk for as long as the process lives.
  assert.equal(open.size, 0);
});

Deno.test("a file that is being made or written while its log is closed goes again", async () => {
  for (let turns = 0; turns < 40; turns++) {
    const world = newWorld();
    const log = await openLog(world);
    const [append] = batches(log, [LARGE]);
    // As compaction does: nobody waits for it when the actor stops.
    const writing = log.rewriter().writeExtent(append?.bytes ?? new Uint8Array()).catch(() => null);
    for (let i = 0; i < turns; i++) await null;
    log.close();
    const shards = await openShards(world.storage, { disk: world.disk });
    for await (const _step of deletePartition(shards, TOPIC_ID, 0));
    const extent = await writing;
    await settle();
    if (extent !== null) continue;
    assert.deepEqual(world.disk.paths, [], `closed after ${turns} turns`);
  }
});

Deno.test("files go one after the other, each in steps, so that the disk has time for who appends", async () => {
  const disk = new FakeDisk();
  const store = new SegmentStore({ files: disk.files, log: silentLogger, path: "data/segments" });
  const segments = store.partition(TOPIC_ID, 0);
  const names = [1, 2].map((number) => ({ number, incarnation: TOPIC_ID, opening: 1 }));
  for (const name of names) await segments.create(name);
  disk.calls.length = 0;
  for (const name of names) segments.drop(name);
  await store.removed();
  const [first, second] = names.map(fileName);
  assert.deepEqual(disk.calls, [
    `shrink ${first}`,
    `remove ${first}`,
    `shrink ${second}`,
    `remove ${second}`,
  ]);
  assert.deepEqual(disk.paths, []);
});

Deno.test("a partition is deleted while files of it still wait to be removed: each goes once, after those before it", async () => {
  const disk = new FakeDisk();
  const store = new SegmentStore({ files: disk.files, log: silentLogger, path: "data/segments" });
  const segments = store.partition(TOPIC_ID, 0);
  const names = [1, 2, 3, 4].map((number) => ({ number, incarnation: TOPIC_ID, opening: 1 }));
  for (const name of names) await segments.create(name);
  disk.calls.length = 0;
  const dropped = names.slice(0, 3).reverse();
  for (const name of dropped) segments.drop(name);
  await Array.fromAsync(segments.removeAll());
  assert.deepEqual(
    disk.calls.filter((call) => call.startsWith("remove")),
    [...dropped, ...names.slice(3)].map((name) => `remove ${fileName(name)}`),
  );
  assert.deepEqual(disk.paths, []);
  assert.equal(await disk.files.exists(`data/segments/${TOPIC_ID}-0`), false);
});

Deno.test("a file whose name could not be synced goes again, since nobody will name it", async () => {
  const world = newWorld();
  const log = await openLog(world);
  world.disk.fateOf = (call) => call.startsWith("syncDirectory") ? "fail" : "ok";
  await assert.rejects(log.append(batches(log, [LARGE])), StorageUnavailableError);
  assert.ok(world.disk.calls.some((call) => call.startsWith("create")), "no file was made");
  await settle();
  assert.deepEqual(world.disk.paths, []);
});
