/**
 * What a group's coordinator is asked and what it answers: the shapes that the machine in this folder and the messages
 * of `actors/` share. Field names are those of Kafka's JoinGroup, SyncGroup, LeaveGroup, OffsetCommit, OffsetFetch.
 */
import type { ErrorName } from "../../protocol/errors.ts";
import type { TopicIdPartitions } from "./modern/assignment.ts";

export type GroupError = ErrorName | "NONE";

export interface GroupClient {
  readonly clientId: string;
  /** e.g. `/127.0.0.1`, as Kafka shows it. */
  readonly clientHost: string;
}

export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

export interface JoinGroupRequest {
  readonly client: GroupClient;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly protocolType: string;
  /** In the member's order of preference. */
  readonly protocols: readonly MemberProtocol[];
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  /** KIP-394: JoinGroup v4 and later answer MEMBER_ID_REQUIRED to a dynamic member without an id. */
  readonly requireKnownMemberId: boolean;
  /** JoinGroup v9 and later can tell a static leader to skip the assignment. */
  readonly supportsSkippingAssignment: boolean;
  readonly reason: string | null;
}

export interface JoinGroupResult {
  readonly error: GroupError;
  /** -1 with an error. */
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly memberId: string;
  /** Only for the leader. */
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly metadata: Uint8Array;
  }[];
}

export interface SyncGroupRequest {
  readonly generationId: number;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  /** null before v5. */
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  /** Of the leader; ignored from anyone else. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[];
}

export interface SyncGroupResult {
  readonly error: GroupError;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: Uint8Array;
}

export interface GroupHeartbeatRequest {
  readonly generationId: number;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
}

export interface GroupHeartbeatResult {
  readonly error: GroupError;
}

export interface LeaveGroupRequest {
  readonly members: readonly {
    /** Empty: the static member with this instance id, whoever it is now. */
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly reason: string | null;
  }[];
}

