import assert from "node:assert/strict";
import { concat } from "../lib/bytes.ts";
import { crc32c } from "../lib/crc32c.ts";
import { FakeDisk } from "./fake_disk.ts";
import { decodeBatchIndex, encodeBatchIndex } from "./keys/batch_index.ts";
import { groupKey, groupPieceKey } from "./keys/group.ts";
import { encodeGroupValue } from "./keys/group_record.ts";
import { PartitionKeys } from "./keys/partition.ts";
import { MemoryStorage } from "./memory.ts";
import { MetadataStore } from "./metadata_store.ts";
import { PartitionLog } from "./partition_log.ts";
import { EXTENT_BYTES_MIN, SegmentStore } from "./segments.ts";
import { checkSeals } from "./seal_check.ts";
import type { KvKey } from "./storage.ts";
import { checkStorage, type PartitionReport } from "./storage_check.ts";
import { appendsAfter, openShards, settle, TOPIC_ID } from "./storage_testkit.ts";
import { silentLogger } from "../lib/log.ts";

const KEYS = new PartitionKeys(TOPIC_ID, 1);

async function createWorld() {
  const storage = new MemoryStorage();
  const disk = new FakeDisk();
  const shards = await openShards(storage, { disk });
  // In the store alone, then with files.
  for (const [partition, store] of [[0, await openShards(storage, { brokerId: 2 })], [1, shards]] as const) {
    const log = await PartitionLog.open(store, TOPIC_ID, partition);
    const sizes = [100, EXTENT_BYTES_MIN, 140_000, 100, 1_200_000];
    const appends = appendsAfter(log.head, sizes.map((valueBytes, i) => ({ timestamps: [i], valueBytes })));
    for (let done = 0; done < appends.length;) done += await log.append(appends.slice(done));
    if (partition === 1) await log.commitHead({ ...log.head, logStartOffset: 1 });
    while (await log.trim());
  }
  await settle();
  return { storage, disk };
}

async function check(
  { storage, disk }: { readonly storage: MemoryStorage; readonly disk: FakeDisk },
): Promise<PartitionReport[]> {
  const segments = new SegmentStore({ files: disk.files, log: silentLogger, path: "data/segments" });
  const reports: PartitionReport[] = [];
  for await (const report of checkStorage({ storage, segments })) reports.push(report);
  return reports;
}

Deno.test("checkStorage() finds nothing wrong with sound logs, and says how large they are", async () => {
  const reports = await check(await createWorld());
  assert.deepEqual(
    reports.map(({ partition, batchCount, faults, garbage }) => ({
      partition,
      batchCount,
      faults,
      garbage,
    })),
    [
      { partition: 0, batchCount: 5, faults: [], garbage: [] },
      { partition: 1, batchCount: 4, faults: [], garbage: [] },
    ],
  );
});

function flip(bytes: Uint8Array): Uint8Array {
  bytes[bytes.length - 1]! ^= 1;
  return bytes;
}

type World = Awaited<ReturnType<typeof createWorld>>;

const FAULTS: readonly { name: string; expected: RegExp; damage: (world: World) => void }[] = [
  {
    name: "a flipped bit in a small batch",
    expected: /^offset 3: its bytes are not those/,
    damage: ({ storage }) => storage.tamper(KEYS.index(3), flip),
  },
  {
    name: "a flipped bit in a file",
    expected: /^offset 1: its bytes are not those/,
    damage: ({ disk }) => disk.tamper(disk.paths[0] as string, (bytes) => void (bytes[100]! ^= 8)),
  },
  {
    name: "a missing index entry",
    expected: /^offsets 3 to 4 are missing$/,
    damage: ({ storage }) => storage.tamper(KEYS.index(3), () => null),
  },
  {
    name: "an index entry that does not decode",
    expected: /^offset 3: Cannot read batch index entry/,
    damage: ({ storage }) => storage.tamper(KEYS.index(3), (value) => value.subarray(0, 20)),
  },
  {
    name: "an index entry with another timestamp",
    expected: /^offset 3: its entry has timestamp 9$/,
    damage: ({ storage }) =>
      storage.tamper(
        KEYS.index(3),
        (value) => encodeBatchIndex({ ...decodeBatchIndex(value), maxTimestamp: 9 }),
      ),
  },
  {
    name: "another newest batch than the head's",
    expected: /^its newest batch is not the one that its head knows$/,
    damage: ({ storage }) =>
      storage.tamper(
        KEYS.index(4),
        (value) => encodeBatchIndex({ ...decodeBatchIndex(value), chainCrc: 9 }),
      ),
  },
  {
    name: "a missing end",
    expected: /^the log ends at 5, its last batch at 4$/,
    damage: ({ storage }) => storage.tamper(KEYS.index(4), () => null),
  },
  {
    name: "a missing head",
    expected: /^it has no head$/,
    damage: ({ storage }) => storage.tamper(KEYS.head, () => null),
  },
];

for (const { name, expected, damage } of FAULTS) {
  Deno.test(`checkStorage() finds ${name}, and nothing else in another partition`, async () => {
    const world = await createWorld();
    damage(world);
    const [other, damaged] = await check(world);
    assert.deepEqual(other?.faults, []);
    assert.match(damaged?.faults[0] ?? "", expected);
  });
}

Deno.test("a damaged index entry of a batch in pieces ends no check, and its pieces are no garbage", async () => {
  const world = await createWorld();
  world.storage.tamper(new PartitionKeys(TOPIC_ID, 0).index(2), (value) => value.subarray(0, 20));
  const [damaged, other] = await check(world);
  assert.match(damaged?.faults[0] ?? "", /^offset 2: Cannot read batch index entry/);
  assert.deepEqual(damaged?.garbage, []);
  assert.deepEqual([other?.batchCount, other?.faults], [4, []]);
});

