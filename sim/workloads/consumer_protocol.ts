/**
 * A group of the consumer protocol (KIP-848) under churn: members join, are killed, stand still, leave. They are made of single
 * heartbeats, so that it is known at each moment what a member owns and until when the group must count it as its own.
 * A partition may never be given to one member while another one still has it.
 */
import { Cluster } from "../../client/cluster.ts";
import { Admin, Producer } from "../../client/mod.ts";
import { errorName } from "../../protocol/errors.ts";
import { offsetCommit } from "../../protocol/messages/08_offset_commit.ts";
import { offsetFetch } from "../../protocol/messages/09_offset_fetch.ts";
import { consumerGroupHeartbeat } from "../../protocol/messages/68_consumer_group_heartbeat.ts";
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

const TOPIC = "shipments";
const GROUP = "packing";
const RECORD_COUNT = 240;
/** Kafka's default, which the broker has. */
const SESSION_TIMEOUT_MS = 45_000;
/** Beyond the session, so that nobody is put out for a revocation that it did not hear of. */
const REBALANCE_TIMEOUT_MS = 300_000;
const HEARTBEAT_MS_MAX = 5_000;
/** The last versions that name topics. */
const COMMIT_VERSION = 9;
const FETCH_VERSION = 9;

interface Plan {
  readonly partitionCount: number;
  readonly memberCount: number;
  readonly lifeMs: number;
}

/** A member's hold on a partition. */
interface Hold {
  readonly memberId: string;
  /** The group must not give the partition to another before, unless the member lets go of it. */
  leaseEndMs: number;
}

/** Who has what, as the members see it. */
class Holds {
  readonly #holds = new Map<number, Hold>();

  /** Throws when another member has it, and the group must count that one as its own. */
  take(partition: number, memberId: string, nowMs: number, leaseEndMs: number): void {
    const other = this.#holds.get(partition);
    if (other !== undefined && other.memberId !== memberId && nowMs < other.leaseEndMs) {
      throw new TwoOwnersError(
        `${TOPIC}/${partition} was given to member ${memberId} while ${other.memberId} has it, at least until ${other.leaseEndMs} ms`,
      );
    }
    this.#holds.set(partition, { memberId, leaseEndMs });
  }

  renew(memberId: string, leaseEndMs: number): void {
    for (const hold of this.#holds.values()) if (hold.memberId === memberId) hold.leaseEndMs = leaseEndMs;
  }

  letGo(partition: number, memberId: string): void {
    if (this.#holds.get(partition)?.memberId === memberId) this.#holds.delete(partition);
  }
}

class TwoOwnersError extends Error {
  override readonly name = "TwoOwnersError";
}

export const consumerProtocol: Workload = {
  name: "consumer-protocol",
  about: "a group of the consumer protocol whose members come, go, stand still and die",
  profileFor: () => "idempotent",
  readsEverything: true,

  async run(context) {
    const { rng } = context;
    const plan: Plan = {
      partitionCount: 2 + rng.int(6),
      memberCount: 2 + rng.int(4),
      lifeMs: rng.logBetween(3_000, 60_000),
    };
    const admin = new Admin(context.openProcess("admin", { mayDie: false }).env, {
      bootstrapServers: context.bootstrapServers,
    });
    await untilDone(context, async () => {
      const [outcome] = await admin.createTopics([{ name: TOPIC, partitionCount: plan.partitionCount }]);
      if (outcome?.error && outcome.error.error !== "TOPIC_ALREADY_EXISTS") throw outcome.error;
    });
    admin.close();
    const shared: Shared = { holds: new Holds(), owners: new Set(), failure: null, isOver: false };
    const seats = Array.from({ length: plan.memberCount }, (_, i) => seat(context, plan, i, shared));
    await produce(context, plan);
    await context.healed;
    await untilShared(context, plan, shared);
    shared.isOver = true;
    await Promise.all(seats);
    if (shared.failure !== null) throw shared.failure;
    await auditCommits(context, plan);
    await readAll(context, { topic: TOPIC, partitionCount: plan.partitionCount }, partitionName);
  },
};

interface Shared {
  readonly holds: Holds;
  /** Members that live now. */
  readonly owners: Set<Member>;
  failure: Error | null;
  isOver: boolean;
}

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
    await context.env.sleep(rng.logBetween(5, 300));
  }
  await producer.close();
}

