/**
 * ConsumerGroupHeartbeat: members of the consumer protocol join, move on, and leave by this one request.
 * Source: KIP-848; Kafka's GroupMetadataManager.consumerGroupHeartbeat.
 */
import type { ConsumerHeartbeatRequest, ConsumerHeartbeatResult, GroupError } from "../group_commands.ts";
import { groupIdError, groupLimits } from "../group_config.ts";
import type { RequestId } from "../group_state.ts";
import type { GroupTurn } from "../group_turn.ts";
import { RegexError } from "../../../lib/parse_regex.ts";
import { TopicRegex } from "../regex/topic_regex.ts";
import { assignmentOf, isSubset, noPartitions, sameAssignment, topicsOf } from "./assignment.ts";
import { restartConsumerSession, startRebalanceTimeout, stopRebalanceTimeout } from "./clocks.ts";
import {
  type ConsumerMember,
  consumerMemberBytes,
  JOIN_EPOCH,
  LEFT_STATIC_EPOCH,
} from "./consumer_group_record.ts";
import type { ConsumerGroupState } from "./consumer_group_state.ts";
import { enterConsumerProtocol } from "./convert.ts";
import { GroupChange } from "./group_change.ts";
import { removeConsumerMembers } from "./remove_members.ts";

/** An error with a sentence for people. */
interface Fault {
  readonly error: GroupError;
  readonly errorMessage: string;
}

/**
 * INVALID_REQUEST, INVALID_GROUP_ID, INVALID_REGULAR_EXPRESSION, UNSUPPORTED_ASSIGNOR, GROUP_ID_NOT_FOUND,
 * GROUP_MAX_SIZE_REACHED, UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, UNRELEASED_INSTANCE_ID, FENCED_INSTANCE_ID.
 */
export function decideConsumerHeartbeat(
  turn: GroupTurn,
  request: ConsumerHeartbeatRequest,
  requestId: RequestId,
): void {
  const result = requestFault(turn, request) ??
    (request.memberEpoch < JOIN_EPOCH ? leave(turn, request) : heartbeat(turn, request));
  turn.reply(requestId, "error" in result ? refused(request, result) : { error: "NONE", ...result });
}

function heartbeat(
  turn: GroupTurn,
  request: ConsumerHeartbeatRequest,
): Omit<ConsumerHeartbeatResult, "error"> | Fault {
  const { config } = turn;
  const isJoin = request.memberEpoch === JOIN_EPOCH;
  const group = openGroup(turn, isJoin);
  if ("error" in group) return group;
  const memberId = request.memberId === "" ? turn.now.uuid : request.memberId;
  const place = findMember(group, { ...request, memberId });
  if ("error" in place) return place;
  const { member: before, replacedId, isNew } = place;
  if (isNew && group.members.size >= config.consumerMemberCountMax) {
    return fault(
      "GROUP_MAX_SIZE_REACHED",
      `The group has its maximum of ${config.consumerMemberCountMax} members.`,
    );
  }
  const described = describedBy(before, request);
  if (!fits(group, described)) {
    return fault("GROUP_MAX_SIZE_REACHED", "The group's subscriptions are too large.");
  }

  const change = new GroupChange(turn, group);
  if (replacedId !== null) change.remove(replacedId);
  change.set(described);
  const isSubscriptionChanged = isNew || !sameSubscription(before, described);
  if (isSubscriptionChanged) change.bump();
  change.refreshTopics(isSubscriptionChanged);
  change.assign();
  const owned = request.topicPartitions === null ? null : assignmentOf(request.topicPartitions);
  const member = change.reconcile(memberId, owned);
  change.commit();
  watch(turn, before, member);

  const isFull = isJoin ||
    (request.rebalanceTimeoutMs !== -1 && request.topicPartitions !== null &&
      (request.subscribedTopicNames !== null || request.subscribedTopicRegex !== null));
  const tellsAssignment = isFull || !sameAssignment(before.assigned, member.assigned) ||
    before.pendingRevocation.size !== member.pendingRevocation.size;
  return {
    errorMessage: null,
    memberId,
    memberEpoch: member.memberEpoch,
    heartbeatIntervalMs: config.consumerHeartbeatIntervalMs,
    assignment: tellsAssignment ? topicsOf(member.assigned) : null,
  };
}

