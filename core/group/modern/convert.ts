/**
 * Groups that change their protocol while they live: to the consumer protocol when its first member comes, back to the
 * classic one when its last member leaves. Source: KIP-848's migration; Kafka's ConsumerGroup.fromClassicGroup and
 * ClassicGroup.fromConsumerGroup.
 */
import { DecodeError } from "../../../lib/bytes.ts";
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
} from "../../../protocol/messages/consumer_protocol.ts";
import { prepareRebalance } from "../classic/rebalance.ts";
import { protocolMetadata } from "../classic/protocols.ts";
import { type ClassicMember, type GroupState, isQuiet, noBytes, type StoredMember } from "../group_state.ts";
import { type GroupTopics, type GroupTurn, joinError, syncError } from "../group_turn.ts";
import { type Assignment, assignmentOf, noPartitions } from "./assignment.ts";
import { restartConsumerSession } from "./clocks.ts";
import type { ClassicSide, ConsumerGroupRecord, ConsumerMember } from "./consumer_group_record.ts";
import type { ConsumerGroupState } from "./consumer_group_state.ts";

/** That come with Kafka's, librdkafka's and other clients. */
const CLIENT_ASSIGNORS = new Set(["range", "roundrobin", "sticky", "cooperative-sticky"]);

/** Makes the group one of the consumer protocol; whether it is. A live classic group is upgraded if that may be. */
export function enterConsumerProtocol(turn: GroupTurn): boolean {
  const { state } = turn;
  const members = isQuiet(state) || state.members.size === 0 ? [] : upgradedMembers(turn);
  if (members === null) return false;
  rejectParked(turn);
  const record: ConsumerGroupRecord = {
    // Epochs go on where generations end, so that no commit of the old life is taken for one of the new.
    groupEpoch: state.generationId,
    assignmentEpoch: state.generationId,
    assignorName: turn.config.consumerAssignors[0] ?? "uniform",
    subscribedTopics: [],
    changedAtMs: turn.now.wallMs,
    members,
  };
  turn.emit({ type: "consumerGroupRecorded", record });
  for (const member of members) restartConsumerSession(turn, member);
  return true;
}

/** Whether the group is classic once only these members are left. */
export function mayDowngrade({ config }: GroupTurn, remaining: readonly ConsumerMember[]): boolean {
  const isAllowed = config.migrationPolicy === "bidirectional" || config.migrationPolicy === "downgrade";
  return isAllowed && remaining.length > 0 && remaining.length <= config.memberCountMax &&
    remaining.every(({ classic }) => classic !== null) && commonProtocol(remaining) !== null;
}

/** Goes on as a classic group of these members, which rebalance at once. */
export function downgrade(
  turn: GroupTurn,
  { record }: ConsumerGroupState,
  remaining: readonly ConsumerMember[],
): void {
  const { topics, now } = turn;
  const members = remaining.flatMap((member) =>
    member.classic === null ? [] : [classicMember(member, member.classic, topics)]
  );
  turn.emit({
    type: "groupRecorded",
    record: {
      generationId: record.groupEpoch,
      protocolType: "consumer",
      protocolName: commonProtocol(remaining),
      leaderId: members[0]?.memberId ?? null,
      assigned: true,
      changedAtMs: now.wallMs,
      members,
    },
  });
  for (const member of turn.state.members.values()) turn.restartSession(member);
  prepareRebalance(turn);
}

/** An empty consumer group that a classic member joins is a classic group from then on. */
export function leaveConsumerProtocol(turn: GroupTurn, { record }: ConsumerGroupState): void {
  turn.emit({
    type: "groupRecorded",
    record: {
      generationId: record.groupEpoch,
      protocolType: "consumer",
      protocolName: null,
      leaderId: null,
      assigned: false,
      changedAtMs: turn.now.wallMs,
      members: [],
    },
  });
}

/** The assignment as a classic member reads it: by the names of the topics. */
export function encodeClassicAssignment(
  assignment: Assignment,
  metadata: Uint8Array,
  topics: GroupTopics,
): Uint8Array {
  const assignedPartitions = [...assignment].flatMap(([topicId, partitions]) => {
    const topic = topics.topicsById.get(topicId);
    return topic === undefined ? [] : [{ topic: topic.name, partitions: [...partitions] }];
  });
  return encodeAssignment(subscriptionVersion(metadata), { assignedPartitions, userData: null });
}

