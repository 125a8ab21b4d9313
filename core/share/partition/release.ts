/**
 * Records go back without their holder's word: its lock ran out, or it left. Each delivery counts all the same, so that
 * a record that kills its consumers is archived in the end. Source: KIP-932.
 */
import { givenBack } from "./acknowledge.ts";
import type { RecordRun } from "./record_runs.ts";
import {
  advanceStart,
  type SharePartitionLimits,
  type SharePartitionState,
} from "./share_partition_state.ts";

/** Gives back what the member holds; how many records that were. */
export function releaseMember(
  state: SharePartitionState,
  limits: SharePartitionLimits,
  memberId: string,
): number {
  return release(state, limits, ({ holder }) => holder === memberId);
}

/** Gives back what is locked until `nowMs` (monotonic) or before; how many records that were. */
export function expireLocks(state: SharePartitionState, limits: SharePartitionLimits, nowMs: number): number {
  return release(state, limits, ({ lockUntilMs }) => lockUntilMs <= nowMs);
}

function release(
  state: SharePartitionState,
  { deliveryCountLimit }: SharePartitionLimits,
  isDue: (run: RecordRun) => boolean,
): number {
  const count = state.runs.change(
    state.startOffset,
    state.endOffset - 1,
    (run) => run.state === "acquired" && isDue(run) ? givenBack(run, deliveryCountLimit) : null,
  );
  if (count > 0) advanceStart(state);
  return count;
}