/** One seat of the group: a member, and after it another. */
async function seat(context: WorkloadContext, plan: Plan, index: number, shared: Shared): Promise<void> {
  const rng = context.rng.split(`seat ${index}`);
  while (!shared.isOver) {
    const process = context.openProcess(`member-${index}`, { mayDie: true });
    const member = new Member(context, rng, process, shared);
    shared.owners.add(member);
    const endMs = context.env.mono() + plan.lifeMs * -Math.log(1 - rng.next());
    const living = member.live(() => shared.isOver || (context.faultsGoOn() && context.env.mono() > endMs));
    await unlessDead(process, living.catch((error: Error) => void (shared.failure ??= error)));
    shared.owners.delete(member);
    // A dead one does no harm with what it has, whenever the group finds out.
    member.letGoOfAll();
    await context.env.sleep(rng.logBetween(10, 3_000));
  }
}

class Member {
  readonly #context: WorkloadContext;
  readonly #rng: Rng;
  readonly #process: ClientProcess;
  readonly #shared: Shared;
  readonly #cluster: Cluster;
  readonly #memberId: string;
  readonly #owned = new Set<number>();
  #topicId: string | null = null;
  #epoch = 0;

  constructor(context: WorkloadContext, rng: Rng, process: ClientProcess, shared: Shared) {
    this.#context = context;
    this.#rng = rng;
    this.#process = process;
    this.#shared = shared;
    this.#memberId = process.env.uuid();
    this.#cluster = new Cluster(process.env, {
      bootstrapServers: context.bootstrapServers,
      requestTimeoutMs: rng.pick([1_000, 5_000]),
    });
  }

  get owned(): ReadonlySet<number> {
    return this.#owned;
  }

  /** Until it is to leave; then it leaves, most of the time. Throws `TwoOwnersError`. */
  async live(isOver: () => boolean): Promise<void> {
    const { env } = this.#process;
    while (!isOver()) {
      const gaveUp = await this.#heartbeat();
      if (this.#owned.size > 0 && this.#rng.chance(0.5)) await this.#commit();
      // What was given up is told at once.
      if (!gaveUp) await env.sleep(this.#rng.logBetween(50, HEARTBEAT_MS_MAX));
    }
    if (this.#epoch > 0 && this.#rng.chance(0.8)) {
      this.#letGo(this.#owned);
      await this.#ask(-1).catch(() => "it is put out when its session is over");
    }
    this.#cluster.close();
  }

  /** True when partitions were given up, which the group is to hear of. */
  async #heartbeat(): Promise<boolean> {
    const sentMs = this.#context.env.mono();
    const answer = await this.#ask(this.#epoch).catch(() => null);
    if (answer === null) {
      await this.#process.env.sleep(100);
      return false;
    }
    switch (errorName(answer.errorCode)) {
      case "NONE":
        break;
      case "UNKNOWN_MEMBER_ID":
      case "FENCED_MEMBER_EPOCH":
        this.#letGo(this.#owned);
        this.#epoch = 0;
        return true;
      default:
        return false;
    }
    this.#epoch = answer.memberEpoch;
    const leaseEndMs = sentMs + SESSION_TIMEOUT_MS;
    this.#shared.holds.renew(this.#memberId, leaseEndMs);
    if (answer.assignment === null) return false;
    const assigned = new Set(answer.assignment.topicPartitions.flatMap(({ partitions }) => partitions));
    this.#topicId = answer.assignment.topicPartitions[0]?.topicId ?? this.#topicId;
    const revoked = [...this.#owned].filter((partition) => !assigned.has(partition));
    const added = [...assigned].filter((partition) => !this.#owned.has(partition));
    for (const partition of added) {
      this.#shared.holds.take(partition, this.#memberId, this.#context.env.mono(), leaseEndMs);
      this.#owned.add(partition);
    }
    if (revoked.length === 0) return false;
    // What it is at work on is finished first.
    await this.#process.env.sleep(this.#rng.logBetween(1, 1_000));
    this.#letGo(revoked);
    return true;
  }

  letGoOfAll(): void {
    this.#letGo(this.#owned);
  }

  #letGo(partitions: Iterable<number>): void {
    for (const partition of [...partitions]) {
      this.#owned.delete(partition);
      this.#shared.holds.letGo(partition, this.#memberId);
    }
  }

  async #ask(memberEpoch: number) {
    const connection = await this.#cluster.anyConnection();
    const owned = [...this.#owned];
    return await connection.request(consumerGroupHeartbeat, {
      groupId: GROUP,
      memberId: this.#memberId,
      memberEpoch,
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
      subscribedTopicNames: [TOPIC],
      topicPartitions: owned.length === 0 || this.#topicId === null
        ? []
        : [{ topicId: this.#topicId, partitions: owned }],
    });
  }

  /** Of one of its partitions, one further than what it finds. */
  async #commit(): Promise<void> {
    const { history } = this.#context;
    const partition = this.#rng.pick([...this.#owned]);
    const epoch = this.#epoch;
    try {
      const found = await committedOffset(this.#cluster, partition);
      if (!this.#owned.has(partition)) return;
      const offset = Math.max(0, found) + 1;
      const offsets = { [partitionName(TOPIC, partition)]: offset };
      const ended = history.begin(this.#process.name);
      // Epochs of members are not generations: a member keeps its own until it has given up what it must.
      const line = { kind: "commit", group: GROUP, generation: -1, offsets } as const;
      const isTaken = await this.#sendCommit(partition, offset, epoch).catch(() => null);
      ended(isTaken === null ? "info" : isTaken ? "ok" : "fail", line);
    } catch {
      // Without an offset to begin with there is nothing to commit.
    }
  }

  async #sendCommit(
    partition: number,
    committedOffset: number,
    memberEpoch: number,
  ): Promise<boolean | null> {
    const connection = await this.#cluster.anyConnection();
    const { topics } = await connection.request(offsetCommit, {
      groupId: GROUP,
      generationIdOrMemberEpoch: memberEpoch,
      memberId: this.#memberId,
      groupInstanceId: null,
      topics: [
        { name: TOPIC, partitions: [{ partitionIndex: partition, committedOffset, committedMetadata: "" }] },
      ],
    }, { versionMax: COMMIT_VERSION });
    const error = errorName(topics[0]?.partitions[0]?.errorCode ?? -1);
    if (error === "NONE") return true;
    return error === "STALE_MEMBER_EPOCH" || error === "UNKNOWN_MEMBER_ID" ? false : null;
  }
}

/** −1 for none. */
async function committedOffset(cluster: Cluster, partition: number): Promise<number> {
  const { groups } = await cluster.call(offsetFetch, {
    groupId: "",
    topics: [],
    requireStable: false,
    groups: [{ groupId: GROUP, topics: [{ name: TOPIC, partitionIndexes: [partition] }] }],
  }, { versionMax: FETCH_VERSION });
  const found = groups[0]?.topics[0]?.partitions[0];
  if (groups[0]?.errorCode !== 0 || found === undefined || found.errorCode !== 0) {
    throw new Error("The coordinator did not answer");
  }
  return found.committedOffset;
}

/** Once everything has healed, every partition gets an owner. */
async function untilShared(context: WorkloadContext, plan: Plan, shared: Shared): Promise<void> {
  const ownedCount = () => new Set([...shared.owners].flatMap((member) => [...member.owned])).size;
  while (ownedCount() < plan.partitionCount && shared.failure === null) await context.env.sleep(500);
}

/** Reads of the last commits go into the history. */
async function auditCommits(context: WorkloadContext, plan: Plan): Promise<void> {
  const process = context.openProcess("auditor", { mayDie: false });
  const cluster = new Cluster(process.env, { bootstrapServers: context.bootstrapServers });
  for (let partition = 0; partition < plan.partitionCount; partition++) {
    const ended = context.history.begin(process.name);
    const offset = await untilDone(context, () => committedOffset(cluster, partition));
    const offsets = { [partitionName(TOPIC, partition)]: offset };
    ended("ok", { kind: "committed", group: GROUP, offsets });
  }
  cluster.close();
}
