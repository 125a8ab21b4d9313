/**
 * The state of one share partition: a partition's log as one share group works through it. Below the start offset
 * everything is done, from the end offset on nothing was ever handed out, and between them every record has a fate.
 * Source: KIP-932; Kafka's SharePartition.
 */
import { invariant } from "../../../lib/invariant.ts";
import { isFinal, RecordRuns, runLength } from "./record_runs.ts";

export interface SharePartitionState {
  /** Kafka's SPSO. */
  startOffset: number;
  /** One beyond Kafka's SPEO: the first record that was never handed out. */
  endOffset: number;
  /** Below it records were deleted from the log, whatever had become of them. */
  logStartOffset: number;
  /** They cover the offsets from start to end. */
  readonly runs: RecordRuns;
}

export interface SharePartitionLimits {
  /** Deliveries after which a record that was given back is archived. */
  readonly deliveryCountLimit: number;
  /** Records that may be under way, acquired or given back, before new ones are taken from the log. */
  readonly maxRecordLocks: number;
}

export const sharePartitionBounds = {
  /** Runs that the state may fall into before new records wait: what is stored stays small. */
  runCountMax: 20_000,
  /** Records of one batch that are acquired beyond `maxRecords`, so that an enormous batch is taken in parts. */
  batchRecordsMax: 20_000,
} as const;

export function newSharePartition(startOffset: number): SharePartitionState {
  invariant(startOffset >= 0, `A share partition cannot start at ${startOffset}`);
  return { startOffset, endOffset: startOffset, logStartOffset: 0, runs: new RecordRuns() };
}

/** Where to read next: the first record that was given back, else what is new; null while there is no room for more. */
export function nextFetchOffset(state: SharePartitionState, limits: SharePartitionLimits): number | null {
  let openCount = 0;
  for (const run of state.runs.all) {
    if (run.state === "available") return run.first;
    if (!isFinal(run)) openCount += runLength(run);
  }
  const hasRoom = openCount < limits.maxRecordLocks && state.runs.count < sharePartitionBounds.runCountMax;
  return hasRoom ? state.endOffset : null;
}

/** Takes note that nothing below `offset` can be read any more (retention, DeleteRecords). */
export function raiseStart(state: SharePartitionState, offset: number): boolean {
  state.logStartOffset = Math.max(state.logStartOffset, offset);
  if (offset <= state.startOffset) return false;
  state.runs.dropBelow(offset);
  state.startOffset = offset;
  state.endOffset = Math.max(state.endOffset, offset);
  advanceStart(state);
  return true;
}

/** Begins anew at an offset, whatever was known. */
export function resetShare(state: SharePartitionState, startOffset: number): void {
  state.runs.clear();
  state.startOffset = startOffset;
  state.endOffset = startOffset;
}

/** The start moves over what is done. */
export function advanceStart(state: SharePartitionState): void {
  const open = state.runs.all.find((run) => !isFinal(run));
  const startOffset = open?.first ?? state.endOffset;
  if (startOffset === state.startOffset) return;
  state.runs.dropBelow(startOffset);
  state.startOffset = startOffset;
}

/** Records below `upTo` that are still to be done. */
export function shareLag(state: SharePartitionState, upTo: number): number {
  let doneCount = 0;
  for (const run of state.runs.all) if (isFinal(run)) doneCount += runLength(run);
  return Math.max(0, upTo - state.startOffset - doneCount);
}

/** When the next lock runs out (monotonic); Infinity: none is held. */
export function nextLockMs(state: SharePartitionState): number {
  let next = Infinity;
  for (const run of state.runs.all) if (run.lockUntilMs < next) next = run.lockUntilMs;
  return next;
}
