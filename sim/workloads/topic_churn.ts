/**
 * Topics that are created, written, deleted and created again under the same names, all the while. What was written in
 * one life must never be read in another, and deletions must end.
 */
import { Admin, BrokerError, Consumer, Producer } from "../../client/mod.ts";
import type { Outcome } from "../checker/history_format.ts";
import { encodeValue } from "../history_recorder.ts";
import type { Rng } from "../rng.ts";
import { readAll } from "./final_read.ts";
import { untilDone, type Workload, type WorkloadContext } from "./workload.ts";

const RECORDS_PER_LIFE_MAX = 40;
const RECORD_COUNT_MIN = 220;
const VALUES_PER_OWNER = 1_000_000;

interface Life {
  readonly topic: string;
  readonly partitionCount: number;
  readonly topicId: string;
}

export const topicChurn: Workload = {
  name: "topic-churn",
  about: "topics created, written, deleted and created again under the same names",
  profileFor: () => "idempotent",

  readsEverything: false,

  async run(context) {
    const ownerCount = 1 + context.rng.int(3);
    const owners = Array.from(
      { length: ownerCount },
      (_, i) => own(context, i, Math.ceil(RECORD_COUNT_MIN / ownerCount)),
    );
    for (const { life, ackedCount } of await Promise.all(owners)) {
      const count = await readAll(context, life, namer(life));
      if (count < ackedCount) {
        throw new Error(`${life.topic}: ${count} records are left of ${ackedCount} acknowledged`);
      }
    }
  },
};

/** Partitions are named with the topic's id: each life is a log of its own. */
function namer({ topicId }: Life): (topic: string, partition: number) => string {
  return (topic, partition) => `${topic}@${topicId}/${partition}`;
}

/** The one that creates and deletes a name, and alone writes to it; returns its last life, which stays. */
async function own(
  context: WorkloadContext,
  index: number,
  recordCountMin: number,
): Promise<{ life: Life; ackedCount: number }> {
  const rng = context.rng.split(`owner ${index}`);
  const topic = `topic-${index}`;
  const process = context.openProcess(`owner-${index}`, { mayDie: false });
  const options = { bootstrapServers: context.bootstrapServers };
  const admin = new Admin(process.env, options);
  let sentCount = 0;
  while (true) {
    const life = await create(context, admin, topic, 1 + rng.int(4));
    // A client for each life: what an older one remembers of the name is not judged here.
    const producer = new Producer(process.env, { ...options, lingerMs: 2, deliveryTimeoutMs: 120_000 });
    const firstValue = index * VALUES_PER_OWNER + sentCount + 1;
    const outcomes = await write(context, rng, { producer, life, firstValue });
    sentCount += outcomes.length;
    await producer.close();
    if (sentCount >= recordCountMin && !context.faultsGoOn()) {
      admin.close();
      return { life, ackedCount: outcomes.filter((outcome) => outcome === "ok").length };
    }
    if (rng.chance(0.5)) await readSome(context, life);
    await remove(context, admin, life);
    await context.env.sleep(rng.logBetween(1, 2_000));
  }
}

async function create(
  context: WorkloadContext,
  admin: Admin,
  topic: string,
  wanted: number,
): Promise<Life> {
  await untilDone(context, async () => {
    const [outcome] = await admin.createTopics([{ name: topic, partitionCount: wanted }]);
    // A repeated request finds what the first has made: nobody else makes it.
    if (outcome?.error && outcome.error.error !== "TOPIC_ALREADY_EXISTS") throw outcome.error;
  });
  const found = await untilDone(context, async () => {
    const [described] = await admin.describeTopics([topic]);
    if (described === undefined) throw new Error("not there yet");
    return described;
  });
  return { topic, partitionCount: found.partitions.length, topicId: found.topicId };
}

async function remove(context: WorkloadContext, admin: Admin, { topic }: Life): Promise<void> {
  await untilDone(context, async () => {
    const [outcome] = await admin.deleteTopics([topic]);
    const error = outcome?.error ?? null;
    if (error instanceof BrokerError && error.error !== "UNKNOWN_TOPIC_OR_PARTITION") throw error;
  });
}

interface Writing {
  readonly producer: Producer;
  readonly life: Life;
  readonly firstValue: number;
}

/** Writes some records and waits until it is known of each what became of it. */
async function write(
  context: WorkloadContext,
  rng: Rng,
  { producer, life, firstValue }: Writing,
): Promise<Outcome[]> {
  const { topic, partitionCount } = life;
  const count = 1 + rng.int(RECORDS_PER_LIFE_MAX);
  const process = `writer of ${topic}@${life.topicId}`;
  const sends: Promise<Outcome>[] = [];
  for (let i = 0; i < count; i++) {
    const value = firstValue + i;
    const partition = rng.int(partitionCount);
    const size = rng.chance(0.1) ? 12_000 : 0;
    const sending = producer.send({ topic, partition, value: encodeValue(value, size) });
    sends.push(context.history.send(process, namer(life)(topic, partition), value, sending));
    if (rng.chance(0.3)) await context.env.sleep(rng.logBetween(1, 100));
  }
  return await Promise.all(sends);
}

/** Reads what there is, for a while: after it the topic goes, and a reader may meet any end. */
async function readSome(context: WorkloadContext, life: Life): Promise<void> {
  const { topic, partitionCount } = life;
  const process = context.openProcess(`reader-of-${topic}`, { mayDie: false });
  const consumer = new Consumer(process.env, {
    bootstrapServers: context.bootstrapServers,
    offsetReset: "earliest",
  });
  const partitions = Array.from({ length: partitionCount }, (_, partition) => ({ topic, partition }));
  const placed = context.history.begin(process.name);
  consumer.assign(partitions.map((each) => ({ ...each, start: "earliest" as const })));
  placed("ok", { kind: "assign", to: partitions.map(({ partition }) => namer(life)(topic, partition)) });
  for (let i = 0; i < 3; i++) {
    const end = context.history.begin(process.name);
    try {
      context.history.poll(end, namer(life), await consumer.poll({ timeoutMs: 200 }));
    } catch {
      // A poll may fail among faults; its position does not move.
      await context.env.sleep(50);
    }
  }
  await consumer.close();
}