/** The session starts anew; while partitions have to be given up, the rebalance timeout runs. */
function watch(turn: GroupTurn, before: ConsumerMember, member: ConsumerMember): void {
  restartConsumerSession(turn, member);
  const isNewDuty = before.state !== "unrevoked" || before.memberEpoch !== member.memberEpoch;
  if (member.state !== "unrevoked" || isNewDuty) stopRebalanceTimeout(turn, member.memberId);
  if (member.state === "unrevoked") startRebalanceTimeout(turn, member);
}

function openGroup(turn: GroupTurn, isJoin: boolean): ConsumerGroupState | Fault {
  const { state } = turn;
  if (state.consumer !== null) return state.consumer;
  if (isJoin && enterConsumerProtocol(turn) && state.consumer !== null) return state.consumer;
  return fault("GROUP_ID_NOT_FOUND", `Group ${state.groupId} is not a consumer group.`);
}

interface Place {
  readonly member: ConsumerMember;
  /** The static member that this one takes the place of. */
  readonly replacedId: string | null;
  readonly isNew: boolean;
}

function findMember(group: ConsumerGroupState, request: ConsumerHeartbeatRequest): Place | Fault {
  const { memberId, instanceId, memberEpoch } = request;
  const staticId = instanceId === null ? undefined : group.memberIdByInstanceId.get(instanceId);
  const member = group.members.get(staticId ?? memberId);
  if (memberEpoch === JOIN_EPOCH) {
    if (member === undefined) return { member: newConsumerMember(request), replacedId: null, isNew: true };
    if (member.memberId === memberId) {
      // Back from a short leave: it owns nothing, and goes on from the beginning.
      const isBack = member.memberEpoch === LEFT_STATIC_EPOCH;
      return { member: isBack ? returned(member, memberId) : member, replacedId: null, isNew: false };
    }
    if (member.memberEpoch !== LEFT_STATIC_EPOCH) {
      return fault(
        "UNRELEASED_INSTANCE_ID",
        `Static member ${memberId} with instance id ${instanceId} cannot join the group because the instance id is ` +
          `owned by member ${member.memberId}.`,
      );
    }
    return { member: returned(member, memberId), replacedId: member.memberId, isNew: false };
  }
  if (member === undefined) {
    return fault("UNKNOWN_MEMBER_ID", `Member ${memberId} is not a member of the group.`);
  }
  if (member.memberId !== memberId) {
    return fault("FENCED_INSTANCE_ID", `Instance id ${instanceId} belongs to another member.`);
  }
  return epochFault(member, request) ?? { member, replacedId: null, isNew: false };
}

/** A member may be one epoch behind if it only lost the answer, and owns nothing that it was not given. */
function epochFault(member: ConsumerMember, request: ConsumerHeartbeatRequest): Fault | null {
  const { memberEpoch, topicPartitions } = request;
  if (memberEpoch === member.memberEpoch) return null;
  const lostAnswer = memberEpoch < member.memberEpoch && memberEpoch === member.previousMemberEpoch &&
    topicPartitions !== null && isSubset(assignmentOf(topicPartitions), member.assigned);
  return lostAnswer ? null : fault(
    "FENCED_MEMBER_EPOCH",
    `The consumer group member has a ${
      memberEpoch > member.memberEpoch ? "greater" : "smaller"
    } member epoch ` +
      `(${memberEpoch}) than the one known by the group coordinator (${member.memberEpoch}). ` +
      "The member must abandon all its partitions and rejoin.",
  );
}

