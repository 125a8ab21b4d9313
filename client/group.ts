/**
 * Membership in a classic consumer group: join, let the leader assign, heartbeat, commit, leave.
 *
 * The coordinator has a connection of its own, since JoinGroup blocks what comes behind it. Source: Kafka's
 * AbstractCoordinator and ConsumerCoordinator with the eager rebalance protocol; KIP-394 for member ids, KIP-345 for static
 * members.
 */
import { invariant } from "../lib/invariant.ts";
import type { Cancel } from "../lib/env.ts";
import { errorCode, type ErrorName, errorName } from "../protocol/errors.ts";
import { offsetCommit } from "../protocol/messages/08_offset_commit.ts";
import { offsetFetch } from "../protocol/messages/09_offset_fetch.ts";
import { joinGroup, type JoinGroupResponse } from "../protocol/messages/11_join_group.ts";
import { heartbeat } from "../protocol/messages/12_heartbeat.ts";
import { leaveGroup } from "../protocol/messages/13_leave_group.ts";
import { syncGroup } from "../protocol/messages/14_sync_group.ts";
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "../protocol/messages/consumer_protocol.ts";
import type { Api, ResponseOf } from "../protocol/schema/api.ts";
import { type AssignorName, assignors, type GroupAssignment } from "./assignors.ts";
import type { CallOptions, Cluster } from "./cluster.ts";
import type { Connection, RequestOptions, RequestValue } from "./connection.ts";
import { BrokerError, ClientError, CommitFailedError, throwIfError, TimeoutError } from "./errors.ts";
import { coordinatorOf } from "./group_coordinator.ts";
import { partitionKey, type TopicPartition } from "./topic_partition.ts";

export interface GroupOptions {
  readonly groupId: string;
  readonly groupInstanceId: string | null;
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** How long a rebalance waits for a member that is busy with records. */
  readonly rebalanceTimeoutMs: number;
  /** In order of preference. */
  readonly assignors: readonly AssignorName[];
  /** Called when the member must join again, or can no longer be one. */
  readonly onChange: () => void;
}

export interface CommittedOffset extends TopicPartition {
  /** Offset of the next record to read. */
  readonly offset: number;
}

type State = "joining" | "stable" | "left";

/** Errors after which another coordinator must be looked for. */
const COORDINATOR_ERRORS: readonly ErrorName[] = ["NOT_COORDINATOR", "COORDINATOR_NOT_AVAILABLE"];
/** JoinGroup is answered when the rebalance is over; this much more before the connection counts as broken. */
const JOIN_MARGIN_MS = 10_000;
const SUBSCRIPTION_VERSION = 1;
const ASSIGNMENT_VERSION = 1;
/** Above it OffsetCommit and OffsetFetch name topics by id. */
const OFFSETS_BY_NAME_VERSION_MAX = 9;
const LEAVE_TIMEOUT_MS = 3_000;

export class GroupMembership {
  readonly #cluster: Cluster;
  readonly #options: GroupOptions;
  #state: State = "joining";
  #isJoining = false;
  #memberId = "";
  #generationId = -1;
  #coordinatorId: number | null = null;
  #heartbeatTimer: Cancel | null = null;
  /** When the coordinator last confirmed that this is a member (mono). */
  #confirmedAtMs = 0;
  #fatal: Error | null = null;
  /** Ends with the last commit that was asked for, whatever came of it. */
  #commits: Promise<void> = Promise.resolve();
  /** Topics and partition counts by which this member, as the leader, assigned; null for the others. */
  #assignedCounts: ReadonlyMap<string, number> | null = null;

