/**
 * A static member that comes back without its member id (KIP-345): it takes the place of its former self under a new
 * id, which fences the old one. A stable group goes on without a rebalance if the selected protocol stays.
 */
import { invariant } from "../../../lib/invariant.ts";
import type { JoinGroupRequest } from "../group_commands.ts";
import { type ClassicMember, newMember, type RequestId } from "../group_state.ts";
import { type GroupTurn, joinError, syncError } from "../group_turn.ts";
import { updateMember } from "./joining_member.ts";
import { selectProtocol } from "./protocols.ts";
import { completeJoinIfAllJoined, joinedResult, prepareRebalance, recordOf } from "./rebalance.ts";

export interface StaticReplacement {
  readonly request: JoinGroupRequest;
  readonly replacedId: string;
  readonly memberId: string;
  readonly requestId: RequestId;
}

export function joinReplacedStaticMember(turn: GroupTurn, replacement: StaticReplacement): void {
  const { state } = turn;
  const { request, replacedId, memberId, requestId } = replacement;
  const leaderBefore = state.leaderId;
  const member = replaceMember(turn, replacedId, memberId);
  turn.restartSession(member);
  updateMember(turn, member, request, requestId);

  switch (state.phase) {
    case "Stable": {
      if (selectProtocol(state) !== state.protocolName) return prepareRebalance(turn);
      turn.emit({ type: "groupRecorded", record: recordOf(turn) });
      const joined = joinedResult(turn, member);
      const isLeader = state.leaderId === memberId;
      // Without skipAssignment (before v9) the member must not believe that it leads, or it would assign anew: it is
      // told its former self's id, and no members.
      turn.completeJoin(
        member,
        request.supportsSkippingAssignment
          ? { ...joined, skipAssignment: isLeader }
          : { ...joined, leader: leaderBefore ?? "", members: [] },
      );
      return;
    }
    case "CompletingRebalance":
      // The leader may be assigning to the old id already.
      return prepareRebalance(turn);
    case "PreparingRebalance":
      return completeJoinIfAllJoined(turn);
    case "Empty":
      return invariant(false, "Cannot replace a static member of an empty group");
  }
}

function replaceMember(turn: GroupTurn, replacedId: string, memberId: string): ClassicMember {
  const { state, now } = turn;
  const replaced = state.members.get(replacedId);
  invariant(replaced !== undefined, `Cannot replace a member that does not exist: ${replacedId}`);
  turn.completeJoin(replaced, joinError("FENCED_INSTANCE_ID", replacedId));
  turn.completeSync(replaced, syncError("FENCED_INSTANCE_ID"));

  const member = newMember({ ...replaced.stored, memberId }, now.monoMs);
  state.members.delete(replacedId);
  state.members.set(memberId, member);
  if (replaced.stored.groupInstanceId !== null) {
    state.memberIdByInstanceId.set(replaced.stored.groupInstanceId, memberId);
  }
  if (state.pendingSync.delete(replacedId)) state.pendingSync.add(memberId);
  if (state.leaderId === replacedId) state.leaderId = memberId;
  state.membershipVersion++;
  return member;
}
