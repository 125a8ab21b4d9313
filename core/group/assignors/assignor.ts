/** What an assignor of the coordinator gets and gives: KIP-848's server-side assignment. Pure functions. */
import type { Assignment } from "../modern/assignment.ts";

export interface AssignorMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  /** Topics that it reads and that exist. */
  readonly topicIds: ReadonlySet<string>;
  /** Its target so far, for assignors that keep what they can. */
  readonly previous: Assignment;
}

export interface AssignorInput {
  readonly members: readonly AssignorMember[];
  readonly partitionCounts: ReadonlyMap<string, number>;
}

/** By member id; members without partitions may be missing. */
export type AssignorOutput = ReadonlyMap<string, Assignment>;

/** The members that read a topic, in an order that survives restarts: static ones by name, then the others. */
export function subscribersOf(input: AssignorInput, topicId: string): AssignorMember[] {
  return inOrder(input.members).filter((member) => member.topicIds.has(topicId));
}

export function inOrder(members: readonly AssignorMember[]): AssignorMember[] {
  const key = (member: AssignorMember) =>
    member.instanceId === null ? `1${member.memberId}` : `0${member.instanceId}`;
  return members
    .map((member) => ({ member, key: key(member) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ member }) => member);
}
