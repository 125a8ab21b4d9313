/**
 * The share-group actor (`share_group/<groupId>`): the thin host of `core/share/group` and `core/share/sessions.ts`. It
 * stores who is a member, keeps the share sessions in memory, and tells the share partitions when a session is over, so that
 * what the member held goes to others at once. Heartbeats change memory only.
 */
import type { GroupTopics } from "../core/group/group_turn.ts";
import { groupIdError } from "../core/group/group_config.ts";
import { namedTopics } from "../core/group/modern/describe_consumer_group.ts";
import {
  decideEnsureGroup,
  decideShareHeartbeat,
  emptyGroupFault,
  expireShareMembers,
  JOIN_EPOCH,
  nextShareDeadline,
  ShareGroupTurn,
  shareHeartbeatFault,
} from "../core/share/group/share_group_machine.ts";
import {
  type LiveShareMember,
  newShareGroup,
  restoreShareGroup,
  type ShareGroupEvent,
  shareGroupPhase,
  type ShareGroupState,
} from "../core/share/group/share_group_state.ts";
import { type SessionResult, type SharePartitionId, ShareSessions } from "../core/share/sessions.ts";
import type { ShareGroupConfig } from "../core/share/share_config.ts";
import type { ErrorName } from "../protocol/errors.ts";
import type { GroupShards } from "../storage/group_store.ts";
import { listSharePartitions, StoredShareGroup } from "../storage/share_store.ts";
import { CONSUMER_GROUP_KIND } from "./consumer_group.ts";
import { SHARE_GROUP_KIND, SHARE_PARTITION_KIND } from "./kinds.ts";
import type { ConsumerGroupMessage } from "./messages/consumer_group.ts";
import type {
  EndShareSession,
  ShareGroupDescription,
  ShareGroupMessage,
  ShareGroupTimer,
  ShareHeartbeat,
  UseShareSession,
  UseShareSessionResult,
} from "./messages/share_group.ts";
import type { SharePartitionMessage } from "./messages/share_partition.ts";
import type { ConsumerLiveness, ReportConsumers } from "./messages/supervisor.ts";
import { sharePartitionKey } from "./share_partition.ts";
import type { ActorContext, ActorHost, ActorKind, ActorRef, Reply } from "./runtime/types.ts";

/** Members are reported at least this often while there are any. */
const REPORT_MS = 3_000;
const CLAIM_DEADLINE_MS = 5_000;

export interface ShareGroupOptions {
  readonly groupShards: GroupShards;
  /** The broker's newest image. */
  readonly topics: () => GroupTopics;
  readonly configOf: (groupId: string) => ShareGroupConfig;
  /** Called when members or assignments change, and every 3 s while there are members. */
  readonly onMembership?: (report: ReportConsumers) => void;
}

type Context = ActorContext<ShareGroupMessage, ShareGroupEvent>;

export function shareGroupKind(options: ShareGroupOptions): ActorKind<ShareGroupMessage, ShareGroupEvent> {
  return {
    kind: SHARE_GROUP_KIND,
    async activate(context) {
      const groupId = context.address.key;
      // An id that cannot be a key has nothing stored; the machine refuses what it is asked.
      const stored = groupIdError(groupId) === "NONE"
        ? await StoredShareGroup.open(options.groupShards, groupId)
        : null;
      return new ShareGroupHost(context, options, stored);
    },
  };
}

class ShareGroupHost implements ActorHost<ShareGroupMessage, ShareGroupEvent> {
  readonly #context: Context;
  readonly #options: ShareGroupOptions;
  readonly #stored: StoredShareGroup | null;
  readonly #groupId: string;
  readonly #state: ShareGroupState;
  readonly #sessions = new ShareSessions();
  /** When the deadline timer rings (monotonic). */
  #armedAtMs = Infinity;
  #reportedVersion = 0;

  constructor(context: Context, options: ShareGroupOptions, stored: StoredShareGroup | null) {
    this.#context = context;
    this.#options = options;
    this.#stored = stored;
    this.#groupId = context.address.key;
    const { sessionTimeoutMs } = this.#config;
    this.#state = stored === null
      ? newShareGroup(this.#groupId)
      : restoreShareGroup(this.#groupId, stored.record, stored.members, {
        nowMs: context.env.mono(),
        sessionTimeoutMs,
      });
    this.#arm();
  }