function returned(member: ConsumerMember, memberId: string): ConsumerMember {
  return { ...member, memberId, memberEpoch: 0, previousMemberEpoch: 0, state: "stable" };
}

function newConsumerMember(request: ConsumerHeartbeatRequest): ConsumerMember {
  return {
    memberId: request.memberId,
    instanceId: request.instanceId,
    rackId: null,
    clientId: "",
    clientHost: "",
    rebalanceTimeoutMs: 0,
    subscribedTopicNames: [],
    subscribedTopicRegex: null,
    serverAssignor: null,
    state: "stable",
    memberEpoch: 0,
    previousMemberEpoch: 0,
    assigned: noPartitions,
    pendingRevocation: noPartitions,
    target: noPartitions,
    classic: null,
  };
}

/** The member with what the request says anew; the same object if that is nothing. */
function describedBy(member: ConsumerMember, request: ConsumerHeartbeatRequest): ConsumerMember {
  const { clientId, clientHost } = request.client;
  const names = request.subscribedTopicNames === null
    ? member.subscribedTopicNames
    : [...new Set(request.subscribedTopicNames)].sort();
  const described: ConsumerMember = {
    ...member,
    rackId: request.rackId ?? member.rackId,
    clientId,
    clientHost,
    rebalanceTimeoutMs: request.rebalanceTimeoutMs === -1
      ? member.rebalanceTimeoutMs
      : request.rebalanceTimeoutMs,
    subscribedTopicNames: names,
    subscribedTopicRegex: request.subscribedTopicRegex === null
      ? member.subscribedTopicRegex
      : request.subscribedTopicRegex || null,
    serverAssignor: request.serverAssignor ?? member.serverAssignor,
    classic: null,
  };
  const isSame = sameSubscription(member, described) && member.classic === null &&
    (["rackId", "clientId", "clientHost", "rebalanceTimeoutMs", "serverAssignor"] as const)
      .every((field) => member[field] === described[field]);
  return isSame ? member : described;
}

export function sameSubscription(a: ConsumerMember, b: ConsumerMember): boolean {
  return a.subscribedTopicRegex === b.subscribedTopicRegex &&
    a.subscribedTopicNames.length === b.subscribedTopicNames.length &&
    a.subscribedTopicNames.every((name, index) => name === b.subscribedTopicNames[index]);
}

/** Whether the group stays within its bounds with the member. */
export function fits(group: ConsumerGroupState, member: ConsumerMember): boolean {
  const known = group.members.get(member.memberId);
  if (known === member) return true;
  const size = consumerMemberBytes(member);
  if (known !== undefined && size <= consumerMemberBytes(known)) return true;
  let total = size;
  for (const other of group.members.values()) if (other !== known) total += consumerMemberBytes(other);
  return total <= groupLimits.groupBytesMax;
}

function leave(
  turn: GroupTurn,
  request: ConsumerHeartbeatRequest,
): Omit<ConsumerHeartbeatResult, "error"> | Fault {
  const { state } = turn;
  const { memberId, instanceId, memberEpoch } = request;
  const group = state.consumer;
  if (group === null) return fault("GROUP_ID_NOT_FOUND", `Group ${state.groupId} is not a consumer group.`);
  const currentId = instanceId === null ? memberId : group.memberIdByInstanceId.get(instanceId);
  const member = currentId === undefined ? undefined : group.members.get(currentId);
  if (member === undefined) {
    return fault("UNKNOWN_MEMBER_ID", `Member ${memberId} is not a member of the group.`);
  }
  if (member.memberId !== memberId) {
    return fault("FENCED_INSTANCE_ID", `Instance id ${instanceId} belongs to another member.`);
  }
  if (memberEpoch === LEFT_STATIC_EPOCH) {
    const change = new GroupChange(turn, group);
    change.set({ ...member, memberEpoch: LEFT_STATIC_EPOCH, pendingRevocation: noPartitions });
    change.commit();
    // Its session goes on: until then its partitions wait for it.
    stopRebalanceTimeout(turn, memberId);
  } else {
    removeConsumerMembers(turn, [memberId]);
  }
  return { errorMessage: null, memberId, memberEpoch, heartbeatIntervalMs: 0, assignment: null };
}

