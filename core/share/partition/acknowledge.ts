/**
 * Acknowledging: the holder of records says what became of them. All of a request's batches for one partition are taken,
 * or none is. Source: KIP-932, KIP-1222 (renewing); Kafka's SharePartition.acknowledge and KafkaApis.
 */
import type { ErrorName } from "../../../protocol/errors.ts";
import { ACKNOWLEDGED, ARCHIVED, available, type RecordRun, type RunFate } from "./record_runs.ts";
import {
  advanceStart,
  type SharePartitionLimits,
  type SharePartitionState,
} from "./share_partition_state.ts";

/** By Kafka's numbers: 0 there is no such record, 1, 2, 3, 4. */
export const ACKNOWLEDGE_TYPES = ["gap", "accept", "release", "reject", "renew"] as const;
export type AcknowledgeType = typeof ACKNOWLEDGE_TYPES[number];

export interface AcknowledgementBatch {
  readonly firstOffset: number;
  /** Inclusive. */
  readonly lastOffset: number;
  /** One for each offset, or one for all. */
  readonly acknowledgeTypes: readonly number[];
}

export interface AcknowledgeResult {
  readonly error: ErrorName;
  readonly errorMessage: string | null;
  /** Whether something is to be stored before it is answered. */
  readonly isChanged: boolean;
}

interface Fault {
  readonly error: ErrorName;
  readonly errorMessage: string;
}

/** What is wrong with the batches whatever the state is (INVALID_REQUEST), or null. */
export function acknowledgementFault(
  batches: readonly AcknowledgementBatch[],
  { mayRenew }: { readonly mayRenew: boolean },
): Fault | null {
  const invalid = (errorMessage: string) => ({ error: "INVALID_REQUEST", errorMessage } as const);
  const highest = mayRenew ? 4 : 3;
  let previousLast = -1;
  for (const { firstOffset, lastOffset, acknowledgeTypes } of batches) {
    if (firstOffset < 0 || firstOffset > lastOffset) {
      return invalid(`The batch ends before it begins: ${firstOffset} to ${lastOffset}`);
    }
    if (firstOffset <= previousLast) return invalid("The batches overlap or are not in order");
    previousLast = lastOffset;
    const count = lastOffset - firstOffset + 1;
    if (acknowledgeTypes.length !== 1 && acknowledgeTypes.length !== count) {
      return invalid(`Expected one acknowledge type, or one for each of the ${count} offsets`);
    }
    if (acknowledgeTypes.some((type) => type < 0 || type > highest)) {
      return invalid("There is no such acknowledge type");
    }
  }
  return null;
}

/** INVALID_REQUEST for offsets never handed out, INVALID_RECORD_STATE for records that are not the member's (any more). */
export function decideAcknowledge(
  state: SharePartitionState,
  limits: SharePartitionLimits,
  memberId: string,
  batches: readonly AcknowledgementBatch[],
  lockUntilMs: number,
): AcknowledgeResult {
  for (const batch of batches) {
    const fault = batchFault(state, memberId, batch);
    if (fault !== null) return { ...fault, isChanged: false };
  }
  let isChanged = false;
  for (const batch of batches) {
    for (const { first, last, type } of spansOf(batch)) {
      // What lies below was deleted from the log.
      const from = Math.max(first, state.startOffset);
      if (from > last) continue;
      const changed = state.runs.change(from, last, (run) => fateOf(run, type, limits, lockUntilMs));
      if (type !== "renew" && changed > 0) isChanged = true;
    }
  }
  advanceStart(state);
  return { error: "NONE", errorMessage: null, isChanged };
}

function batchFault(
  state: SharePartitionState,
  memberId: string,
  { firstOffset, lastOffset }: AcknowledgementBatch,
): Fault | null {
  // What was deleted from the log is nobody's concern any more. What is done is: its late holder must not think that it was
  // the one who did it (Kafka lets that pass).
  const first = Math.max(firstOffset, state.logStartOffset);
  if (first > lastOffset) return null;
  if (first < state.startOffset) {
    return { error: "INVALID_RECORD_STATE", errorMessage: `Offset ${first} is done` };
  }
  if (lastOffset >= state.endOffset) {
    return { error: "INVALID_REQUEST", errorMessage: `Offset ${lastOffset} was never handed out` };
  }
  for (const run of state.runs.within(first, lastOffset)) {
    if (run.state === "acquired" && run.holder === memberId) continue;
    const errorMessage = run.state === "acquired"
      ? `Offset ${run.first} is held by another member`
      : `Offset ${run.first} is ${run.state}, not acquired`;
    return { error: "INVALID_RECORD_STATE", errorMessage };
  }
  return null;
}

function fateOf(
  run: RecordRun,
  type: AcknowledgeType,
  { deliveryCountLimit }: SharePartitionLimits,
  lockUntilMs: number,
): RunFate {
  switch (type) {
    case "accept":
      return ACKNOWLEDGED;
    case "gap":
    case "reject":
      return ARCHIVED;
    case "release":
      return givenBack(run, deliveryCountLimit);
    case "renew":
      return { ...run, lockUntilMs };
  }
}

/** A record that was not processed is available again, unless it was delivered often enough. */
export function givenBack({ deliveryCount }: RecordRun, deliveryCountLimit: number): RunFate {
  return deliveryCount >= deliveryCountLimit ? ARCHIVED : available(deliveryCount);
}

interface Span {
  readonly first: number;
  readonly last: number;
  readonly type: AcknowledgeType;
}

/** The batch as stretches of one type. */
function* spansOf({ firstOffset, lastOffset, acknowledgeTypes }: AcknowledgementBatch): Generator<Span> {
  const typeAt = (index: number) => ACKNOWLEDGE_TYPES[acknowledgeTypes[index] ?? 0] ?? "gap";
  if (acknowledgeTypes.length === 1) {
    yield { first: firstOffset, last: lastOffset, type: typeAt(0) };
    return;
  }
  let begin = 0;
  for (let index = 1; index <= acknowledgeTypes.length; index++) {
    if (index < acknowledgeTypes.length && acknowledgeTypes[index] === acknowledgeTypes[begin]) continue;
    yield { first: firstOffset + begin, last: firstOffset + index - 1, type: typeAt(begin) };
    begin = index;
  }
}
