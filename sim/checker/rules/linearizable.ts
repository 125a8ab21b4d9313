/**
 * Linearizability of one partition's log without a search, since appends return their offsets (the idea is S2's):
 * real time of appends, ListOffsets after acknowledgements, exactness of a fetch, and one prefix for all. Pure.
 */

import { positionsByKey } from "../columns.ts";
import { FETCH, HAS_SEND, OK, READ_COMMITTED, SEND, WEAK } from "../history.ts";
import type { FactAt } from "../history.ts";
import type { ListOffsets, PrefixChain } from "../history_format.ts";
import { indexAtOrAfter } from "../log_order.ts";
import type { Judged, Rule } from "../rule.ts";

/** Calls `visit` for each send that was acknowledged with its offset and acks=all. */
export function forEachAck(judged: Judged, visit: (op: number, value: number, offset: number) => void): void {
  const { type, flags, microStart, microKind, microValue, microOffset, operationCount } = judged.history;
  for (let op = 0; op < operationCount; op++) {
    const bits = flags[op] as number;
    if (type[op] !== OK || (bits & HAS_SEND) === 0 || (bits & WEAK) !== 0) continue;
    for (let i = microStart[op] as number; i < (microStart[op + 1] as number); i++) {
      const offset = microOffset[i] as number;
      if (microKind[i] === SEND && offset >= 0) visit(op, microValue[i] as number, offset);
    }
  }
}

export const appendRealtime: Rule = {
  name: "append-realtime",
  what: "An append that was acknowledged before another was invoked has the larger offset.",
  look:
    "Two leaders that both acknowledge, or an acknowledgement with a made-up base offset (Bufstream's spurious zeros).",
  severity: () => "fatal",
  check(judged, sink) {
    const { invokeMs, completeMs, partitions, values } = judged.history;
    const ackers = judged.log.logs.map((log) => new Int32Array(log.values.length).fill(-1));
    forEachAck(judged, (op, value, offset) => {
      const partition = values.partitionOf(value);
      const index = indexAtOrAfter(judged.partitionLog(partition), offset);
      const held = ackers[partition] as Int32Array;
      // Two acknowledgements of one offset are an inconsistent offset; the earlier line stands here.
      if ((held[index] as number) < 0) held[index] = op;
    });
    ackers.forEach((held, partition) => {
      const { offsets } = judged.partitionLog(partition);
      let earliest = -1;
      let earliestIndex = -1;
      for (let index = held.length - 1; index >= 0; index--) {
        const op = held[index] as number;
        if (op < 0) continue;
        if (earliest >= 0 && (completeMs[earliest] as number) < (invokeMs[op] as number)) {
          const [before, at] = [earliest, earliestIndex];
          sink.add(() => ({
            message: `${partitions.name(partition)}: line ${judged.line(before)} got offset ${
              offsets[at]
            } at ${completeMs[before]} ms, before line ${judged.line(op)} was invoked at ${
              invokeMs[op]
            } ms and got offset ${offsets[index]}`,
            lines: judged.lines(before, op),
            partition: partitions.name(partition),
            offsets: [offsets[at], offsets[index]] as number[],
          }));
        }
        if (earliest < 0 || (completeMs[op] as number) < (completeMs[earliest] as number)) {
          earliest = op;
          earliestIndex = index;
        }
      }
    });
  },
};

export const latestOffsetStale: Rule = {
  name: "latest-offset-stale",
  what:
    "ListOffsets(latest) answered an offset that an acknowledgement before its invocation had already passed.",
  look: "A ListOffsets that trusts memory: it needs a strong read of the fence and the head (W5).",
  severity: (profile) => profile.strongListOffsets ? "fatal" : "report",
  check(judged, sink) {
    const { history } = judged;
    const asked = history.facts.filter((fact): fact is FactAt<ListOffsets> =>
      fact.kind === "offsets" && fact.at === "latest" && fact.type === "ok" &&
      fact.isolation !== "read_committed"
    );
    if (asked.length === 0) return;
    const wanted = new Set(asked.map((fact) => history.partitions.find(fact.partition)));
    const times: number[] = [];
    const acks: { partition: number; op: number; offset: number }[] = [];
    forEachAck(judged, (op, value, offset) => {
      const partition = history.values.partitionOf(value);
      if (!wanted.has(partition)) return;
      times.push(history.completeMs[op] as number);
      acks.push({ partition, op, offset });
    });
    const order = positionsByKey(Float64Array.from(times));
    const largest = new Map<number, { op: number; offset: number }>();
    let next = 0;
    for (const fact of asked.toSorted((a, b) => a.invokeMs - b.invokeMs)) {
      while (next < order.length && (times[order[next] as number] as number) < fact.invokeMs) {
        const ack = acks[order[next++] as number] as { partition: number; op: number; offset: number };
        if (ack.offset > (largest.get(ack.partition)?.offset ?? -1)) largest.set(ack.partition, ack);
      }
      const ack = largest.get(history.partitions.find(fact.partition));
      if (ack === undefined || fact.offset > ack.offset) continue;
      sink.add(() => ({
        message:
          `line ${fact.line} was told the latest offset ${fact.offset} of ${fact.partition}, invoked after line ${
            judged.line(ack.op)
          } had offset ${ack.offset} acknowledged`,
        lines: [...judged.lines(ack.op), fact.line],
        partition: fact.partition,
        offsets: [ack.offset, fact.offset],
      }));
    }
  },
};

