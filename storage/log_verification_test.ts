/** A log that is in use is looked through: step by step, with everything that may be wrong with it. */
import assert from "node:assert/strict";
import { crc32c } from "../lib/crc32c.ts";
import { unsealed } from "./keys/sealed_testkit.ts";
import { decodeBatchIndex, encodeBatchIndex } from "./keys/batch_index.ts";
import { PartitionKeys } from "./keys/partition.ts";
import { MemoryStorage } from "./memory.ts";
import { PartitionLog } from "./partition_log.ts";
import { appendAfter, appendsAfter, openShards, TOPIC_ID } from "./storage_testkit.ts";

const KEYS = new PartitionKeys(TOPIC_ID, 0);
const BATCHES = 250;

async function filled(): Promise<{ storage: MemoryStorage; log: PartitionLog }> {
  const storage = new MemoryStorage();
  const log = await PartitionLog.open(await openShards(storage), TOPIC_ID, 0);
  const batches = Array.from({ length: BATCHES }, (_, i) => ({
    timestamps: [i],
    valueBytes: i === 20 ? 200_000 : 45_000,
  }));
  const appends = appendsAfter(log.head, batches);
  for (let done = 0; done < appends.length;) done += await log.append(appends.slice(done));
  return { storage, log };
}

async function verify(log: PartitionLog) {
  const sum = { steps: 0, batchCount: 0, sizeBytes: 0, faults: [] as string[] };
  for (let from: number | null = log.head.logStartOffset; from !== null;) {
    const step = await log.verify(from);
    assert.ok(step.next === null || step.next > from);
    sum.steps++;
    sum.batchCount += step.batchCount;
    sum.sizeBytes += step.sizeBytes;
    sum.faults.push(...step.faults);
    from = step.next;
  }
  return sum;
}

Deno.test("verify() goes through a sound log in bounded steps", async () => {
  const { log } = await filled();
  const { steps, batchCount, sizeBytes, faults } = await verify(log);
  assert.deepEqual([batchCount, sizeBytes, faults], [BATCHES, log.head.sizeBytes, []]);
  assert.ok(steps > 2);
  await log.commitHead({ ...log.head, logStartOffset: 100 });
  assert.equal((await verify(log)).batchCount, BATCHES - 100);
});

Deno.test("verify() goes by the records where a producer wrote another timestamp into the batch's header", async () => {
  const log = await PartitionLog.open(await openShards(new MemoryStorage()), TOPIC_ID, 0);
  const append = appendAfter(log.head, { timestamps: [5, 9] });
  const view = new DataView(append.bytes.buffer, append.bytes.byteOffset);
  view.setBigInt64(35, 77n);
  view.setUint32(17, crc32c(append.bytes, 21));
  await log.append([append]);
  assert.deepEqual((await verify(log)).faults, []);
});

const wrong: Readonly<Record<string, [(storage: MemoryStorage) => void, RegExp]>> = {
  "a flipped bit": [
    (storage) => storage.tamper(KEYS.index(150), (value) => value.with(9_000, (value[9_000] ?? 0) ^ 1)),
    /offset 150.*not those that were written/,
  ],
  "a missing piece": [
    (storage) => storage.tamper(KEYS.chunk(20, "", 1), () => null),
    /offset 20.*pieces are missing/,
  ],
  "a missing entry": [
    (storage) => storage.tamper(KEYS.index(130), () => null),
    /offsets 130 to 131 are missing/,
  ],
  "a missing last entry": [
    (storage) => storage.tamper(KEYS.index(BATCHES - 1), () => null),
    /offsets 249 to 250 are missing/,
  ],
  "an entry of an unknown version": [
    (storage) => storage.tamper(KEYS.index(140), (value) => unsealed(value).with(0, 33)),
    /offset 140.*version 33/,
  ],
  "an entry with another timestamp": [
    (storage) =>
      storage.tamper(
        KEYS.index(170),
        (value) => encodeBatchIndex({ ...decodeBatchIndex(value), maxTimestamp: 171 }),
      ),
    /offset 170: its entry has timestamp 171/,
  ],
  "an entry of another log": [
    (storage) =>
      storage.tamper(
        KEYS.index(160),
        (value) => encodeBatchIndex({ ...decodeBatchIndex(value), previousCrc: 1 }),
      ),
    /offset 160.*does not follow/,
  ],
};

for (const [name, [damage, pattern]] of Object.entries(wrong)) {
  Deno.test(`verify() finds ${name}, once, and goes on behind it`, async () => {
    const { storage, log } = await filled();
    damage(storage);
    const { faults, batchCount } = await verify(log);
    assert.equal(faults.length, 1, faults.join("\n"));
    assert.match(faults[0] ?? "", pattern);
    assert.ok(batchCount >= BATCHES - 1);
  });
}
