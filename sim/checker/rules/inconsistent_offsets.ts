/** Rule of one value an offset (Jepsen `inconsistent-offsets`; Redpanda #3003 is of this kind). Pure. */

import type { Judged, Rule } from "../rule.ts";

export const inconsistentOffsets: Rule = {
  name: "inconsistent-offsets",
  what: "One offset of a partition held two or more values.",
  look: "Two writers in one epoch, a truncated tail that was read or acknowledged, or offsets used again.",
  severity: () => "fatal",
  check(judged, sink) {
    judged.log.logs.forEach((log, partition) => {
      const name = judged.history.partitions.name(partition);
      for (const [index, others] of log.conflicts) {
        sink.add(() => {
          const offset = log.offsets[index] as number;
          const values = [log.values[index] as number, ...others];
          return {
            message: `${name} offset ${offset} held ${
              values.map((value) => JSON.stringify(judged.value(value))).join(" and ")
            }`,
            lines: values.flatMap((value) => witnesses(judged, value)),
            partition: name,
            offsets: [offset],
          };
        });
      }
    });
  },
};

/** The sender and the first reader of a value. */
function witnesses(judged: Judged, value: number): number[] {
  return judged.lines(judged.history.writer[value] as number, judged.readers.first(value));
}
