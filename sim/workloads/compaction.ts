/**
 * A compacted topic that is written, read and compacted at once: few keys, values and tombstones, from plain producers and in
 * transactions of which some are aborted or abandoned; readers that begin at the start again and again. The newest committed
 * value of every key must survive, tombstones for their time, and nothing that was deleted may come back.
 */
import { Cluster } from "../../client/cluster.ts";
import { Admin, Consumer, Producer } from "../../client/mod.ts";
import { encodeValue, type RecordedTransaction, TOMBSTONE_HEADER } from "../history_recorder.ts";
import type { Rng } from "../rng.ts";
import { readAll, type TopicToRead } from "./final_read.ts";
import { append, end, type Identity, initialize, type TransactionalRecord } from "./raw_transactions.ts";
import {
  type ClientProcess,
  DIED,
  unlessDead,
  untilDone,
  type Workload,
  type WorkloadContext,
  type WorkloadProfile,
} from "./workload.ts";

const TOPIC = "profiles";
const RECORD_COUNT = 260;
/** Longer than any history, whatever the clocks do. */
const TOMBSTONES_STAY_MS = 315_360_000_000;
/** A round that had begun before the topic's policy was changed is over by then. */
const ROUNDS_MS = 20_000;
/** Within which the broker's cleaner looks at a log once. */
const ROUND_MS = 2_500;
/** So many until a marker's data is gone, its time has begun, and is over. */
const LATE_ROUNDS = 4;
const encoder = new TextEncoder();

interface Plan {
  readonly partitionCount: number;
  /** In each partition. */
  readonly keyCount: number;
  readonly tombstoneShare: number;
  readonly abortShare: number;
  /** That a transaction is left as it is, for its timeout or the next instance to end. */
  readonly abandonShare: number;
  readonly timeoutMs: number;
  readonly largeShare: number;
  readonly configs: Readonly<Record<string, string>>;
}

/** The values of all producers together, so that each is sent once. */
class Values {
  #last = 0;

  get count(): number {
    return this.#last;
  }

  next(): number {
    return ++this.#last;
  }
}

export const compaction: Workload = {
  name: "compaction",
  about:
    "keys written, deleted and compacted, with transactions and aborts, while others read from the start",
  profileFor: (rng) => rng.chance(0.5) ? "compacted" : "compacted-tombstones-stay",
  readsEverything: true,

  async run(context, profile) {
    const { rng } = context;
    const plan = drawPlan(rng, profile);
    const admin = new Admin(context.openProcess("admin", { mayDie: false }).env, {
      bootstrapServers: context.bootstrapServers,
    });
    await untilDone(context, async () => {
      const [outcome] = await admin.createTopics([
        { name: TOPIC, partitionCount: plan.partitionCount, configs: plan.configs },
      ]);
      if (outcome?.error && outcome.error.error !== "TOPIC_ALREADY_EXISTS") throw outcome.error;
    });
    const values = new Values();
    let isOver = false;
    const readers = Array.from({ length: 1 + rng.int(2) }, (_, i) => read(context, plan, i, () => isOver));
    const writers = [writePlainly(context, plan, values)];
    for (let index = 0, count = 1 + rng.int(2); index < count; index++) {
      writers.push(writeInTransactions(context, plan, values, index));
    }
    await Promise.all(writers);
    await context.healed;
    await endTransactions(context, writers.length - 1);
    // What a clock that was hours ahead has stamped would be too young for hours.
    const noLag = [{ name: "min.compaction.lag.ms", value: "0" }];
    await untilDone(context, () => admin.alterConfigs({ type: "topic", name: TOPIC }, noLag));
    await abortAndCommitLater(context, plan, values);
    await untilCompacted(context, plan);
    // Nothing more goes, so that a slow last reader is promised what a fast one is.
    const changes = [
      { name: "cleanup.policy", value: "delete" },
      { name: "retention.ms", value: "-1" },
      { name: "retention.bytes", value: "-1" },
    ];
    await untilDone(context, () => admin.alterConfigs({ type: "topic", name: TOPIC }, changes));
    await context.env.sleep(ROUNDS_MS);
    isOver = true;
    await Promise.all(readers);
    await readAll(context, lastReading(plan), partitionName);
    admin.close();
  },
};

