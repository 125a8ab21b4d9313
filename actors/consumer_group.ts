/**
 * The consumer-group actor (`consumer_group/<groupId>`): the thin host of `core/group/group_machine.ts`. It keeps the
 * answers that are owed, wakes the machine when a deadline is due, stores its facts in the group's shard, and tells
 * who watches (the supervisor) which members live.
 *
 * Heartbeats change memory only. After a restart the group is as it was stored, and every member has a full session.
 */
import { emptyMetadataImage } from "../core/cluster/metadata_image.ts";
import { type GroupConfig, groupConfigDefaults, groupIdError } from "../core/group/group_config.ts";
import type { GroupCommand } from "../core/group/group_commands.ts";
import type { GroupEvent } from "../core/group/group_event.ts";
import { decideGroup, restoreGroup, resumeGroup, tickGroup } from "../core/group/group_machine.ts";
import {
  type ClassicMember,
  groupExists,
  type GroupState,
  isQuiet,
  type RequestId,
} from "../core/group/group_state.ts";
import { consumerGroupState, type ConsumerMember } from "../core/group/modern/consumer_group_record.ts";
import type { ConsumerGroupState } from "../core/group/modern/consumer_group_state.ts";
import { namedTopics } from "../core/group/modern/describe_consumer_group.ts";
import { type GroupTopics, GroupTurn } from "../core/group/group_turn.ts";
import { isTransactionKnown } from "../core/group/offsets/pending.ts";
import { refusalOfTakenName } from "../core/share/group/taken_name.ts";
import { DecodeError } from "../lib/bytes.ts";
import { mutant } from "../lib/mutants.ts";
import { decodeAssignment } from "../protocol/messages/consumer_protocol.ts";
import type { GroupShards, StoredGroup } from "../storage/group_store.ts";
import { TRANSACTION_KIND } from "./kinds.ts";
import type {
  ClaimForShareGroup,
  ConsumerGroupMessage,
  GroupError,
  GroupTimer,
  TxnOffsetCommit,
} from "./messages/consumer_group.ts";
import type { ConsumerLiveness, ReportConsumers } from "./messages/supervisor.ts";
import type { TransactionMessage } from "./messages/transaction.ts";
import type { ActorContext, ActorHost, ActorKind, ActorOptions, Reply } from "./runtime/types.ts";

export const CONSUMER_GROUP_KIND = "consumer_group";

/** Members are reported at least this often while there are any. */
export const MEMBERSHIP_REPORT_MS = 3_000;

/** A transaction's coordinator answers from memory. */
const VERIFY_DEADLINE_MS = 5_000;

const DEADLINE_TIMER: GroupTimer = { type: "timer", timerKey: "deadline" };
const REPORT_TIMER: GroupTimer = { type: "timer", timerKey: "report" };

export interface ConsumerGroupOptions {
  readonly groupShards: GroupShards;
  /** Over Kafka's defaults; as a function, what holds for a group at the moment. */
  readonly config?: Partial<GroupConfig> | ((groupId: string) => GroupConfig);
  /** Called when members or assignments change, and every 3 s while there are members. */
  readonly onMembership?: (report: ReportConsumers) => void;
  /** The broker's newest image; without it no topic is known to be gone. */
  readonly topics?: () => GroupTopics;
  readonly actorOptions?: Partial<ActorOptions>;
}

type Context = ActorContext<ConsumerGroupMessage, GroupEvent>;

/** The kind to register; one group per key. Activation reads the group and opens its shard if need be. */
export function consumerGroupKind(
  options: ConsumerGroupOptions,
): ActorKind<ConsumerGroupMessage, GroupEvent> {
  const given = options.config ?? {};
  const shared = typeof given === "function" ? groupConfigDefaults : { ...groupConfigDefaults, ...given };
  const configOf = typeof given === "function" ? given : () => shared;
  return {
    kind: CONSUMER_GROUP_KIND,
    ...(options.actorOptions === undefined ? {} : { options: options.actorOptions }),
    async activate(context) {
      const groupId = context.address.key;
      // An id that cannot be a key has nothing stored; the machine refuses what it is asked.
      const stored = groupIdError(groupId, true) === "NONE"
        ? await (await options.groupShards.storeOf(groupId)).openGroup(groupId)
        : null;
      return new ConsumerGroupHost({
        context,
        config: () => configOf(groupId),
        stored,
        onMembership: options.onMembership ?? null,
        topics: options.topics ?? (() => emptyMetadataImage),
      });
    },
  };
}

interface HostOptions {
  readonly context: Context;
  readonly config: () => GroupConfig;
  readonly stored: StoredGroup | null;
  readonly onMembership: ((report: ReportConsumers) => void) | null;
  readonly topics: () => GroupTopics;
}

