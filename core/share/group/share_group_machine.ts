/**
 * The coordinator of a share group as a pure machine: heartbeats and the passing of time go in, answers, facts to store
 * and members whose records go back come out. Source: KIP-932; Kafka's GroupMetadataManager.shareGroupHeartbeat.
 */
import type { ErrorName } from "../../../protocol/errors.ts";
import { groupIdError } from "../../group/group_config.ts";
import type { GroupTopics } from "../../group/group_turn.ts";
import { type Assignment, noPartitions, sameAssignment } from "../../group/modern/assignment.ts";
import type { SubscribedTopic } from "../../group/modern/consumer_group_record.ts";
import { sameTopics } from "../../group/modern/subscriptions.ts";
import { type ShareGroupConfig, shareLimits } from "../share_config.ts";
import {
  applyShareGroupEvent,
  type LiveShareMember,
  type ShareGroupEvent,
  type ShareGroupState,
  type ShareMember,
} from "./share_group_state.ts";
import { assignSimple } from "./simple_assignor.ts";

export const JOIN_EPOCH = 0;
export const LEAVE_EPOCH = -1;

export interface ShareHeartbeatRequest {
  readonly memberId: string;
  /** 0 joins, −1 leaves. */
  readonly memberEpoch: number;
  readonly rackId: string | null;
  /** null: as before. */
  readonly subscribedTopicNames: readonly string[] | null;
  readonly clientId: string;
  /** As Kafka shows it: `/127.0.0.1`. */
  readonly clientHost: string;
}

export interface ShareHeartbeatResult {
  readonly error: ErrorName;
  readonly errorMessage: string | null;
  readonly memberEpoch: number;
  readonly heartbeatIntervalMs: number;
  /** null: as before. */
  readonly assignment: Assignment | null;
}

interface Fault {
  readonly error: ErrorName;
  readonly errorMessage: string;
}

export class ShareGroupTurn {
  /** Already applied; stored before any answer of this turn leaves. */
  readonly events: ShareGroupEvent[] = [];
  /** Members that fell silent: what they hold goes back. Who leaves ends its session itself, maybe a moment later. */
  readonly expired: string[] = [];

  constructor(
    readonly state: ShareGroupState,
    readonly config: ShareGroupConfig,
    readonly now: { readonly monoMs: number; readonly wallMs: number },
    readonly topics: GroupTopics,
  ) {}

  emit(event: ShareGroupEvent): void {
    applyShareGroupEvent(this.state, event, this.now.monoMs);
    this.events.push(event);
  }

  /** Calls for a new assignment; also makes the group. */
  bump(): void {
    const groupEpoch = (this.state.record?.groupEpoch ?? 0) + 1;
    this.emit({ type: "groupRecorded", record: { groupEpoch, changedAtMs: this.now.wallMs } });
  }
}

/**
 * INVALID_REQUEST, INVALID_GROUP_ID, GROUP_ID_NOT_FOUND, GROUP_MAX_SIZE_REACHED, UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH.
 * A group that is not there is made by the first member that joins.
 */
export function decideShareHeartbeat(
  turn: ShareGroupTurn,
  request: ShareHeartbeatRequest,
): ShareHeartbeatResult {
  const result = shareHeartbeatFault(turn.state.groupId, request) ??
    (request.memberEpoch === LEAVE_EPOCH ? leave(turn, request) : heartbeat(turn, request));
  if (!("error" in result)) return { error: "NONE", errorMessage: null, ...result };
  return { ...result, memberEpoch: request.memberEpoch, heartbeatIntervalMs: 0, assignment: null };
}