function drawPlan(rng: Rng, profile: WorkloadProfile): Plan {
  const staysMs = profile === "compacted-tombstones-stay" ? TOMBSTONES_STAY_MS : rng.pick([0, 500, 10_000]);
  return {
    partitionCount: 1 + rng.int(2),
    keyCount: rng.pick([3, 12, 200]),
    tombstoneShare: rng.pick([0.05, 0.25]),
    abortShare: rng.pick([0, 0.2, 0.5]),
    abandonShare: rng.pick([0, 0.1]),
    timeoutMs: rng.pick([1_000, 5_000]),
    largeShare: rng.pick([0, 0.1]),
    configs: {
      "cleanup.policy": "compact",
      "min.cleanable.dirty.ratio": rng.pick(["0.01", "0.3"]),
      "delete.retention.ms": String(staysMs),
      "min.compaction.lag.ms": rng.pick(["0", "0", "2000"]),
    },
  };
}

function partitionName(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

function lastReading({ partitionCount }: Plan): TopicToRead {
  return { topic: TOPIC, partitionCount, isolationLevel: "read_committed" };
}

interface Change {
  readonly partition: number;
  readonly key: string;
  readonly value: number;
  readonly isTombstone: boolean;
  readonly sizeBytes: number;
}

function drawChange(rng: Rng, plan: Plan, partition: number, values: Values): Change {
  return {
    partition,
    key: `key-${rng.int(plan.keyCount)}`,
    value: values.next(),
    isTombstone: rng.chance(plan.tombstoneShare),
    sizeBytes: rng.chance(plan.largeShare) ? 6_000 : rng.int(60),
  };
}

function recordOf({ key, value, isTombstone, sizeBytes }: Change): Required<TransactionalRecord> {
  return {
    key: encoder.encode(key),
    value: isTombstone ? null : encodeValue(value, sizeBytes),
    headers: isTombstone ? [{ key: TOMBSTONE_HEADER, value: encodeValue(value) }] : [],
  };
}

/** By idempotent producers without transactions, each in a process that may die. */
async function writePlainly(context: WorkloadContext, plan: Plan, values: Values): Promise<void> {
  const rng = context.rng.split("producer");
  const wanted = () => values.count < RECORD_COUNT || context.faultsGoOn();
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
        const change = drawChange(rng, plan, rng.int(plan.partitionCount), values);
        const { partition, key, value, isTombstone } = change;
        const sending = producer.send({ topic: TOPIC, partition, ...recordOf(change) });
        const sent = { key, tombstone: isTombstone };
        sends.push(
          context.history.send(process.name, partitionName(TOPIC, partition), value, sending, sent),
        );
      }
      const pause = context.env.sleep(rng.logBetween(1, 800));
      await unlessDead(process, Promise.all([...sends, pause]));
    }
    if (await unlessDead(process, producer.close()) !== DIED) break;
  }
}

function transactionalId(index: number): string {
  return `profiles-${index}`;
}

/** One transaction after the other, by processes that may die in the middle of one. */
async function writeInTransactions(
  context: WorkloadContext,
  plan: Plan,
  values: Values,
  index: number,
): Promise<void> {
  const rng = context.rng.split(`transactions ${index}`);
  const wanted = () => values.count < RECORD_COUNT || context.faultsGoOn();
  while (wanted()) {
    const process = context.openProcess(`transactor-${index}`, { mayDie: true });
    while (process.isAlive && wanted()) {
      const cluster = new Cluster(process.env, {
        bootstrapServers: context.bootstrapServers,
        requestTimeoutMs: rng.pick([1_000, 10_000]),
        callTimeoutMs: 30_000,
      });
      const working = transactUntilFailure(context, plan, values, { rng, process, cluster, index, wanted });
      await unlessDead(process, working.catch(() => "another try"));
      cluster.close();
      await context.env.sleep(rng.logBetween(50, 2_000));
    }
  }
}