class ConsumerGroupHost implements ActorHost<ConsumerGroupMessage, GroupEvent> {
  readonly #context: Context;
  readonly #config: () => GroupConfig;
  readonly #stored: StoredGroup | null;
  readonly #onMembership: ((report: ReportConsumers) => void) | null;
  readonly #topics: () => GroupTopics;
  readonly #state: GroupState;
  readonly #owed = new Map<RequestId, Reply<unknown>>();
  #lastRequestId = 0;
  /** The name belongs to a share group, whose actor is another one. */
  #isShareGroup: boolean;
  /** When the deadline timer rings (monotonic). */
  #armedAtMs = Infinity;
  #reportedVersion: number;

  constructor({ context, config, stored, onMembership, topics }: HostOptions) {
    this.#context = context;
    this.#config = config;
    this.#stored = stored;
    this.#onMembership = onMembership;
    this.#topics = topics;
    this.#isShareGroup = stored?.isShareGroup ?? false;
    this.#state = restoreGroup(
      context.address.key,
      {
        record: stored?.record ?? null,
        consumerRecord: stored?.consumerRecord ?? null,
        offsets: stored?.offsets ?? [],
        pendingOffsets: stored?.pendingOffsets ?? [],
      },
      context.env.mono(),
    );
    // A group that was never heard of, or is empty, is nothing to report.
    this.#reportedVersion = !isQuiet(this.#state) ? -1 : this.#state.membershipVersion;
    const turn = this.#newTurn("");
    resumeGroup(turn);
    this.#carryOut(turn);
  }

  receive(message: ConsumerGroupMessage, reply: Reply<unknown>): void | Promise<void> {
    // Another group's commit failed on the same shard: what this one knows may be out of date.
    const fault = this.#stored?.fault ?? null;
    if (fault !== null) throw fault;
    if (message.type === "timer") return this.#onTimer(message);
    if (message.type === "claimForShareGroup") return this.#onClaim(message, reply);
    const refusal = this.#isShareGroup ? refusalOfTakenName(this.#context.address.key, message) : null;
    if (refusal !== null) return reply.send(refusal);
    if (message.type !== "txnOffsetCommit" || isTransactionKnown(this.#state, message)) {
      return this.#decide(message, reply);
    }
    // The mailbox waits, so that the transaction's end cannot slip in between (KIP-890).
    return this.#verify(message).then((error) => {
      if (error === "NONE") return this.#decide(message, reply);
      reply.send({ error, offsetErrors: [] });
    });
  }

  /** A name is one kind of group's; this actor, which sees every consumer that comes, decides whose it becomes. */
  #onClaim({ claimed }: ClaimForShareGroup, reply: Reply<unknown>): void {
    if (claimed && groupExists(this.#state)) return reply.send("GROUP_ID_NOT_FOUND");
    this.#isShareGroup = claimed;
    reply.send("NONE");
  }

  /** Asks the coordinator whether this group is in the producer's open transaction. */
  async #verify({ transactionalId, producerId, producerEpoch }: TxnOffsetCommit): Promise<GroupError> {
    const groups = [this.#context.address.key];
    const ref = this.#context.ref<TransactionMessage>(TRANSACTION_KIND, transactionalId);
    const asked = { type: "verifyTransaction", producerId, producerEpoch, partitions: [], groups } as const;
    try {
      return (await ref.ask(asked, { deadlineMs: VERIFY_DEADLINE_MS })).error;
    } catch (error) {
      this.#context.log.warn("Cannot verify a transaction", { error: String(error) });
      return "COORDINATOR_NOT_AVAILABLE";
    }
  }

  #decide(message: GroupCommand, reply: Reply<unknown>): void {
    const turn = this.#newTurn(needsUuid(message) ? this.#context.env.uuid() : "");
    const requestId = ++this.#lastRequestId;
    this.#owed.set(requestId, reply);
    decideGroup(turn, message, requestId);
    this.#carryOut(turn);
    // The member stays; only the answer has nowhere to go.
    if (this.#owed.has(requestId)) reply.onAbandon(() => this.#owed.delete(requestId));
  }

  async commit(events: readonly GroupEvent[]): Promise<void> {
    await this.#stored?.commit(events);
  }

  idle(): boolean {
    return isQuiet(this.#state) && this.#owed.size === 0;
  }

  inspect(): Record<string, unknown> {
    const { consumer } = this.#state;
    if (consumer !== null) {
      const { groupEpoch, assignmentEpoch, assignorName, members } = consumer.record;
      return {
        exists: true,
        state: consumerGroupState(consumer.record),
        groupType: "consumer",
        protocolType: "consumer",
        groupEpoch,
        assignmentEpoch,
        assignorName,
        memberCount: members.length,
        owedReplyCount: this.#owed.size,
      };
    }
    const { phase, generationId, members, pendingMembers, protocolType, protocolName } = this.#state;
    return {
      exists: groupExists(this.#state),
      state: phase,
      groupType: "classic",
      protocolType: protocolType ?? "",
      generationId,
      protocolName,
      memberCount: members.size,
      pendingMemberCount: pendingMembers.size,
      owedReplyCount: this.#owed.size,
    };
  }

  #onTimer({ timerKey }: GroupTimer): void {
    if (timerKey === "report") {
      if (!isQuiet(this.#state)) this.#report();
      return;
    }
    this.#armedAtMs = Infinity;
    const turn = this.#newTurn("");
    tickGroup(turn);
    this.#carryOut(turn);
  }

  #newTurn(uuid: string): GroupTurn {
    const { env } = this.#context;
    // Whole milliseconds are what can be stored.
    return new GroupTurn(this.#state, this.#config(), {
      monoMs: env.mono(),
      wallMs: Math.floor(env.now()),
      uuid,
    }, this.#topics());
  }

  #carryOut(turn: GroupTurn): void {
    // First what the answers depend on: the output gate holds them until it is durable.
    for (const event of turn.events) this.#context.stage(event);
    for (const { requestId, result } of turn.replies) {
      if (mutant("epoch-unstored")) this.#owed.get(requestId)?.sendNow(result);
      else this.#owed.get(requestId)?.send(result);
      this.#owed.delete(requestId);
    }
    this.#arm();
    if (this.#state.membershipVersion !== this.#reportedVersion) this.#report();
  }

  #arm(): void {
    const { wakeAtMs } = this.#state;
    // A timer that rings early finds nothing due and is set anew: cheaper than one for each heartbeat.
    if (wakeAtMs >= this.#armedAtMs) return;
    this.#armedAtMs = wakeAtMs;
    const ms = Math.max(0, wakeAtMs - this.#context.env.mono());
    this.#context.setTimer(DEADLINE_TIMER.timerKey, ms, DEADLINE_TIMER);
  }

  #report(): void {
    this.#reportedVersion = this.#state.membershipVersion;
    if (this.#onMembership === null) return;
    const { groupId, members, consumer } = this.#state;
    const consumers = consumer === null
      ? Array.from(members.values(), (member) => this.#liveness(member))
      : consumer.record.members.map((member) => this.#consumerLiveness(member, consumer));
    try {
      this.#onMembership({ type: "reportConsumers", groupId, consumers });
    } catch (error) {
      // The watcher is overloaded or stopping: the next report says the same. The group is not its business.
      this.#context.log.debug("Could not report the members", { groupId, error: String(error) });
    }
    if (consumers.length > 0) {
      this.#context.setTimer(REPORT_TIMER.timerKey, MEMBERSHIP_REPORT_MS, REPORT_TIMER);
    } else this.#context.cancelTimer(REPORT_TIMER.timerKey);
  }

  #consumerLiveness(
    { memberId, clientId, clientHost, assigned }: ConsumerMember,
    { clocks }: ConsumerGroupState,
  ): ConsumerLiveness {
    return {
      groupId: this.#state.groupId,
      memberId,
      clientId,
      host: clientHost,
      lastHeartbeatMs: this.#wallClock(clocks.get(memberId)?.lastHeartbeatMs ?? 0),
      assignment: namedTopics(assigned, this.#topics()).map(({ topicName, partitions }) => ({
        topic: topicName,
        partitions,
      })),
    };
  }

  /** Of a moment on the monotonic clock. */
  #wallClock(monoMs: number): number {
    const { env } = this.#context;
    return Math.round(env.now() - (env.mono() - monoMs));
  }

  #liveness({ stored, lastHeartbeatMs }: ClassicMember): ConsumerLiveness {
    return {
      groupId: this.#state.groupId,
      memberId: stored.memberId,
      clientId: stored.clientId,
      host: stored.clientHost,
      lastHeartbeatMs: this.#wallClock(lastHeartbeatMs),
      assignment: this.#state.protocolType === "consumer" ? assignedPartitions(stored.assignment) : [],
    };
  }
}

/** These may bring new members. */
function needsUuid({ type }: ConsumerGroupMessage): boolean {
  return type === "joinGroup" || type === "consumerHeartbeat";
}

/** The assignor's bytes are the clients' own business: what cannot be read is shown as nothing. */
function assignedPartitions(assignment: Uint8Array): ConsumerLiveness["assignment"] {
  try {
    return decodeAssignment(assignment).assignedPartitions;
  } catch (error) {
    if (error instanceof DecodeError) return [];
    throw error;
  }
}
