/**
 * A share group as a queue (KIP-932): workers take records, work on them, and accept or release them; they come, go, die and
 * stall beyond their locks. Whoever was told that a record is acknowledged is the only one; the record is not given to
 * anybody who asks after that; and in the end none is left.
 */
import {
  Admin,
  BrokerError,
  Producer,
  ShareConsumer,
  type SharedRecord,
  ShareGroupAdmin,
} from "../../client/mod.ts";
import { encodeValue } from "../history_recorder.ts";
import type { Rng } from "../rng.ts";
import { readAll } from "./final_read.ts";
import {
  type ClientProcess,
  unlessDead,
  untilDone,
  type Workload,
  type WorkloadContext,
} from "./workload.ts";

const TOPIC = "jobs";
const GROUP = "workers";
const RECORD_COUNT = 240;
const LOCK_MS = 15_000;
/** The most that a server allows: what a bad network eats is a delivery, too. */
const DELIVERY_COUNT_LIMIT = 10;

interface Plan {
  readonly partitionCount: number;
  readonly workerCount: number;
  /** How long a worker lives before it leaves by itself, on average. */
  readonly lifeMs: number;
  readonly stallShare: number;
  /** Longest work on what a poll brought; slow workers leave a backlog. */
  readonly workMsMax: number;
  /** Little brings few records at a time. */
  readonly fetchMaxBytes: number;
}

/** What the workers know together of one record, by `partition/offset`. */
interface Job {
  /** When somebody was told that the record is acknowledged (virtual time). */
  doneAtMs: number | null;
  /** Somebody asked to acknowledge it and was not told. */
  isDoubtful: boolean;
  deliveryCountMax: number;
}

type Jobs = Map<string, Job>;

export const queueWork: Workload = {
  name: "queue-work",
  about: "a share group whose workers accept, release, stall and die",
  profileFor: () => "idempotent",

  readsEverything: true,

  async run(context) {
    const { rng } = context;
    const plan: Plan = {
      partitionCount: 1 + rng.int(3),
      workerCount: 1 + rng.int(4),
      lifeMs: rng.logBetween(2_000, 60_000),
      stallShare: rng.pick([0, 0.02]),
      workMsMax: rng.pick([100, 2_000]),
      fetchMaxBytes: rng.pick([200, 1_000, 1_000_000]),
    };
    await prepare(context, plan);
    const jobs: Jobs = new Map();
    let isOver = false;
    const workers = Array.from(
      { length: plan.workerCount },
      (_, index) => work(context, plan, index, jobs, () => isOver),
    );
    await produce(context, plan);
    await context.healed;
    await untilNothingIsLeft(context, plan);
    isOver = true;
    await Promise.all(workers);
    await readAll(
      context,
      { topic: TOPIC, partitionCount: plan.partitionCount },
      (topic, p) => `${topic}/${p}`,
    );
    checkNothingLost(await ends(context, plan), jobs);
  },
};

async function prepare(context: WorkloadContext, plan: Plan): Promise<void> {
  const admin = new Admin(context.openProcess("admin", { mayDie: false }).env, {
    bootstrapServers: context.bootstrapServers,
  });
  await untilDone(context, async () => {
    const [outcome] = await admin.createTopics([{ name: TOPIC, partitionCount: plan.partitionCount }]);
    if (outcome?.error && outcome.error.error !== "TOPIC_ALREADY_EXISTS") throw outcome.error;
  });
  const settings = {
    "share.auto.offset.reset": "earliest",
    "share.record.lock.duration.ms": String(LOCK_MS),
    "share.delivery.count.limit": String(DELIVERY_COUNT_LIMIT),
  };
  const changes = Object.entries(settings).map((
    [name, value],
  ) => ({ name, operation: "set", value } as const));
  await untilDone(context, () => admin.alterConfigs({ type: "group", name: GROUP }, changes));
  admin.close();
}

async function produce(context: WorkloadContext, plan: Plan): Promise<void> {
  const rng = context.rng.split("producer");
  const process = context.openProcess("producer", { mayDie: false });
  const producer = new Producer(process.env, { bootstrapServers: context.bootstrapServers, lingerMs: 5 });
  for (let value = 1; value <= RECORD_COUNT || context.faultsGoOn(); value++) {
    const partition = rng.int(plan.partitionCount);
    const sending = producer.send({ topic: TOPIC, partition, value: encodeValue(value) });
    void context.history.send(process.name, `${TOPIC}/${partition}`, value, sending);
    await context.env.sleep(rng.logBetween(5, 800));
  }
  await producer.close();
}

/** One seat: a worker, and after it another. */
async function work(
  context: WorkloadContext,
  plan: Plan,
  index: number,
  jobs: Jobs,
  isOver: () => boolean,
): Promise<void> {
  const rng = context.rng.split(`worker ${index}`);
  while (!isOver()) {
    const process = context.openProcess(`worker-${index}`, { mayDie: true });
    await unlessDead(process, live(context, plan, rng, process, jobs, isOver));
    await context.env.sleep(rng.logBetween(10, 3_000));
  }
}

