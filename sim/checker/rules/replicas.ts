/** Rules on the replicas of a partition, read straight from their stores. Pure. */

import type { FactAt } from "../history.ts";
import type { StoreDump } from "../history_format.ts";
import type { Judged, Rule } from "../rule.ts";

function dumps(judged: Judged): FactAt<StoreDump>[] {
  return judged.history.facts.filter((fact): fact is FactAt<StoreDump> => fact.kind === "store");
}

export const replicaDivergence: Rule = {
  name: "replica-divergence",
  what: "Two stores hold different bytes at one offset below the high watermark.",
  look: "Truncation by epoch lineage on take-over; a damaged store that stayed in the ISR.",
  severity: () => "fatal",
  check(judged, sink) {
    const first = new Map<string, FactAt<StoreDump>>();
    for (const dump of dumps(judged)) {
      const other = first.get(dump.partition);
      if (other === undefined) {
        first.set(dump.partition, dump);
        continue;
      }
      const end = Math.min(dump.highWatermark, other.highWatermark);
      const start = Math.max(other.records[0]?.[0] ?? 0, dump.records[0]?.[0] ?? 0);
      const left = inRange(other, start, end);
      const right = inRange(dump, start, end);
      for (let i = 0; i < Math.max(left.length, right.length); i++) {
        if (JSON.stringify(left[i]) === JSON.stringify(right[i])) continue;
        sink.add(() => ({
          message: `${dump.partition}: store ${other.store} (line ${other.line}) holds ${
            JSON.stringify(left[i] ?? null)
          } where store ${dump.store} (line ${dump.line}) holds ${
            JSON.stringify(right[i] ?? null)
          } [offset, value, epoch, crc]`,
          lines: [other.line, dump.line],
          partition: dump.partition,
          offsets: [left[i]?.[0] ?? right[i]?.[0] ?? end],
        }));
        break;
      }
    }
  },
};

function inRange(dump: StoreDump, start: number, end: number): StoreDump["records"] {
  return dump.records.filter(([offset]) => offset >= start && offset < end);
}

export const epochOrder: Rule = {
  name: "epoch-order",
  what: "Offsets or leader epochs in a store go back as the log goes on.",
  look: "An append of a deposed leader after a take-over: fence first, then read.",
  severity: () => "fatal",
  check(judged, sink) {
    for (const dump of dumps(judged)) {
      for (let i = 1; i < dump.records.length; i++) {
        const [before, after] = [dump.records[i - 1], dump.records[i]] as [
          StoreDump["records"][number],
          StoreDump["records"][number],
        ];
        if (after[0] > before[0] && after[2] >= before[2]) continue;
        sink.add(() => ({
          message: `${dump.partition} in store ${dump.store}: offset ${before[0]} of epoch ${
            before[2]
          } is followed by offset ${after[0]} of epoch ${after[2]}`,
          lines: [dump.line],
          partition: dump.partition,
          offsets: [before[0], after[0]],
        }));
      }
    }
  },
};
