/**
 * The way of one member to its target: give up, catch up with the epoch, take what is free. A partition is never given
 * to a member while another one may still read it. Source: KIP-848, Kafka's CurrentAssignmentBuilder.
 */
import { mutant } from "../../../lib/mutants.ts";
import {
  type Assignment,
  difference,
  filterPartitions,
  intersection,
  noPartitions,
  union,
} from "./assignment.ts";
import { type ConsumerMember, hasReached } from "./consumer_group_record.ts";

export interface ReconcileContext {
  readonly assignmentEpoch: number;
  /** What the member says it owns; null: it does not say. */
  readonly owned: Assignment | null;
  /** Whether another member owns the partition, or has not given it up. */
  readonly isTaken: (topicId: string, partition: number) => boolean;
}

/** The member after its next step, or itself if it can take none. */
export function reconcile(member: ConsumerMember, context: ReconcileContext): ConsumerMember {
  const { owned, assignmentEpoch } = context;
  switch (member.state) {
    case "stable":
      return hasReached(member, assignmentEpoch) ? member : nextStep(member, context);
    case "unrevoked":
      // It stays where it is until it says that it has given everything up.
      return owned === null || intersection(owned, member.pendingRevocation).size > 0
        ? member
        : nextStep(member, context);
    case "unreleased":
      return nextStep(member, context);
  }
}

function nextStep(member: ConsumerMember, context: ReconcileContext): ConsumerMember {
  const { owned, assignmentEpoch, isTaken } = context;
  const kept = intersection(member.assigned, member.target);
  const revoked = difference(member.assigned, member.target);
  // Who does not say what it owns may own all of it.
  const mayOwn = owned === null || intersection(owned, revoked).size > 0;
  if (revoked.size > 0 && mayOwn && !mutant("revocation-unawaited")) {
    return { ...member, state: "unrevoked", assigned: kept, pendingRevocation: revoked };
  }
  const missing = difference(member.target, kept);
  const free = filterPartitions(
    missing,
    (topicId, partition) => !isTaken(topicId, partition) || mutant("handed-over-early"),
  );
  const isComplete = difference(missing, free).size === 0;
  const next: ConsumerMember = {
    ...member,
    state: isComplete ? "stable" : "unreleased",
    previousMemberEpoch: member.memberEpoch === assignmentEpoch
      ? member.previousMemberEpoch
      : member.memberEpoch,
    memberEpoch: assignmentEpoch,
    assigned: union(kept, free),
    pendingRevocation: noPartitions,
  };
  const isSame = member.state === next.state && member.memberEpoch === next.memberEpoch &&
    free.size === 0 && revoked.size === 0 && member.pendingRevocation.size === 0;
  return isSame ? member : next;
}
