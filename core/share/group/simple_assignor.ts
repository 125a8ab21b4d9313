/**
 * The assignor `simple` of share groups: every partition has readers, every reader partitions, evenly, and members keep
 * what they have where that is as even. With more members than partitions several share one.
 * Source: KIP-932, Kafka's SimpleAssignor; the balancing is our own.
 */
import { type Assignment, assignmentOf } from "../../group/modern/assignment.ts";

export interface ShareAssignorMember {
  readonly memberId: string;
  /** Topics that it reads and that exist. */
  readonly topicIds: ReadonlySet<string>;
  /** What it has so far. */
  readonly previous: Assignment;
}

interface Slot {
  readonly topicId: string;
  readonly partition: number;
  /** How many members are to read it. */
  readonly wanted: number;
  readonly readers: Set<Load>;
}

interface Load {
  readonly memberId: string;
  readonly topicIds: ReadonlySet<string>;
  readonly slots: Set<Slot>;
}

/** By member id. */
export function assignSimple(
  members: readonly ShareAssignorMember[],
  partitionCounts: ReadonlyMap<string, number>,
): Map<string, Assignment> {
  const sorted = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
  const loads = sorted.map(({ memberId, topicIds }): Load => ({ memberId, topicIds, slots: new Set() }));
  const slots = slotsOf(loads, partitionCounts);
  const slotCount = [...slots.values()].reduce((sum, { wanted }) => sum + wanted, 0);
  const fairShare = Math.ceil(slotCount / Math.max(loads.length, 1));
  sorted.forEach(({ previous }, index) => keep(loads[index], previous, slots, fairShare));
  for (const slot of slots.values()) fill(slot, loads);
  balance(loads, slotCount);
  return new Map(loads.map(({ memberId, slots: own }) => [memberId, collected(own)]));
}

function slotsOf(loads: readonly Load[], partitionCounts: ReadonlyMap<string, number>): Map<string, Slot> {
  const slots = new Map<string, Slot>();
  for (const [topicId, count] of partitionCounts) {
    const readers = loads.filter(({ topicIds }) => topicIds.has(topicId));
    if (readers.length === 0) continue;
    const reachable = new Set(readers.flatMap(({ topicIds }) => [...topicIds]));
    let reachableCount = 0;
    for (const each of reachable) reachableCount += partitionCounts.get(each) ?? 0;
    const wanted = Math.max(1, Math.ceil(readers.length / Math.max(reachableCount, 1)));
    for (let partition = 0; partition < count; partition++) {
      slots.set(`${topicId}/${partition}`, { topicId, partition, wanted, readers: new Set() });
    }
  }
  return slots;
}

function keep(
  load: Load | undefined,
  previous: Assignment,
  slots: Map<string, Slot>,
  fairShare: number,
): void {
  if (load === undefined) return;
  for (const [topicId, partitions] of previous) {
    if (!load.topicIds.has(topicId)) continue;
    for (const partition of partitions) {
      const slot = slots.get(`${topicId}/${partition}`);
      const isOpen = slot !== undefined && slot.readers.size < slot.wanted;
      if (isOpen && load.slots.size < fairShare) give(slot, load);
    }
  }
}

function fill(slot: Slot, loads: readonly Load[]): void {
  while (slot.readers.size < slot.wanted) {
    const load = leastLoaded(slot, loads);
    if (load === null) return;
    give(slot, load);
  }
}

/** Moves partitions from who has most to who has at least two fewer. */
function balance(loads: readonly Load[], slotCount: number): void {
  for (let moves = slotCount; moves > 0; moves--) {
    if (!moveOne(loads)) return;
  }
}

function moveOne(loads: readonly Load[]): boolean {
  const counts = loads.map(({ slots }) => slots.size);
  // The common case, found without a search.
  if (Math.max(...counts) - Math.min(...counts) < 2) return false;
  for (const from of [...loads].sort((a, b) => b.slots.size - a.slots.size)) {
    for (const slot of from.slots) {
      const to = leastLoaded(slot, loads);
      if (to === null || from.slots.size - to.slots.size < 2) continue;
      slot.readers.delete(from);
      from.slots.delete(slot);
      give(slot, to);
      return true;
    }
  }
  return false;
}

function leastLoaded(slot: Slot, loads: readonly Load[]): Load | null {
  let least: Load | null = null;
  for (const load of loads) {
    if (!load.topicIds.has(slot.topicId) || slot.readers.has(load)) continue;
    if (least === null || load.slots.size < least.slots.size) least = load;
  }
  return least;
}

function give(slot: Slot, load: Load): void {
  slot.readers.add(load);
  load.slots.add(slot);
}

function collected(slots: ReadonlySet<Slot>): Assignment {
  const byTopic = Map.groupBy(slots, ({ topicId }) => topicId);
  return assignmentOf(
    Array.from(byTopic, ([topicId, own]) => ({
      topicId,
      partitions: own.map(({ partition }) => partition),
    })),
  );
}
