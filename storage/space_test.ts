/** What a partition is said to take is what it takes on the disk, whatever came and went. */
import assert from "node:assert/strict";
import { realEnv } from "../env/real.ts";
import { silentLogger } from "../lib/log.ts";
import { openStore } from "./open_store.ts";
import { PartitionLog } from "./partition_log.ts";
import { checkStorage } from "./storage_check.ts";
import { appendsAfter, TOPIC_ID } from "./storage_testkit.ts";

async function append(log: PartitionLog, sizes: readonly number[]): Promise<void> {
  const appends = appendsAfter(log.head, sizes.map((valueBytes, i) => ({ timestamps: [i], valueBytes })));
  for (let done = 0; done < appends.length;) done += await log.append(appends.slice(done));
}

async function deleteTo(log: PartitionLog, logStartOffset: number): Promise<void> {
  await log.commitHead({ ...log.head, logStartOffset });
  while (await log.trim());
}

Deno.test("the size of a partition is that of its bytes on the disk, within 1 %", async () => {
  const directory = Deno.makeTempDirSync();
  const env = realEnv();
  const onDisk = (partition: number) => {
    let bytes = 0;
    const path = `${directory}/segments/${TOPIC_ID}-${partition}`;
    for (const { name } of Deno.readDirSync(path)) bytes += Deno.statSync(`${path}/${name}`).size;
    return bytes;
  };
  try {
    const store = await openStore({
      env,
      log: silentLogger,
      directory,
      path: `${directory}/kavka.sqlite`,
      brokerId: 1,
      incarnation: env.uuid(),
    });
    const logs = [
      await PartitionLog.open(store.shards, TOPIC_ID, 0),
      await PartitionLog.open(store.shards, TOPIC_ID, 1),
    ];
    const [first, second] = logs as [PartitionLog, PartitionLog];
    await append(first, Array.from({ length: 24 }, () => 700_000));
    await append(second, Array.from({ length: 100 }, (_, i) => 33_000 + i));
    const assertRight = (log: PartitionLog, partition: number) => {
      const [said, taken] = [log.head.sizeBytes, onDisk(partition)];
      assert.ok(
        Math.abs(said - taken) <= taken / 100,
        `partition ${partition}: ${said} said, ${taken} taken`,
      );
    };
    assertRight(first, 0);
    assertRight(second, 1);
    // A file goes with the last of its batches; what comes next lies in another.
    await deleteTo(first, 24);
    await append(first, Array.from({ length: 5 }, () => 500_000));
    await store.shards.segments?.removed();
    assertRight(first, 0);
    // Small batches lie in the store, among others: their sizes are those that a look at each finds.
    await append(second, Array.from({ length: 300 }, (_, i) => i * 20));
    await deleteTo(second, 130);
    const reports = await Array.fromAsync(
      checkStorage({ storage: store.shards.storage, segments: store.shards.segments }),
    );
    assert.deepEqual(reports.map(({ sizeBytes }) => sizeBytes), logs.map(({ head }) => head.sizeBytes));
    assert.deepEqual(reports.flatMap(({ faults }) => faults), []);
    for (const log of logs) log.close();
    await store.close();
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("the store's file stops growing when as much is deleted as written: its free pages are used again", async () => {
  const directory = Deno.makeTempDirSync();
  const env = realEnv();
  const path = `${directory}/kavka.sqlite`;
  try {
    const store = await openStore({
      env,
      log: silentLogger,
      directory,
      path,
      brokerId: 1,
      incarnation: env.uuid(),
    });
    const log = await PartitionLog.open(store.shards, TOPIC_ID, 0);
    const sizes: number[] = [];
    for (let round = 0; round < 8; round++) {
      await append(log, Array.from({ length: 100 }, () => 20_000));
      await deleteTo(log, log.head.logEndOffset - 20);
      sizes.push(Deno.statSync(path).size);
    }
    const [afterTwo = 0, last = 0] = [sizes[1], sizes.at(-1)];
    // 16 MB went through; without reuse there would be 12 more.
    assert.ok(last <= afterTwo + 2_000_000, sizes.join(" "));
    log.close();
    await store.close();
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
