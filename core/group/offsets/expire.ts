/**
 * Expiry of offsets (KIP-211): those of a group without members count from when it lost the last one, those that a
 * stable group does not read any more from their commit. Offsets of deleted topics go at once. A group that has
 * neither members nor offsets is forgotten. Source: Kafka's OffsetMetadataManager.cleanupExpiredOffsets.
 */
import type { ExpireOffsetsRequest } from "../group_commands.ts";
import type { OffsetPartition } from "../group_event.ts";
import { groupExists, type GroupState, isQuiet, type RequestId, type StoredOffset } from "../group_state.ts";
import type { GroupTurn } from "../group_turn.ts";
import { removeGroup } from "../delete_group.ts";
import { hasPendingOffset } from "./pending.ts";
import { subscribedTopics } from "./subscribed_topics.ts";

/** Bounds the commit; the rest goes the next time. */
const EXPIRED_COUNT_MAX = 10_000;

export function decideExpireOffsets(
  turn: GroupTurn,
  { beforeMs }: ExpireOffsetsRequest,
  requestId: RequestId,
): void {
  const { state } = turn;
  const partitions = expiredPartitions(turn, beforeMs);
  if (partitions.length > 0) turn.emit({ type: "offsetsDeleted", partitions });
  if (groupExists(state) && isQuiet(state) && state.offsets.size === 0 && state.pendingOffsets.size === 0) {
    removeGroup(turn);
  }
  turn.reply(requestId, { expiredCount: partitions.length });
}

function expiredPartitions(turn: GroupTurn, beforeMs: number): OffsetPartition[] {
  const { state, topics } = turn;
  const isExpired = expiry(turn, beforeMs);
  const expired: OffsetPartition[] = [];
  for (const [topicId, partitions] of state.offsets) {
    const isGone = topics.version > 0 && !topics.topicsById.has(topicId);
    for (const [partition, offset] of partitions) {
      // What a transaction is about to replace stays until it ends.
      if (isGone || (isExpired(offset) && !hasPendingOffset(state, topicId, partition))) {
        expired.push({ topicId, partition });
      }
      if (expired.length === EXPIRED_COUNT_MAX) return expired;
    }
  }
  return expired;
}

function expiry(turn: GroupTurn, beforeMs: number): (offset: StoredOffset) => boolean {
  const { state } = turn;
  const isOld = ({ committedAtMs }: StoredOffset) => committedAtMs <= beforeMs;
  // Consumers without group management: each offset for itself.
  if (state.protocolType === null && isQuiet(state)) return isOld;
  if (isQuiet(state)) {
    const isLongEmpty = emptiedAtMs(state) <= beforeMs;
    // A commit for the empty group, by an administrator, counts anew.
    return (offset) => isLongEmpty && isOld(offset);
  }
  if (state.phase !== "Stable" && state.consumer === null) return () => false;
  const subscribed = subscribedTopics(turn);
  return (offset) => subscribed !== "unknown" && !subscribed.has(offset.topic) && isOld(offset);
}

/** The change that took the last member away is the last one that was recorded. */
function emptiedAtMs(state: GroupState): number {
  return state.record?.changedAtMs ?? state.consumer?.record.changedAtMs ?? 0;
}
