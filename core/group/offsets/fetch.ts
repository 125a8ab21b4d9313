/**
 * OffsetFetch: the committed offsets, all or those asked for. Anyone may read them.
 * With `requireStable` (KIP-447) an offset that an open transaction would change is unstable. Source: Kafka's
 * OffsetMetadataManager.
 */
import type { CommittedOffset, GroupError, OffsetFetchRequest } from "../group_commands.ts";
import { groupIdError } from "../group_config.ts";
import type { GroupState, RequestId } from "../group_state.ts";
import type { GroupTurn } from "../group_turn.ts";
import { hasPendingOffset } from "./pending.ts";

/** INVALID_GROUP_ID, UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH. */
export function decideOffsetFetch(turn: GroupTurn, request: OffsetFetchRequest, requestId: RequestId): void {
  const { state } = turn;
  const error = fetchFault(state, request);
  if (error !== "NONE") return turn.reply(requestId, { error, offsets: [] });
  const offsets = request.partitions === null ? allOffsets(state) : request.partitions.map((asked) => {
    const stored = state.offsets.get(asked.topicId)?.get(asked.partition);
    const { topic, topicId, partition } = asked;
    return {
      topic,
      topicId,
      partition,
      offset: stored?.offset ?? -1,
      leaderEpoch: stored?.leaderEpoch ?? -1,
      metadata: stored?.metadata ?? "",
    };
  });
  const isUnstable = ({ topicId, partition }: CommittedOffset) =>
    request.requireStable && hasPendingOffset(state, topicId, partition);
  turn.reply(requestId, {
    error: "NONE",
    offsets: state.pendingOffsets.size === 0
      ? offsets
      : offsets.map((offset) =>
        isUnstable(offset)
          ? { ...offset, offset: -1, leaderEpoch: -1, metadata: "", isUnstable: true }
          : offset
      ),
  });
}

/** Members of the consumer protocol are told when they are not what they think. */
function fetchFault(state: GroupState, { memberId, memberEpoch }: OffsetFetchRequest): GroupError {
  const groupIdFault = groupIdError(state.groupId, true);
  if (groupIdFault !== "NONE") return groupIdFault;
  if (state.consumer === null || (memberId === null && memberEpoch < 0)) return "NONE";
  const member = state.consumer.members.get(memberId ?? "");
  if (member === undefined) return "UNKNOWN_MEMBER_ID";
  return member.memberEpoch === memberEpoch ? "NONE" : "STALE_MEMBER_EPOCH";
}

function allOffsets(state: GroupState): CommittedOffset[] {
  const offsets: CommittedOffset[] = [];
  for (const [topicId, partitions] of state.offsets) {
    for (const [partition, { topic, offset, leaderEpoch, metadata }] of partitions) {
      offsets.push({ topic, topicId, partition, offset, leaderEpoch, metadata });
    }
  }
  return offsets;
}
