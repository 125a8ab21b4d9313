/**
 * OffsetCommit: who may commit (a member of the present generation, or anyone while the group is empty), and what.
 * Source: Kafka's ClassicGroup.validateOffsetCommit and OffsetMetadataManager.commitOffset.
 */
import { mutant } from "../../../lib/mutants.ts";
import type { GroupError, OffsetCommitRequest } from "../group_commands.ts";
import { groupIdError } from "../group_config.ts";
import type { ConsumerGroupState } from "../modern/consumer_group_state.ts";
import { groupExists, type GroupState, memberError, type RequestId } from "../group_state.ts";
import type { GroupTurn } from "../group_turn.ts";
import { recordOf } from "../classic/rebalance.ts";

/**
 * INVALID_GROUP_ID, GROUP_ID_NOT_FOUND, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION,
 * REBALANCE_IN_PROGRESS for the request; OFFSET_METADATA_TOO_LARGE for an offset.
 */
export function decideOffsetCommit(
  turn: GroupTurn,
  request: OffsetCommitRequest,
  requestId: RequestId,
): void {
  const { state, config, now } = turn;
  const error = commitFault(state, request);
  if (error !== "NONE") return turn.reply(requestId, { error, offsetErrors: [] });

  const member = state.members.get(request.memberId);
  if (member !== undefined) {
    // A commit keeps the session as a heartbeat does.
    turn.touch(member);
    turn.restartSession(member);
  }
  const offsetErrors = request.offsets.map(({ metadata }): GroupError =>
    metadata.length > config.offsetMetadataBytesMax ? "OFFSET_METADATA_TOO_LARGE" : "NONE"
  );
  const offsets = request.offsets
    .filter((_, index) => offsetErrors[index] === "NONE")
    .map((offset) => ({ ...offset, committedAtMs: now.wallMs }));
  if (offsets.length > 0) {
    recordGroup(turn);
    turn.emit({ type: "offsetsCommitted", offsets });
  }
  turn.reply(requestId, { error: "NONE", offsetErrors });
}

/** Whether the request's member may commit. */
export function commitFault(state: GroupState, request: OffsetCommitRequest): GroupError {
  const { generationId, memberId, groupInstanceId } = request;
  if (mutant("commit-any-generation")) return "NONE";
  const groupIdFault = groupIdError(state.groupId, true);
  if (groupIdFault !== "NONE") return groupIdFault;
  // Without a generation it is an admin client or a consumer without group management: fine while nobody is there.
  if (generationId < 0 && state.phase === "Empty" && !hasConsumers(state)) return "NONE";
  if (state.consumer !== null) return consumerCommitFault(state.consumer, request);
  if (!groupExists(state)) return "GROUP_ID_NOT_FOUND";
  if (generationId < 0 && memberId === "" && groupInstanceId === null) return "UNKNOWN_MEMBER_ID";

  const memberFault = memberError(state, memberId, groupInstanceId);
  if (memberFault !== "NONE") return memberFault;
  if (generationId !== state.generationId) return "ILLEGAL_GENERATION";
  // The partitions are being given out: the member learns of it here, and joins again.
  return state.phase === "CompletingRebalance" ? "REBALANCE_IN_PROGRESS" : "NONE";
}

function hasConsumers({ consumer }: GroupState): boolean {
  return consumer !== null && consumer.members.size > 0;
}

/** A group of consumers without group management is recorded with its first offsets, so that it is listed. */
export function recordGroup(turn: GroupTurn): void {
  const { record, consumer, phase } = turn.state;
  const isUnknown = record === null && consumer === null && phase === "Empty";
  if (isUnknown) turn.emit({ type: "groupRecorded", record: recordOf(turn) });
}

/** Fenced by the member's epoch: an older one may have lost the partitions since. */
function consumerCommitFault(
  { members, memberIdByInstanceId }: ConsumerGroupState,
  { generationId, memberId, groupInstanceId }: OffsetCommitRequest,
): GroupError {
  const member = members.get(memberId);
  if (groupInstanceId !== null) {
    const current = memberIdByInstanceId.get(groupInstanceId);
    if (current !== undefined && current !== memberId) return "FENCED_INSTANCE_ID";
  }
  if (member === undefined) return "UNKNOWN_MEMBER_ID";
  if (generationId === member.memberEpoch) return "NONE";
  return member.classic === null ? "STALE_MEMBER_EPOCH" : "ILLEGAL_GENERATION";
}
