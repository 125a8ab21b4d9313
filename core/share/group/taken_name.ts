/** What the coordinator of consumer groups answers when the name is a share group's. Source: Kafka's GroupMetadataManager. */
import type { GroupCommand, GroupResult } from "../../group/group_commands.ts";
import { joinError } from "../../group/group_turn.ts";

/** The refusal of a request that would make or change a consumer group; null: it is answered as for a group that is not there. */
export function refusalOfTakenName(groupId: string, command: GroupCommand): GroupResult | null {
  switch (command.type) {
    case "joinGroup":
      return joinError("INCONSISTENT_GROUP_PROTOCOL", command.memberId);
    case "consumerHeartbeat":
      return {
        error: "GROUP_ID_NOT_FOUND",
        errorMessage: `Group ${groupId} is not a consumer group.`,
        memberId: command.memberId,
        memberEpoch: command.memberEpoch,
        heartbeatIntervalMs: 0,
        assignment: null,
      };
    case "offsetCommit":
    case "txnOffsetCommit":
      return { error: "GROUP_ID_NOT_FOUND", offsetErrors: [] };
    default:
      return null;
  }
}
