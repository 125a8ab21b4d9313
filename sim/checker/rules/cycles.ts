/**
 * Rules on cycles of dependencies between operations: G0, G1c and their process and real-time forms (Adya; Jepsen's Elle).
 *
 * Edges: `ww` from the writer of a record to that of the next in the log, `wr` from a writer to each reader, `process` to the
 * next operation of the same process, `realtime` from an operation to those invoked after it completed. Real time goes
 * through a chain of barriers in the order of invocation, so that it takes three edges an operation. Pure.
 *
 * Kafka does not isolate writes, and an operation without a transaction is not atomic. So cycles with `ww` are only
 * reported, and the fatal ones go along `atomic wr` edges: from an operation that reads nothing, or from a transaction to a
 * reader at read_committed. There all that the writer read, it read before anybody could read what it wrote.
 */

import { HAS_READ, IN_TXN, OK, PLACEMENT, READ, READ_COMMITTED, SEND } from "../history.ts";
import { Graph } from "../graph.ts";
import type { Evidence, Judged, Rule, Severity } from "../rule.ts";

const WW = 1;
const WR = 2;
const ATOMIC_WR = 4;
const PROCESS = 8;
const REALTIME = 16;

type EdgeVisit = (from: number, to: number) => void;

/** The dependency graph of one history, kept for all cycle rules. */
class Dependencies {
  readonly #judged: Judged;
  /** Nodes 0..n-1 are operations, n..n+barriers-1 barriers. */
  readonly #operationCount: number;
  readonly #barrierOps: Int32Array;
  readonly #barrierTimes: Float64Array;
  /** Component of each node in the graph of all edges: no cycle leaves it. */
  readonly #component: Int32Array;
  readonly hasCycle: boolean;

  constructor(judged: Judged) {
    this.#judged = judged;
    const { history, log } = judged;
    this.#operationCount = history.operationCount;
    const isNode = (op: number) =>
      log.committed[op] === 1 && ((history.flags[op] as number) & PLACEMENT) === 0;
    this.#barrierOps = history.byInvoke.filter(isNode);
    this.#barrierTimes = Float64Array.from(this.#barrierOps, (op) => history.invokeMs[op] as number);
    const { of, count } = this.#graph(WW | WR | PROCESS | REALTIME).components();
    this.#component = of;
    this.hasCycle = count > 0;
  }

  /** A short cycle in each component of the graph of `kinds`, with an edge of kind `needed`; at most `limit` of them are tried. */
  *cycles(kinds: number, needed: number, limit: number): Generator<number[]> {
    if (!this.hasCycle) return;
    const inside = (from: number, to: number) => {
      const component = this.#component[from] as number;
      return component > 0 && component === this.#component[to];
    };
    const graph = this.#graph(kinds, inside);
    const { of, count } = graph.components();
    if (count === 0) return;
    const candidates = new Map<number, [number, number][]>();
    this.forEachEdge(needed, (from, to) => {
      const component = of[from] as number;
      if (component === 0 || component !== of[to]) return;
      const known = candidates.get(component);
      if (known === undefined) candidates.set(component, [[from, to]]);
      else if (known.length < 8) known.push([from, to]);
    });
    let given = 0;
    for (const [component, edges] of candidates) {
      let shortest: number[] | null = null;
      // Once there is enough evidence the rest is only counted, by its edge.
      for (const [from, to] of given < limit ? edges : []) {
        const path = graph.path(to, from, (node) => of[node] === component);
        if (path === null) continue;
        const cycle = path.filter((node) => node < this.#operationCount);
        if (shortest === null || cycle.length < shortest.length) shortest = cycle;
      }
      given += 1;
      yield shortest ?? (edges[0] as [number, number]).filter((node) => node < this.#operationCount);
    }
  }

  #graph(kinds: number, allows: (from: number, to: number) => boolean = () => true): Graph {
    const nodeCount = this.#operationCount + ((kinds & REALTIME) === 0 ? 0 : this.#barrierOps.length);
    return new Graph(nodeCount, (edge) =>
      this.forEachEdge(kinds, (from, to) => {
        if (allows(from, to)) edge(from, to);
      }));
  }

  forEachEdge(kinds: number, edge: EdgeVisit): void {
    if ((kinds & WW) !== 0) this.#writeEdges(edge);
    if ((kinds & (WR | ATOMIC_WR)) !== 0) this.#readEdges((kinds & WR) === 0, edge);
    if ((kinds & PROCESS) !== 0) this.#processEdges(edge);
    if ((kinds & REALTIME) !== 0) this.#realtimeEdges(edge);
  }

  #writeEdges(edge: EdgeVisit): void {
    const { writer } = this.#judged.history;
    const { committed } = this.#judged.log;
    for (const log of this.#judged.log.logs) {
      let from = -1;
      for (const value of log.values) {
        const to = writer[value] as number;
        if (to < 0 || committed[to] === 0) continue;
        if (from >= 0 && from !== to) edge(from, to);
        from = to;
      }
    }
  }

