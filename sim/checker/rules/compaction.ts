/** Rules: after compaction the latest value of each key is still there, and what was deleted does not come back. Pure. */

import { OK, PLACEMENT, READ } from "../history.ts";
import type { Judged, Rule } from "../rule.ts";

export const compactionLost: Rule = {
  name: "compaction-lost-latest",
  what: "The last reader of a compacted partition did not get the latest value of a key.",
  look: "A cleaner that compares offsets of an older generation, or that drops a key without a later record.",
  severity: (profile) => profile.compaction ? "fatal" : "off",
  check(judged, sink) {
    const { history, log } = judged;
    lastScans(judged).forEach((scan, partition) => {
      if (scan === null) return;
      const { values, offsets } = judged.partitionLog(partition);
      for (let index = values.length - 1; index >= 0; index--) {
        const value = values[index] as number;
        const key = history.keyOf[value] ?? -1;
        const writer = history.writer[value] as number;
        if (key < 0 || writer < 0 || log.committed[writer] === 0 || !judged.isVisible(value, true)) continue;
        // The last of the final reads gets everything that there is.
        const isBehind = index > scan.endIndex && history.header.finalReads !== true;
        if (isBehind || scan.values.has(value) || judged.mayBeGone(value)) continue;
        sink.add(() => ({
          message: `${history.partitions.name(partition)} offset ${offsets[index]} is the latest of key ${
            JSON.stringify(history.keys.name(key))
          }, but the scan from line ${judged.line(scan.firstOp)} did not get ${
            JSON.stringify(judged.value(value))
          }`,
          lines: judged.lines(writer, scan.firstOp),
          partition: history.partitions.name(partition),
          offsets: [offsets[index] as number],
        }));
      }
    });
  },
};

export const compactionResurrected: Rule = {
  name: "compaction-resurrected",
  what:
    "The last reader of a compacted partition got an older value of a key that had been deleted, and no tombstone.",
  look: "A cleaner that removes a tombstone while older records of its key are still there.",
  severity: (profile) => profile.compaction ? "fatal" : "off",
  check(judged, sink) {
    const { history } = judged;
    lastScans(judged).forEach((scan, partition) => {
      if (scan === null) return;
      const { values, offsets } = judged.partitionLog(partition);
      /** By key: index of its newest record, of those that the scan came past. */
      const newest = new Map<number, number>();
      for (let index = Math.min(values.length - 1, scan.endIndex); index >= 0; index--) {
        const value = values[index] as number;
        const key = history.keyOf[value] ?? -1;
        if (key < 0 || !judged.isVisible(value, true)) continue;
        const last = newest.get(key);
        if (last === undefined) newest.set(key, index);
        if (last === undefined || !scan.values.has(value)) continue;
        const tombstone = values[last] as number;
        if (!history.tombstones.has(tombstone) || scan.values.has(tombstone)) continue;
        sink.add(() => ({
          message: `${history.partitions.name(partition)} offset ${offsets[last]} deletes key ${
            JSON.stringify(history.keys.name(key))
          }, but the scan from line ${judged.line(scan.firstOp)} got ${
            JSON.stringify(judged.value(value))
          } at offset ${offsets[index]} and not the tombstone`,
          lines: judged.lines(history.writer[tombstone] as number, scan.firstOp),
          partition: history.partitions.name(partition),
          offsets: [offsets[index], offsets[last]] as number[],
        }));
      }
    });
  },
};

interface Scan {
  readonly process: number;
  readonly firstOp: number;
  readonly values: Set<number>;
  /** Index of the last record it got, −1 before the first. */
  endIndex: number;
}

/** By partition: what its last assigned reader polled from then on; null when nobody was assigned to it. */
function lastScans(judged: Judged): (Scan | null)[] {
  const { history, log } = judged;
  const scans: (Scan | null)[] = history.partitions.all.map(() => null);
  for (const op of history.byInvoke) {
    const process = history.process[op] as number;
    if (((history.flags[op] as number) & PLACEMENT) !== 0) {
      const placement = history.placements.get(op);
      if (placement?.mode !== "assign") continue;
      for (const name of placement.to) {
        const partition = history.partitions.find(name);
        if (partition >= 0) scans[partition] = { process, firstOp: op, values: new Set(), endIndex: -1 };
      }
      continue;
    }
    if (history.type[op] !== OK) continue;
    for (let i = history.microStart[op] as number; i < (history.microStart[op + 1] as number); i++) {
      if (history.microKind[i] !== READ) continue;
      const value = history.microValue[i] as number;
      const scan = scans[history.values.partitionOf(value)] ?? null;
      if (scan === null || scan.process !== process) continue;
      scan.values.add(value);
      scan.endIndex = Math.max(scan.endIndex, log.lastIndex[value] as number);
    }
  }
  return scans;
}
