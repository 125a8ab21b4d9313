/** Sets of partitions, by topic id: what a member owns, gives up, or is to own. Immutable; partitions ascend. */

export type Assignment = ReadonlyMap<string, readonly number[]>;

export interface TopicIdPartitions {
  readonly topicId: string;
  readonly partitions: readonly number[];
}

export const noPartitions: Assignment = new Map();

/** Without empty topics and repeated partitions. */
export function assignmentOf(topics: Iterable<TopicIdPartitions>): Assignment {
  const assignment = new Map<string, number[]>();
  for (const { topicId, partitions } of topics) {
    if (partitions.length === 0) continue;
    const all = new Set([...assignment.get(topicId) ?? [], ...partitions]);
    assignment.set(topicId, [...all].sort((a, b) => a - b));
  }
  return assignment;
}

export function topicsOf(assignment: Assignment): { topicId: string; partitions: number[] }[] {
  return Array.from(assignment, ([topicId, partitions]) => ({ topicId, partitions: [...partitions] }));
}

export function partitionCount(assignment: Assignment): number {
  let count = 0;
  for (const partitions of assignment.values()) count += partitions.length;
  return count;
}

export function hasPartition(assignment: Assignment, topicId: string, partition: number): boolean {
  return assignment.get(topicId)?.includes(partition) ?? false;
}

/** The part of `assignment` that passes. */
export function filterPartitions(
  assignment: Assignment,
  passes: (topicId: string, partition: number) => boolean,
): Assignment {
  const filtered = new Map<string, readonly number[]>();
  for (const [topicId, partitions] of assignment) {
    const passed = partitions.filter((partition) => passes(topicId, partition));
    if (passed.length > 0) filtered.set(topicId, passed);
  }
  return filtered;
}

export function intersection(a: Assignment, b: Assignment): Assignment {
  return filterBySet(a, b, true);
}

export function difference(a: Assignment, b: Assignment): Assignment {
  return filterBySet(a, b, false);
}

export function union(a: Assignment, b: Assignment): Assignment {
  if (b.size === 0) return a;
  return assignmentOf([...topicsOf(a), ...topicsOf(b)]);
}

export function isSubset(part: Assignment, whole: Assignment): boolean {
  return difference(part, whole).size === 0;
}

export function sameAssignment(a: Assignment, b: Assignment): boolean {
  if (a === b) return true;
  return a.size === b.size && partitionCount(a) === partitionCount(b) && isSubset(a, b);
}

function filterBySet(a: Assignment, b: Assignment, wanted: boolean): Assignment {
  const filtered = new Map<string, readonly number[]>();
  for (const [topicId, partitions] of a) {
    const others = new Set(b.get(topicId));
    const passed = partitions.filter((partition) => others.has(partition) === wanted);
    if (passed.length > 0) filtered.set(topicId, passed);
  }
  return filtered;
}