/** Names to ids; topics that do not exist are left out. */
export function assignmentByNames(
  named: readonly { readonly topic: string; readonly partitions: readonly number[] }[],
  topics: GroupTopics,
): Assignment {
  return assignmentOf(named.flatMap(({ topic, partitions }) => {
    const topicId = topics.topicsByName.get(topic)?.topicId;
    return topicId === undefined ? [] : [{ topicId, partitions }];
  }));
}

function subscriptionVersion(metadata: Uint8Array): number {
  try {
    return decodeSubscription(metadata).version;
  } catch (error) {
    if (error instanceof DecodeError) return 0;
    throw error;
  }
}

/** The members as they go on; null: the group cannot be upgraded. */
function upgradedMembers(turn: GroupTurn): ConsumerMember[] | null {
  const { state, config, topics } = turn;
  const isAllowed = config.migrationPolicy === "bidirectional" || config.migrationPolicy === "upgrade";
  if (!isAllowed || state.protocolType !== "consumer" || topics.version === 0) return null;
  if (state.members.size > config.consumerMemberCountMax) return null;
  try {
    const members = Array.from(state.members.values(), (member) => upgradedMember(state, member, topics));
    return members.includes(null) ? null : members.filter((member) => member !== null);
  } catch (error) {
    // An assignor of its own with a format of its own.
    if (error instanceof DecodeError) return null;
    throw error;
  }
}

function upgradedMember(
  state: GroupState,
  { stored }: ClassicMember,
  topics: GroupTopics,
): ConsumerMember | null {
  const metadata = state.protocolName === null
    ? stored.protocols[0]?.metadata ?? noBytes
    : protocolMetadata(stored, state.protocolName);
  const subscription = decodeSubscription(metadata);
  const assignment = decodeAssignment(stored.assignment);
  // A custom assignor wants its own bytes to arrive, which no assignor of the coordinator knows. Those that clients
  // bring along can do without: librdkafka sends its sticky one's bytes back to the member that they came from.
  const hasOwnBytes = assignment.userData !== null && assignment.userData.length > 0;
  if (hasOwnBytes && !CLIENT_ASSIGNORS.has(state.protocolName ?? "")) return null;
  // In the middle of a rebalance only the member itself still knows what it owns.
  const named = stored.assignment.length > 0 ? assignment.assignedPartitions : subscription.ownedPartitions;
  const assigned = assignmentByNames(named, topics);
  return {
    memberId: stored.memberId,
    instanceId: stored.groupInstanceId,
    rackId: subscription.rackId,
    clientId: stored.clientId,
    clientHost: stored.clientHost,
    rebalanceTimeoutMs: stored.rebalanceTimeoutMs,
    subscribedTopicNames: [...new Set(subscription.topics)].sort(),
    subscribedTopicRegex: null,
    serverAssignor: null,
    state: "stable",
    memberEpoch: state.generationId,
    previousMemberEpoch: state.generationId,
    assigned,
    pendingRevocation: noPartitions,
    target: assigned,
    classic: { sessionTimeoutMs: stored.sessionTimeoutMs, protocols: stored.protocols },
  };
}

/** Whoever waits for the next generation joins the new kind of group instead. */
function rejectParked(turn: GroupTurn): void {
  for (const member of turn.state.members.values()) {
    turn.completeJoin(member, joinError("REBALANCE_IN_PROGRESS", member.stored.memberId));
    turn.completeSync(member, syncError("REBALANCE_IN_PROGRESS"));
  }
}

function classicMember(member: ConsumerMember, classic: ClassicSide, topics: GroupTopics): StoredMember {
  const metadata = classic.protocols[0]?.metadata ?? noBytes;
  return {
    memberId: member.memberId,
    groupInstanceId: member.instanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    sessionTimeoutMs: classic.sessionTimeoutMs,
    rebalanceTimeoutMs: member.rebalanceTimeoutMs,
    protocols: classic.protocols,
    assignment: encodeClassicAssignment(member.assigned, metadata, topics),
  };
}

/** The first one's first protocol that all others support. */
function commonProtocol(members: readonly ConsumerMember[]): string | null {
  const supports = ({ classic }: ConsumerMember, name: string) =>
    classic?.protocols.some((protocol) => protocol.name === name) === true;
  return members[0]?.classic?.protocols.find(({ name }) => members.every((member) => supports(member, name)))
    ?.name ?? null;
}
