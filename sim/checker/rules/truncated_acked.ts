/** Rule: what was acknowledged is not truncated (KIP-101, KIP-279, KIP-966). Pure. */

import type { FactAt } from "../history.ts";
import type { Truncation } from "../history_format.ts";
import type { Rule } from "../rule.ts";
import { forEachAck } from "./linearizable.ts";

export const truncatedAcked: Rule = {
  name: "truncated-acked",
  what: "A replica truncated an offset whose record had been acknowledged.",
  look: "Truncation by high watermark in place of leader epochs; a leader that was not in the ISR.",
  severity: () => "fatal",
  check(judged, sink) {
    const { history } = judged;
    const cuts = new Map<number, FactAt<Truncation>[]>();
    for (const fact of history.facts) {
      if (fact.kind !== "truncate" || fact.type === "fail") continue;
      const partition = history.partitions.find(fact.partition);
      const of = cuts.get(partition);
      if (of === undefined) cuts.set(partition, [fact]);
      else of.push(fact);
    }
    if (cuts.size === 0) return;
    forEachAck(judged, (op, value, offset) => {
      for (const cut of cuts.get(history.values.partitionOf(value)) ?? []) {
        if (offset < cut.offset || (history.completeMs[op] as number) >= cut.invokeMs) continue;
        sink.add(() => ({
          message: `line ${cut.line} truncated ${cut.partition} to ${cut.offset}; offset ${offset} with ${
            JSON.stringify(judged.value(value))
          } had been acknowledged in line ${judged.line(op)}`,
          lines: [...judged.lines(op), cut.line],
          partition: cut.partition,
          offsets: [cut.offset, offset],
        }));
      }
    });
  },
};