function heartbeat(
  turn: ShareGroupTurn,
  request: ShareHeartbeatRequest,
): Omit<ShareHeartbeatResult, "error" | "errorMessage"> | Fault {
  const { state, config } = turn;
  const { memberId, memberEpoch } = request;
  const isJoin = memberEpoch === JOIN_EPOCH;
  if (state.record === null && !isJoin) return noGroup(state);
  const known = state.members.get(memberId);
  if (known === undefined && !isJoin) return noMember(memberId);
  if (known === undefined && state.members.size >= config.memberCountMax) {
    const errorMessage =
      `The share group has reached its maximum capacity of ${config.memberCountMax} members.`;
    return { error: "GROUP_MAX_SIZE_REACHED", errorMessage };
  }
  const fence = known === undefined || isJoin ? null : epochFault(known, memberEpoch);
  if (fence !== null) return fence;

  const isSubscriptionChanged = record(turn, known?.stored ?? null, request);
  if (isSubscriptionChanged) turn.bump();
  reassign(turn, isSubscriptionChanged);
  const member = state.members.get(memberId);
  if (member === undefined) return noMember(memberId);
  const isAssignmentChanged = moveOn(turn, member);
  member.sessionDeadlineMs = turn.now.monoMs + config.sessionTimeoutMs;
  member.lastHeartbeatMs = turn.now.monoMs;
  const tellsAssignment = isJoin || isAssignmentChanged || request.subscribedTopicNames !== null;
  return {
    memberEpoch: member.memberEpoch,
    heartbeatIntervalMs: config.heartbeatIntervalMs,
    assignment: tellsAssignment ? member.assigned : null,
  };
}

/** Keeps what the request says about the member; whether what it reads has changed. */
function record(turn: ShareGroupTurn, before: ShareMember | null, request: ShareHeartbeatRequest): boolean {
  const { memberId, clientId, clientHost } = request;
  const names = request.subscribedTopicNames;
  const subscribedTopicNames = names === null
    ? before?.subscribedTopicNames ?? []
    : [...new Set(names)].sort();
  const rackId = request.rackId ?? before?.rackId ?? null;
  const isSubscriptionChanged = before === null ||
    before.subscribedTopicNames.length !== subscribedTopicNames.length ||
    before.subscribedTopicNames.some((name, index) => name !== subscribedTopicNames[index]);
  const isSame = !isSubscriptionChanged && before?.rackId === rackId && before.clientId === clientId &&
    before.clientHost === clientHost;
  if (!isSame) {
    turn.emit({
      type: "memberRecorded",
      member: { memberId, rackId, clientId, clientHost, subscribedTopicNames },
    });
  }
  return isSubscriptionChanged;
}

/** Makes the targets anew when members, subscriptions or topics have changed. */
function reassign(turn: ShareGroupTurn, isSubscriptionChanged: boolean): void {
  const { state, topics } = turn;
  const isCurrent = state.assignmentEpoch === state.record?.groupEpoch;
  // Before the topics are known none of them is missing.
  if (topics.version === 0) return;
  if (isCurrent && !isSubscriptionChanged && state.topicsVersion === topics.version) return;
  state.topicsVersion = topics.version;
  const subscribedTopics = subscribedTopicsOf(state, topics);
  if (isCurrent && !sameTopics(subscribedTopics, state.subscribedTopics)) turn.bump();
  state.subscribedTopics = subscribedTopics;
  if (state.assignmentEpoch === state.record?.groupEpoch) return;
  state.assignmentEpoch = state.record?.groupEpoch ?? -1;
  state.targets = assignSimple(
    Array.from(state.members.values(), ({ stored, assigned }) => ({
      memberId: stored.memberId,
      topicIds: topicIdsOf(stored, topics),
      previous: state.targets.get(stored.memberId) ?? assigned,
    })),
    new Map(subscribedTopics.map(({ topicId, partitionCount }) => [topicId, partitionCount])),
  );
}

/** Brings the member to the newest epoch: nothing has to be given up first. Whether what it has is different now. */
function moveOn({ state }: ShareGroupTurn, member: LiveShareMember): boolean {
  const epoch = state.record?.groupEpoch ?? 0;
  if (member.memberEpoch !== epoch) {
    member.previousMemberEpoch = member.memberEpoch;
    member.memberEpoch = epoch;
  }
  const target = state.targets.get(member.stored.memberId) ?? noPartitions;
  const isChanged = member.isRestored || !sameAssignment(target, member.assigned);
  member.isRestored = false;
  member.assigned = target;
  if (isChanged) state.membershipVersion++;
  return isChanged;
}

function leave(
  turn: ShareGroupTurn,
  { memberId, memberEpoch }: ShareHeartbeatRequest,
): Omit<ShareHeartbeatResult, "error" | "errorMessage"> | Fault {
  if (turn.state.record === null) return noGroup(turn.state);
  if (!turn.state.members.has(memberId)) return noMember(memberId);
  remove(turn, [memberId]);
  return { memberEpoch, heartbeatIntervalMs: 0, assignment: null };
}