export const fetchInexact: Rule = {
  name: "fetch-inexact",
  what:
    "A fetch at an offset did not begin with the first record there, or returned records at or past its end.",
  look:
    "Index lookup of the batch that holds an offset; records served above the high watermark or last stable offset.",
  severity: () => "fatal",
  check(judged, sink) {
    const { history } = judged;
    for (let op = 0; op < history.operationCount; op++) {
      if (history.type[op] !== OK) continue;
      for (let i = history.microStart[op] as number; i < (history.microStart[op + 1] as number); i++) {
        if (history.microKind[i] !== FETCH) continue;
        const fault = judgeFetch(judged, op, i);
        if (fault === null) continue;
        sink.add(() => ({
          message: `line ${judged.line(op)} ${fault.message}`,
          lines: judged.lines(op, ...fault.operations),
          partition: history.partitions.name(fault.partition),
          offsets: fault.offsets,
        }), fault.isEmpty ? "report" : undefined);
      }
    }
  },
};

interface FetchFault {
  message: string;
  partition: number;
  operations: number[];
  offsets: number[];
  isEmpty: boolean;
}

function judgeFetch(judged: Judged, op: number, entry: number): FetchFault | null {
  const { history } = judged;
  const fetch = history.fetches[history.microValue[entry] as number];
  if (fetch === undefined) return null;
  const { partition, end, recordCount } = fetch;
  const name = history.partitions.name(partition);
  const position = history.microOffset[entry] as number;
  const first = recordCount === 0 ? end ?? position : history.microOffset[entry + 1] as number;
  const last = recordCount === 0 ? -1 : history.microOffset[entry + recordCount] as number;
  const base = { partition, operations: [], isEmpty: false };
  if (recordCount > 0 && first < position) {
    return {
      ...base,
      message: `fetched ${name} at ${position} and got offset ${first}`,
      offsets: [position, first],
    };
  }
  if (end !== null && last >= end) {
    return { ...base, message: `got offset ${last} of ${name}, whose end was ${end}`, offsets: [last, end] };
  }
  const log = judged.partitionLog(partition);
  const readCommitted = ((history.flags[op] as number) & READ_COMMITTED) !== 0;
  for (let index = indexAtOrAfter(log, position); index < log.offsets.length; index++) {
    const offset = log.offsets[index] as number;
    if (offset >= first) break;
    const value = log.values[index] as number;
    if (!judged.isVisible(value, readCommitted) || judged.mayBeGone(value)) continue;
    const writer = history.writer[value] as number;
    const got = recordCount === 0 ? `nothing below the end ${end}` : `offset ${first} first`;
    return {
      message: `fetched ${name} at ${position} and got ${got}, but offset ${offset} holds ${
        JSON.stringify(judged.value(value))
      }`,
      partition,
      operations: writer < 0 ? [] : [writer],
      offsets: [position, offset],
      isEmpty: recordCount === 0,
    };
  }
  return null;
}

export const prefixDivergence: Rule = {
  name: "prefix-divergence",
  what: "Two readers that folded the same prefix of a log got two checksums.",
  look: "Replicas that differ below the high watermark, or damaged bytes that were served.",
  severity: () => "fatal",
  check(judged, sink) {
    const seen = new Map<string, FactAt<PrefixChain>>();
    for (const fact of judged.history.facts) {
      if (fact.kind !== "chain" || fact.type !== "ok") continue;
      const key = `${fact.partition} ${fact.offset}`;
      const first = seen.get(key);
      if (first === undefined) seen.set(key, fact);
      else if (first.crc !== fact.crc) {
        sink.add(() => ({
          message:
            `${fact.partition} up to offset ${fact.offset}: checksum ${first.crc} in line ${first.line}, ${fact.crc} in line ${fact.line}`,
          lines: [first.line, fact.line],
          partition: fact.partition,
          offsets: [fact.offset],
        }));
      }
    }
  },
};
