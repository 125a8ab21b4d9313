/** The last act of a workload: everything is read from the start, by a consumer that no fault disturbs. */
import { Cluster } from "../../client/cluster.ts";
import { Consumer } from "../../client/mod.ts";
import { errorName } from "../../protocol/errors.ts";
import { fetchApi } from "../../protocol/messages/01_fetch.ts";
import { untilDone, type WorkloadContext } from "./workload.ts";

export interface TopicToRead {
  readonly topic: string;
  readonly partitionCount: number;
  /** Whether it goes on behind batches that the broker says are damaged, and tells of them. */
  readonly readsAroundDamage?: boolean;
  readonly isolationLevel?: "read_uncommitted" | "read_committed";
}

type NameOf = (topic: string, partition: number) => string;

const POLL_TIMEOUT_MS = 5_000;
/** The last version that names topics. */
const FETCH_VERSION_MAX = 12;
/** Once the world has healed an error says it once; a broker that has just started may say another first. */
const SURE_AFTER = 3;

/** Reads all partitions up to the ends that ListOffsets tells, as polls of one process; returns how many records there were. */
export async function readAll(
  context: WorkloadContext,
  { topic, partitionCount, readsAroundDamage = false, isolationLevel = "read_uncommitted" }: TopicToRead,
  nameOf: NameOf,
): Promise<number> {
  const { history } = context;
  const process = context.openProcess(`reader-${topic}`, { mayDie: false });
  const { name } = process;
  const consumer = new Consumer(process.env, {
    bootstrapServers: context.bootstrapServers,
    offsetReset: "none",
    isolationLevel,
    fetchMaxWaitMs: 100,
  });
  const partitions = Array.from({ length: partitionCount }, (_, partition) => ({ topic, partition }));
  const ends = await untilDone(context, () => consumer.offsets(partitions, "latest"));
  const starts = await untilDone(context, () => consumer.offsets(partitions, "earliest"));
  const left = new Map(ends.map(({ partition, offset }) => [partition, offset]));
  for (const { partition, offset } of starts) {
    if (offset >= (left.get(partition) ?? 0)) left.delete(partition);
  }
  const placed = history.begin(name);
  consumer.assign(partitions.map((each) => ({ ...each, start: "earliest" as const })));
  placed("ok", { kind: "assign", to: partitions.map((each) => nameOf(topic, each.partition)) });
  let recordCount = 0;
  while (left.size > 0) {
    const end = history.begin(name);
    const records = await untilDone(context, () => consumer.poll({ timeoutMs: POLL_TIMEOUT_MS }));
    history.poll(end, nameOf, records, isolationLevel);
    recordCount += records.length;
    // Behind the last record may lie what readers do not get to see.
    for (const [partition, endOffset] of left) {
      if ((consumer.position(topic, partition) ?? 0) >= endOffset) left.delete(partition);
    }
    if (readsAroundDamage && records.length === 0) {
      await goAroundDamage(context, { topic, left, consumer, process: name }, nameOf);
    }
  }
  await consumer.close();
  return recordCount;
}

interface StuckReader {
  readonly topic: string;
  /** Partitions that are not yet read to their ends, and these. */
  readonly left: Map<number, number>;
  readonly consumer: Consumer;
  readonly process: string;
}

/** As an operator does: finds out offset by offset how far the damage reaches, and has the reader go on behind it. */
async function goAroundDamage(
  context: WorkloadContext,
  { topic, left, consumer, process }: StuckReader,
  nameOf: NameOf,
): Promise<void> {
  const { history } = context;
  const cluster = new Cluster(context.openProcess("prober", { mayDie: false }).env, {
    bootstrapServers: context.bootstrapServers,
  });
  const starts = new Map<number, number>();
  for (const [partition, end] of left) {
    const from = consumer.position(topic, partition);
    if (from === null) continue;
    starts.set(partition, from);
    let to = from;
    const found = history.begin(process);
    while (to < end && await isDamaged(context, cluster, { topic, partition, offset: to })) to++;
    if (to === from) continue;
    found("ok", { kind: "damaged", partition: nameOf(topic, partition), from, to });
    starts.set(partition, to);
    if (to >= end) left.delete(partition);
  }
  cluster.close();
  const placed = history.begin(process);
  const to = [...starts].filter(([partition]) => left.has(partition));
  consumer.assign(to.map(([partition, start]) => ({ topic, partition, start })));
  placed("ok", { kind: "assign", to: to.map(([partition]) => nameOf(topic, partition)) });
}

/** Whether a fetch there is answered with a storage error, again and again. */
async function isDamaged(
  context: WorkloadContext,
  cluster: Cluster,
  { topic, partition, offset }: {
    readonly topic: string;
    readonly partition: number;
    readonly offset: number;
  },
): Promise<boolean> {
  for (let sure = 0; sure < SURE_AFTER; sure++) {
    const { responses } = await untilDone(context, () =>
      cluster.call(fetchApi, {
        maxWaitMs: 0,
        minBytes: 0,
        topics: [{
          topic,
          partitions: [{ partition, fetchOffset: offset, partitionMaxBytes: 1 }],
        }],
      }, { versionMax: FETCH_VERSION_MAX }));
    const code = responses[0]?.partitions[0]?.errorCode ?? -1;
    if (errorName(code) !== "KAFKA_STORAGE_ERROR") return false;
    await context.env.sleep(100);
  }
  return true;
}
