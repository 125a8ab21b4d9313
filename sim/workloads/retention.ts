/**
 * Logs that lose their beginning all the while: retention by size and by time, and DeleteRecords, under producers and readers.
 * What is deleted was below a log start that ListOffsets tells; nothing above it may ever be missing, and logs above their
 * bound must come back to it.
 */
import { Admin, Consumer, Producer } from "../../client/mod.ts";
import { encodeValue } from "../history_recorder.ts";
import { readAll } from "./final_read.ts";
import { DIED, unlessDead, untilDone, type Workload, type WorkloadContext } from "./workload.ts";

const TOPIC = "events";
const RECORD_COUNT = 320;
/** Some sweeps of the broker, which looks every 2 s. */
const SWEEPS_MS = 7_000;

interface Plan {
  readonly partitionCount: number;
  readonly retentionBytes: number;
  readonly retentionMs: number;
  readonly deletesRecords: boolean;
  readonly largeShare: number;
}

export const retention: Workload = {
  name: "retention",
  about: "records deleted by size, by age and by order, while others are written and read",
  profileFor: () => "idempotent",

  readsEverything: true,

  async run(context) {
    const { rng } = context;
    const plan: Plan = {
      partitionCount: 1 + rng.int(3),
      retentionBytes: rng.pick([1_500, 8_000]),
      retentionMs: rng.pick([-1, 15_000]),
      deletesRecords: rng.chance(0.5),
      largeShare: rng.pick([0, 0.1]),
    };
    const process = context.openProcess("admin", { mayDie: false });
    const admin = new Admin(process.env, { bootstrapServers: context.bootstrapServers });
    const configs = {
      "retention.bytes": String(plan.retentionBytes),
      "retention.ms": String(plan.retentionMs),
    };
    await untilDone(context, async () => {
      const [outcome] = await admin.createTopics([
        { name: TOPIC, partitionCount: plan.partitionCount, configs },
      ]);
      if (outcome?.error && outcome.error.error !== "TOPIC_ALREADY_EXISTS") throw outcome.error;
    });
    let isOver = false;
    const readers = Array.from({ length: 1 + rng.int(2) }, (_, i) => read(context, plan, i, () => isOver));
    const deleter = plan.deletesRecords ? deleteSome(context, plan, admin) : Promise.resolve();
    const sentBytes = await produce(context, plan);
    await deleter;
    await context.healed;
    await untilShort(context, plan, sentBytes);
    const changes = ["retention.bytes", "retention.ms"].map((name) => ({ name, value: "-1" }));
    await untilDone(context, () => admin.alterConfigs({ type: "topic", name: TOPIC }, changes));
    // What a sweep had decided before it knew of the change is over by then.
    await context.env.sleep(SWEEPS_MS);
    isOver = true;
    await Promise.all(readers);
    await tellStarts(context, plan);
    await readAll(context, { topic: TOPIC, partitionCount: plan.partitionCount }, partitionName);
    admin.close();
  },
};

