/**
 * Messages of the consumer-group actor (`consumer_group/<groupId>`), the coordinator of one group: the classic
 * protocol and the group's committed offsets. Errors are values with Kafka's names.
 *
 * An ask that fails did not get an answer from the coordinator: `OverloadedError`, `ActorFailedError` and
 * `ActorStoppedError` are COORDINATOR_NOT_AVAILABLE to a client (it looks for the coordinator and tries again, and
 * finds the group as it was stored), `AskDeadlineError` is REQUEST_TIMED_OUT for OffsetCommit and
 * COORDINATOR_NOT_AVAILABLE for the others. JoinGroup and SyncGroup are parked for up to the group's rebalance
 * timeout (5 minutes for a new member's first join): ask with a deadline beyond that.
 */
import type {
  ConsumerHeartbeatRequest,
  ConsumerHeartbeatResult,
  DeleteGroupResult,
  DescribeConsumerGroupResult,
  ExpireOffsetsRequest,
  ExpireOffsetsResult,
  GroupDescription,
  GroupError,
  GroupHeartbeatRequest,
  GroupHeartbeatResult,
  GroupTransactionEnd,
  GroupTransactionEndResult,
  JoinGroupRequest,
  JoinGroupResult,
  LeaveGroupRequest,
  LeaveGroupResult,
  OffsetCommitRequest,
  OffsetCommitResult,
  OffsetDeleteRequest,
  OffsetDeleteResult,
  OffsetFetchRequest,
  OffsetFetchResult,
  SyncGroupRequest,
  SyncGroupResult,
  TxnOffsetCommitRequest,
} from "../../core/group/group_commands.ts";
import type { Expects } from "../runtime/types.ts";

export type {
  CommittedOffset,
  ConsumerGroupDescription,
  GroupClient,
  GroupDescription,
  GroupError,
  JoinGroupResult,
  LeaveGroupResult,
  OffsetCommitResult,
  OffsetFetchResult,
  OffsetToCommit,
  SyncGroupResult,
} from "../../core/group/group_commands.ts";

/** Parked until the rebalance completes. */
export interface JoinGroup extends JoinGroupRequest, Expects<JoinGroupResult> {
  readonly type: "joinGroup";
}

/** Parked until the leader's assignment is stored. */
export interface SyncGroup extends SyncGroupRequest, Expects<SyncGroupResult> {
  readonly type: "syncGroup";
}

export interface GroupHeartbeat extends GroupHeartbeatRequest, Expects<GroupHeartbeatResult> {
  readonly type: "heartbeat";
}

export interface LeaveGroup extends LeaveGroupRequest, Expects<LeaveGroupResult> {
  readonly type: "leaveGroup";
}

/** Unknown topics and partitions are answered by the handler, before the actor is asked. */
export interface OffsetCommit extends OffsetCommitRequest, Expects<OffsetCommitResult> {
  readonly type: "offsetCommit";
}

export interface OffsetFetch extends OffsetFetchRequest, Expects<OffsetFetchResult> {
  readonly type: "offsetFetch";
}

/** Unknown topics are answered by the handler, before the actor is asked. */
export interface OffsetDelete extends OffsetDeleteRequest, Expects<OffsetDeleteResult> {
  readonly type: "offsetDelete";
}

/** Removes a group without members, with its offsets. */
export interface DeleteGroup extends Expects<DeleteGroupResult> {
  readonly type: "deleteGroup";
}

/** Removes offsets past their retention and of topics that are gone, and the group when nothing is left. */
export interface ExpireOffsets extends ExpireOffsetsRequest, Expects<ExpireOffsetsResult> {
  readonly type: "expireOffsets";
}

/** Members of the consumer protocol (KIP-848). */
export interface ConsumerHeartbeat extends ConsumerHeartbeatRequest, Expects<ConsumerHeartbeatResult> {
  readonly type: "consumerHeartbeat";
}

export interface DescribeConsumerGroup extends Expects<DescribeConsumerGroupResult> {
  readonly type: "describeConsumer";
}

export interface DescribeGroup extends Expects<GroupDescription> {
  readonly type: "describe";
}

/** Verified with the transaction's coordinator before it is taken; its errors, and those of OffsetCommit. */
export interface TxnOffsetCommit extends TxnOffsetCommitRequest, Expects<OffsetCommitResult> {
  readonly type: "txnOffsetCommit";
}

/** From the transaction's coordinator; may be repeated. */
export interface EndGroupTransaction extends GroupTransactionEnd, Expects<GroupTransactionEndResult> {
  readonly type: "endTransaction";
}

/**
 * From a share group's actor: the name is to be a share group's from here on (NONE, or GROUP_ID_NOT_FOUND when it is a
 * consumer group's already), or no longer.
 */
export interface ClaimForShareGroup extends Expects<GroupError> {
  readonly type: "claimForShareGroup";
  readonly claimed: boolean;
}

/** Internal: a deadline of core/group is due, or it is time to report the members. */
export interface GroupTimer {
  readonly type: "timer";
  readonly timerKey: "deadline" | "report";
}

export type ConsumerGroupMessage =
  | JoinGroup
  | SyncGroup
  | GroupHeartbeat
  | LeaveGroup
  | OffsetCommit
  | OffsetFetch
  | OffsetDelete
  | DeleteGroup
  | ExpireOffsets
  | ConsumerHeartbeat
  | DescribeConsumerGroup
  | DescribeGroup
  | TxnOffsetCommit
  | EndGroupTransaction
  | ClaimForShareGroup
  | GroupTimer;
