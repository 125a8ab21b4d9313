/** Rule of one offset a value (Jepsen `duplicate`; Redpanda #3039). Pure. */

import type { Rule } from "../rule.ts";

export const duplicate: Rule = {
  name: "duplicate",
  what: "One value stands at two or more offsets of a partition.",
  look: "Producer state that is not in the commit of its batch, or a retry after an unknown outcome.",
  severity: (profile) => profile.idempotent ? "fatal" : "report",
  check(judged, sink) {
    const { firstIndex, lastIndex } = judged.log;
    for (let value = 0; value < firstIndex.length; value++) {
      if (firstIndex[value] === lastIndex[value]) continue;
      sink.add(() => {
        const { offsets } = judged.partitionLog(judged.history.values.partitionOf(value));
        const both = [offsets[firstIndex[value] as number], offsets[lastIndex[value] as number]] as number[];
        return {
          message: `${judged.show(value)} stands at offsets ${both.join(" and ")}`,
          lines: judged.lines(judged.history.writer[value] as number, judged.readers.first(value)),
          partition: judged.partitionName(value),
          offsets: both,
        };
      });
    }
  },
};
