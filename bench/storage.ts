/**
 * How much of the raw Deno KV the partition log leaves when all bytes lie in it, as on remote stores: appends of 128 KB and of 1 KB
 * batches against the raw ceiling (60 KB values, 12 a commit), cold reads against a raw list of such values, in alternating
 * rounds of one run, on a file in the temporary directory.
 *
 * `deno run -A bench/storage.ts [rounds] [seconds per measurement]`
 */
import { emptyLogHead } from "../core/partition/log_head.ts";
import { realEnv } from "../env/real.ts";
import { silentLogger } from "../lib/log.ts";
import { assignOffsets, buildBatch } from "../protocol/records/record_batch.ts";
import { DenoKvStorage } from "../storage/deno_kv.ts";
import { type LogAppend, type LogHead, PartitionLog } from "../storage/partition_log.ts";
import { ShardStore } from "../storage/shard.ts";
import type { Mutation } from "../storage/storage.ts";

const ROUNDS = Number(Deno.args[0] ?? 3);
const MEASURE_MS = Number(Deno.args[1] ?? 2) * 1_000;
const LARGE_BATCH_BYTES = 128 * 1_024;
const SMALL_BATCH_BYTES = 1_024;
const SMALL_IN_FLIGHT = 64;
const LARGE_IN_FLIGHT = 12;
const RAW_VALUE_BYTES = 60 * 1_024;

const env = realEnv();
/** A store of its own for each measurement: what an earlier one left to the disk must not weigh on the next. */
interface World {
  readonly storage: DenoKvStorage;
  readonly shards: ShardStore;
}

async function inNewWorld(run: (world: World) => Promise<number>): Promise<number> {
  const directory = Deno.makeTempDirSync();
  const storage = await DenoKvStorage.open({ env, path: `${directory}/bench.sqlite` });
  const shards = await ShardStore.open({
    storage,
    env,
    log: silentLogger,
    brokerId: 1,
    incarnation: env.uuid(),
  });
  try {
    return await run({ storage, shards });
  } finally {
    await storage.close();
    Deno.removeSync(directory, { recursive: true });
  }
}

/** A batch of `size` bytes that does not compress, as a producer would send it. */
function batchOf(size: number): Uint8Array {
  const value = new Uint8Array(size - 80);
  for (let at = 0; at < value.length; at += 65_536) crypto.getRandomValues(value.subarray(at, at + 65_536));
  return buildBatch({ records: [{ key: null, value, headers: [], timestamp: 1 }] });
}

/** Runs `inFlight` loops of `work`, which returns the bytes it made durable, for a while; bytes per second. */
async function measure(inFlight: number, work: () => Promise<number>): Promise<number> {
  const begun = performance.now();
  let bytes = 0;
  await Promise.all(Array.from({ length: inFlight }, async () => {
    while (performance.now() - begun < MEASURE_MS) {
      const done = await work();
      bytes += done;
    }
  }));
  return bytes / ((performance.now() - begun) / 1_000);
}

/** Appends copies of `batch`, each one owned, as a partition does. */
function appender(log: PartitionLog, batch: Uint8Array): () => Promise<number> {
  let head: LogHead = emptyLogHead;
  return async () => {
    const bytes = batch.slice();
    const baseOffset = head.logEndOffset;
    assignOffsets(bytes, baseOffset, 0);
    head = { ...head, logEndOffset: baseOffset + 1, sizeBytes: head.sizeBytes + bytes.length };
    const append: LogAppend = {
      baseOffset,
      lastOffset: baseOffset,
      leaderEpoch: 0,
      bytes,
      maxTimestamp: 1,
      producer: null,
      headAfter: head,
    };
    await log.append([append]);
    return bytes.length;
  };
}

let rawKey = 0;
const rawValue = batchOf(RAW_VALUE_BYTES + 80).subarray(0, RAW_VALUE_BYTES);

/** One commit, into `ranges` places of the key space in turn: a B-tree takes what goes to its end for less. */
async function raw({ storage }: World, ranges = 1): Promise<number> {
  const mutations = Array.from(
    { length: 12 },
    (): Mutation => ({ type: "set", key: ["raw", rawKey % ranges, rawKey++], value: rawValue }),
  );
  await storage.commit({ checks: [], mutations });
  return 12 * RAW_VALUE_BYTES;
}

