/**
 * How far reads lagged behind acknowledgements, at least (Jepsen `realtime-lag`): for a poll that returned nothing, the time since
 * a record after the last one this process had read was acknowledged; for a fetch, since one at or after its end was. A zombie leader shows as a lag that grows. Pure.
 */

import { FETCH, HAS_READ, OK, PLACEMENT, POLL, READ, SEND, WEAK } from "../history.ts";
import type { Judged, Rule } from "../rule.ts";
import { indexAtOrAfter } from "../log_order.ts";

export const realtimeLag: Rule = {
  name: "realtime-lag",
  what: "A poll came back behind records that were acknowledged long before it was invoked.",
  look: "A deposed leader that still serves fetches; a high watermark or last stable offset that hangs.",
  severity: (profile) => profile.realtimeLagMaxMs === null ? "report" : "fatal",
  check(judged, sink) {
    const { history } = judged;
    const superseded = judged.log.logs.map((_, partition) => supersededAt(judged, partition));
    const held: Map<number, number>[] = history.processes.all.map(() => new Map());
    const ceiling = judged.profile.realtimeLagMaxMs;
    let worstMs = 0;
    for (const op of history.byInvoke) {
      const flags = history.flags[op] as number;
      const positions = held[history.process[op] as number] as Map<number, number>;
      if ((flags & PLACEMENT) !== 0) positions.clear();
      if ((flags & HAS_READ) === 0 || history.type[op] !== OK) continue;
      for (const [partition, index] of advance(judged, op, positions)) {
        const since = superseded[partition]?.[index + 1] ?? Infinity;
        const lagMs = (history.invokeMs[op] as number) - since;
        worstMs = Math.max(worstMs, lagMs);
        if (ceiling === null || lagMs <= ceiling) continue;
        sink.add(() => ({
          message: `line ${judged.line(op)} polled ${history.partitions.name(partition)} at ${
            history.invokeMs[op]
          } ms and was at least ${lagMs} ms behind`,
          lines: judged.lines(op),
          partition: history.partitions.name(partition),
          offsets: [judged.partitionLog(partition).offsets[index + 1] ?? 0],
        }));
      }
    }
    sink.metric("realtime lag ms, largest", worstMs);
  },
};

/**
 * Moves the process's positions by what the operation polled. Returns, by partition, the last index that was surely in its
 * view: where it stands, for a poll that returned nothing; below its end, for a fetch. A poll with records may just be full.
 */
function advance(judged: Judged, op: number, positions: Map<number, number>): Map<number, number> {
  const { microStart, microKind, microValue, microOffset, values, fetches } = judged.history;
  const views = new Map<number, number>();
  let isEmptyPoll = false;
  for (let i = microStart[op] as number; i < (microStart[op + 1] as number); i++) {
    const kind = microKind[i];
    if (kind === POLL) isEmptyPoll = true;
    if (kind === FETCH) {
      const fetch = fetches[microValue[i] as number];
      if (fetch === undefined) continue;
      const log = judged.partitionLog(fetch.partition);
      positions.set(fetch.partition, indexAtOrAfter(log, microOffset[i] as number) - 1);
      const end = fetch.end ?? (fetch.recordCount === 0 ? microOffset[i] as number : null);
      if (end !== null) views.set(fetch.partition, indexAtOrAfter(log, end) - 1);
    }
    if (kind === READ) {
      isEmptyPoll = false;
      const partition = values.partitionOf(microValue[i] as number);
      positions.set(partition, indexAtOrAfter(judged.partitionLog(partition), microOffset[i] as number));
    }
  }
  return isEmptyPoll ? new Map(positions) : views;
}

/** By index: the earliest time at which a record at that index or after was acknowledged for all to read. */
function supersededAt(judged: Judged, partition: number): Float64Array {
  const log = judged.partitionLog(partition);
  const { type, flags, completeMs, microOffset, microKind, microStart, microValue, writer } = judged.history;
  const times = new Float64Array(log.values.length + 1).fill(Infinity);
  for (let index = log.values.length - 1; index >= 0; index--) {
    const value = log.values[index] as number;
    const by = writer[value] as number;
    const isAcked = by >= 0 && type[by] === OK && ((flags[by] as number) & WEAK) === 0 &&
      hasOffset(by, value) && judged.isVisible(value, true);
    times[index] = Math.min(times[index + 1] as number, isAcked ? completeMs[by] as number : Infinity);
  }
  return times;

  function hasOffset(op: number, value: number): boolean {
    for (let i = microStart[op] as number; i < (microStart[op + 1] as number); i++) {
      if (microKind[i] === SEND && microValue[i] === value) return (microOffset[i] as number) >= 0;
    }
    return false;
  }
}
