/** DeleteGroups for one group (KIP-229). Source: Kafka's GroupCoordinatorShard.deleteGroups. */
import { groupIdError } from "./group_config.ts";
import type { GroupError } from "./group_commands.ts";
import { groupExists, isQuiet, type RequestId } from "./group_state.ts";
import type { GroupTurn } from "./group_turn.ts";
import { allPartitions } from "./offsets/delete.ts";

/** INVALID_GROUP_ID, GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP. */
export function decideDeleteGroup(turn: GroupTurn, requestId: RequestId): void {
  const error = deleteFault(turn);
  if (error === "NONE") removeGroup(turn);
  turn.reply(requestId, { error });
}

/** Forgets a group without members. */
export function removeGroup(turn: GroupTurn): void {
  const partitions = allPartitions(turn.state);
  if (partitions.length > 0) turn.emit({ type: "offsetsDeleted", partitions });
  // The markers that come later find nothing to do.
  for (const [producerId, { offsets }] of [...turn.state.pendingOffsets]) {
    turn.emit({ type: "transactionEnded", producerId, committed: false, offsets: [...offsets.values()] });
  }
  turn.emit({ type: "groupRemoved" });
}

function deleteFault({ state }: GroupTurn): GroupError {
  const groupIdFault = groupIdError(state.groupId, true);
  if (groupIdFault !== "NONE") return groupIdFault;
  if (!groupExists(state)) return "GROUP_ID_NOT_FOUND";
  return isQuiet(state) ? "NONE" : "NON_EMPTY_GROUP";
}