function requestFault({ state, config }: GroupTurn, request: ConsumerHeartbeatRequest): Fault | null {
  const { memberId, memberEpoch, instanceId, rackId, serverAssignor, subscribedTopicRegex } = request;
  const invalid = (message: string) => fault("INVALID_REQUEST", message);
  if (state.groupId.trim() === "") return invalid("GroupId can't be empty.");
  if (groupIdError(state.groupId) !== "NONE") return fault("INVALID_GROUP_ID", "The group id is too long.");
  if (instanceId?.trim() === "") return invalid("InstanceId can't be empty.");
  if (rackId?.trim() === "") return invalid("RackId can't be empty.");
  const mayLackId = memberEpoch === JOIN_EPOCH && !request.requireMemberId;
  if (memberId === "" && !mayLackId) return invalid("MemberId can't be empty.");
  if (memberEpoch < LEFT_STATIC_EPOCH) return invalid(`MemberEpoch is invalid: ${memberEpoch}.`);
  if (memberEpoch === LEFT_STATIC_EPOCH && instanceId === null) {
    return invalid("InstanceId can't be null.");
  }
  if (requestBytes(request) > groupLimits.memberBytesMax) return invalid("The subscription is too large.");
  if (memberEpoch === JOIN_EPOCH) {
    if (request.rebalanceTimeoutMs === -1) {
      return invalid("RebalanceTimeoutMs must be provided in first request.");
    }
    if (request.topicPartitions === null || request.topicPartitions.length > 0) {
      return invalid("TopicPartitions must be empty when (re-)joining.");
    }
    if (request.subscribedTopicNames === null && subscribedTopicRegex === null) {
      return invalid(
        "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
      );
    }
  }
  if (request.rebalanceTimeoutMs < -1) return invalid("RebalanceTimeoutMs is negative.");
  if (serverAssignor !== null && !config.consumerAssignors.includes(serverAssignor)) {
    const supported = config.consumerAssignors.join(", ");
    return fault(
      "UNSUPPORTED_ASSIGNOR",
      `ServerAssignor ${serverAssignor} is not supported. Supported assignors: ${supported}.`,
    );
  }
  return regexFault(state.consumer, subscribedTopicRegex);
}

function regexFault(group: ConsumerGroupState | null, expression: string | null): Fault | null {
  if (expression === null || expression === "" || group?.regexes.has(expression) === true) return null;
  try {
    new TopicRegex(expression);
    return null;
  } catch (error) {
    if (!(error instanceof RegexError)) throw error;
    return fault(
      "INVALID_REGULAR_EXPRESSION",
      `SubscribedTopicRegex \`${
        expression.slice(0, 100)
      }\` is not a valid regular expression: ${error.message}.`,
    );
  }
}

function requestBytes(request: ConsumerHeartbeatRequest): number {
  const { client, memberId, instanceId, rackId, subscribedTopicNames, subscribedTopicRegex } = request;
  let size = client.clientId.length + memberId.length + (instanceId?.length ?? 0) + (rackId?.length ?? 0) +
    (subscribedTopicRegex?.length ?? 0);
  for (const name of subscribedTopicNames ?? []) size += name.length + 2;
  return size;
}

function fault(error: GroupError, errorMessage: string): Fault {
  return { error, errorMessage };
}

function refused(request: ConsumerHeartbeatRequest, { error, errorMessage }: Fault): ConsumerHeartbeatResult {
  const { memberId, memberEpoch } = request;
  return { error, errorMessage, memberId, memberEpoch, heartbeatIntervalMs: 0, assignment: null };
}