  receive(message: ShareGroupMessage, reply: Reply<unknown>): void | Promise<void> {
    // Another group's commit failed on the same shard: what this one knows may be out of date.
    const fault = this.#stored?.fault ?? null;
    if (fault !== null) throw fault;
    switch (message.type) {
      case "heartbeat":
        return this.#heartbeat(message, reply);
      case "useSession":
        return this.#useSession(message, reply);
      case "endSession":
        this.#endSession(message);
        return reply.sendNow(true);
      case "ensure":
        return this.#ensure(reply);
      case "checkEmpty":
        return reply.send(emptyGroupFault(this.#newTurn()));
      case "delete":
        return this.#delete(reply);
      case "listPartitions":
        return this.#listPartitions(reply);
      case "describe":
        return reply.send(this.#description());
      case "timer":
        return this.#onTimer(message);
    }
  }

  async commit(events: readonly ShareGroupEvent[]): Promise<void> {
    await this.#stored?.commit(events);
  }

  idle(): boolean {
    return this.#state.members.size === 0 && this.#sessions.count === 0;
  }

  inspect(): Record<string, unknown> {
    const { record, assignmentEpoch, members } = this.#state;
    return {
      exists: record !== null,
      state: shareGroupPhase(this.#state),
      groupEpoch: record?.groupEpoch ?? 0,
      assignmentEpoch,
      memberCount: members.size,
      sessionCount: this.#sessions.count,
    };
  }

  get #config(): ShareGroupConfig {
    return this.#options.configOf(this.#groupId);
  }

  #newTurn(): ShareGroupTurn {
    const { env } = this.#context;
    // Whole milliseconds are what can be stored.
    const now = { monoMs: env.mono(), wallMs: Math.floor(env.now()) };
    return new ShareGroupTurn(this.#state, this.#config, now, this.#options.topics());
  }

  #carryOut(turn: ShareGroupTurn): void {
    for (const event of turn.events) this.#context.stage(event);
    for (const memberId of turn.expired) this.#release(memberId, this.#sessions.end(memberId, null));
    this.#arm();
    if (this.#state.membershipVersion !== this.#reportedVersion) this.#report();
  }

  #useSession(message: UseShareSession, reply: Reply<unknown>): void {
    const { sessionCountMax, recordLockDurationMs } = this.#config;
    const result: SessionResult = this.#state.record === null
      ? { error: "GROUP_ID_NOT_FOUND", partitions: [] }
      : this.#sessions.use(message, sessionCountMax);
    const answer: UseShareSessionResult = { ...result, lockDurationMs: recordLockDurationMs };
    reply.sendNow(answer);
  }

  #heartbeat(message: ShareHeartbeat, reply: Reply<unknown>): void | Promise<void> {
    const decide = () => {
      const turn = this.#newTurn();
      const result = decideShareHeartbeat(turn, message);
      this.#carryOut(turn);
      reply.send(result);
    };
    const makesGroup = this.#state.record === null && message.memberEpoch === JOIN_EPOCH &&
      shareHeartbeatFault(this.#groupId, message) === null;
    if (!makesGroup) return decide();
    return this.#claim(true).then((error) => {
      if (error === "NONE") return decide();
      const errorMessage = error === "GROUP_ID_NOT_FOUND"
        ? `Group ${this.#groupId} is not a share group.`
        : null;
      const { memberEpoch } = message;
      reply.send({ error, errorMessage, memberEpoch, heartbeatIntervalMs: 0, assignment: null });
    });
  }

