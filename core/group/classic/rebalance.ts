/**
 * The rebalance itself: from the first sign (someone joined, left, changed or died) to the start of the next
 * generation. Kafka's GroupMetadataManager: prepareRebalance, completeClassicGroupJoin and what is around them.
 */
import { invariant } from "../../../lib/invariant.ts";
import type { JoinGroupResult } from "../group_commands.ts";
import {
  type ClassicMember,
  type GroupRecord,
  haveAllMembersJoined,
  noBytes,
  rebalanceTimeoutMs,
  removeMember,
} from "../group_state.ts";
import { type GroupTurn, joinError, syncError } from "../group_turn.ts";
import { protocolMetadata, selectProtocol } from "./protocols.ts";

/** Starts a rebalance, or ends the join phase of the one under way if everyone is there. */
export function rebalanceOrCompleteJoin(turn: GroupTurn): void {
  if (turn.state.phase === "PreparingRebalance") completeJoinIfAllJoined(turn);
  else prepareRebalance(turn);
}

/** Leaves the generation behind: from here on members are told to join again. */
export function prepareRebalance(turn: GroupTurn): void {
  const { state, config } = turn;
  invariant(state.phase !== "PreparingRebalance", "Cannot prepare a rebalance: one is being prepared");
  if (state.phase === "CompletingRebalance") rejectParkedSyncs(turn);
  state.pendingSync.clear();
  state.syncDeadlineMs = Infinity;

  state.initialRebalance = state.phase === "Empty";
  state.phase = "PreparingRebalance";
  if (state.initialRebalance) {
    // An empty group gives more members the time to come, so that not every one of them causes a rebalance.
    const delayMs = config.initialRebalanceDelayMs;
    const remainingMs = Math.max(rebalanceTimeoutMs(state) - delayMs, 0);
    state.newMemberAdded = false;
    state.joinTimer = { atMs: turn.wakeAfter(delayMs), initial: { delayMs, remainingMs } };
  } else if (haveAllMembersJoined(state)) {
    completeJoinPhase(turn);
  } else {
    state.joinTimer = { atMs: turn.wakeAfter(rebalanceTimeoutMs(state)), initial: null };
  }
}

/** Ends the join phase if everyone is there; the initial rebalance is left to its timer. */
export function completeJoinIfAllJoined(turn: GroupTurn): void {
  const { state } = turn;
  if (state.phase === "PreparingRebalance" && !state.initialRebalance && haveAllMembersJoined(state)) {
    completeJoinPhase(turn);
  }
}

/** The join timer rang. */
export function joinTimerExpired(turn: GroupTurn): void {
  const { state, config } = turn;
  const timer = state.joinTimer;
  invariant(timer !== null, "Cannot expire a join timer that is not set");
  if (timer.initial !== null && state.newMemberAdded && timer.initial.remainingMs > 0) {
    const delayMs = Math.min(config.initialRebalanceDelayMs, timer.initial.remainingMs);
    const remainingMs = Math.max(timer.initial.remainingMs - timer.initial.delayMs, 0);
    state.newMemberAdded = false;
    state.joinTimer = { atMs: turn.wakeAfter(delayMs), initial: { delayMs, remainingMs } };
  } else {
    completeJoinPhase(turn);
  }
}

/** Drops dynamic members that did not join and starts the next generation with the others. */
export function completeJoinPhase(turn: GroupTurn): void {
  const { state } = turn;
  invariant(state.phase === "PreparingRebalance", `Cannot complete the join phase in ${state.phase}`);
  state.joinTimer = null;
  for (const { awaitingJoin, stored } of [...state.members.values()]) {
    // A static member keeps its place until its session ends.
    if (awaitingJoin === null && stored.groupInstanceId === null) removeMember(state, stored.memberId);
  }
  if (state.members.size > 0 && !electJoinedLeader(turn)) {
    // Only static members are left and none has joined: wait until they do or their sessions end.
    state.joinTimer = { atMs: turn.wakeAfter(rebalanceTimeoutMs(state)), initial: null };
    return;
  }
  startGeneration(turn);
}

/** What a member learns about the generation; the leader also gets everyone's metadata. */
export function joinedResult(turn: GroupTurn, member: ClassicMember): JoinGroupResult {
  const { state } = turn;
  const { memberId } = member.stored;
  return {
    error: "NONE",
    generationId: state.generationId,
    protocolType: state.protocolType,
    protocolName: state.protocolName,
    leader: state.leaderId ?? "",
    skipAssignment: false,
    memberId,
    members: state.leaderId === memberId ? membersForLeader(turn) : [],
  };
}

/** The picture to store after a change at hand. */
export function recordOf(turn: GroupTurn, changes: Partial<GroupRecord> = {}): GroupRecord {
  const { state, now } = turn;
  return {
    generationId: state.generationId,
    protocolType: state.protocolType,
    protocolName: state.protocolName,
    leaderId: state.leaderId,
    assigned: state.phase === "Stable",
    changedAtMs: now.wallMs,
    members: Array.from(state.members.values(), (member) => member.stored),
    ...changes,
  };
}

function startGeneration(turn: GroupTurn): void {
  const { state } = turn;
  const generationId = state.generationId + 1;
  if (state.members.size === 0) {
    turn.emit({
      type: "groupRecorded",
      record: recordOf(turn, {
        generationId,
        protocolName: null,
        leaderId: null,
        assigned: false,
        members: [],
      }),
    });
    return;
  }
  const members = Array.from(state.members.values(), ({ stored }) => ({ ...stored, assignment: noBytes }));
  turn.emit({
    type: "groupRecorded",
    record: recordOf(turn, { generationId, protocolName: selectProtocol(state), assigned: false, members }),
  });
  for (const member of state.members.values()) {
    turn.completeJoin(member, joinedResult(turn, member));
    member.isNew = false;
    turn.restartSession(member);
  }
  state.syncDeadlineMs = turn.wakeAfter(rebalanceTimeoutMs(state));
}

/** The leader must be someone who joined. Whether there is such a member. */
function electJoinedLeader(turn: GroupTurn): boolean {
  const { state } = turn;
  const leader = state.leaderId === null ? undefined : state.members.get(state.leaderId);
  if (leader !== undefined && leader.awaitingJoin !== null) return true;
  for (const { awaitingJoin, stored } of state.members.values()) {
    if (awaitingJoin === null) continue;
    state.leaderId = stored.memberId;
    return true;
  }
  return false;
}

function membersForLeader(turn: GroupTurn): JoinGroupResult["members"] {
  const { members, protocolName } = turn.state;
  return Array.from(members.values(), ({ stored }) => ({
    memberId: stored.memberId,
    groupInstanceId: stored.groupInstanceId,
    metadata: protocolMetadata(stored, protocolName),
  }));
}

function rejectParkedSyncs(turn: GroupTurn): void {
  for (const member of turn.state.members.values()) {
    if (turn.completeSync(member, syncError("REBALANCE_IN_PROGRESS"))) turn.restartSession(member);
  }
}

/** Removes a member that left or died; whoever still waits in its name is told that it is unknown. */
export function dropMember(turn: GroupTurn, member: ClassicMember): void {
  turn.completeJoin(member, joinError("UNKNOWN_MEMBER_ID", ""));
  turn.completeSync(member, syncError("UNKNOWN_MEMBER_ID"));
  removeMember(turn.state, member.stored.memberId);
}
