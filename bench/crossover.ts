/**
 * From which size on a batch is better off in a segment file than in KV: appends of one log in alternating rounds, all bytes in KV
 * against all in a file, with little and with much in flight.
 *
 * `deno run -A bench/crossover.ts [rounds] [seconds per measurement]`
 */
import { emptyLogHead } from "../core/partition/log_head.ts";
import { realEnv } from "../env/real.ts";
import { silentLogger } from "../lib/log.ts";
import { assignOffsets, buildBatch } from "../protocol/records/record_batch.ts";
import { DenoKvStorage } from "../storage/deno_kv.ts";
import { type LogHead, PartitionLog } from "../storage/partition_log.ts";
import { SegmentStore } from "../storage/segments.ts";
import { ShardStore } from "../storage/shard.ts";

const ROUNDS = Number(Deno.args[0] ?? 3);
const MEASURE_MS = Number(Deno.args[1] ?? 0.6) * 1_000;
const SIZES_KB = [1, 4, 8, 16, 32, 64, 128];
const IN_FLIGHT = [1, 16];

const env = realEnv();

async function measure(sizeKb: number, inFlight: number, extentBytesMin: number): Promise<number> {
  const directory = Deno.makeTempDirSync({ prefix: "kavka-bench-" });
  const storage = await DenoKvStorage.open({ env, path: `${directory}/bench.sqlite` });
  const segments = new SegmentStore({
    files: env.files,
    log: silentLogger,
    path: `${directory}/segments`,
    extentBytesMin,
  });
  const incarnation = env.uuid();
  const shards = await ShardStore.open({
    storage,
    env,
    log: silentLogger,
    brokerId: 1,
    incarnation,
    segments,
  });
  const log = await PartitionLog.open(shards, env.uuid(), 0);
  const value = new Uint8Array(sizeKb * 1_024 - 80);
  for (let at = 0; at < value.length; at += 65_536) crypto.getRandomValues(value.subarray(at, at + 65_536));
  const batch = buildBatch({ records: [{ key: null, value, headers: [], timestamp: 1 }] });
  let head: LogHead = emptyLogHead;
  let bytes = 0;
  const begun = performance.now();
  await Promise.all(Array.from({ length: inFlight }, async () => {
    while (performance.now() - begun < MEASURE_MS) {
      const own = batch.slice();
      const baseOffset = head.logEndOffset;
      assignOffsets(own, baseOffset, 0);
      head = { ...head, logEndOffset: baseOffset + 1, sizeBytes: head.sizeBytes + own.length };
      await log.append([{
        baseOffset,
        lastOffset: baseOffset,
        leaderEpoch: 0,
        bytes: own,
        maxTimestamp: 1,
        producer: null,
        headAfter: head,
      }]);
      bytes += own.length;
    }
  }));
  const rate = bytes / (performance.now() - begun) / 1_000;
  log.close();
  await storage.close();
  await segments.close();
  Deno.removeSync(directory, { recursive: true });
  return rate;
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? NaN;
}

for (const inFlight of IN_FLIGHT) {
  for (const sizeKb of SIZES_KB) {
    const kv: number[] = [];
    const file: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      kv.push(await measure(sizeKb, inFlight, Infinity));
      file.push(await measure(sizeKb, inFlight, 0));
    }
    const ratio = (median(file) / median(kv)).toFixed(2);
    console.log(
      `${inFlight} in flight, ${String(sizeKb).padStart(3)} KB: KV ${
        median(kv).toFixed(1).padStart(6)
      } MB/s, file ${median(file).toFixed(1).padStart(6)} MB/s, file/KV ${ratio}`,
    );
  }
}