  #ensure(reply: Reply<unknown>): void | Promise<void> {
    if (this.#state.record !== null) return reply.send("NONE");
    const groupIdFault = groupIdError(this.#groupId);
    if (groupIdFault !== "NONE") return reply.send(groupIdFault);
    return this.#claim(true).then((error) => {
      if (error === "NONE") {
        const turn = this.#newTurn();
        decideEnsureGroup(turn);
        this.#carryOut(turn);
      }
      reply.send(error);
    });
  }

  /** A name is one kind of group's: the actor of consumer groups knows whether it is free. */
  async #claim(claimed: boolean): Promise<ErrorName> {
    const ref = this.#context.ref<ConsumerGroupMessage>(CONSUMER_GROUP_KIND, this.#groupId);
    try {
      return await ref.ask({ type: "claimForShareGroup", claimed }, { deadlineMs: CLAIM_DEADLINE_MS });
    } catch (error) {
      this.#context.log.warn("Cannot claim the name of a share group", {
        groupId: this.#groupId,
        error: String(error),
      });
      return "COORDINATOR_NOT_AVAILABLE";
    }
  }

  #endSession({ memberId, connectionId }: EndShareSession): void {
    this.#release(memberId, this.#sessions.end(memberId, connectionId));
  }

  #release(memberId: string, partitions: readonly SharePartitionId[]): void {
    for (const id of partitions) {
      try {
        this.#partition(id).tell({ type: "releaseMember", memberId });
      } catch (error) {
        // Its mailbox is full or it stops: the locks run out by themselves.
        this.#context.log.debug("Cannot release a member's records", { memberId, error: String(error) });
      }
    }
  }

  #partition(id: SharePartitionId): ActorRef<SharePartitionMessage> {
    return this.#context.ref(SHARE_PARTITION_KIND, sharePartitionKey(this.#groupId, id));
  }

  /** The mailbox waits, so that nobody joins meanwhile; the group goes last, so that it can be repeated. */
  async #delete(reply: Reply<unknown>): Promise<void> {
    const error = emptyGroupFault(this.#newTurn());
    if (error !== "NONE") return reply.send(error);
    const partitions = await listSharePartitions(this.#options.groupShards, this.#groupId);
    await Promise.all(partitions.map((id) => this.#partition(id).ask({ type: "remove" })));
    const turn = this.#newTurn();
    turn.emit({ type: "groupRemoved" });
    this.#carryOut(turn);
    await this.#claim(false);
    reply.send("NONE");
  }

  async #listPartitions(reply: Reply<unknown>): Promise<void> {
    if (this.#state.record === null) return reply.sendNow(null);
    reply.sendNow(await listSharePartitions(this.#options.groupShards, this.#groupId));
  }

  #description(): ShareGroupDescription | null {
    const { record, assignmentEpoch, members } = this.#state;
    if (record === null) return null;
    return {
      groupId: this.#groupId,
      state: shareGroupPhase(this.#state),
      groupEpoch: record.groupEpoch,
      assignmentEpoch: Math.max(0, assignmentEpoch),
      members: Array.from(members.values(), ({ stored, memberEpoch, assigned }) => ({
        ...stored,
        memberEpoch,
        assignment: assigned,
      })),
    };
  }

  #onTimer({ timerKey }: ShareGroupTimer): void {
    if (timerKey === "report") return this.#state.members.size > 0 ? this.#report() : undefined;
    this.#armedAtMs = Infinity;
    const turn = this.#newTurn();
    expireShareMembers(turn);
    this.#carryOut(turn);
  }

  #arm(): void {
    const atMs = nextShareDeadline(this.#state);
    // A timer that rings early finds nothing due and is set anew: cheaper than one for each heartbeat.
    if (atMs >= this.#armedAtMs) return;
    this.#armedAtMs = atMs;
    const ms = Math.max(0, atMs - this.#context.env.mono());
    this.#context.setTimer("deadline", ms, { type: "timer", timerKey: "deadline" });
  }

  #report(): void {
    this.#reportedVersion = this.#state.membershipVersion;
    const { onMembership } = this.#options;
    if (onMembership === undefined) return;
    const consumers = Array.from(this.#state.members.values(), (member) => this.#liveness(member));
    try {
      onMembership({ type: "reportConsumers", groupId: this.#groupId, consumers });
    } catch (error) {
      // The watcher is overloaded or stopping: the next report says the same. The group is not its business.
      this.#context.log.debug("Could not report the members", { error: String(error) });
    }
    if (consumers.length > 0) {
      this.#context.setTimer("report", REPORT_MS, { type: "timer", timerKey: "report" });
    } else this.#context.cancelTimer("report");
  }

  #liveness({ stored, assigned, lastHeartbeatMs }: LiveShareMember): ConsumerLiveness {
    const { env } = this.#context;
    return {
      groupId: this.#groupId,
      memberId: stored.memberId,
      clientId: stored.clientId,
      host: stored.clientHost,
      lastHeartbeatMs: Math.round(env.now() - (env.mono() - lastHeartbeatMs)),
      assignment: namedTopics(assigned, this.#options.topics()).map(({ topicName, partitions }) => ({
        topic: topicName,
        partitions,
      })),
    };
  }
}
