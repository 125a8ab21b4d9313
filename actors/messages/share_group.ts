/**
 * Messages of the share-group actor (`share_group/<groupId>`), the coordinator of one share group: its members and their
 * share sessions. Errors are values with Kafka's names; an ask that fails is as one to a consumer group that fails.
 */
import type { Assignment } from "../../core/group/modern/assignment.ts";
import type {
  ShareHeartbeatRequest,
  ShareHeartbeatResult,
} from "../../core/share/group/share_group_machine.ts";
import type { SessionRequest, SessionResult, SharePartitionId } from "../../core/share/sessions.ts";
import type { ErrorName } from "../../protocol/errors.ts";
import type { Expects } from "../runtime/types.ts";

export interface ShareHeartbeat extends ShareHeartbeatRequest, Expects<ShareHeartbeatResult> {
  readonly type: "heartbeat";
}

export interface UseShareSessionResult extends SessionResult {
  /** How long records are locked, in milliseconds. */
  readonly lockDurationMs: number;
}

/** Before a ShareFetch or ShareAcknowledge: the session's errors, and GROUP_ID_NOT_FOUND. */
export interface UseShareSession extends SessionRequest, Expects<UseShareSessionResult> {
  readonly type: "useSession";
}

/** The client ended its session (`connectionId` null), or the connection ended: what the member holds goes back. */
export interface EndShareSession extends Expects<boolean> {
  readonly type: "endSession";
  readonly memberId: string;
  readonly connectionId: string | null;
}

/** Makes the group unless it is there: NONE, GROUP_ID_NOT_FOUND when the name is another kind of group's, INVALID_GROUP_ID. */
export interface EnsureShareGroup extends Expects<ErrorName> {
  readonly type: "ensure";
}

/** Whether the group's offsets may be changed: NONE, GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP. */
export interface CheckShareGroupEmpty extends Expects<ErrorName> {
  readonly type: "checkEmpty";
}

/** Removes a group without members, with the state of its partitions: NONE, GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP. */
export interface DeleteShareGroup extends Expects<ErrorName> {
  readonly type: "delete";
}

/** Every partition that the group has state of; null when there is no such group. */
export interface ListSharePartitions extends Expects<readonly SharePartitionId[] | null> {
  readonly type: "listPartitions";
}

export interface ShareGroupDescription {
  readonly groupId: string;
  /** Empty or Stable. */
  readonly state: string;
  readonly groupEpoch: number;
  readonly assignmentEpoch: number;
  readonly members: readonly {
    readonly memberId: string;
    readonly rackId: string | null;
    readonly memberEpoch: number;
    readonly clientId: string;
    readonly clientHost: string;
    readonly subscribedTopicNames: readonly string[];
    readonly assignment: Assignment;
  }[];
}

/** null: there is no such group. */
export interface DescribeShareGroup extends Expects<ShareGroupDescription | null> {
  readonly type: "describe";
}

/** Internal: a session is over, or it is time to report the members. */
export interface ShareGroupTimer {
  readonly type: "timer";
  readonly timerKey: "deadline" | "report";
}

export type ShareGroupMessage =
  | ShareHeartbeat
  | UseShareSession
  | EndShareSession
  | EnsureShareGroup
  | CheckShareGroupEmpty
  | DeleteShareGroup
  | ListSharePartitions
  | DescribeShareGroup
  | ShareGroupTimer;
