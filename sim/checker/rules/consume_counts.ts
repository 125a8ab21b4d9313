/** Rule of one consumption a record in committed transactions under subscribe (Jepsen `consume-counts`). Pure. */

import { HAS_READ, IN_TXN, OK, PLACEMENT, READ } from "../history.ts";
import type { Rule } from "../rule.ts";

export const consumeCounts: Rule = {
  name: "consume-counts",
  what: "A consumer under subscribe took one record in two committed transactions.",
  look:
    "TxnOffsetCommit outside the transaction's outcome, a stale generation or member that was not fenced.",
  severity: (profile) => profile.exactlyOnce ? "fatal" : "report",
  check(judged, sink) {
    const { history } = judged;
    // A process counts for itself, or for its group when it named one: a group takes each record once.
    const consumerOf = new Map<number, string>();
    const takenBy = new Map<string, Map<number, number>>();
    for (const op of history.byInvoke) {
      const flags = history.flags[op] as number;
      const process = history.process[op] as number;
      if ((flags & PLACEMENT) !== 0) {
        const placement = history.placements.get(op);
        if (placement?.mode !== "subscribe") consumerOf.delete(process);
        else {consumerOf.set(
            process,
            placement.group === null ? `process ${process}` : `group ${placement.group}`,
          );}
        continue;
      }
      const consumer = consumerOf.get(process);
      if (consumer === undefined || history.type[op] !== OK) continue;
      if ((flags & HAS_READ) === 0 || (flags & IN_TXN) === 0) continue;
      let taken = takenBy.get(consumer);
      if (taken === undefined) takenBy.set(consumer, taken = new Map());
      for (let i = history.microStart[op] as number; i < (history.microStart[op + 1] as number); i++) {
        if (history.microKind[i] !== READ) continue;
        const value = history.microValue[i] as number;
        const before = taken.get(value);
        if (before === undefined) taken.set(value, op);
        else {
          sink.add(() => ({
            message: `${judged.show(value)} was consumed in the committed transactions of lines ${
              judged.line(before)
            } and ${judged.line(op)} (${consumer})`,
            lines: judged.lines(before, op),
            partition: judged.partitionName(value),
            offsets: [history.microOffset[i] as number],
          }));
        }
      }
    }
  },
};
