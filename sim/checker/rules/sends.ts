/**
 * Rules on the order of one producer's records in the log (Jepsen `nonmonotonic-send`, its `int-` variant,
 * `int-send-skip`). Pure.
 */

import { HAS_SEND, IN_TXN, OK, SEND, WEAK } from "../history.ts";
import type { Judged, Rule } from "../rule.ts";

interface SendStep {
  readonly fromOp: number;
  readonly fromValue: number;
  readonly op: number;
  readonly value: number;
  /** Indices in the order of the log. */
  readonly fromIndex: number;
  readonly index: number;
}

/** Calls `visit` for pairs of consecutive sends of one process to one partition, in ok operations. */
function forEachSendStep(judged: Judged, within: boolean, visit: (step: SendStep) => void): void {
  const { history, log } = judged;
  const last: Map<number, { op: number; value: number; index: number }>[] = history.processes.all.map(() =>
    new Map()
  );
  for (const op of history.byInvoke) {
    const flags = history.flags[op] as number;
    if (history.type[op] !== OK || (flags & HAS_SEND) === 0 || (flags & WEAK) !== 0) continue;
    const held = last[history.process[op] as number] as Map<
      number,
      { op: number; value: number; index: number }
    >;
    for (let i = history.microStart[op] as number; i < (history.microStart[op + 1] as number); i++) {
      if (history.microKind[i] !== SEND) continue;
      const value = history.microValue[i] as number;
      const index = log.firstIndex[value] as number;
      if (index < 0) continue;
      const partition = history.values.partitionOf(value);
      const from = held.get(partition);
      if (from === undefined) held.set(partition, { op, value, index });
      else {
        if ((from.op === op) === within) {
          visit({ fromOp: from.op, fromValue: from.value, fromIndex: from.index, op, value, index });
        }
        from.op = op;
        from.value = value;
        from.index = index;
      }
    }
  }
}

function reportOrder(judged: Judged, within: boolean, sink: Parameters<Rule["check"]>[1]): void {
  forEachSendStep(judged, within, (step) => {
    if (step.index > step.fromIndex) return;
    sink.add(() => ({
      message: `${judged.show(step.fromValue)} was sent before ${
        JSON.stringify(judged.value(step.value))
      } by process ${
        judged.history.processes.name(judged.history.process[step.op] as number)
      }, but lies at offset ${judged.offsetOf(step.fromValue)}, not before offset ${
        judged.offsetOf(step.value)
      }`,
      lines: judged.lines(step.fromOp, step.op),
      partition: judged.partitionName(step.value),
      offsets: [judged.offsetOf(step.fromValue), judged.offsetOf(step.value)],
    }));
  });
}

export const nonmonotonicSend: Rule = {
  name: "nonmonotonic-send",
  what: "Two sends of one process in two operations lie in the log in the other order.",
  look:
    "Sequence checks, pipelined requests of one connection that overtake each other, offsets handed out before the commit.",
  severity: () => "fatal",
  check: (judged, sink) => reportOrder(judged, false, sink),
};

export const intNonmonotonicSend: Rule = {
  name: "int-nonmonotonic-send",
  what: "Two sends of one operation lie in the log in the other order.",
  look: "As nonmonotonic-send, within one batch or transaction.",
  severity: () => "fatal",
  check: (judged, sink) => reportOrder(judged, true, sink),
};

export const intSendSkip: Rule = {
  name: "int-send-skip",
  what: "Another writer's record lies between two sends of one transaction (normal in Kafka).",
  look: "Nothing: Kafka does not isolate writes.",
  severity: () => "report",
  check(judged, sink) {
    forEachSendStep(judged, true, (step) => {
      if (step.index - step.fromIndex <= 1 || ((judged.history.flags[step.op] as number) & IN_TXN) === 0) {
        return;
      }
      sink.add(() => ({
        message: `${step.index - step.fromIndex - 1} records of others lie between offsets ${
          judged.offsetOf(step.fromValue)
        } and ${judged.offsetOf(step.value)} of the transaction in line ${judged.line(step.op)}`,
        lines: judged.lines(step.op),
        partition: judged.partitionName(step.value),
        offsets: [judged.offsetOf(step.fromValue), judged.offsetOf(step.value)],
      }));
    });
  },
};
