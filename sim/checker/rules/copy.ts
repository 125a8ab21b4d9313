/** Rule of the exactly-once copy job: the output topics hold each committed input value once, and nothing else. Pure. */

import type { Value } from "../history_format.ts";
import { FAIL } from "../history.ts";
import type { Judged, Rule } from "../rule.ts";

export const copyMultiset: Rule = {
  name: "copy-multiset",
  what: "The multiset of the copy job's output differs from that of its input.",
  look:
    "Offsets and records of one transaction that did not commit together; a zombie copier that was not fenced.",
  severity: (profile) => profile.exactlyOnce ? "fatal" : "off",
  check(judged, sink) {
    const { copy, finalReads } = judged.history.header;
    if (copy === undefined) return;
    const input = countValues(judged, new Set(copy.from));
    const output = countValues(judged, new Set(copy.to));
    const report = (value: number, why: string) =>
      sink.add(() => ({
        message: `${judged.show(value)}${
          judged.offsetOf(value) < 0 ? "" : ` at offset ${judged.offsetOf(value)}`
        } ${why}`,
        lines: judged.lines(judged.history.writer[value] as number, judged.readers.first(value)),
        partition: judged.partitionName(value),
        offsets: judged.offsetOf(value) < 0 ? [] : [judged.offsetOf(value)],
      }));
    for (const [value, { count, example }] of output) {
      const wanted = input.get(value)?.count ?? 0;
      if (count > wanted) report(example, `is ${count} times in the output, ${wanted} times in the input`);
    }
    if (finalReads !== true) return;
    for (const [value, { count, example }] of input) {
      const found = output.get(value)?.count ?? 0;
      if (found < count) report(example, `is ${count} times in the input, ${found} times in the output`);
    }
  },
};

/** The committed or polled records of these topics, by value. */
function countValues(
  judged: Judged,
  topics: ReadonlySet<string>,
): Map<Value, { count: number; example: number }> {
  const counts = new Map<Value, { count: number; example: number }>();
  const { history, log } = judged;
  history.partitions.all.forEach((name, partition) => {
    if (!topics.has(topicOf(name))) return;
    const held = judged.partitionLog(partition);
    for (let index = 0; index < held.values.length; index++) {
      for (const value of [held.values[index] as number, ...(held.conflicts.get(index) ?? [])]) {
        const writer = history.writer[value] as number;
        if (!judged.isVisible(value, true)) continue;
        if (writer >= 0 && log.committed[writer] === 0 && history.type[writer] !== FAIL) continue;
        const known = counts.get(judged.value(value));
        if (known === undefined) counts.set(judged.value(value), { count: 1, example: value });
        else known.count += 1;
      }
    }
  });
  return counts;
}

function topicOf(partition: string): string {
  return partition.slice(0, partition.lastIndexOf("/")).replace(/@.*$/, "");
}
