/**
 * OffsetDelete: forgets the offsets of partitions that no member reads (KIP-496).
 * Source: Kafka's OffsetMetadataManager.deleteOffsets.
 */
import type { GroupError, OffsetDeleteRequest } from "../group_commands.ts";
import { groupIdError } from "../group_config.ts";
import type { OffsetPartition } from "../group_event.ts";
import { groupExists, type GroupState, type RequestId } from "../group_state.ts";
import type { GroupTurn } from "../group_turn.ts";
import { subscribedTopics } from "./subscribed_topics.ts";

/**
 * INVALID_GROUP_ID, GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP (members that do not tell what they read) for the request;
 * GROUP_SUBSCRIBED_TO_TOPIC for a partition. What has no offset is no error.
 */
export function decideOffsetDelete(
  turn: GroupTurn,
  request: OffsetDeleteRequest,
  requestId: RequestId,
): void {
  const { state } = turn;
  const error = deleteFault(state);
  if (error !== "NONE") return turn.reply(requestId, { error, partitionErrors: [] });

  const subscribed = subscribedTopics(turn);
  const partitions: OffsetPartition[] = [];
  const partitionErrors = request.partitions.map(({ topic, topicId, partition }): GroupError => {
    if (subscribed === "unknown" || subscribed.has(topic)) return "GROUP_SUBSCRIBED_TO_TOPIC";
    if (state.offsets.get(topicId)?.has(partition) === true) partitions.push({ topicId, partition });
    return "NONE";
  });
  if (partitions.length > 0) turn.emit({ type: "offsetsDeleted", partitions });
  turn.reply(requestId, { error: "NONE", partitionErrors });
}

/** Every partition that has an offset. */
export function allPartitions(state: GroupState): OffsetPartition[] {
  return [...state.offsets].flatMap(([topicId, partitions]) =>
    Array.from(partitions.keys(), (partition) => ({ topicId, partition }))
  );
}

function deleteFault(state: GroupState): GroupError {
  const groupIdFault = groupIdError(state.groupId, true);
  if (groupIdFault !== "NONE") return groupIdFault;
  if (!groupExists(state)) return "GROUP_ID_NOT_FOUND";
  const hidesTopics = state.phase !== "Empty" && state.protocolType !== "consumer";
  return hidesTopics ? "NON_EMPTY_GROUP" : "NONE";
}