interface Transactor {
  readonly rng: Rng;
  readonly process: ClientProcess;
  readonly cluster: Cluster;
  readonly index: number;
  readonly wanted: () => boolean;
}

async function transactUntilFailure(
  context: WorkloadContext,
  plan: Plan,
  values: Values,
  { rng, process, cluster, index, wanted }: Transactor,
): Promise<void> {
  const id = transactionalId(index);
  let identity = await initialize(cluster, { transactionalId: id, timeoutMs: plan.timeoutMs });
  while (wanted()) {
    const { producerId, producerEpoch } = identity;
    const recorded = context.history.beginTransaction(
      process.name,
      `${id}/${producerId}/${producerEpoch}`,
    );
    try {
      for (let partition = 0; partition < plan.partitionCount; partition++) {
        if (partition > 0 && rng.chance(0.3)) continue;
        await appendChanges(cluster, identity, recorded, {
          id,
          changes: Array.from({ length: 1 + rng.int(4) }, () => drawChange(rng, plan, partition, values)),
        });
      }
      if (rng.chance(plan.abandonShare)) throw new Error("abandoned");
      const isCommitted = !rng.chance(plan.abortShare);
      identity = await end(cluster, id, identity, isCommitted);
      recorded.end(isCommitted ? "ok" : "fail");
    } catch (error) {
      // Whoever ends it, and how, is not known to this one.
      recorded.end("info");
      throw error;
    }
    // Sometimes so long that the cleaner comes to the producer's last marker.
    await context.env.sleep(rng.chance(0.1) ? rng.logBetween(1_000, 20_000) : rng.logBetween(1, 800));
  }
}

/** All changes of one partition in one batch. They are in the history whatever comes of the request. */
async function appendChanges(
  cluster: Cluster,
  identity: Identity,
  recorded: RecordedTransaction,
  { id, changes }: { readonly id: string; readonly changes: readonly Change[] },
): Promise<void> {
  const partition = changes[0]?.partition ?? 0;
  let baseOffset: number | null = null;
  try {
    const records = changes.map(recordOf);
    baseOffset = await append(cluster, id, identity, { topic: TOPIC, partition, records });
  } finally {
    for (const [at, { key, value, isTombstone }] of changes.entries()) {
      recorded.send(partitionName(TOPIC, partition), value, {
        offset: baseOffset === null ? null : baseOffset + at,
        key,
        tombstone: isTombstone,
      });
    }
  }
}

/** So that no open transaction holds up compaction and readers. */
async function endTransactions(context: WorkloadContext, count: number): Promise<void> {
  const cluster = new Cluster(context.openProcess("finisher", { mayDie: false }).env, {
    bootstrapServers: context.bootstrapServers,
  });
  for (let index = 0; index < count; index++) {
    await untilDone(
      context,
      () => initialize(cluster, { transactionalId: transactionalId(index), timeoutMs: 10_000 }),
    );
  }
  cluster.close();
}