/** Removes members whose sessions are over; to be called at `nextShareDeadline`, earlier calls are harmless. */
export function expireShareMembers(turn: ShareGroupTurn): void {
  for (const [memberId, { sessionDeadlineMs }] of turn.state.members) {
    if (sessionDeadlineMs <= turn.now.monoMs) turn.expired.push(memberId);
  }
  if (turn.expired.length > 0) remove(turn, turn.expired);
}

/** Monotonic; Infinity: nobody is in the group. */
export function nextShareDeadline(state: ShareGroupState): number {
  let next = Infinity;
  for (const { sessionDeadlineMs } of state.members.values()) next = Math.min(next, sessionDeadlineMs);
  return next;
}

/** Makes the group if it is not there: consumers over HTTP are no members. */
export function decideEnsureGroup(turn: ShareGroupTurn): void {
  if (turn.state.record === null) turn.bump();
}

/** Forgets a group without members: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP. */
export function emptyGroupFault({ state }: ShareGroupTurn): ErrorName {
  if (state.record === null) return "GROUP_ID_NOT_FOUND";
  return state.members.size > 0 ? "NON_EMPTY_GROUP" : "NONE";
}

function remove(turn: ShareGroupTurn, memberIds: readonly string[]): void {
  for (const memberId of memberIds) {
    turn.emit({ type: "memberRemoved", memberId });
  }
  turn.bump();
}

/** What is wrong with a heartbeat whatever the state is, or null. */
export function shareHeartbeatFault(groupId: string, request: ShareHeartbeatRequest): Fault | null {
  const { memberId, memberEpoch, rackId, subscribedTopicNames } = request;
  const invalid = (errorMessage: string): Fault => ({ error: "INVALID_REQUEST", errorMessage });
  if (memberId.trim() === "") return invalid("MemberId can't be empty.");
  if (memberId.length > shareLimits.memberIdLengthMax) return invalid("MemberId is too long.");
  if (groupId.trim() === "") return invalid("GroupId can't be empty.");
  if (groupIdError(groupId) !== "NONE") {
    return { error: "INVALID_GROUP_ID", errorMessage: "The group id is too long." };
  }
  if (rackId?.trim() === "") return invalid("RackId can't be empty.");
  if (memberEpoch < LEAVE_EPOCH) return invalid("MemberEpoch is invalid.");
  if (memberEpoch === JOIN_EPOCH && (subscribedTopicNames === null || subscribedTopicNames.length === 0)) {
    return invalid("SubscribedTopicNames must be set in first request.");
  }
  let size = request.clientId.length + (rackId?.length ?? 0);
  for (const name of subscribedTopicNames ?? []) size += name.length + 2;
  return size > shareLimits.memberBytesMax ? invalid("The subscription is too large.") : null;
}

function epochFault(member: LiveShareMember, memberEpoch: number): Fault | null {
  if (memberEpoch === member.memberEpoch || memberEpoch === member.previousMemberEpoch) return null;
  if (memberEpoch < member.memberEpoch && member.isRestored) return null;
  const than = memberEpoch > member.memberEpoch ? "greater" : "smaller";
  return {
    error: "FENCED_MEMBER_EPOCH",
    errorMessage:
      `The share group member has a ${than} member epoch (${memberEpoch}) than the one known by the ` +
      `group coordinator (${member.memberEpoch}). The member must abandon all its partitions and rejoin.`,
  };
}

function noGroup({ groupId }: ShareGroupState): Fault {
  return { error: "GROUP_ID_NOT_FOUND", errorMessage: `Share group ${groupId} not found.` };
}

function noMember(memberId: string): Fault {
  return { error: "UNKNOWN_MEMBER_ID", errorMessage: `Member ${memberId} is not a member of the group.` };
}

function topicIdsOf({ subscribedTopicNames }: ShareMember, topics: GroupTopics): Set<string> {
  const topicIds = new Set<string>();
  for (const name of subscribedTopicNames) {
    const topic = topics.topicsByName.get(name);
    if (topic !== undefined) topicIds.add(topic.topicId);
  }
  return topicIds;
}

function subscribedTopicsOf(state: ShareGroupState, topics: GroupTopics): SubscribedTopic[] {
  const topicIds = new Set<string>();
  for (const { stored } of state.members.values()) {
    for (const topicId of topicIdsOf(stored, topics)) topicIds.add(topicId);
  }
  return [...topicIds].sort().map((topicId) => ({
    topicId,
    partitionCount: topics.topicsById.get(topicId)?.partitions.length ?? 0,
  }));
}
