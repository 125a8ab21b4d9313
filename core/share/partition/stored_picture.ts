/**
 * The part of a share partition that is stored. Locks are not: after a restart a record that was held is as it was before
 * that delivery, as in Kafka, where acquiring writes nothing. What was never given back is not mentioned at the end.
 */
import { ACKNOWLEDGED, ARCHIVED, available, RecordRuns } from "./record_runs.ts";
import type { SharePartitionState } from "./share_partition_state.ts";

/** In this order they are stored as numbers: only ever add behind. */
export const STORED_STATES = ["available", "acknowledged", "archived"] as const;
export type StoredState = typeof STORED_STATES[number];

export interface StoredRun {
  readonly length: number;
  readonly state: StoredState;
  readonly deliveryCount: number;
}

export interface SharePartitionPicture {
  readonly startOffset: number;
  /** One after the other from the start offset on. */
  readonly runs: readonly StoredRun[];
}

export function pictureOf({ startOffset, runs }: SharePartitionState): SharePartitionPicture {
  const stored: StoredRun[] = [];
  for (const { first, last, state, deliveryCount } of runs.all) {
    const run = state === "acquired"
      ? { length: last - first + 1, state: "available" as const, deliveryCount: deliveryCount - 1 }
      : { length: last - first + 1, state, deliveryCount };
    const previous = stored.at(-1);
    if (previous?.state === run.state && previous.deliveryCount === run.deliveryCount) {
      stored[stored.length - 1] = { ...run, length: previous.length + run.length };
    } else stored.push(run);
  }
  const end = stored.at(-1);
  if (end?.state === "available" && end.deliveryCount === 0) stored.pop();
  return { startOffset, runs: stored };
}

export function restoreSharePartition({ startOffset, runs }: SharePartitionPicture): SharePartitionState {
  const restored = new RecordRuns();
  let next = startOffset;
  for (const { length, state, deliveryCount } of runs) {
    const fate = state === "available"
      ? available(deliveryCount)
      : state === "acknowledged"
      ? ACKNOWLEDGED
      : ARCHIVED;
    restored.append({ ...fate, first: next, last: next + length - 1 });
    next += length;
  }
  return { startOffset, endOffset: next, logStartOffset: 0, runs: restored };
}
