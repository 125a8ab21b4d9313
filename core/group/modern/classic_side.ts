/**
 * Members of the classic protocol in a group of the new one, while clients are upgraded one by one: they join, sync and
 * heartbeat as ever, but nobody leads, and the coordinator assigns.
 * Source: KIP-848; Kafka's classicGroupJoinToConsumerGroup, classicGroupSyncToConsumerGroup and the like.
 */
import { DecodeError } from "../../../lib/bytes.ts";
import {
  type ConsumerProtocolSubscription,
  decodeSubscription,
} from "../../../protocol/messages/consumer_protocol.ts";
import type {
  GroupError,
  GroupHeartbeatRequest,
  JoinGroupRequest,
  LeaveGroupRequest,
  SyncGroupRequest,
} from "../group_commands.ts";
import { noBytes, type RequestId } from "../group_state.ts";
import { type GroupTurn, joinError, syncError } from "../group_turn.ts";
import { withOwnBytes } from "../classic/joining_member.ts";
import { hasPartition, noPartitions } from "./assignment.ts";
import { restartConsumerSession, startRebalanceTimeout, stopRebalanceTimeout } from "./clocks.ts";
import type { ClassicSide, ConsumerMember } from "./consumer_group_record.ts";
import type { ConsumerGroupState } from "./consumer_group_state.ts";
import { fits, sameSubscription } from "./consumer_heartbeat.ts";
import { assignmentByNames, downgrade, encodeClassicAssignment, mayDowngrade } from "./convert.ts";
import { GroupChange } from "./group_change.ts";
import { removeConsumerMembers } from "./remove_members.ts";

/** JoinGroup: answered at once, since there is nobody to wait for. The request itself has been checked. */
export function joinAsClassic(
  turn: GroupTurn,
  group: ConsumerGroupState,
  request: JoinGroupRequest,
  requestId: RequestId,
): void {
  const refuse = (error: GroupError, memberId = request.memberId) =>
    turn.reply(requestId, joinError(error, memberId));
  const { groupInstanceId } = request;
  if (!supportsProtocols(group, request)) return refuse("INCONSISTENT_GROUP_PROTOCOL");
  const subscription = readSubscription(request);
  if (subscription === null) return refuse("INCONSISTENT_GROUP_PROTOCOL");
  const newId = `${groupInstanceId ?? request.client.clientId}-${turn.now.uuid}`;
  if (request.memberId === "" && groupInstanceId === null && request.requireKnownMemberId) {
    return refuse("MEMBER_ID_REQUIRED", newId);
  }
  const memberId = request.memberId === "" ? newId : request.memberId;
  const staticId = groupInstanceId === null ? undefined : group.memberIdByInstanceId.get(groupInstanceId);
  if (staticId !== undefined && request.memberId !== "" && staticId !== memberId) {
    return refuse("FENCED_INSTANCE_ID");
  }
  const before = group.members.get(staticId ?? memberId);
  if (before === undefined && group.members.size >= turn.config.consumerMemberCountMax) {
    return refuse("GROUP_MAX_SIZE_REACHED", "");
  }
  const joining = joiningMember({ before, memberId, request: withOwnBytes(request), subscription });
  if (!fits(group, joining)) return refuse("GROUP_MAX_SIZE_REACHED");

  const change = new GroupChange(turn, group);
  if (before !== undefined && before.memberId !== memberId) change.remove(before.memberId);
  change.set(joining);
  const isSubscriptionChanged = before === undefined || !sameSubscription(before, joining);
  if (isSubscriptionChanged) change.bump();
  change.refreshTopics(isSubscriptionChanged);
  change.assign();
  const member = change.reconcile(memberId, assignmentByNames(subscription.ownedPartitions, turn.topics));
  change.commit();
  restartConsumerSession(turn, member);
  // Until it syncs.
  stopRebalanceTimeout(turn, memberId);
  startRebalanceTimeout(turn, member);
  turn.reply(requestId, {
    ...joinError("NONE", memberId),
    generationId: member.memberEpoch,
    protocolType: "consumer",
    protocolName: request.protocols[0]?.name ?? "",
  });
  // It may have taken the place of the last member of the consumer protocol.
  const { consumer } = turn.state;
  if (before?.classic === null && consumer !== null && mayDowngrade(turn, consumer.record.members)) {
    downgrade(turn, consumer, consumer.record.members);
  }
}

/** SyncGroup: what the member may own now. */
export function syncAsClassic(
  turn: GroupTurn,
  group: ConsumerGroupState,
  request: SyncGroupRequest,
  requestId: RequestId,
): void {
  const { protocolType, protocolName, generationId } = request;
  const found = classicMemberOf(group, request.memberId, request.groupInstanceId);
  if ("error" in found) return turn.reply(requestId, syncError(found.error));
  const { member, classic } = found;
  const protocol = classic.protocols[0];
  const error = generationId !== member.memberEpoch
    ? "ILLEGAL_GENERATION"
    : (protocolType ?? "consumer") !== "consumer" || (protocolName ?? protocol?.name) !== protocol?.name
    ? "INCONSISTENT_GROUP_PROTOCOL"
    : group.record.groupEpoch > member.memberEpoch && member.state !== "unrevoked"
    ? "REBALANCE_IN_PROGRESS"
    : "NONE";
  if (error === "REBALANCE_IN_PROGRESS") startRebalanceTimeout(turn, member);
  if (error !== "NONE") return turn.reply(requestId, syncError(error));
  restartConsumerSession(turn, member);
  stopRebalanceTimeout(turn, member.memberId);
  turn.reply(requestId, {
    error: "NONE",
    protocolType: "consumer",
    protocolName: protocol?.name ?? "",
    assignment: encodeClassicAssignment(member.assigned, protocol?.metadata ?? noBytes, turn.topics),
  });
}