/** A producer that aborts, is silent while the cleaner comes by again and again, and then commits something. */
async function abortAndCommitLater(context: WorkloadContext, plan: Plan, values: Values): Promise<void> {
  const rng = context.rng.split("late commit");
  const process = context.openProcess("late", { mayDie: false });
  const cluster = new Cluster(process.env, { bootstrapServers: context.bootstrapServers });
  const producer = new Producer(process.env, { bootstrapServers: context.bootstrapServers });
  const id = transactionalId(0);
  let identity = await untilDone(
    context,
    () => initialize(cluster, { transactionalId: id, timeoutMs: 60_000 }),
  );
  for (const isCommitted of [false, true]) {
    const { producerId, producerEpoch } = identity;
    const recorded = context.history.beginTransaction(process.name, `${id}/${producerId}/${producerEpoch}`);
    // A key of its own, so that nothing supersedes what is committed.
    const change = { ...drawChange(rng, plan, 0, values), key: `late-${isCommitted}`, isTombstone: false };
    await appendChanges(cluster, identity, recorded, { id, changes: [change] });
    identity = await end(cluster, id, identity, isCommitted);
    recorded.end(isCommitted ? "ok" : "fail");
    for (let rounds = 0; !isCommitted && rounds < LATE_ROUNDS; rounds++) {
      const change = {
        ...drawChange(rng, plan, 0, values),
        key: "busy",
        isTombstone: false,
        sizeBytes: 2_000,
      };
      const sending = producer.send({ topic: TOPIC, partition: 0, ...recordOf(change) });
      const sent = { key: change.key };
      await context.history.send(process.name, partitionName(TOPIC, 0), change.value, sending, sent);
      await context.env.sleep(ROUND_MS);
    }
  }
  cluster.close();
  await producer.close();
}

/** Waits until every log that got many records has lost some: a cleaner that does nothing keeps every promise. */
async function untilCompacted(context: WorkloadContext, plan: Plan): Promise<void> {
  const admin = new Admin(context.openProcess("auditor", { mayDie: false }).env, {
    bootstrapServers: context.bootstrapServers,
  });
  const consumer = new Consumer(context.openProcess("counter", { mayDie: false }).env, {
    bootstrapServers: context.bootstrapServers,
    offsetReset: "none",
    fetchMaxWaitMs: 100,
  });
  for (let partition = 0; partition < plan.partitionCount; partition++) {
    const place = { topic: TOPIC, partition };
    const [last] = await untilDone(context, () => consumer.offsets([place], "latest"));
    const endOffset = last?.offset ?? 0;
    // Beyond the keys' newest values so much is sure to be superseded.
    if (endOffset < 4 * plan.keyCount + 60) continue;
    while (true) {
      consumer.assign([{ ...place, start: "earliest" }]);
      let recordCount = 0;
      while ((consumer.position(TOPIC, partition) ?? 0) < endOffset) {
        recordCount += (await untilDone(context, () => consumer.poll({ timeoutMs: 2_000 }))).length;
      }
      if (recordCount < 0.9 * endOffset) break;
      await context.env.sleep(2_000);
    }
  }
  await consumer.close();
  admin.close();
}

/** From the start on, for a while, and again: now with what was committed, now with everything. */
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
    const isolationLevel = rng.pick(["read_committed", "read_uncommitted"] as const);
    const consumer = new Consumer(process.env, {
      bootstrapServers: context.bootstrapServers,
      offsetReset: "earliest",
      isolationLevel,
      fetchMaxWaitMs: rng.pick([20, 500]),
      partitionFetchMaxBytes: rng.pick([300, 1_048_576]),
    });
    const partitions = Array.from(
      { length: plan.partitionCount },
      (_, partition) => ({ topic: TOPIC, partition }),
    );
    const placed = history.begin(name);
    consumer.assign(partitions.map((each) => ({ ...each, start: "earliest" as const })));
    placed("ok", { kind: "assign", to: partitions.map(({ partition }) => partitionName(TOPIC, partition)) });
    const endMs = context.env.mono() + rng.logBetween(500, 20_000);
    const living = (async () => {
      while (!isOver() && context.env.mono() < endMs) {
        const ended = history.begin(name);
        try {
          history.poll(ended, partitionName, await consumer.poll({ timeoutMs: 300 }), isolationLevel);
          await context.env.sleep(rng.logBetween(1, 1_000));
        } catch {
          await context.env.sleep(100);
        }
      }
      await consumer.close();
    })();
    await unlessDead(process, living);
  }
}