  constructor(cluster: Cluster, options: GroupOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  /** Whether the member must (again) join before its partitions are its own. */
  get needsJoin(): boolean {
    return this.#state === "joining";
  }

  get memberId(): string {
    return this.#memberId;
  }

  /** The generation that this member belongs to; −1 while it belongs to none. */
  get generationId(): number {
    return this.#generationId;
  }

  /** Throws what makes membership impossible, for example that another member took over the instance id. */
  throwIfFatal(): void {
    if (this.#fatal !== null) throw this.#fatal;
  }

  /** What the leader assigned by; null unless this member is the leader. */
  get assignedCounts(): ReadonlyMap<string, number> | null {
    return this.#assignedCounts;
  }

  /** Joins again at the next occasion. */
  requestJoin(): void {
    if (this.#state !== "stable") return;
    this.#state = "joining";
    this.#options.onChange();
  }

  /** Joins and returns the partitions of this member. Tries until it succeeds; throws what is not retriable. */
  async join(topics: readonly string[], signal: AbortSignal): Promise<TopicPartition[]> {
    this.#heartbeatTimer?.();
    this.#isJoining = true;
    try {
      return await this.#joinUntilStable(topics, signal);
    } finally {
      this.#isJoining = false;
    }
  }

  async #joinUntilStable(topics: readonly string[], signal: AbortSignal): Promise<TopicPartition[]> {
    for (let attempt = 1;; attempt++) {
      signal.throwIfAborted();
      try {
        const joined = await this.#joinOnce(topics);
        const partitions = await this.#sync(joined);
        this.#state = "stable";
        this.#confirmedAtMs = this.#cluster.env.mono();
        this.#scheduleHeartbeat();
        return partitions;
      } catch (error) {
        signal.throwIfAborted();
        if (!this.#mayJoinAgain(error)) throw error;
        // Only a rebalance that is going on anyway needs no pause.
        const isExpected = error instanceof BrokerError && error.error === "MEMBER_ID_REQUIRED";
        if (!isExpected) await this.#cluster.sleep(this.#cluster.backoffMs(attempt), signal);
      }
    }
  }

  #mayJoinAgain(error: unknown): boolean {
    if (error instanceof BrokerError) {
      switch (error.error) {
        case "MEMBER_ID_REQUIRED":
        case "REBALANCE_IN_PROGRESS":
          return true;
        case "UNKNOWN_MEMBER_ID":
        case "ILLEGAL_GENERATION":
          this.#memberId = "";
          this.#generationId = -1;
          return true;
      }
    }
    return error instanceof ClientError && error.retriable;
  }

  async #joinOnce(topics: readonly string[]): Promise<JoinGroupResponse> {
    const { groupId, groupInstanceId, sessionTimeoutMs, rebalanceTimeoutMs } = this.#options;
    const metadata = encodeSubscription(SUBSCRIPTION_VERSION, { topics });
    const response = await this.#ask(joinGroup, {
      groupId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      memberId: this.#memberId,
      groupInstanceId,
      protocolType: "consumer",
      protocols: this.#options.assignors.map((name) => ({ name, metadata })),
    }, { timeoutMs: Math.max(rebalanceTimeoutMs, sessionTimeoutMs) + JOIN_MARGIN_MS });
    if (response.errorCode === errorCode("MEMBER_ID_REQUIRED")) this.#memberId = response.memberId;
    this.#check(response.errorCode);
    this.#memberId = response.memberId;
    this.#generationId = response.generationId;
    return response;
  }

  async #sync(joined: JoinGroupResponse): Promise<TopicPartition[]> {
    const { groupId, groupInstanceId } = this.#options;
    const isLeader = joined.leader === this.#memberId && !joined.skipAssignment;
    const assignment = isLeader ? await this.#assign(joined) : null;
    if (assignment === null) this.#assignedCounts = null;
    const response = await this.#ask(syncGroup, {
      groupId,
      generationId: this.#generationId,
      memberId: this.#memberId,
      groupInstanceId,
      protocolType: "consumer",
      protocolName: joined.protocolName,
      assignments: [...(assignment ?? [])].map(([memberId, partitions]) => ({
        memberId,
        assignment: encodeAssignment(ASSIGNMENT_VERSION, { assignedPartitions: byTopic(partitions) }),
      })),
    }, { timeoutMs: this.#options.rebalanceTimeoutMs + JOIN_MARGIN_MS });
    this.#check(response.errorCode);
    return decodeAssignment(response.assignment).assignedPartitions.flatMap(({ topic, partitions }) =>
      partitions.map((partition) => ({ topic, partition }))
    );
  }

  /** What the leader does: divides the partitions of all topics that somebody subscribed to. */
  async #assign(joined: JoinGroupResponse): Promise<GroupAssignment> {
    const members = joined.members.map(({ memberId, groupInstanceId, metadata }) => ({
      memberId,
      groupInstanceId,
      topics: decodeSubscription(metadata).topics,
    }));
    const counts = await this.partitionCounts(new Set(members.flatMap((member) => member.topics)));
    const name = this.#options.assignors.find((assignor) => assignor === joined.protocolName);
    invariant(
      name !== undefined,
      `The group chose an assignor that nobody offered: "${joined.protocolName}"`,
    );
    this.#assignedCounts = counts;
    return assignors[name](members, counts);
  }

  /** Reads how many partitions the topics have now; topics that do not exist have none. */
  async partitionCounts(topics: ReadonlySet<string>): Promise<Map<string, number>> {
    const response = await this.#cluster.refresh([...topics], { allowAutoTopicCreation: true });
    const counts = new Map<string, number>();
    for (const topic of topics) {
      const found = response.topics.find((answer) => answer.name === topic);
      counts.set(topic, found?.errorCode === 0 ? found.partitions.length : 0);
    }
    return counts;
  }

  #scheduleHeartbeat(): void {
    this.#heartbeatTimer?.();
    this.#heartbeatTimer = this.#cluster.env.timer(this.#options.heartbeatIntervalMs, () => {
      void this.#heartbeat();
    });
  }

  /** Never rejects: what it learns shows in `needsJoin` and `throwIfFatal`. */
  async #heartbeat(): Promise<void> {
    if (this.#memberId === "") return;
    const generationId = this.#generationId;
    try {
      const { groupId, groupInstanceId, sessionTimeoutMs } = this.#options;
      const value = { groupId, generationId, memberId: this.#memberId, groupInstanceId };
      const response = await this.#ask(heartbeat, value, { timeoutMs: sessionTimeoutMs });
      // A join under way has brought a newer generation meanwhile.
      if (this.#generationId !== generationId) return;
      this.#check(response.errorCode);
      this.#confirmedAtMs = this.#cluster.env.mono();
    } catch (error) {
      if (this.#generationId === generationId) this.#handleHeartbeatError(error);
    }
    // Also while a rebalance waits for this member, which may still be busy with records.
    if (this.#state !== "left" && !this.#isJoining && !this.#cluster.isClosed) this.#scheduleHeartbeat();
  }

  #handleHeartbeatError(error: unknown): void {
    if (this.#state !== "stable" || this.#cluster.isClosed) return;
    if (error instanceof BrokerError) {
      switch (error.error) {
        case "REBALANCE_IN_PROGRESS":
          return this.requestJoin();
        case "ILLEGAL_GENERATION":
        case "UNKNOWN_MEMBER_ID":
          this.#forgetMember();
          return this.requestJoin();
      }
    }
    if (error instanceof ClientError && error.retriable) {
      // Others own the partitions by now, if the coordinator heard nothing for so long.
      if (this.#cluster.env.mono() - this.#confirmedAtMs > this.#options.sessionTimeoutMs) this.requestJoin();
      return;
    }
    this.#fatal = error instanceof Error ? error : new Error(String(error));
    this.#state = "left";
    this.#options.onChange();
  }

  #forgetMember(): void {
    this.#memberId = "";
    this.#generationId = -1;
  }

  /**
   * Commits offsets as a member, one call after the other: one that is tried again must not take back what a later one has
   * committed. Throws `CommitFailedError` when the group has rebalanced.
   */
  async commit(offsets: readonly CommittedOffset[], options: CallOptions = {}): Promise<void> {
    if (offsets.length === 0) return;
    // Of now: a repetition in a later generation would commit for partitions that may be another's.
    const generationId = this.#generationId;
    const memberId = this.#memberId;
    const before = this.#commits;
    let isOver = false;
    const done = this.#cluster.retry(async () => {
      await before;
      // Its turn has come after its deadline, and after the next one's.
      if (isOver) throw new TimeoutError("The deadline of the call has passed");
      const response = await this.#ask(offsetCommit, {
        groupId: this.#options.groupId,
        generationIdOrMemberEpoch: generationId,
        memberId,
        groupInstanceId: this.#options.groupInstanceId,
        topics: [...Map.groupBy(offsets, ({ topic }) => topic)].map(([name, group]) => ({
          name,
          partitions: group.map(({ partition, offset }) => ({
            partitionIndex: partition,
            committedOffset: offset,
            committedMetadata: "",
          })),
        })),
      }, { versionMax: OFFSETS_BY_NAME_VERSION_MAX });
      for (const topic of response.topics) {
        for (const partition of topic.partitions) this.#checkCommit(partition.errorCode, generationId);
      }
    }, options).finally(() => isOver = true);
    this.#commits = done.catch(() => undefined);
    await done;
  }

  #checkCommit(code: number, generationId: number): void {
    switch (errorName(code)) {
      case "UNKNOWN_MEMBER_ID":
      case "ILLEGAL_GENERATION":
        // Of a generation that this member has left behind, it says nothing about the present one.
        if (generationId === this.#generationId) {
          this.#forgetMember();
          this.requestJoin();
        }
        throw new CommitFailedError("Cannot commit: the group has rebalanced and this member is out of it");
      case "REBALANCE_IN_PROGRESS":
        this.requestJoin();
        throw new CommitFailedError("Cannot commit: the group is rebalancing");
      default:
        this.#check(code);
    }
  }

  /** Committed offsets by `partitionKey`; partitions without one are missing. */
  committed(partitions: readonly TopicPartition[], options: CallOptions = {}): Promise<Map<string, number>> {
    const { groupId } = this.#options;
    const topics = byTopic(partitions).map(({ topic, partitions }) => ({
      name: topic,
      partitionIndexes: partitions,
    }));
    return this.#cluster.retry(async () => {
      const response = await this.#ask(
        offsetFetch,
        { groupId, topics, groups: [{ groupId, topics }], requireStable: true },
        { versionMax: OFFSETS_BY_NAME_VERSION_MAX },
      );
      const group = response.groups[0] ?? response;
      this.#check(group.errorCode);
      const offsets = new Map<string, number>();
      for (const topic of group.topics) {
        for (const { partitionIndex, committedOffset, errorCode: code } of topic.partitions) {
          this.#check(code);
          if (committedOffset >= 0) offsets.set(partitionKey(topic.name, partitionIndex), committedOffset);
        }
      }
      return offsets;
    }, options);
  }

  /**
   * Leaves the group, so that the others get the partitions at once; static members just stop their heartbeats. With
   * `rejoinLater` the next `join` makes it a member again. Never rejects.
   */
  async leave(options: { rejoinLater?: boolean } = {}): Promise<void> {
    const wasMember = this.#state !== "left" && this.#memberId !== "";
    this.#state = options.rejoinLater === true ? "joining" : "left";
    this.#heartbeatTimer?.();
    if (!wasMember || this.#options.groupInstanceId !== null) return;
    const { groupId } = this.#options;
    const memberId = this.#memberId;
    this.#forgetMember();
    try {
      await this.#ask(leaveGroup, { groupId, memberId, members: [{ memberId }] }, {
        timeoutMs: LEAVE_TIMEOUT_MS,
      });
    } catch {
      // The session timeout tells the coordinator just as well.
    }
  }

  /** Sends a request to the coordinator, whoever that is; forgets it when the connection fails. */
  async #ask<A extends Api>(api: A, value: RequestValue<A>, options: RequestOptions): Promise<ResponseOf<A>> {
    try {
      return await (await this.#coordinator()).request(api, value, options);
    } catch (error) {
      if (error instanceof ClientError && error.retriable) this.#coordinatorId = null;
      throw error;
    }
  }

  #check(code: number): void {
    if (COORDINATOR_ERRORS.includes(errorName(code))) this.#coordinatorId = null;
    throwIfError(code);
  }

  async #coordinator(): Promise<Connection> {
    this.#coordinatorId ??= (await coordinatorOf(this.#cluster, this.#options.groupId)).nodeId;
    return await this.#cluster.connection(this.#coordinatorId, "coordinator");
  }
}

function byTopic(partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  return [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topic, group]) => ({
    topic,
    partitions: group.map(({ partition }) => partition),
  }));
}
