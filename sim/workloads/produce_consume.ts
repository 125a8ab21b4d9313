/**
 * Producers write to a few partitions, pipelined, some with large records; consumers with assigned partitions read along
 * and ask for the log's end. The plainest thing that anybody does with a log.
 */
import { Admin, Consumer, Producer } from "../../client/mod.ts";
import { encodeValue } from "../history_recorder.ts";
import type { Rng } from "../rng.ts";
import { readAll } from "./final_read.ts";
import {
  type ClientProcess,
  DIED,
  unlessDead,
  untilDone,
  type Workload,
  type WorkloadContext,
} from "./workload.ts";

const TOPIC = "orders";
/** Of all producers together; so that the checker has something to judge. */
const RECORD_COUNT_MIN = 260;
const VALUES_PER_PRODUCER = 1_000_000;

interface Plan {
  readonly partitionCount: number;
  readonly recordsPerProducer: number;
  readonly burstMax: number;
  readonly pauseMsMax: number;
  /** Share of records that are padded, and to what length. */
  readonly largeShare: number;
  readonly largeBytes: number;
  readonly isIdempotent: boolean;
  readonly deliveryTimeoutMs: number;
}

export const produceConsume: Workload = {
  name: "produce-consume",
  about: "producers, and consumers with assigned partitions",
  profileFor: (rng) => rng.chance(0.7) ? "idempotent" : "plain",

  readsEverything: true,
  readsAroundDamage: true,

  async run(context, profile) {
    const { rng } = context;
    const producerCount = 1 + rng.int(4);
    const plan: Plan = {
      partitionCount: 1 + rng.int(4),
      recordsPerProducer: Math.ceil(RECORD_COUNT_MIN / producerCount) + rng.int(60),
      burstMax: rng.pick([1, 4, 12]),
      pauseMsMax: rng.logBetween(20, 1_500),
      largeShare: rng.chance(0.3) ? 0 : rng.between(0.01, 0.3),
      largeBytes: rng.pick([3_000, 40_000, 40_000]),
      isIdempotent: profile === "idempotent",
      deliveryTimeoutMs: rng.pick([3_000, 30_000, 120_000]),
    };
    const setup = context.openProcess("admin", { mayDie: false });
    const admin = new Admin(setup.env, { bootstrapServers: context.bootstrapServers });
    await untilDone(context, async () => {
      const [outcome] = await admin.createTopics([{ name: TOPIC, partitionCount: plan.partitionCount }]);
      if (outcome?.error && outcome.error.error !== "TOPIC_ALREADY_EXISTS") throw outcome.error;
    });
    admin.close();
    let isOver = false;
    const producers = Array.from({ length: producerCount }, (_, i) => produceAll(context, plan, i));
    const consumers = Array.from(
      { length: 1 + rng.int(3) },
      (_, i) => consume(context, plan, i, () => isOver),
    );
    await Promise.all(producers);
    await context.healed;
    isOver = true;
    await Promise.all(consumers);
    await readAll(
      context,
      { topic: TOPIC, partitionCount: plan.partitionCount, readsAroundDamage: true },
      partitionName,
    );
  },
};