async function live(
  context: WorkloadContext,
  plan: Plan,
  rng: Rng,
  process: ClientProcess,
  jobs: Jobs,
  isOver: () => boolean,
): Promise<void> {
  const { env } = context;
  const consumer = new ShareConsumer(process.env, {
    bootstrapServers: context.bootstrapServers,
    groupId: GROUP,
    requestTimeoutMs: rng.pick([2_000, 30_000]),
    fetchMaxWaitMs: 100,
    fetchMaxBytes: plan.fetchMaxBytes,
    // Every poll returns all that was fetched: what would wait in the client could be taken from it meanwhile.
    fetchRecordsMax: 10_000,
  });
  consumer.subscribe([TOPIC]);
  const endMs = env.mono() + plan.lifeMs * -Math.log(1 - rng.next());
  while (!isOver() && (env.mono() < endMs || !context.faultsGoOn())) {
    const askedAtMs = env.mono();
    let records: SharedRecord[];
    try {
      records = await consumer.poll({ timeoutMs: 400 });
    } catch {
      // Whatever a poll throws: the worker tries again.
      await env.sleep(200);
      continue;
    }
    for (const record of records) delivered(jobs, record, askedAtMs);
    const isStalling = context.faultsGoOn() && rng.chance(plan.stallShare);
    await env.sleep(isStalling ? rng.between(LOCK_MS / 2, 2 * LOCK_MS) : rng.logBetween(1, plan.workMsMax));
    if (records.length > 0) await settle(context, consumer, rng, records, jobs);
  }
  await consumer.close();
}

function delivered(jobs: Jobs, { partition, offset, deliveryCount }: SharedRecord, askedAtMs: number): void {
  const job = jobOf(jobs, partition, offset);
  job.deliveryCountMax = Math.max(job.deliveryCountMax, deliveryCount);
  if (job.doneAtMs !== null && job.doneAtMs < askedAtMs) {
    throw new Error(`Queue: ${partition}/${offset} was given out after somebody was told that it is done`);
  }
}

async function settle(
  context: WorkloadContext,
  consumer: ShareConsumer,
  rng: Rng,
  records: readonly SharedRecord[],
  jobs: Jobs,
): Promise<void> {
  const accepted: Job[] = [];
  for (const record of records) {
    const isReleased = context.faultsGoOn() && rng.chance(0.05);
    consumer.acknowledge(record, isReleased ? "release" : "accept");
    if (!isReleased) accepted.push(jobOf(jobs, record.partition, record.offset));
  }
  try {
    await consumer.commit();
  } catch (error) {
    // Of several partitions one may have been stored.
    for (const job of accepted) job.isDoubtful = true;
    if (!(error instanceof BrokerError)) await context.env.sleep(100);
    return;
  }
  for (const job of accepted) {
    if (job.doneAtMs !== null) {
      throw new Error("Queue: two workers were told that they acknowledged a record");
    }
    job.doneAtMs = context.env.mono();
  }
}

function jobOf(jobs: Jobs, partition: number, offset: number): Job {
  const key = `${partition}/${offset}`;
  let job = jobs.get(key);
  if (job === undefined) jobs.set(key, job = { doneAtMs: null, isDoubtful: false, deliveryCountMax: 0 });
  return job;
}

/** Waits until the group has nothing to do any more. */
async function untilNothingIsLeft(context: WorkloadContext, plan: Plan): Promise<void> {
  const process = context.openProcess("auditor", { mayDie: false });
  const admin = new ShareGroupAdmin(process.env, { bootstrapServers: context.bootstrapServers });
  while (true) {
    const offsets = await untilDone(context, () => admin.offsets(GROUP));
    const left = offsets.reduce((sum, { lag }) => sum + (lag === null || lag < 0 ? 1 : lag), 0);
    if (offsets.length === plan.partitionCount && left === 0) break;
    await context.env.sleep(500);
  }
  admin.close();
}

async function ends(context: WorkloadContext, plan: Plan): Promise<number[]> {
  const process = context.openProcess("watcher", { mayDie: false });
  const admin = new ShareGroupAdmin(process.env, { bootstrapServers: context.bootstrapServers });
  const offsets = await untilDone(context, () => admin.offsets(GROUP));
  admin.close();
  const found = Array.from({ length: plan.partitionCount }, () => 0);
  for (const { partition, startOffset } of offsets) found[partition] = startOffset ?? 0;
  return found;
}

/** Nothing is left, so every record was acknowledged by somebody, or was delivered too often. */
function checkNothingLost(logEnds: readonly number[], jobs: Jobs): void {
  for (const [partition, end] of logEnds.entries()) {
    for (let offset = 0; offset < end; offset++) {
      const { doneAtMs, isDoubtful, deliveryCountMax } = jobOf(jobs, partition, offset);
      const isDone = doneAtMs !== null || isDoubtful || deliveryCountMax >= DELIVERY_COUNT_LIMIT - 1;
      if (!isDone) throw new Error(`Queue: ${partition}/${offset} is done, but nobody acknowledged it`);
    }
  }
}
