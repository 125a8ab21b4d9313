/** DescribeGroups for one classic group. Source: Kafka's GroupMetadataManager.describeGroups. */
import type { GroupDescription } from "./group_commands.ts";
import { groupExists, noBytes } from "./group_state.ts";
import { consumerGroupState } from "./modern/consumer_group_record.ts";
import type { GroupTurn } from "./group_turn.ts";
import { protocolMetadata } from "./classic/protocols.ts";

/** The group as people see it; one without a trace is Dead. */
export function describeGroup({ state, now }: GroupTurn): GroupDescription {
  if (state.consumer !== null) {
    return {
      groupId: state.groupId,
      groupType: "consumer",
      state: consumerGroupState(state.consumer.record),
      protocolType: "consumer",
      protocolName: "",
      generationId: state.consumer.record.groupEpoch,
      members: [],
    };
  }
  const isStable = state.phase === "Stable";
  return {
    groupId: state.groupId,
    groupType: "classic",
    state: groupExists(state) ? state.phase : "Dead",
    protocolType: state.protocolType ?? "",
    protocolName: isStable ? state.protocolName ?? "" : "",
    generationId: state.generationId,
    members: Array.from(state.members.values(), ({ stored, lastHeartbeatMs }) => ({
      memberId: stored.memberId,
      groupInstanceId: stored.groupInstanceId,
      clientId: stored.clientId,
      clientHost: stored.clientHost,
      metadata: isStable ? protocolMetadata(stored, state.protocolName) : noBytes,
      assignment: isStable ? stored.assignment : noBytes,
      lastHeartbeatMs: Math.round(now.wallMs - (now.monoMs - lastHeartbeatMs)),
    })),
  };
}
