/**
 * Rules on the order in which one consumer gets records: skips and steps back between its polls, and within one
 * operation (Jepsen `poll-skip`, `nonmonotonic-poll` and their `int-` variants). Pure.
 */

import { HAS_READ, OK, PLACEMENT, READ, READ_COMMITTED } from "../history.ts";
import { indexAtOrAfter } from "../log_order.ts";
import type { Judged, Rule, Sink } from "../rule.ts";

/** From one polled record to the next of the same partition by the same process. */
interface Step {
  readonly fromOp: number;
  readonly fromIndex: number;
  readonly op: number;
  readonly index: number;
  readonly partition: number;
  readonly isSubscribed: boolean;
}

interface Position {
  op: number;
  index: number;
}

type Visit = (step: Step) => void;

/** Walks all ok polls in the order of invocation and calls `visit` for steps that are not to the next index. */
function forEachOddStep(judged: Judged, within: boolean, visit: Visit): void {
  const { history } = judged;
  const positions: Map<number, Position>[] = history.processes.all.map(() => new Map());
  const subscribed = new Uint8Array(positions.length);
  for (const op of history.byInvoke) {
    const flags = history.flags[op] as number;
    if ((flags & (HAS_READ | PLACEMENT)) === 0) continue;
    const process = history.process[op] as number;
    const held = positions[process] as Map<number, Position>;
    if ((flags & PLACEMENT) !== 0) {
      held.clear();
      subscribed[process] = history.placements.get(op)?.mode === "subscribe" ? 1 : 0;
    } else if (history.type[op] === OK) {
      walkOperation(judged, op, held, subscribed[process] === 1, within, visit);
    } else forget(judged, op, held);
  }
}

function walkOperation(
  judged: Judged,
  op: number,
  held: Map<number, Position>,
  isSubscribed: boolean,
  within: boolean,
  visit: Visit,
): void {
  const { microStart, microKind, microValue, microOffset, values, rebalances } = judged.history;
  const rebalance = rebalances.get(op);
  for (let i = microStart[op] as number; i < (microStart[op + 1] as number); i++) {
    if (microKind[i] !== READ) continue;
    const partition = values.partitionOf(microValue[i] as number);
    const index = indexAtOrAfter(judged.partitionLog(partition), microOffset[i] as number);
    const last = held.get(partition);
    if (last === undefined) held.set(partition, { op, index });
    else {
      if (index - last.index !== 1 && (last.op === op) === within && rebalance?.has(partition) !== true) {
        visit({ fromOp: last.op, fromIndex: last.index, op, index, partition, isSubscribed });
      }
      last.op = op;
      last.index = index;
    }
  }
  if (rebalance !== undefined) { for (const partition of rebalance) held.delete(partition); }
}

/** After a poll that failed or is unknown nobody knows where the consumer stands (KAFKA-17582). */
function forget(judged: Judged, op: number, held: Map<number, Position>): void {
  const { microStart, microKind, microValue, values } = judged.history;
  let readCount = 0;
  for (let i = microStart[op] as number; i < (microStart[op + 1] as number); i++) {
    if (microKind[i] !== READ) continue;
    readCount += 1;
    held.delete(values.partitionOf(microValue[i] as number));
  }
  if (readCount === 0) held.clear();
}

/** The first index strictly between the two that the reader should have got, or −1. */
function skippedIndex(judged: Judged, step: Step): number {
  const log = judged.partitionLog(step.partition);
  const readCommitted = ((judged.history.flags[step.op] as number) & READ_COMMITTED) !== 0;
  for (let index = step.fromIndex + 1; index < step.index; index++) {
    const value = log.values[index] as number;
    if (judged.isVisible(value, readCommitted) && !judged.mayBeGone(value)) return index;
  }
  return -1;
}

function reportSkip(judged: Judged, sink: Sink, step: Step): void {
  if (step.index <= step.fromIndex) return;
  const skipped = skippedIndex(judged, step);
  if (skipped < 0) return;
  const { offsets, values } = judged.partitionLog(step.partition);
  sink.add(() => ({
    message: `${judged.history.partitions.name(step.partition)}: after offset ${
      offsets[step.fromIndex]
    } line ${judged.line(step.op)} polled offset ${offsets[step.index]} and skipped offset ${
      offsets[skipped]
    } with ${JSON.stringify(judged.value(values[skipped] as number))}`,
    lines: judged.lines(step.fromOp, step.op, judged.history.writer[values[skipped] as number] as number),
    partition: judged.history.partitions.name(step.partition),
    offsets: [offsets[step.fromIndex], offsets[skipped], offsets[step.index]] as number[],
  }), step.isSubscribed && step.fromOp !== step.op ? "report" : undefined);
}

function reportBack(judged: Judged, sink: Sink, step: Step): void {
  if (step.index > step.fromIndex) return;
  const { offsets } = judged.partitionLog(step.partition);
  sink.add(() => ({
    message: `${judged.history.partitions.name(step.partition)}: after offset ${
      offsets[step.fromIndex]
    } line ${judged.line(step.op)} polled offset ${offsets[step.index]}`,
    lines: judged.lines(step.fromOp, step.op),
    partition: judged.history.partitions.name(step.partition),
    offsets: [offsets[step.fromIndex], offsets[step.index]] as number[],
  }), step.isSubscribed && step.fromOp !== step.op ? "report" : undefined);
}

export const pollSkip: Rule = {
  name: "poll-skip",
  what: "A consumer's next poll left out records that were there.",
  look: "A fetch that steps over a hole (missing chunk, index entry), or a wrong position after a reply.",
  severity: () => "fatal",
  check: (judged, sink) => forEachOddStep(judged, false, (step) => reportSkip(judged, sink, step)),
};

export const nonmonotonicPoll: Rule = {
  name: "nonmonotonic-poll",
  what: "A consumer's next poll went back or gave the same record again.",
  look: "A fetch that ignores its offset, or a position reset after an error.",
  severity: () => "fatal",
  check: (judged, sink) => forEachOddStep(judged, false, (step) => reportBack(judged, sink, step)),
};

export const intPollSkip: Rule = {
  name: "int-poll-skip",
  what: "One operation's polls left out records between two that they returned.",
  look: "Batches missing in one fetch reply.",
  severity: () => "fatal",
  check: (judged, sink) => forEachOddStep(judged, true, (step) => reportSkip(judged, sink, step)),
};

export const intNonmonotonicPoll: Rule = {
  name: "int-nonmonotonic-poll",
  what: "One operation's polls went back or gave the same record twice.",
  look: "Batches in the wrong order in one fetch reply, or one batch twice.",
  severity: () => "fatal",
  check: (judged, sink) => forEachOddStep(judged, true, (step) => reportBack(judged, sink, step)),
};
