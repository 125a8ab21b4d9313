/**
 * The copy job, which stream processors are made of: consume, transform, produce and commit the offsets in one transaction,
 * killed and replaced all the time, sometimes by two at once under one transactional id. What read_committed finds in the end
 * is exactly the function of the input, and nothing hangs.
 */
import { Cluster } from "../../client/cluster.ts";
import { Admin, Consumer, Producer } from "../../client/mod.ts";
import { errorCode } from "../../protocol/errors.ts";
import { offsetFetch } from "../../protocol/messages/09_offset_fetch.ts";
import { txnOffsetCommit } from "../../protocol/messages/28_txn_offset_commit.ts";
import { encodeValue } from "../history_recorder.ts";
import type { Rng } from "../rng.ts";
import { readAll } from "./final_read.ts";
import { append, check, end, type Identity, initialize } from "./raw_transactions.ts";
import {
  type ClientProcess,
  unlessDead,
  untilDone,
  type Workload,
  type WorkloadContext,
} from "./workload.ts";

const INPUT = "in";
const OUTPUT = "out";
const GROUP = "copy";
const TRANSACTIONAL_ID = "copy-job";
const RECORD_COUNT = 240;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** The last version that names topics. */
const OFFSET_FETCH_VERSION = 9;

interface Plan {
  readonly partitionCount: number;
  readonly abortShare: number;
  readonly timeoutMs: number;
  /** So that a transaction takes few records or many. */
  readonly fetchBytesMax: number;
}

export const copyJob: Workload = {
  name: "copy-job",
  about: "consume, transform, produce and commit in transactions, killed and replaced",
  profileFor: () => "idempotent",
  readsEverything: true,

  async run(context) {
    const { rng } = context;
    const plan: Plan = {
      partitionCount: 1 + rng.int(3),
      abortShare: rng.pick([0, 0.1, 0.3]),
      timeoutMs: rng.pick([2_000, 10_000, 60_000]),
      fetchBytesMax: rng.pick([200, 2_000, 65_536]),
    };
    const admin = new Admin(context.openProcess("admin", { mayDie: false }).env, {
      bootstrapServers: context.bootstrapServers,
    });
    for (const name of [INPUT, OUTPUT]) {
      await untilDone(context, async () => {
        const [outcome] = await admin.createTopics([{ name, partitionCount: plan.partitionCount }]);
        if (outcome?.error && outcome.error.error !== "TOPIC_ALREADY_EXISTS") throw outcome.error;
      });
    }
    admin.close();
    let isOver = false;
    const workers = [work(context, plan, 0, () => isOver)];
    if (rng.chance(0.5)) workers.push(work(context, plan, 1, () => isOver || !context.faultsGoOn()));
    await write(context, plan);
    await context.healed;
    await untilCopied(context, plan);
    isOver = true;
    await Promise.all(workers);
    await readAll(context, { topic: INPUT, partitionCount: plan.partitionCount }, partitionName);
    await checkOutput(context, plan);
  },
};