function partitionName(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

/** Returns how many bytes of values were acknowledged, by partition. */
async function produce(context: WorkloadContext, plan: Plan): Promise<number[]> {
  const rng = context.rng.split("producer");
  const sentBytes = Array.from({ length: plan.partitionCount }, () => 0);
  let value = 0;
  const wanted = () => value < RECORD_COUNT || context.faultsGoOn();
  while (wanted()) {
    const process = context.openProcess("producer", { mayDie: true });
    const producer = new Producer(process.env, {
      bootstrapServers: context.bootstrapServers,
      lingerMs: rng.pick([0, 5]),
      batchBytesMax: rng.pick([200, 16_384]),
    });
    while (process.isAlive && wanted()) {
      const sends: Promise<unknown>[] = [];
      for (let burst = 1 + rng.int(6); burst > 0; burst--) {
        const partition = rng.int(plan.partitionCount);
        const size = rng.chance(plan.largeShare) ? 6_000 : rng.int(120);
        const sending = producer.send({ topic: TOPIC, partition, value: encodeValue(++value, size) });
        const recorded = context.history.send(process.name, partitionName(TOPIC, partition), value, sending);
        sends.push(recorded.then((outcome) => {
          if (outcome === "ok") sentBytes[partition] = (sentBytes[partition] ?? 0) + size;
        }));
      }
      const pause = context.env.sleep(rng.logBetween(1, 600));
      await unlessDead(process, Promise.all([...sends, pause]));
    }
    if (await unlessDead(process, producer.close()) !== DIED) break;
  }
  return sentBytes;
}

async function deleteSome(context: WorkloadContext, plan: Plan, admin: Admin): Promise<void> {
  const rng = context.rng.split("deleter");
  while (context.faultsGoOn()) {
    await context.env.sleep(rng.logBetween(500, 8_000));
    const partition = rng.int(plan.partitionCount);
    try {
      const { start, end } = await startAndEnd(context, admin, partition);
      if (end > start) {
        const beforeOffset = start + rng.int(end - start + 1);
        await admin.deleteRecords([{ topic: TOPIC, partition, beforeOffset }], { timeoutMs: 10_000 });
      }
    } catch {
      // It may have happened or not; the next look at the start tells.
    }
  }
}

async function startAndEnd(
  { history }: WorkloadContext,
  admin: Admin,
  partition: number,
): Promise<{ start: number; end: number }> {
  const ended = history.begin("admin");
  const find = async (spec: "earliest" | "latest") => {
    const found = await admin.findOffsets([{ topic: TOPIC, partition, spec }], { timeoutMs: 10_000 });
    return [...found.values()][0]?.offset ?? 0;
  };
  const start = await find("earliest");
  ended("ok", { kind: "offsets", partition: partitionName(TOPIC, partition), at: "earliest", offset: start });
  return { start, end: await find("latest") };
}

/** Waits until sweeps have brought every log that got more than its bound to a later start. */
async function untilShort(context: WorkloadContext, plan: Plan, sentBytes: readonly number[]): Promise<void> {
  const admin = new Admin(context.openProcess("auditor", { mayDie: false }).env, {
    bootstrapServers: context.bootstrapServers,
  });
  for (const [partition, bytes] of sentBytes.entries()) {
    // A batch of the largest size may stand at the bound.
    if (bytes < plan.retentionBytes + 20_000) continue;
    while ((await untilDone(context, () => startAndEnd(context, admin, partition))).start === 0) {
      await context.env.sleep(1_000);
    }
  }
  admin.close();
}

/** The log starts as they stay, for the checker: below them records may be gone. */
async function tellStarts(context: WorkloadContext, plan: Plan): Promise<void> {
  const admin = new Admin(context.openProcess("auditor", { mayDie: false }).env, {
    bootstrapServers: context.bootstrapServers,
  });
  for (let partition = 0; partition < plan.partitionCount; partition++) {
    await untilDone(context, () => startAndEnd(context, admin, partition));
  }
  admin.close();
}

/** Reads from the start on, and from the new start when the old one is gone. */
async function read(
  context: WorkloadContext,
  plan: Plan,
  index: number,
  isOver: () => boolean,
): Promise<void> {
  const rng = context.rng.split(`reader ${index}`);
  const { history } = context;
  while (!isOver()) {
    const process = context.openProcess(`reader-${index}`, { mayDie: true });
    const { name } = process;
    const consumer = new Consumer(process.env, {
      bootstrapServers: context.bootstrapServers,
      offsetReset: "earliest",
      fetchMaxWaitMs: rng.pick([20, 500]),
      partitionFetchMaxBytes: rng.pick([500, 1_048_576]),
    });
    const partitions = Array.from(
      { length: plan.partitionCount },
      (_, partition) => ({ topic: TOPIC, partition }),
    );
    const placed = history.begin(name);
    consumer.assign(partitions.map((each) => ({ ...each, start: "earliest" as const })));
    placed("ok", { kind: "assign", to: partitions.map(({ partition }) => partitionName(TOPIC, partition)) });
    // Begins anew from time to time: the start has moved meanwhile.
    const endMs = context.env.mono() + rng.logBetween(1_000, 30_000);
    const living = (async () => {
      while (!isOver() && context.env.mono() < endMs) {
        const end = history.begin(name);
        try {
          history.poll(end, partitionName, await consumer.poll({ timeoutMs: 300 }));
          await context.env.sleep(rng.logBetween(1, 1_500));
        } catch {
          await context.env.sleep(100);
        }
      }
      await consumer.close();
    })();
    await unlessDead(process, living);
  }
}
