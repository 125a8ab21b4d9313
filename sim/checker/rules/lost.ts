/** Rules on acknowledged records that no reader got (Jepsen `lost-write` and `unseen`). Pure. */

import { HAS_SEND, IN_TXN, INFO, SEND, WEAK } from "../history.ts";
import type { Judged, Rule } from "../rule.ts";

export const lostWrite: Rule = {
  name: "lost-write",
  what: "A committed record was never polled although a later record of its partition was.",
  look:
    "An acknowledgement before the commit, a truncated tail, a torn transaction, a reader that skipped a hole.",
  severity: () => "fatal",
  check(judged, sink) {
    const { writer, flags } = judged.history;
    const { isRead, firstIndex, lastIndex, committed } = judged.log;
    judged.log.logs.forEach((log, partition) => {
      const witness = lastRead(judged, partition);
      const bound = witness < 0 ? -1 : firstIndex[witness] as number;
      for (let index = 0; index <= bound; index++) {
        for (const value of [log.values[index] as number, ...(log.conflicts.get(index) ?? [])]) {
          const by = writer[value] as number;
          if (isRead[value] === 1 || by < 0 || committed[by] === 0 || (lastIndex[value] as number) > bound) {
            continue;
          }
          if (lastIndex[value] !== index || ((flags[by] as number) & WEAK) !== 0) continue;
          if (judged.mayBeGone(value) || judged.isDamaged(value)) continue;
          sink.add(() => ({
            message: `${judged.show(value)}, sent at offset ${log.offsets[index]} in line ${
              judged.line(by)
            }, was never polled; line ${judged.line(judged.readers.first(witness))} polled as far as offset ${
              log.offsets[bound]
            }`,
            lines: judged.lines(by, judged.readers.first(witness)),
            partition: judged.partitionName(value),
            offsets: [log.offsets[index] as number],
          }));
        }
      }
    });
  },
};

/** The polled value of the partition whose first index is largest, or −1. */
function lastRead(judged: Judged, partition: number): number {
  const log = judged.partitionLog(partition);
  const { isRead, firstIndex } = judged.log;
  for (let index = log.values.length - 1; index >= 0; index--) {
    for (const value of [log.values[index] as number, ...(log.conflicts.get(index) ?? [])]) {
      if (isRead[value] === 1 && firstIndex[value] === index) return value;
    }
  }
  return -1;
}

export const unseen: Rule = {
  name: "unseen",
  what: "An acknowledged record was never polled, not even by the final reads.",
  look: "The stores: there it is late (a high watermark that hangs), or it is lost.",
  severity: () => "fatal",
  check(judged, sink) {
    const { microStart, microKind, microValue, type, flags, operationCount, header } = judged.history;
    const { committed, isRead } = judged.log;
    const stored = storedValues(judged);
    let count = 0;
    for (let op = 0; op < operationCount; op++) {
      const bits = flags[op] as number;
      if ((bits & HAS_SEND) === 0 || (bits & WEAK) !== 0 || committed[op] === 0) continue;
      // An unknown send outside a transaction that was not seen may still be none; a seen transaction is all or nothing.
      if (type[op] === INFO && (bits & IN_TXN) === 0) continue;
      for (let i = microStart[op] as number; i < (microStart[op + 1] as number); i++) {
        const value = microValue[i] as number;
        if (microKind[i] !== SEND || isRead[value] === 1 || judged.mayBeGone(value)) continue;
        if (judged.isDamaged(value)) continue;
        count += 1;
        if (header.finalReads !== true) continue;
        sink.add(() => ({
          message:
            `${judged.show(value)}, ${
              type[op] === INFO ? "part of a transaction that was seen" : "acknowledged"
            }` +
            ` in line ${judged.line(op)}, was never polled${
              stored === null
                ? ""
                : stored.has(value)
                ? "; it is in a store (late)"
                : "; no store has it (lost)"
            }`,
          lines: judged.lines(op),
          partition: judged.partitionName(value),
          offsets: judged.offsetOf(value) < 0 ? [] : [judged.offsetOf(value)],
        }));
      }
    }
    sink.metric("unseen records", count);
  },
};

/** All values in store dumps, or null when the history has none. */
function storedValues(judged: Judged): Set<number> | null {
  let stored: Set<number> | null = null;
  const { partitions, values, facts } = judged.history;
  for (const fact of facts) {
    if (fact.kind !== "store") continue;
    stored ??= new Set();
    for (const [, value] of fact.records) stored.add(values.find(partitions.find(fact.partition), value));
  }
  return stored;
}
