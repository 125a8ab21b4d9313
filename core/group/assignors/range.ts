/**
 * The assignor `range`: of each topic every reader gets one run of partitions, the first ones get one more. Members that
 * read the same topics get the same numbers of each, so that topics can be joined by partition.
 * Source: KIP-848, Kafka's RangeAssignor.
 */
import { type AssignorInput, type AssignorOutput, subscribersOf } from "./assignor.ts";

export function assignRange(input: AssignorInput): AssignorOutput {
  const output = new Map<string, Map<string, readonly number[]>>();
  for (const [topicId, count] of input.partitionCounts) {
    const readers = subscribersOf(input, topicId);
    const quota = Math.floor(count / readers.length);
    const extraCount = count % readers.length;
    let next = 0;
    readers.forEach(({ memberId }, index) => {
      const length = quota + (index < extraCount ? 1 : 0);
      if (length === 0) return;
      const partitions = Array.from({ length }, (_, i) => next + i);
      next += length;
      const assignment = output.get(memberId) ?? new Map<string, readonly number[]>();
      output.set(memberId, assignment.set(topicId, partitions));
    });
  }
  return output;
}
