/**
 * The assignor `uniform`: partitions of all topics are spread evenly, and members keep what they have where that is as
 * even. Source: KIP-848, Kafka's UniformAssignor; the balancing is our own.
 */
import { type Assignment, assignmentOf } from "../modern/assignment.ts";
import { type AssignorInput, type AssignorOutput, inOrder } from "./assignor.ts";

interface Partition {
  readonly topicId: string;
  readonly partition: number;
}

/** A member with what it has so far. */
interface Share {
  readonly memberId: string;
  readonly topicIds: ReadonlySet<string>;
  readonly owned: Partition[];
}

/** Moves on the way to balance, at most this many for each partition; what is left is as good as balanced. */
const MOVES_PER_PARTITION = 4;

export function assignUniform(input: AssignorInput): AssignorOutput {
  const shares = inOrder(input.members).map(({ memberId, topicIds }): Share => ({
    memberId,
    topicIds,
    owned: [],
  }));
  const open = keepPrevious(input, shares);
  for (const partition of open) leastLoaded(shares, partition.topicId)?.owned.push(partition);
  balance(shares);
  return new Map(shares.map(({ memberId, owned }) => [memberId, collected(owned)]));
}

/** Gives every member what it had, up to its fair share; returns what is nobody's. */
function keepPrevious(input: AssignorInput, shares: readonly Share[]): Partition[] {
  const total = [...input.partitionCounts.values()].reduce((sum, count) => sum + count, 0);
  const fairShare = Math.floor(total / Math.max(shares.length, 1));
  let extraCount = total - fairShare * shares.length;
  // With different subscriptions a fair share is not known beforehand: all is kept, and balanced later.
  const isUniform = shares.every(({ topicIds }) => topicIds.size === input.partitionCounts.size);
  const taken = new Map<string, Set<number>>();
  const previousOf = new Map(input.members.map(({ memberId, previous }) => [memberId, previous]));
  for (const { memberId, topicIds, owned } of shares) {
    for (const [topicId, partitions] of previousOf.get(memberId) ?? []) {
      const count = topicIds.has(topicId) ? input.partitionCounts.get(topicId) ?? 0 : 0;
      for (const partition of partitions) {
        if (partition >= count || taken.get(topicId)?.has(partition) === true) continue;
        if (isUniform && owned.length >= fairShare) {
          if (owned.length > fairShare || extraCount === 0) continue;
          extraCount--;
        }
        owned.push({ topicId, partition });
        taken.set(topicId, (taken.get(topicId) ?? new Set()).add(partition));
      }
    }
  }
  return [...input.partitionCounts].flatMap(([topicId, count]) =>
    Array.from({ length: count }, (_, partition) => ({ topicId, partition }))
      .filter(({ partition }) => taken.get(topicId)?.has(partition) !== true)
  );
}

function leastLoaded(shares: readonly Share[], topicId: string): Share | undefined {
  let least: Share | undefined;
  for (const share of shares) {
    if (!share.topicIds.has(topicId)) continue;
    if (least === undefined || share.owned.length < least.owned.length) least = share;
  }
  return least;
}

/** Moves partitions from who has most to who has at least two fewer and reads the topic. */
function balance(shares: readonly Share[]): void {
  const partitionCount = shares.reduce((sum, { owned }) => sum + owned.length, 0);
  for (let moves = partitionCount * MOVES_PER_PARTITION; moves > 0; moves--) {
    if (!moveOne(shares)) return;
  }
}

function moveOne(shares: readonly Share[]): boolean {
  const lengths = shares.map(({ owned }) => owned.length);
  // Nobody can be relieved where the difference is at most one: the common case, found without sorting.
  if (Math.max(...lengths) - Math.min(...lengths) < 2) return false;
  for (const from of [...shares].sort((a, b) => b.owned.length - a.owned.length)) {
    let best: { to: Share; index: number } | null = null;
    const tried = new Set<string>();
    from.owned.forEach(({ topicId }, index) => {
      if (tried.has(topicId)) return;
      tried.add(topicId);
      const to = leastLoaded(shares, topicId);
      if (to === undefined || from.owned.length - to.owned.length < 2) return;
      if (best === null || to.owned.length < best.to.owned.length) best = { to, index };
    });
    if (best === null) continue;
    const { to, index }: { to: Share; index: number } = best;
    to.owned.push(...from.owned.splice(index, 1));
    return true;
  }
  return false;
}

function collected(partitions: readonly Partition[]): Assignment {
  const byTopic = Map.groupBy(partitions, ({ topicId }) => topicId);
  return assignmentOf(
    Array.from(byTopic, ([topicId, group]) => ({
      topicId,
      partitions: group.map(({ partition }) => partition),
    })),
  );
}
