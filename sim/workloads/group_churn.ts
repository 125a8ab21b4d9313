/**
 * A consumer group under churn: members join, are killed, leave, commit after each poll; producers write meanwhile. In
 * the end every partition's committed offset must reach the log's end, and no record may have been passed over.
 */
import { Admin, CommitFailedError, Consumer, Producer } from "../../client/mod.ts";
import { encodeValue } from "../history_recorder.ts";
import type { Rng } from "../rng.ts";
import { readAll } from "./final_read.ts";
import { commitLate, type PastMembership } from "./late_member.ts";
import {
  type ClientProcess,
  unlessDead,
  untilDone,
  type Workload,
  type WorkloadContext,
} from "./workload.ts";

const TOPIC = "payments";
const GROUP = "billing";
const RECORD_COUNT = 240;

interface Plan {
  readonly partitionCount: number;
  readonly memberCount: number;
  readonly sessionTimeoutMs: number;
  /** How long a member lives before it leaves by itself, on average. */
  readonly lifeMs: number;
  /** Share of commits that are not waited for before the next poll. */
  readonly eagerShare: number;
}

/** What the members have seen together, by partition: the offsets that some poll returned. */
type Seen = Map<number, Set<number>>;

interface Shared {
  readonly seen: Seen;
  /** Memberships under which a commit has succeeded. */
  readonly past: PastMembership[];
}

export const groupChurn: Workload = {
  name: "group-churn",
  about: "a consumer group whose members come, go, die and commit",
  profileFor: () => "idempotent",

  readsEverything: true,

  async run(context) {
    const { rng } = context;
    const plan: Plan = {
      partitionCount: 1 + rng.int(5),
      memberCount: 1 + rng.int(4),
      sessionTimeoutMs: rng.pick([6_000, 10_000, 30_000]),
      lifeMs: rng.logBetween(2_000, 60_000),
      eagerShare: rng.pick([0, 0.3]),
    };
    const admin = new Admin(context.openProcess("admin", { mayDie: false }).env, {
      bootstrapServers: context.bootstrapServers,
    });
    await untilDone(context, async () => {
      const [outcome] = await admin.createTopics([{ name: TOPIC, partitionCount: plan.partitionCount }]);
      if (outcome?.error && outcome.error.error !== "TOPIC_ALREADY_EXISTS") throw outcome.error;
    });
    admin.close();
    const seen: Seen = new Map();
    const past: PastMembership[] = [];
    let isOver = false;
    const members = Array.from(
      { length: plan.memberCount },
      (_, i) => member(context, plan, i, { seen, past }, () => isOver),
    );
    const late = commitLate(context, GROUP, past, () => isOver);
    await produce(context, plan);
    await context.healed;
    await untilCaughtUp(context, plan);
    isOver = true;
    await Promise.all([...members, late]);
    await readAll(context, { topic: TOPIC, partitionCount: plan.partitionCount }, partitionName);
    checkNothingPassedOver(await ends(context, plan), seen);
  },
};

