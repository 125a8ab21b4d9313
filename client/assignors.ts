/**
 * How the leader of a classic consumer group divides partitions among the members. Members written in other languages
 * may lead the next generation, so the results are those of Kafka's RangeAssignor and RoundRobinAssignor (without racks).
 * Pure.
 */
import type { TopicPartition } from "./topic_partition.ts";

export interface GroupMember {
  readonly memberId: string;
  /** The name of a static member (KIP-345). */
  readonly groupInstanceId: string | null;
  readonly topics: readonly string[];
}

/** Partitions by member id; every member has an entry. */
export type GroupAssignment = Map<string, TopicPartition[]>;

/** Gives members their partitions. `partitionCounts` by topic; topics that do not exist are missing. */
export type Assignor = (
  members: readonly GroupMember[],
  partitionCounts: ReadonlyMap<string, number>,
) => GroupAssignment;

export type AssignorName = "range" | "roundrobin";

/** By the names under which members offer them in JoinGroup. */
export const assignors: Readonly<Record<AssignorName, Assignor>> = {
  range: assignRanges,
  roundrobin: assignRoundRobin,
};

/** Each topic is cut into neighbouring ranges; the first members get one partition more where it does not divide. */
export function assignRanges(
  members: readonly GroupMember[],
  partitionCounts: ReadonlyMap<string, number>,
): GroupAssignment {
  const assignment = emptyAssignment(members);
  const sorted = members.toSorted(compareMembers);
  for (const [topic, count] of sortedByName(partitionCounts)) {
    const subscribed = sorted.filter((member) => member.topics.includes(topic));
    const share = Math.floor(count / subscribed.length);
    const extra = count % subscribed.length;
    subscribed.forEach((member, i) => {
      const start = share * i + Math.min(i, extra);
      const length = share + (i < extra ? 1 : 0);
      for (let partition = start; partition < start + length; partition++) {
        assignment.get(member.memberId)?.push({ topic, partition });
      }
    });
  }
  return assignment;
}

/** All partitions of all topics are dealt out one by one. */
export function assignRoundRobin(
  members: readonly GroupMember[],
  partitionCounts: ReadonlyMap<string, number>,
): GroupAssignment {
  const assignment = emptyAssignment(members);
  const sorted = members.toSorted(compareMembers);
  let next = 0;
  for (const [topic, count] of sortedByName(partitionCounts)) {
    if (!sorted.some((member) => member.topics.includes(topic))) continue;
    for (let partition = 0; partition < count; partition++) {
      while (!sorted[next % sorted.length]?.topics.includes(topic)) next++;
      const member = sorted[next++ % sorted.length];
      if (member !== undefined) assignment.get(member.memberId)?.push({ topic, partition });
    }
  }
  return assignment;
}

function emptyAssignment(members: readonly GroupMember[]): GroupAssignment {
  return new Map(members.map((member) => [member.memberId, []]));
}

/** Static members first, by their own names, so that a restart does not move partitions. */
function compareMembers(a: GroupMember, b: GroupMember): number {
  if (a.groupInstanceId !== null && b.groupInstanceId !== null) {
    return compareText(a.groupInstanceId, b.groupInstanceId);
  }
  if (a.groupInstanceId !== null) return -1;
  if (b.groupInstanceId !== null) return 1;
  return compareText(a.memberId, b.memberId);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sortedByName(partitionCounts: ReadonlyMap<string, number>): [string, number][] {
  return [...partitionCounts].sort(([a], [b]) => compareText(a, b));
}
