/** What a JoinGroup says about its member, and how it becomes part of the group's state. */
import type { JoinGroupRequest } from "../group_commands.ts";
import { type ClassicMember, noBytes, type RequestId, type StoredMember } from "../group_state.ts";
import type { GroupTurn } from "../group_turn.ts";

/** The member as it describes itself, without an assignment. */
export function joiningMember(request: JoinGroupRequest, memberId: string): StoredMember {
  return {
    memberId,
    groupInstanceId: request.groupInstanceId,
    clientId: request.client.clientId,
    clientHost: request.client.clientHost,
    sessionTimeoutMs: request.sessionTimeoutMs,
    // Version 0 has no rebalance timeout: Kafka uses the session timeout then.
    rebalanceTimeoutMs: request.rebalanceTimeoutMs < 0
      ? request.sessionTimeoutMs
      : request.rebalanceTimeoutMs,
    protocols: request.protocols,
    assignment: noBytes,
  };
}

/** Takes over what the member now says about itself, and parks its join. */
export function updateMember(
  turn: GroupTurn,
  member: ClassicMember,
  request: JoinGroupRequest,
  requestId: RequestId,
): void {
  const { memberId, clientId, clientHost, groupInstanceId, assignment } = member.stored;
  const joining = joiningMember(withOwnBytes(request), memberId);
  member.stored = { ...joining, clientId, clientHost, groupInstanceId, assignment };
  turn.parkJoin(member, requestId);
}

/** The request's bytes lie in a network buffer; what is kept must not keep that buffer alive. */
export function withOwnBytes(request: JoinGroupRequest): JoinGroupRequest {
  return {
    ...request,
    protocols: request.protocols.map(({ name, metadata }) => ({ name, metadata: metadata.slice() })),
  };
}