async function logs({ shards }: World, count: number): Promise<PartitionLog[]> {
  return await Promise.all(Array.from({ length: count }, () => PartitionLog.open(shards, env.uuid(), 0)));
}

const COLD_BYTES = 25 * 1_024 * 1_024;
const READ_BYTES = 1_024 * 1_024;

/** Pages of about as many bytes as a fetch asks for, over and over. */
async function rawList(world: World): Promise<number> {
  const pageLength = Math.floor(READ_BYTES / RAW_VALUE_BYTES);
  for (let stored = 0; stored < COLD_BYTES;) {
    const bytes = await raw(world);
    stored += bytes;
  }
  const range = { start: ["raw", 0, 0], end: ["raw", 1] };
  let { start } = range;
  return await measure(1, async () => {
    const found = await world.storage.list({ start, end: range.end }, { limit: pageLength });
    const last = found.at(-1)?.key[2];
    start = found.length < pageLength ? range.start : ["raw", 0, Number(last) + 1];
    return found.reduce((sum, { value }) => sum + value.length, 0);
  });
}

interface Case {
  readonly name: string;
  /** A ceiling that the cases behind it are compared with. */
  readonly isRaw?: true;
  run(world: World): Promise<number>;
}

const cases: readonly Case[] = [
  {
    name: "raw KV, 12 values of 60 KB a commit, 2 in flight",
    isRaw: true,
    run: (world) => measure(2, () => raw(world)),
  },
  {
    name: "log, 128 KB batches, 12 in flight",
    async run(world) {
      const [log] = await logs(world, 1);
      return await measure(LARGE_IN_FLIGHT, appender(log as PartitionLog, batchOf(LARGE_BATCH_BYTES)));
    },
  },
  {
    name: "log, 1 MB batches (two steps), 4 in flight",
    async run(world) {
      const [log] = await logs(world, 1);
      return await measure(4, appender(log as PartitionLog, batchOf(1_048_576)));
    },
  },
  {
    name: "log, 1 KB batches, 64 in flight",
    async run(world) {
      const [log] = await logs(world, 1);
      return await measure(SMALL_IN_FLIGHT, appender(log as PartitionLog, batchOf(SMALL_BATCH_BYTES)));
    },
  },
  {
    name: "64 logs, 1 KB batches, 64 in flight",
    async run(world) {
      const works = (await logs(world, 64)).map((log) => appender(log, batchOf(SMALL_BATCH_BYTES)));
      let next = 0;
      return await measure(SMALL_IN_FLIGHT, () => (works[next++ % works.length] as () => Promise<number>)());
    },
  },
  {
    name: "raw KV, the same into six ranges of keys",
    isRaw: true,
    run: (world) => measure(2, () => raw(world, 6)),
  },
  {
    name: "6 logs, 128 KB batches, 12 in flight",
    async run(world) {
      const works = (await logs(world, 6)).map((log) => appender(log, batchOf(LARGE_BATCH_BYTES)));
      let next = 0;
      return await measure(LARGE_IN_FLIGHT, () => (works[next++ % works.length] as () => Promise<number>)());
    },
  },
  { name: "raw KV, list of 60 KB values, 1 MB at a time", isRaw: true, run: rawList },
  {
    name: "log, cold read, 1 MB at a time",
    async run(world) {
      const [log] = await logs(world, 1);
      const append = appender(log as PartitionLog, batchOf(LARGE_BATCH_BYTES));
      for (let i = 0; i < 200; i++) await append();
      let from = 0;
      return await measure(1, async () => {
        const batches = await (log as PartitionLog).read(from, {
          maxBytes: READ_BYTES,
          minOneBatch: true,
          upTo: 200,
        });
        from = (from + batches.length) % 200;
        return batches.reduce((sum, batch) => sum + batch.length, 0);
      });
    },
  },
];

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

const results = cases.map((): number[] => []);
for (let round = 0; round < ROUNDS; round++) {
  for (const [i, each] of cases.entries()) results[i]?.push(await inNewWorld(each.run));
}
let ceiling = NaN;
for (const [i, each] of cases.entries()) {
  const rate = median(results[i] as number[]);
  if (each.isRaw === true) ceiling = rate;
  const ratio = Math.round(rate / ceiling * 100);
  console.log(
    `${each.name.padEnd(52)} ${(rate / 1e6).toFixed(1).padStart(7)} MB/s ${
      String(ratio).padStart(5)
    } % of raw`,
  );
}