function partitionName(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

async function produce(context: WorkloadContext, plan: Plan): Promise<void> {
  const rng = context.rng.split("producer");
  const process = context.openProcess("producer", { mayDie: false });
  const producer = new Producer(process.env, { bootstrapServers: context.bootstrapServers, lingerMs: 5 });
  for (let value = 1; value <= RECORD_COUNT || context.faultsGoOn(); value++) {
    const partition = rng.int(plan.partitionCount);
    const sending = producer.send({ topic: TOPIC, partition, value: encodeValue(value) });
    void context.history.send(process.name, partitionName(TOPIC, partition), value, sending);
    await context.env.sleep(rng.logBetween(5, 400));
  }
  await producer.close();
}

/** One seat of the group: a member, and after it another. */
async function member(
  context: WorkloadContext,
  plan: Plan,
  index: number,
  shared: Shared,
  isOver: () => boolean,
): Promise<void> {
  const rng = context.rng.split(`member ${index}`);
  while (!isOver()) {
    const process = context.openProcess(`member-${index}`, { mayDie: true });
    await unlessDead(process, live(context, plan, rng, process, shared, isOver));
    await context.env.sleep(rng.logBetween(10, 3_000));
  }
}

async function live(
  context: WorkloadContext,
  plan: Plan,
  rng: Rng,
  process: ClientProcess,
  shared: Shared,
  isOver: () => boolean,
): Promise<void> {
  const { history, env } = context;
  const { name } = process;
  const consumer = new Consumer(process.env, {
    bootstrapServers: context.bootstrapServers,
    groupId: GROUP,
    autoCommit: false,
    offsetReset: "earliest",
    sessionTimeoutMs: plan.sessionTimeoutMs,
    heartbeatIntervalMs: plan.sessionTimeoutMs / 4,
    pollIntervalMaxMs: rng.pick([5_000, 60_000]),
    requestTimeoutMs: rng.pick([2_000, 30_000]),
    fetchMaxWaitMs: 100,
    assignors: rng.chance(0.5) ? ["range", "roundrobin"] : ["roundrobin", "range"],
  });
  const placed = history.begin(name);
  consumer.subscribe([TOPIC]);
  placed("ok", { kind: "subscribe", to: [TOPIC], group: GROUP });
  const endMs = env.mono() + plan.lifeMs * -Math.log(1 - rng.next());
  while (!isOver() && (env.mono() < endMs || !context.faultsGoOn())) {
    try {
      const end = history.begin(name);
      const records = await consumer.poll({ timeoutMs: 400, recordsMax: rng.pick([1, 10, 500]) });
      history.poll(end, partitionName, records);
      const offsets = new Map<number, number>();
      for (const { partition, offset } of records) {
        seenIn(shared.seen, partition).add(offset);
        offsets.set(partition, offset + 1);
      }
      // Work takes its time; sometimes so long that the group goes on without this member.
      await env.sleep(rng.chance(0.03) ? rng.between(0, 2 * plan.sessionTimeoutMs) : rng.logBetween(1, 100));
      if (offsets.size === 0) continue;
      const { memberId, generationId } = consumer.groupMetadata;
      const committed = [...offsets].map(([partition, offset]) => ({ topic: TOPIC, partition, offset }));
      const committing = history.commit(
        name,
        { group: GROUP, generation: generationId, offsets: committed },
        partitionName,
        consumer.commit(committed, { timeoutMs: 20_000 }),
      ).then(() => void shared.past.push({ memberId, generationId, offsets: committed })).catch(
        async (error: unknown) => {
          if (!(error instanceof CommitFailedError)) await env.sleep(100);
        },
      );
      if (!rng.chance(plan.eagerShare)) await committing;
    } catch {
      // Whatever a poll throws: the member tries again.
      await env.sleep(200);
    }
  }
  await consumer.close();
}

function seenIn(seen: Seen, partition: number): Set<number> {
  let offsets = seen.get(partition);
  if (offsets === undefined) seen.set(partition, offsets = new Set());
  return offsets;
}

async function ends(context: WorkloadContext, plan: Plan): Promise<{ partition: number; offset: number }[]> {
  const process = context.openProcess("watcher", { mayDie: false });
  const consumer = new Consumer(process.env, { bootstrapServers: context.bootstrapServers });
  const partitions = Array.from(
    { length: plan.partitionCount },
    (_, partition) => ({ topic: TOPIC, partition }),
  );
  const found = await untilDone(context, () => consumer.offsets(partitions, "latest"));
  await consumer.close();
  return found;
}

/** Waits until the group has committed the end of every partition; reads of commits go into the history. */
async function untilCaughtUp(context: WorkloadContext, plan: Plan): Promise<void> {
  const process = context.openProcess("auditor", { mayDie: false });
  const consumer = new Consumer(process.env, { bootstrapServers: context.bootstrapServers, groupId: GROUP });
  const partitions = Array.from(
    { length: plan.partitionCount },
    (_, partition) => ({ topic: TOPIC, partition }),
  );
  const wanted = await ends(context, plan);
  while (true) {
    const end = context.history.begin(process.name);
    const committed = await untilDone(context, () => consumer.committed(partitions));
    const offsets = new Map(committed.map(({ partition, offset }) => [partition, offset]));
    end("ok", {
      kind: "committed",
      group: GROUP,
      offsets: Object.fromEntries(
        partitions.map(({ partition }) => [partitionName(TOPIC, partition), offsets.get(partition) ?? -1]),
      ),
    });
    if (wanted.every(({ partition, offset }) => (offsets.get(partition) ?? 0) >= offset)) break;
    await context.env.sleep(500);
  }
  await consumer.close();
}

/** Commits follow polls, so what lies below the last commit was polled by some member. */
function checkNothingPassedOver(
  logEnds: readonly { readonly partition: number; readonly offset: number }[],
  seen: Seen,
): void {
  for (const { partition, offset: end } of logEnds) {
    for (let offset = 0; offset < end; offset++) {
      if (!seenIn(seen, partition).has(offset)) {
        throw new Error(
          `The group committed ${partitionName(TOPIC, partition)} beyond ${offset}, which no member got`,
        );
      }
    }
  }
}