function partitionName(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

/** Writes its share, with a new process and a new producer whenever one dies. */
async function produceAll(context: WorkloadContext, plan: Plan, index: number): Promise<void> {
  const rng = context.rng.split(`producer ${index}`);
  let sentCount = 0;
  while (sentCount < plan.recordsPerProducer || context.faultsGoOn()) {
    const process = context.openProcess(`producer-${index}`, { mayDie: true });
    const { name } = process;
    const producer = new Producer(process.env, {
      bootstrapServers: context.bootstrapServers,
      acks: "all",
      idempotent: plan.isIdempotent,
      lingerMs: rng.pick([0, 5, 20]),
      batchBytesMax: rng.pick([100, 2_000, 65_536]),
      deliveryTimeoutMs: plan.deliveryTimeoutMs,
      requestTimeoutMs: rng.pick([2_000, 30_000]),
      compression: rng.pick(["none", "none", "gzip"]),
    });
    const wanted = () => sentCount < plan.recordsPerProducer || context.faultsGoOn();
    while (process.isAlive && wanted()) {
      const sends: Promise<unknown>[] = [];
      for (let burst = 1 + rng.int(plan.burstMax); burst > 0; burst--) {
        sends.push(
          sendOne(context, plan, rng, { name, producer, value: index * VALUES_PER_PRODUCER + ++sentCount }),
        );
      }
      // Sometimes the next burst goes before the last is acknowledged.
      const pause = context.env.sleep(rng.logBetween(1, plan.pauseMsMax) + (wanted() ? 0 : 200));
      await unlessDead(process, rng.chance(0.5) ? Promise.all([...sends, pause]).then(() => {}) : pause);
    }
    if (await unlessDead(process, producer.close()) !== DIED) return;
  }
}

function sendOne(
  { history }: WorkloadContext,
  plan: Plan,
  rng: Rng,
  { name, producer, value }: { readonly name: string; readonly producer: Producer; readonly value: number },
): Promise<unknown> {
  const partition = rng.int(plan.partitionCount);
  const size = rng.chance(plan.largeShare) ? plan.largeBytes : 0;
  const sending = producer.send({ topic: TOPIC, partition, value: encodeValue(value, size) });
  return history.send(name, partitionName(TOPIC, partition), value, sending);
}

/** Reads along until told to end, beginning anew when its process dies. */
async function consume(
  context: WorkloadContext,
  plan: Plan,
  index: number,
  isOver: () => boolean,
): Promise<void> {
  const rng = context.rng.split(`consumer ${index}`);
  while (!isOver()) {
    const process = context.openProcess(`consumer-${index}`, { mayDie: true });
    await unlessDead(process, readAlong(context, plan, rng, process, isOver));
  }
}

async function readAlong(
  context: WorkloadContext,
  plan: Plan,
  rng: Rng,
  process: ClientProcess,
  isOver: () => boolean,
): Promise<void> {
  const { history } = context;
  const { name } = process;
  const consumer = new Consumer(process.env, {
    bootstrapServers: context.bootstrapServers,
    offsetReset: "earliest",
    requestTimeoutMs: rng.pick([2_000, 30_000]),
    fetchMaxWaitMs: rng.pick([20, 500]),
    partitionFetchMaxBytes: rng.pick([500, 1_048_576]),
  });
  const partitions = Array.from(
    { length: plan.partitionCount },
    (_, partition) => ({ topic: TOPIC, partition }),
  )
    .filter(() => rng.chance(0.7));
  const placed = history.begin(name);
  consumer.assign(partitions.map((each) => ({ ...each, start: "earliest" as const })));
  placed("ok", { kind: "assign", to: partitions.map(({ partition }) => partitionName(TOPIC, partition)) });
  while (!isOver()) {
    const end = history.begin(name);
    try {
      history.poll(end, partitionName, await consumer.poll({ timeoutMs: 300 }));
      if (partitions.length > 0 && rng.chance(0.1)) {
        await askForEnd(context, consumer, name, rng.pick(partitions).partition);
      }
    } catch {
      // A poll may fail; its position does not move.
      await context.env.sleep(100);
    }
    if (partitions.length === 0) await context.env.sleep(300);
  }
  await consumer.close();
}

async function askForEnd(
  { history }: WorkloadContext,
  consumer: Consumer,
  name: string,
  partition: number,
): Promise<void> {
  const end = history.begin(name);
  const [found] = await consumer.offsets([{ topic: TOPIC, partition }], "latest", { timeoutMs: 5_000 });
  if (found === undefined) return;
  end("ok", {
    kind: "offsets",
    partition: partitionName(TOPIC, partition),
    at: "latest",
    offset: found.offset,
  });
}