function partitionName(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

/** The input, by a producer that no fault kills. */
async function write(context: WorkloadContext, plan: Plan): Promise<void> {
  const rng = context.rng.split("source");
  const process = context.openProcess("source", { mayDie: false });
  const producer = new Producer(process.env, {
    bootstrapServers: context.bootstrapServers,
    acks: "all",
    idempotent: true,
    deliveryTimeoutMs: 600_000,
  });
  const sends: Promise<unknown>[] = [];
  for (let value = 1; value <= RECORD_COUNT || context.faultsGoOn(); value++) {
    const partition = rng.int(plan.partitionCount);
    const sending = producer.send({ topic: INPUT, partition, value: encodeValue(value, 0) });
    sends.push(context.history.send(process.name, partitionName(INPUT, partition), value, sending));
    await context.env.sleep(rng.logBetween(1, 400));
  }
  await Promise.all(sends);
  await producer.close();
}

/** One worker after the other, each in a process that may die. */
async function work(
  context: WorkloadContext,
  plan: Plan,
  index: number,
  isOver: () => boolean,
): Promise<void> {
  const rng = context.rng.split(`worker ${index}`);
  while (!isOver()) {
    const process = context.openProcess(`worker-${index}`, { mayDie: true });
    while (process.isAlive && !isOver()) {
      await unlessDead(process, copy(context, plan, rng, { process, isOver }).catch(() => "another try"));
      await context.env.sleep(rng.logBetween(50, 2_000));
    }
  }
}

/** From the committed offsets on, until something fails or is aborted. */
async function copy(
  context: WorkloadContext,
  plan: Plan,
  rng: Rng,
  { process, isOver }: { readonly process: ClientProcess; readonly isOver: () => boolean },
): Promise<void> {
  const options = {
    bootstrapServers: context.bootstrapServers,
    requestTimeoutMs: rng.pick([1_000, 5_000, 30_000]),
    callTimeoutMs: 30_000,
  };
  const cluster = new Cluster(process.env, options);
  const consumer = new Consumer(process.env, {
    ...options,
    offsetReset: "none",
    isolationLevel: "read_committed",
    fetchMaxWaitMs: 100,
    partitionFetchMaxBytes: plan.fetchBytesMax,
  });
  try {
    let identity = await initialize(cluster, {
      transactionalId: TRANSACTIONAL_ID,
      timeoutMs: plan.timeoutMs,
    });
    const positions = await committedOffsets(cluster, plan);
    consumer.assign(positions.map((offset, partition) => ({ topic: INPUT, partition, start: offset })));
    while (!isOver()) {
      const records = await consumer.poll({ timeoutMs: 300 });
      if (records.length === 0) continue;
      const byPartition = Map.groupBy(records, ({ partition }) => partition);
      for (const [partition, taken] of byPartition) {
        const records = taken.map(({ value }) => ({ key: null, value: encoder.encode(transformed(value)) }));
        await append(cluster, TRANSACTIONAL_ID, identity, { topic: OUTPUT, partition, records });
        // Sometimes a process is slow, and its transaction times out.
        if (rng.chance(0.02)) await context.env.sleep(plan.timeoutMs * 1.2);
      }
      const next = new Map(
        [...byPartition].map(([partition, taken]) => [partition, (taken.at(-1)?.offset ?? -1) + 1]),
      );
      await commitOffsets(cluster, identity, next);
      const committed = !rng.chance(plan.abortShare);
      identity = await end(cluster, TRANSACTIONAL_ID, identity, committed);
      if (!committed) return;
    }
  } finally {
    cluster.close();
    await consumer.close();
  }
}

function transformed(value: Uint8Array | null): string {
  return `copy of ${decoder.decode(value ?? new Uint8Array()).trim()}`;
}

async function committedOffsets(cluster: Cluster, { partitionCount }: Plan): Promise<number[]> {
  const partitionIndexes = Array.from({ length: partitionCount }, (_, partition) => partition);
  for (let tries = 0;; tries++) {
    const { groups } = await cluster.call(offsetFetch, {
      groupId: "",
      topics: [],
      requireStable: true,
      groups: [{ groupId: GROUP, topics: [{ name: INPUT, partitionIndexes }] }],
    }, { versionMax: OFFSET_FETCH_VERSION });
    const [group] = groups;
    check(group?.errorCode);
    const found = group?.topics[0]?.partitions ?? [];
    const unstable = found.some((each) => each.errorCode === errorCode("UNSTABLE_OFFSET_COMMIT"));
    if (!unstable || tries >= 50) {
      for (const each of found) check(each.errorCode);
      const offsets = new Map(found.map((each) => [each.partitionIndex, each.committedOffset]));
      return partitionIndexes.map((partition) => Math.max(0, offsets.get(partition) ?? 0));
    }
    await cluster.sleep(100);
  }
}

async function commitOffsets(
  cluster: Cluster,
  identity: Identity,
  next: ReadonlyMap<number, number>,
): Promise<void> {
  const { topics } = await cluster.call(txnOffsetCommit, {
    transactionalId: TRANSACTIONAL_ID,
    groupId: GROUP,
    ...identity,
    topics: [{
      name: INPUT,
      partitions: [...next].map(([partitionIndex, committedOffset]) => ({
        partitionIndex,
        committedOffset,
        committedMetadata: null,
      })),
    }],
  }, { versionMax: 5 });
  for (const { errorCode: code } of topics[0]?.partitions ?? []) check(code);
}

/** Once everything has healed, the job reaches the input's end; the simulation's deadline ends a world in which it does not. */
async function untilCopied(context: WorkloadContext, plan: Plan): Promise<void> {
  const process = context.openProcess("watcher", { mayDie: false });
  const cluster = new Cluster(process.env, { bootstrapServers: context.bootstrapServers });
  const consumer = new Consumer(process.env, {
    bootstrapServers: context.bootstrapServers,
    offsetReset: "none",
  });
  const partitions = Array.from(
    { length: plan.partitionCount },
    (_, partition) => ({ topic: INPUT, partition }),
  );
  while (true) {
    const ends = await untilDone(context, () => consumer.offsets(partitions, "latest"));
    const offsets = await untilDone(context, () => committedOffsets(cluster, plan));
    if (ends.every(({ partition, offset }) => (offsets[partition] ?? 0) >= offset)) break;
    await context.env.sleep(500);
  }
  cluster.close();
  await consumer.close();
}

/** The promise: the output is the function of the input, in order, and no transaction is left open. */
async function checkOutput(context: WorkloadContext, plan: Plan): Promise<void> {
  for (let partition = 0; partition < plan.partitionCount; partition++) {
    const input = await readPartition(context, INPUT, partition, "read_uncommitted");
    const output = await readPartition(context, OUTPUT, partition, "read_committed");
    const expected = input.map((value) => transformed(encoder.encode(value)));
    const at = expected.findIndex((value, index) => output[index] !== value);
    if (at === -1 && output.length === expected.length) continue;
    throw new Error(
      `partition ${partition} of the copy has ${output.length} records for ${expected.length}; ` +
        `at ${at} it has "${output[at]}" in place of "${expected[at]}"`,
    );
  }
}

async function readPartition(
  context: WorkloadContext,
  topic: string,
  partition: number,
  isolationLevel: "read_committed" | "read_uncommitted",
): Promise<string[]> {
  const process = context.openProcess(`check-${topic}-${partition}`, { mayDie: false });
  const { bootstrapServers } = context;
  const ends = new Consumer(process.env, { bootstrapServers, offsetReset: "none" });
  const [end] = await untilDone(context, () => ends.offsets([{ topic, partition }], "latest"));
  await ends.close();
  const consumer = new Consumer(process.env, {
    bootstrapServers,
    offsetReset: "none",
    isolationLevel,
    fetchMaxWaitMs: 100,
  });
  // An open transaction has a timeout; after that the last stable offset is the log's end, or something hangs.
  for (let waits = 0;; waits++) {
    const [stable] = await untilDone(context, () => consumer.offsets([{ topic, partition }], "latest"));
    if ((stable?.offset ?? 0) >= (end?.offset ?? 0)) break;
    if (waits > 200) throw new Error(`a transaction hangs in ${topic}/${partition}`);
    await context.env.sleep(1_000);
  }
  consumer.assign([{ topic, partition, start: "earliest" }]);
  const values: string[] = [];
  // Behind the last record may lie markers alone, so it is silence that tells the end.
  for (let silences = 0; silences < 3;) {
    const records = await untilDone(context, () => consumer.poll({ timeoutMs: 2_000 }));
    silences = records.length === 0 ? silences + 1 : 0;
    values.push(...records.map(({ value }) => decoder.decode(value ?? new Uint8Array()).trim()));
  }
  await consumer.close();
  return values;
}