export interface LeaveGroupResult {
  readonly error: GroupError;
  /** In the order of the request. */
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly error: GroupError;
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

export interface OffsetCommitRequest {
  /** -1 with an empty member id: a simple consumer that does not use group management. */
  readonly generationId: number;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly offsets: readonly OffsetToCommit[];
}

export interface OffsetCommitResult {
  /** Of the request as a whole; `offsetErrors` is empty then. GROUP_ID_NOT_FOUND is ILLEGAL_GENERATION before v9. */
  readonly error: GroupError;
  /** One for each offset, in order. */
  readonly offsetErrors: readonly GroupError[];
}

export interface CommittedOffset {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  /** -1 when nothing is committed. */
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
  /** A transaction that has not ended would change it: UNSTABLE_OFFSET_COMMIT to who asked for stable offsets. */
  readonly isUnstable?: true;
}

/** Offsets of a transaction, to take effect when it commits; -1, "" and null of a producer without group management. */
export interface TxnOffsetCommitRequest extends OffsetCommitRequest {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** What a marker is to a partition. */
export interface GroupTransactionEnd {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly committed: boolean;
}

/** NONE or INVALID_PRODUCER_EPOCH. */
export interface GroupTransactionEndResult {
  readonly error: GroupError;
}

/** `partitions: null` asks for all of the group's offsets. */
export interface OffsetFetchRequest {
  readonly partitions:
    | readonly { readonly topic: string; readonly topicId: string; readonly partition: number }[]
    | null;
  readonly memberId: string | null;
  readonly memberEpoch: number;
  readonly requireStable: boolean;
}

export interface OffsetFetchResult {
  readonly error: GroupError;
  readonly offsets: readonly CommittedOffset[];
}

export interface OffsetDeleteRequest {
  readonly partitions: readonly {
    readonly topic: string;
    readonly topicId: string;
    readonly partition: number;
  }[];
}

export interface OffsetDeleteResult {
  /** Of the request as a whole; `partitionErrors` is empty then. */
  readonly error: GroupError;
  /** One for each partition, in order. */
  readonly partitionErrors: readonly GroupError[];
}

export interface DeleteGroupResult {
  readonly error: GroupError;
}

export interface ExpireOffsetsRequest {
  /** Wall clock: offsets that nobody needs and that are not younger go. */
  readonly beforeMs: number;
}

export interface ExpireOffsetsResult {
  readonly expiredCount: number;
}

export interface ConsumerHeartbeatRequest {
  readonly client: GroupClient;
  /** Empty: to be given one, before version 1. */
  readonly memberId: string;
  /** 0 joins, -1 leaves, -2 leaves for a while as a static member. */
  readonly memberEpoch: number;
  readonly instanceId: string | null;
  readonly rackId: string | null;
  /** -1: as before; null in what follows also. */
  readonly rebalanceTimeoutMs: number;
  readonly subscribedTopicNames: readonly string[] | null;
  /** Empty: none any more. */
  readonly subscribedTopicRegex: string | null;
  readonly serverAssignor: string | null;
  /** What the member owns. */
  readonly topicPartitions: readonly TopicIdPartitions[] | null;
  /** Version 1 and later. */
  readonly requireMemberId: boolean;
}

export interface ConsumerHeartbeatResult {
  readonly error: GroupError;
  readonly errorMessage: string | null;
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly heartbeatIntervalMs: number;
  /** null: nothing new. */
  readonly assignment: readonly TopicIdPartitions[] | null;
}

export interface NamedTopicPartitions extends TopicIdPartitions {
  readonly topicName: string;
}

export interface ConsumerGroupDescription {
  readonly groupId: string;
  /** Empty, Assigning, Reconciling, Stable: Kafka's spelling. */
  readonly state: string;
  readonly groupEpoch: number;
  readonly assignmentEpoch: number;
  readonly assignorName: string;
  readonly members: readonly {
    readonly memberId: string;
    readonly instanceId: string | null;
    readonly rackId: string | null;
    readonly memberEpoch: number;
    readonly clientId: string;
    readonly clientHost: string;
    readonly subscribedTopicNames: readonly string[];
    readonly subscribedTopicRegex: string | null;
    readonly assignment: readonly NamedTopicPartitions[];
    readonly targetAssignment: readonly NamedTopicPartitions[];
    readonly isClassic: boolean;
  }[];
}

export interface DescribeConsumerGroupResult {
  /** null: there is no such group, or it is of another type. */
  readonly description: ConsumerGroupDescription | null;
}

export interface GroupDescription {
  readonly groupId: string;
  readonly groupType: "classic" | "consumer";
  /**
   * Empty, PreparingRebalance, CompletingRebalance, Stable, Dead: Kafka's spelling. Of a group of the consumer protocol
   * only state and type are told.
   */
  readonly state: string;
  readonly protocolType: string;
  /** Empty, like the members' metadata and assignments, unless the group is stable. */
  readonly protocolName: string;
  readonly generationId: number;
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly clientId: string;
    readonly clientHost: string;
    readonly metadata: Uint8Array;
    readonly assignment: Uint8Array;
    /** Wall clock. */
    readonly lastHeartbeatMs: number;
  }[];
}

/** One command of the machine: a request by its kind. */
export type GroupCommand =
  | ({ readonly type: "joinGroup" } & JoinGroupRequest)
  | ({ readonly type: "syncGroup" } & SyncGroupRequest)
  | ({ readonly type: "heartbeat" } & GroupHeartbeatRequest)
  | ({ readonly type: "leaveGroup" } & LeaveGroupRequest)
  | ({ readonly type: "offsetCommit" } & OffsetCommitRequest)
  | ({ readonly type: "offsetFetch" } & OffsetFetchRequest)
  | ({ readonly type: "txnOffsetCommit" } & TxnOffsetCommitRequest)
  | ({ readonly type: "endTransaction" } & GroupTransactionEnd)
  | ({ readonly type: "offsetDelete" } & OffsetDeleteRequest)
  | { readonly type: "deleteGroup" }
  | ({ readonly type: "expireOffsets" } & ExpireOffsetsRequest)
  | ({ readonly type: "consumerHeartbeat" } & ConsumerHeartbeatRequest)
  | { readonly type: "describeConsumer" }
  | { readonly type: "describe" };

export type GroupResult =
  | JoinGroupResult
  | SyncGroupResult
  | GroupHeartbeatResult
  | LeaveGroupResult
  | OffsetCommitResult
  | OffsetFetchResult
  | GroupTransactionEndResult
  | OffsetDeleteResult
  | DeleteGroupResult
  | ExpireOffsetsResult
  | ConsumerHeartbeatResult
  | DescribeConsumerGroupResult
  | GroupDescription;