Deno.test("checkStorage() tells garbage from faults", async () => {
  const world = await createWorld();
  const file = await world.disk.files.create(`data/segments/${TOPIC_ID}-1/0000000099-other-1.log`);
  await file.close();
  await world.storage.commit({
    checks: [],
    mutations: [{ type: "set", key: KEYS.chunk(9, "stray", 0), value: new Uint8Array(9) }],
  });
  const [, report] = await check(world);
  assert.deepEqual(report?.faults, []);
  assert.deepEqual(report?.garbage, [
    "offset 9: a piece that no index entry names",
    "file 0000000099-other-1.log: the head does not name it",
  ]);
});

Deno.test("checkStorage() finds segment files of a partition that has no keys; an empty directory is nothing", async () => {
  const world = await createWorld();
  const { files } = world.disk;
  for (const name of [`${TOPIC_ID}-1000`, `${TOPIC_ID}-7`, "notes"]) {
    await files.makeDirectory(`data/segments/${name}`);
    if (name.endsWith("-7")) continue;
    await (await files.create(`data/segments/${name}/0000000000-other-1.log`)).close();
  }
  const [, , ...others] = await check(world);
  assert.deepEqual(others, [{
    topicId: TOPIC_ID,
    partition: 1_000,
    batchCount: 0,
    sizeBytes: 0,
    faults: ["file 0000000000-other-1.log: the store has no keys of this partition"],
    garbage: [],
  }]);
  for (const key of world.storage.keys().filter((key) => key[0] === "p" && key[2] === 1)) {
    world.storage.tamper(key, () => null);
  }
  const reports = await check(world);
  assert.deepEqual(reports.map(({ partition, faults }) => [partition, faults.length > 0]), [
    [0, false],
    [1, true],
    [1_000, true],
  ]);
});

/** Values beside the batches, each of its kind. */
async function fillBeside(world: World): Promise<KvKey[]> {
  const shards = await openShards(world.storage, { disk: world.disk });
  const metadata = await MetadataStore.open(shards);
  const partitions = [{ leader: 1, leaderEpoch: 0, replicas: [1], isr: [1] }];
  await metadata.createTopic({
    name: "orders",
    topicId: TOPIC_ID,
    partitions,
    configs: { "retention.ms": "1" },
  });
  await metadata.putResourceConfigs([{
    kind: "group",
    name: "g",
    configs: { "share.heartbeat.interval.ms": "1" },
  }]);
  const log = await PartitionLog.open(shards, TOPIC_ID, 1);
  const producer = { producerId: 7, producerEpoch: 0, lastAppendMs: 1, batches: [] };
  const [append] = appendsAfter(log.head, [{ timestamps: [90], producer }]);
  const transaction = { type: "opened", producerId: 7, firstOffset: append?.baseOffset ?? 0 } as const;
  if (append !== undefined) await log.append([{ ...append, transaction }]);
  return world.storage.keys().filter((key) => key[0] !== "p" || !["i", "c", "h"].includes(String(key[3])));
}

Deno.test("a flipped bit in any value beside the batches is a fault, and said of that value alone", async () => {
  const kinds = new Set<string>();
  const { length } = await fillBeside(await createWorld());
  for (let i = 0; i < length; i++) {
    const world = await createWorld();
    const key = (await fillBeside(world))[i] as KvKey;
    kinds.add(
      key[0] === "p" ? `p ${key[3]}` : key.length > 1 && key[0] === "m" ? `m ${key[1]}` : String(key[0]),
    );
    const all = async () => {
      const reports = await check(world);
      return [...reports.flatMap(({ faults }) => faults), ...(await checkSeals(world.storage)).faults];
    };
    assert.deepEqual(await all(), []);
    world.storage.tamper(key, (value) => value.with(value.length >> 1, (value[value.length >> 1] ?? 0) ^ 4));
    const faults = await all();
    assert.equal(faults.length, 1, `${JSON.stringify(key)}: ${faults}`);
    assert.match(faults[0] ?? "", /its bytes are not those that were written$/);
  }
  assert.deepEqual([...kinds].sort(), ["b", "m a", "m c", "m h", "m n", "m t", "p m", "p s", "p t", "p x"]);
});

Deno.test("a group in pieces is checked as a whole; pieces that it does not name are garbage", async () => {
  const storage = new MemoryStorage();
  const pieces = [new Uint8Array(10).fill(200), new Uint8Array(5).fill(3)];
  const put = (key: KvKey, value: Uint8Array) =>
    storage.commit({ checks: [], mutations: [{ type: "set", key, value }] });
  for (const [k, value] of pieces.entries()) await put(groupPieceKey(0, "g", 4, k), value);
  const body = { writing: 4, pieceCount: 2, byteLength: 15, crc: crc32c(concat(pieces)) };
  await put(groupKey(0, "g"), encodeGroupValue({ memberCount: 1, body }));
  assert.deepEqual(await checkSeals(storage), {
    valueCount: 3,
    sizeBytes: 15 + ((await storage.get(groupKey(0, "g")))?.value.length ?? 0),
    faults: [],
    garbage: [],
  });
  await put(groupPieceKey(0, "g", 5, 0), new Uint8Array(3));
  assert.match((await checkSeals(storage)).garbage.join(), /^value \["g",0,"c","g",5,0\]: pieces that/);
  storage.tamper(groupPieceKey(0, "g", 4, 1), flip);
  assert.match((await checkSeals(storage)).faults.join(), /^value \["g",0,"c","g",4,0\]: its bytes are not/);
});