  #readEdges(atomicOnly: boolean, edge: EdgeVisit): void {
    const { history, log } = this.#judged;
    const { type, flags, writer, microStart, microKind, microValue } = history;
    for (let op = 0; op < this.#operationCount; op++) {
      const bits = flags[op] as number;
      if (type[op] !== OK || (bits & HAS_READ) === 0) continue;
      for (let i = microStart[op] as number; i < (microStart[op + 1] as number); i++) {
        if (microKind[i] !== READ) continue;
        const from = writer[microValue[i] as number] as number;
        if (from < 0 || from === op || log.committed[from] === 0) continue;
        const fromBits = flags[from] as number;
        const hidden = (fromBits & IN_TXN) !== 0 && (bits & READ_COMMITTED) !== 0;
        if (atomicOnly && (fromBits & HAS_READ) !== 0 && !hidden) continue;
        edge(from, op);
      }
    }
  }

  #processEdges(edge: EdgeVisit): void {
    const { type, process, invokeMs, completeMs, processes } = this.#judged.history;
    const last = new Int32Array(processes.all.length).fill(-1);
    for (const op of this.#barrierOps) {
      const from = last[process[op] as number] as number;
      if (from >= 0 && type[from] === OK && (completeMs[from] as number) <= (invokeMs[op] as number)) {
        edge(from, op);
      }
      last[process[op] as number] = op;
    }
  }

  #realtimeEdges(edge: EdgeVisit): void {
    const { type, completeMs } = this.#judged.history;
    const count = this.#barrierOps.length;
    for (let barrier = 0; barrier < count; barrier++) {
      const op = this.#barrierOps[barrier] as number;
      edge(this.#operationCount + barrier, op);
      if (barrier + 1 < count) edge(this.#operationCount + barrier, this.#operationCount + barrier + 1);
      if (type[op] !== OK) continue;
      const after = this.#firstBarrierAfter(completeMs[op] as number, barrier);
      if (after < count) edge(op, this.#operationCount + after);
    }
  }

  #firstBarrierAfter(timeMs: number, from: number): number {
    let step = 1;
    const times = this.#barrierTimes;
    while (from + step < times.length && (times[from + step] as number) <= timeMs) step *= 2;
    let low = from;
    let high = Math.min(from + step, times.length);
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((times[middle] as number) <= timeMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const cache = new WeakMap<Judged, Dependencies>();

function dependencies(judged: Judged): Dependencies {
  let known = cache.get(judged);
  if (known === undefined) cache.set(judged, known = new Dependencies(judged));
  return known;
}

/** Tells a cycle in English, one dependency after the other. */
function tell(judged: Judged, cycle: readonly number[]): Evidence {
  const steps = cycle.map((from, i) => {
    const to = cycle[(i + 1) % cycle.length] as number;
    return explain(judged, from, to);
  });
  return {
    message: steps.map(({ text }) => text).join("; ") +
      `; and so line ${judged.line(cycle[0] as number)} depends on itself`,
    lines: judged.lines(...cycle),
    offsets: steps.flatMap(({ offsets }) => offsets),
  };
}

function explain(judged: Judged, from: number, to: number): { text: string; offsets: number[] } {
  const { history, log } = judged;
  const [a, b] = [`line ${judged.line(from)}`, `line ${judged.line(to)}`];
  for (let i = history.microStart[to] as number; i < (history.microStart[to + 1] as number); i++) {
    const value = history.microValue[i] as number;
    if (history.microKind[i] !== READ || history.writer[value] !== from) continue;
    const offset = history.microOffset[i] as number;
    return { text: `${b} polled ${judged.show(value)} at offset ${offset}, sent by ${a}`, offsets: [offset] };
  }
  for (let i = history.microStart[from] as number; i < (history.microStart[from + 1] as number); i++) {
    const value = history.microValue[i] as number;
    if (history.microKind[i] !== SEND || (log.lastIndex[value] as number) < 0) continue;
    const held = judged.partitionLog(history.values.partitionOf(value));
    const next = held.values[(log.lastIndex[value] as number) + 1];
    if (next === undefined || history.writer[next] !== to) continue;
    const offsets = [judged.offsetOf(value), judged.offsetOf(next)];
    return {
      text: `${b} sent offset ${offsets[1]} of ${judged.partitionName(value)}, next after ${
        offsets[0]
      } by ${a}`,
      offsets,
    };
  }
  return {
    text: `${b} was invoked at ${history.invokeMs[to]} ms, after ${a} completed at ${
      history.completeMs[from]
    } ms`,
    offsets: [],
  };
}

function cycleRule(
  name: string,
  kinds: number,
  needed: number,
  severity: Severity,
  what: string,
): Rule {
  return {
    name,
    what,
    look: severity === "fatal"
      ? "Records readable before their transaction committed, or stamped on a log by a deposed writer."
      : "Usually nothing: Kafka does not isolate the writes of transactions.",
    severity: () => severity,
    check(judged, sink) {
      for (const cycle of dependencies(judged).cycles(kinds, needed, 20)) sink.add(() => tell(judged, cycle));
    },
  };
}

export const cycleRules: readonly Rule[] = [
  cycleRule("G0", WW, WW, "report", "Writes of operations interleave in a cycle."),
  cycleRule("G1c", WW | WR, WR, "report", "A cycle of write and read dependencies."),
  cycleRule(
    "G1c-wr",
    ATOMIC_WR,
    ATOMIC_WR,
    "fatal",
    "Transactions each read what another in the circle wrote.",
  ),
  cycleRule("G0-process", WW | PROCESS, PROCESS, "report", "A cycle of writes and the order of one process."),
  cycleRule("G0-realtime", WW | REALTIME, REALTIME, "report", "A cycle of writes and real time."),
  cycleRule(
    "G1c-process",
    WW | WR | PROCESS,
    PROCESS,
    "report",
    "A cycle of writes, reads and process order.",
  ),
  cycleRule(
    "G1c-realtime",
    WW | WR | REALTIME,
    REALTIME,
    "report",
    "A cycle of writes, reads and real time.",
  ),
  cycleRule(
    "wr-process",
    ATOMIC_WR | PROCESS,
    PROCESS,
    "fatal",
    "A cycle of reads and the order of one process.",
  ),
  cycleRule(
    "wr-realtime",
    ATOMIC_WR | REALTIME,
    REALTIME,
    "fatal",
    "A cycle of reads and real time: a read from the future.",
  ),
];
