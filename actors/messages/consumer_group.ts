/**
 * Messages of the consumer-group actor (`consumer_group/<groupId>`), the coordinator of one group: the classic
 * protocol and the group's committed offsets. Errors are values with Kafka's names.
 */
import type { ErrorName } from "../../protocol/errors.ts";
import type { Expects } from "../runtime/types.ts";

export type GroupError = ErrorName | "NONE";

export interface GroupClient {
  readonly clientId: string;
  /** e.g. `/127.0.0.1`, as Kafka shows it. */
  readonly clientHost: string;
}

export interface JoinGroupResult {
  readonly error: GroupError;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly memberId: string;
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly metadata: Uint8Array;
  }[];
}

/** Parked until the rebalance completes. */
export interface JoinGroup extends Expects<JoinGroupResult> {
  readonly type: "joinGroup";
  readonly client: GroupClient;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly protocolType: string;
  /** In the member's order of preference. */
  readonly protocols: readonly { readonly name: string; readonly metadata: Uint8Array }[];
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  /** KIP-394: JoinGroup v4 and later answer MEMBER_ID_REQUIRED to a dynamic member without an id. */
  readonly requireKnownMemberId: boolean;
  /** JoinGroup v9 and later can tell a static leader to skip the assignment. */
  readonly supportsSkippingAssignment: boolean;
  readonly reason: string | null;
}

export interface SyncGroupResult {
  readonly error: GroupError;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: Uint8Array;
}

/** Parked until the leader's assignment is stored. */
export interface SyncGroup extends Expects<SyncGroupResult> {
  readonly type: "syncGroup";
  readonly generationId: number;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[];
}

export interface GroupHeartbeat extends Expects<{ readonly error: GroupError }> {
  readonly type: "heartbeat";
  readonly generationId: number;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
}

export interface LeaveGroup extends
  Expects<{
    readonly error: GroupError;
    readonly members: readonly {
      readonly memberId: string;
      readonly groupInstanceId: string | null;
      readonly error: GroupError;
    }[];
  }> {
  readonly type: "leaveGroup";
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly reason: string | null;
  }[];
}

export interface OffsetToCommit {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
  /** -1 unknown. */
  readonly leaderEpoch: number;
  readonly metadata: string;
}

/** Unknown topics and partitions are answered by the handler, before the actor is asked. */
export interface OffsetCommit
  extends Expects<{ readonly error: GroupError; readonly offsetErrors: readonly GroupError[] }> {
  readonly type: "offsetCommit";
  /** -1 with an empty member id: a simple consumer that does not use group management. */
  readonly generationId: number;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly offsets: readonly OffsetToCommit[];
}

export interface CommittedOffset {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  /** -1 when nothing is committed. */
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
}

/** `partitions: null` asks for all of the group's offsets. */
export interface OffsetFetch
  extends Expects<{ readonly error: GroupError; readonly offsets: readonly CommittedOffset[] }> {
  readonly type: "offsetFetch";
  readonly partitions:
    | readonly { readonly topic: string; readonly topicId: string; readonly partition: number }[]
    | null;
  readonly memberId: string | null;
  readonly memberEpoch: number;
  readonly requireStable: boolean;
}

export interface GroupDescription {
  readonly groupId: string;
  /** Empty, PreparingRebalance, CompletingRebalance, Stable, Dead: Kafka's spelling. */
  readonly state: string;
  readonly protocolType: string;
  readonly protocolName: string;
  readonly generationId: number;
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly clientId: string;
    readonly clientHost: string;
    readonly metadata: Uint8Array;
    readonly assignment: Uint8Array;
    readonly lastHeartbeatMs: number;
  }[];
}

export interface DescribeGroup extends Expects<GroupDescription> {
  readonly type: "describe";
}

/** Internal: the timers of core/group/classic. */
export interface GroupTimer {
  readonly type: "timer";
  readonly timerKey: string;
}

export type ConsumerGroupMessage =
  | JoinGroup
  | SyncGroup
  | GroupHeartbeat
  | LeaveGroup
  | OffsetCommit
  | OffsetFetch
  | DescribeGroup
  | GroupTimer;