/** Heartbeat: REBALANCE_IN_PROGRESS whenever joining again takes the member further. */
export function heartbeatAsClassic(
  turn: GroupTurn,
  group: ConsumerGroupState,
  request: GroupHeartbeatRequest,
): GroupError {
  const found = classicMemberOf(group, request.memberId, request.groupInstanceId);
  if ("error" in found) return found.error;
  const { member } = found;
  if (request.generationId !== member.memberEpoch) return "ILLEGAL_GENERATION";
  restartConsumerSession(turn, member);
  const isBehind = group.record.groupEpoch > member.memberEpoch || isTopicsChanged(turn, group) ||
    member.state === "unrevoked" || (member.state === "unreleased" && isReleased(group, member));
  if (!isBehind) return "NONE";
  startRebalanceTimeout(turn, member);
  return "REBALANCE_IN_PROGRESS";
}

/** LeaveGroup, of members of either protocol: an administrator removes static ones by instance id. */
export function leaveAsClassic(turn: GroupTurn, group: ConsumerGroupState, request: LeaveGroupRequest) {
  const leaving: string[] = [];
  const members = request.members.map(({ memberId, groupInstanceId }) => {
    const staticId = groupInstanceId === null ? undefined : group.memberIdByInstanceId.get(groupInstanceId);
    const id = memberId === "" ? staticId ?? "" : memberId;
    const error: GroupError = groupInstanceId !== null && staticId === undefined || !group.members.has(id)
      ? "UNKNOWN_MEMBER_ID"
      : groupInstanceId !== null && staticId !== id
      ? "FENCED_INSTANCE_ID"
      : "NONE";
    if (error === "NONE") leaving.push(id);
    return { memberId, groupInstanceId, error };
  });
  removeConsumerMembers(turn, leaving);
  return members;
}

/** Classic members have no other way to notice: the members of the consumer protocol may all be gone. */
function isTopicsChanged(turn: GroupTurn, group: ConsumerGroupState): boolean {
  if (group.topicsVersion === turn.topics.version) return false;
  const change = new GroupChange(turn, group);
  change.refreshTopics(false);
  change.commit();
  const epoch = turn.state.consumer?.record.groupEpoch ?? 0;
  return epoch > group.record.groupEpoch;
}

function isReleased(group: ConsumerGroupState, member: ConsumerMember): boolean {
  for (const [topicId, partitions] of member.target) {
    for (const partition of partitions) {
      if (hasPartition(member.assigned, topicId, partition)) continue;
      for (const other of group.members.values()) {
        if (other === member) continue;
        const isTaken = hasPartition(other.assigned, topicId, partition) ||
          hasPartition(other.pendingRevocation, topicId, partition);
        if (isTaken) return false;
      }
    }
  }
  return true;
}

/** With the other classic members it must have one protocol in common. */
function supportsProtocols(
  group: ConsumerGroupState,
  { protocolType, protocols }: JoinGroupRequest,
): boolean {
  if (protocolType !== "consumer" || protocols.length === 0) return false;
  const others = [...group.members.values()].flatMap(({ classic }) => classic === null ? [] : [classic]);
  return protocols.some(({ name }) =>
    others.every((other) => other.protocols.some((protocol) => protocol.name === name))
  );
}

function readSubscription({ protocols }: JoinGroupRequest): ConsumerProtocolSubscription | null {
  try {
    return decodeSubscription(protocols[0]?.metadata ?? noBytes);
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}

interface Joining {
  readonly before: ConsumerMember | undefined;
  readonly memberId: string;
  readonly request: JoinGroupRequest;
  readonly subscription: ConsumerProtocolSubscription;
}

function joiningMember({ before, memberId, request, subscription }: Joining): ConsumerMember {
  const { sessionTimeoutMs, rebalanceTimeoutMs, protocols, client } = request;
  // A static member under a new id starts over, with what its former self had.
  const isReplacing = before !== undefined && before.memberId !== memberId;
  return {
    state: "stable",
    memberEpoch: 0,
    previousMemberEpoch: 0,
    assigned: noPartitions,
    pendingRevocation: noPartitions,
    target: noPartitions,
    serverAssignor: null,
    ...before,
    ...(isReplacing ? { state: "stable", memberEpoch: 0, pendingRevocation: noPartitions } : {}),
    memberId,
    instanceId: request.groupInstanceId,
    rackId: subscription.rackId,
    clientId: client.clientId,
    clientHost: client.clientHost,
    rebalanceTimeoutMs: rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
    subscribedTopicNames: [...new Set(subscription.topics)].sort(),
    subscribedTopicRegex: null,
    classic: { sessionTimeoutMs, protocols },
  };
}

function classicMemberOf(
  group: ConsumerGroupState,
  memberId: string,
  instanceId: string | null,
): { readonly member: ConsumerMember; readonly classic: ClassicSide } | { readonly error: GroupError } {
  const staticId = instanceId === null ? memberId : group.memberIdByInstanceId.get(instanceId);
  const member = group.members.get(memberId);
  if (staticId === undefined || member === undefined && staticId === memberId) {
    return { error: "UNKNOWN_MEMBER_ID" };
  }
  if (staticId !== memberId) return { error: "FENCED_INSTANCE_ID" };
  // A member of the consumer protocol that uses the old requests is none.
  if (member === undefined || member.classic === null) return { error: "UNKNOWN_MEMBER_ID" };
  return { member, classic: member.classic };
}
