/**
 * The coordinator of one group as a pure machine: commands and the passing of time go in, answers and facts to store
 * come out. Every file of `classic/` and `offsets/` is one arm of `decideGroup`.
 */
import { unreachable } from "../../lib/invariant.ts";
import { describeGroup } from "./describe.ts";
import { decideTick } from "./classic/expire.ts";
import { decideHeartbeat } from "./classic/heartbeat.ts";
import { decideJoin } from "./classic/join.ts";
import { decideLeave } from "./classic/leave.ts";
import { prepareRebalance } from "./classic/rebalance.ts";
import { decideSync } from "./classic/sync.ts";
import { resumeConsumerGroup } from "./modern/clocks.ts";
import { decideConsumerHeartbeat } from "./modern/consumer_heartbeat.ts";
import type { ConsumerGroupRecord } from "./modern/consumer_group_record.ts";
import { describeConsumerGroup } from "./modern/describe_consumer_group.ts";
import type { GroupCommand } from "./group_commands.ts";
import { applyGroupEvent, type OffsetFact, type PendingOffsetFact } from "./group_event.ts";
import {
  type GroupRecord,
  type GroupState,
  newGroupState,
  rebalanceTimeoutMs,
  type RequestId,
} from "./group_state.ts";
import type { GroupTurn } from "./group_turn.ts";
import { decideOffsetCommit } from "./offsets/commit.ts";
import { decideOffsetDelete } from "./offsets/delete.ts";
import { decideExpireOffsets } from "./offsets/expire.ts";
import { decideOffsetFetch } from "./offsets/fetch.ts";
import { decideTransactionEnd, decideTxnOffsetCommit } from "./offsets/transactional.ts";
import { decideDeleteGroup } from "./delete_group.ts";

/**
 * Decides one command. `requestId` names the answer, which comes in this turn or a later one: every request is
 * answered once, at the latest when the deadlines that it waits for have passed.
 */
export function decideGroup(turn: GroupTurn, command: GroupCommand, requestId: RequestId): void {
  switch (command.type) {
    case "consumerHeartbeat":
      return decideConsumerHeartbeat(turn, command, requestId);
    case "describeConsumer":
      return turn.reply(requestId, { description: describeConsumerGroup(turn) });
    case "joinGroup":
      return decideJoin(turn, command, requestId);
    case "syncGroup":
      return decideSync(turn, command, requestId);
    case "heartbeat":
      return decideHeartbeat(turn, command, requestId);
    case "leaveGroup":
      return decideLeave(turn, command, requestId);
    case "offsetCommit":
      return decideOffsetCommit(turn, command, requestId);
    case "offsetFetch":
      return decideOffsetFetch(turn, command, requestId);
    case "txnOffsetCommit":
      return decideTxnOffsetCommit(turn, command, requestId);
    case "endTransaction":
      return decideTransactionEnd(turn, command, requestId);
    case "offsetDelete":
      return decideOffsetDelete(turn, command, requestId);
    case "deleteGroup":
      return decideDeleteGroup(turn, requestId);
    case "expireOffsets":
      return decideExpireOffsets(turn, command, requestId);
    case "describe":
      return turn.reply(requestId, describeGroup(turn));
    default:
      return unreachable(command);
  }
}

/** Carries out what is due; to be called at `state.wakeAtMs`, earlier calls are harmless. */
export function tickGroup(turn: GroupTurn): void {
  decideTick(turn);
}

/** The state that the stored facts make; `resumeGroup` sets it going. */
export function restoreGroup(
  groupId: string,
  stored: {
    readonly record: GroupRecord | null;
    readonly consumerRecord?: ConsumerGroupRecord | null;
    readonly offsets: readonly OffsetFact[];
    readonly pendingOffsets?: readonly PendingOffsetFact[];
  },
  nowMs: number,
): GroupState {
  const state = newGroupState(groupId);
  const { record, consumerRecord = null } = stored;
  if (record !== null) applyGroupEvent(state, { type: "groupRecorded", record }, nowMs);
  if (consumerRecord !== null) {
    applyGroupEvent(state, { type: "consumerGroupRecorded", record: consumerRecord }, nowMs);
  }
  applyGroupEvent(state, { type: "offsetsCommitted", offsets: stored.offsets }, nowMs);
  for (const { producerId, producerEpoch, fact } of stored.pendingOffsets ?? []) {
    applyGroupEvent(state, { type: "offsetsPending", producerId, producerEpoch, offsets: [fact] }, nowMs);
  }
  return state;
}

/**
 * Takes a restored group over: every member gets a full session, and who has not synced the time to do so. Members
 * of a join phase that was cut off join again, because their requests fail.
 */
export function resumeGroup(turn: GroupTurn): void {
  const { state, config } = turn;
  for (const member of state.members.values()) turn.restartSession(member);
  resumeConsumerGroup(turn);
  if (state.phase === "CompletingRebalance") state.syncDeadlineMs = turn.wakeAfter(rebalanceTimeoutMs(state));
  // `group.max.size` was lowered: the last ones to rejoin are turned away.
  if (state.members.size > config.memberCountMax) prepareRebalance(turn);
}
