/** Rules on high watermark, last stable offset and log start, as leaders told them. Pure. */

import type { FactAt } from "../history.ts";
import type { Observation } from "../history_format.ts";
import type { Judged, Rule, Sink } from "../rule.ts";

type Field = "highWatermark" | "lastStableOffset" | "logStart";

function observations(judged: Judged): FactAt<Observation>[] {
  return judged.history.facts.filter((fact): fact is FactAt<Observation> =>
    fact.kind === "observe" && fact.type === "ok"
  );
}

/** Reports where `field` fell from an observation that had completed to one invoked afterwards, in the same group. */
function reportFalls(
  judged: Judged,
  sink: Sink,
  field: Field,
  groupOf: (fact: FactAt<Observation>) => string,
): void {
  const told = observations(judged).filter((fact) => fact[field] !== undefined);
  const byComplete = told.toSorted((a, b) => a.completeMs - b.completeMs);
  const largest = new Map<string, FactAt<Observation>>();
  let next = 0;
  for (const fact of told.toSorted((a, b) => a.invokeMs - b.invokeMs)) {
    for (
      let done = byComplete[next];
      done !== undefined && done.completeMs < fact.invokeMs;
      done = byComplete[++next]
    ) {
      const held = largest.get(groupOf(done))?.[field] ?? -1;
      if ((done[field] as number) > held) largest.set(groupOf(done), done);
    }
    const before = largest.get(groupOf(fact));
    if (before === undefined || (fact[field] as number) >= (before[field] as number)) continue;
    sink.add(() => ({
      message: `${fact.partition}: ${field} was ${
        before[field]
      } in line ${before.line} (leader epoch ${before.leaderEpoch}), then ${
        fact[field]
      } in line ${fact.line} (epoch ${fact.leaderEpoch})`,
      lines: [before.line, fact.line],
      partition: fact.partition,
      offsets: [before[field], fact[field]] as number[],
    }));
  }
}

const withinEpoch = (fact: FactAt<Observation>) => `${fact.partition} ${fact.leaderEpoch}`;

export const highWatermarkFell: Rule = {
  name: "high-watermark-fell",
  what: "The high watermark fell within one leader epoch.",
  look: "A leader that took the smallest end over an ISR with a member that is not in sync.",
  severity: () => "fatal",
  check: (judged, sink) => reportFalls(judged, sink, "highWatermark", withinEpoch),
};

export const lastStableOffsetFell: Rule = {
  name: "last-stable-offset-fell",
  what: "The last stable offset fell within one leader epoch.",
  look: "An open transaction that was registered after its data became readable.",
  severity: () => "fatal",
  check: (judged, sink) => reportFalls(judged, sink, "lastStableOffset", withinEpoch),
};

export const logStartFell: Rule = {
  name: "log-start-fell",
  what: "The log start offset fell.",
  look: "A fail-over to a replica that had not been told, or deletion before the log start was committed.",
  severity: () => "fatal",
  check: (judged, sink) => reportFalls(judged, sink, "logStart", (fact) => fact.partition),
};

export const watermarkOrder: Rule = {
  name: "watermark-order",
  what: "log start <= last stable offset <= high watermark <= smallest log end of the ISR does not hold.",
  look: "A high watermark that ignores a pending ISR change or a store that has not confirmed.",
  severity: () => "fatal",
  check(judged, sink) {
    for (const fact of observations(judged)) {
      const marks = [
        ["logStart", fact.logStart],
        ["lastStableOffset", fact.lastStableOffset],
        ["highWatermark", fact.highWatermark],
        ["minIsrEnd", fact.minIsrEnd],
      ].filter((mark): mark is [string, number] => mark[1] !== undefined);
      for (let i = 1; i < marks.length; i++) {
        const [low, high] = [marks[i - 1], marks[i]] as [[string, number], [string, number]];
        if (low[1] <= high[1]) continue;
        sink.add(() => ({
          message: `${fact.partition}: ${low[0]} ${low[1]} is above ${high[0]} ${
            high[1]
          } in line ${fact.line}`,
          lines: [fact.line],
          partition: fact.partition,
          offsets: [low[1], high[1]],
        }));
      }
    }
  },
};
