/**
 * Random histories that a correct broker could have given: a simple reference model of Kafka's log.
 *
 * It is the oracle of the checker's own tests and the load of its benchmark: producers with and without transactions,
 * unknown outcomes, aborted data, control records, consumers at read_committed, final reads. Each operation takes effect at one
 * instant between its invocation and its completion. Pure; the same options give the same history.
 */

import type { ClientOperation, Header, HistoryLine, Micro, PolledRecord } from "./history_format.ts";

export interface ReferenceOptions {
  readonly seed: number;
  /** Client operations before the final reads; at least that many lines are given. */
  readonly operationCount: number;
  readonly partitionCount?: number;
  readonly producerCount?: number;
  readonly txnProducerCount?: number;
  readonly consumerCount?: number;
  readonly pollRecordsMax?: number;
}

export const REFERENCE_HEADER: Header = {
  kavka: "history",
  version: 1,
  finalReads: true,
  about: "reference model",
};

const OPEN = 0;
const COMMITTED = 1;
const ABORTED = 2;
const CONTROL = 3;

/** One partition's log: what lies at each offset, and whether readers may have it. */
interface ModelLog {
  readonly name: string;
  readonly values: number[];
  readonly states: number[];
  /** First offset of each open transaction, by process. */
  readonly open: Map<string, number>;
}

interface OpenTransaction {
  readonly invokeMs: number;
  readonly micro: Micro[];
  readonly written: { log: ModelLog; offset: number }[];
}

/** The lines of one random history, without the header. */
export function* referenceHistory(options: ReferenceOptions): Generator<HistoryLine> {
  const model = new ReferenceModel(options);
  yield* model.run();
}

class ReferenceModel {
  readonly #options: Required<ReferenceOptions>;
  readonly #random: () => number;
  readonly #logs: ModelLog[];
  readonly #freeAtMs = new Map<string, number>();
  readonly #transactions = new Map<string, OpenTransaction>();
  readonly #positions = new Map<string, number[]>();
  #nowMs = 1;
  #nextValue = 0;

  constructor(options: ReferenceOptions) {
    this.#options = {
      partitionCount: 3,
      producerCount: 2,
      txnProducerCount: 2,
      consumerCount: 2,
      pollRecordsMax: 8,
      ...options,
    };
    this.#random = mulberry32(options.seed);
    this.#logs = Array.from({ length: this.#options.partitionCount }, (_, index) => ({
      name: `orders/${index}`,
      values: [],
      states: [],
      open: new Map(),
    }));
  }

  *run(): Generator<HistoryLine> {
    const { producerCount, txnProducerCount, consumerCount, operationCount } = this.#options;
    for (let i = 0; i < consumerCount; i++) yield this.#assign(`consumer-${i}`);
    for (let done = 0; done < operationCount;) {
      const pick = this.#below(producerCount + txnProducerCount + consumerCount);
      let line: HistoryLine | null;
      if (pick < producerCount) line = this.#send(`producer-${pick}`);
      else if (pick < producerCount + txnProducerCount) line = this.#stepTransaction(`txn-${pick}`);
      else line = this.#poll(`consumer-${pick - producerCount - txnProducerCount}`);
      if (line !== null) {
        done += 1;
        yield line;
      }
      this.#nowMs += this.#random();
    }
    for (const process of [...this.#transactions.keys()]) {
      this.#nowMs += 10;
      yield this.#endTransaction(process);
    }
    this.#nowMs += 100;
    yield this.#assign("final");
    while (!this.#isAtEnd("final")) {
      this.#nowMs += 10;
      const line = this.#poll("final");
      if (line !== null) yield line;
    }
  }

  #send(process: string): ClientOperation | null {
    const invokeMs = this.#invoke(process);
    if (invokeMs === null) return null;
    const log = this.#pickLog();
    const value = this.#nextValue++;
    const luck = this.#random();
    const type = luck < 0.02 ? "fail" : luck < 0.05 ? "info" : "ok";
    const offset = type === "ok" || (type === "info" && luck < 0.035)
      ? this.#append(log, value, COMMITTED)
      : null;
    const micro: Micro[] = [["send", log.name, value, type === "ok" ? offset : null]];
    return { type, process, invokeMs, completeMs: this.#complete(process), micro };
  }

  #stepTransaction(process: string): ClientOperation | null {
    const transaction = this.#transactions.get(process);
    if (transaction === undefined) {
      const invokeMs = this.#invoke(process);
      if (invokeMs !== null) this.#transactions.set(process, { invokeMs, micro: [], written: [] });
      return null;
    }
    if (transaction.micro.length < 4 && this.#random() < 0.7) {
      const log = this.#pickLog();
      const value = this.#nextValue++;
      const offset = this.#append(log, value, OPEN);
      if (!log.open.has(process)) log.open.set(process, offset);
      transaction.micro.push(["send", log.name, value, offset]);
      transaction.written.push({ log, offset });
      return null;
    }
    return this.#endTransaction(process);
  }

  #endTransaction(process: string): ClientOperation {
    const { invokeMs, micro, written } = this.#transactions.get(process) as OpenTransaction;
    this.#transactions.delete(process);
    const luck = this.#random();
    const type = luck < 0.1 ? "fail" : luck < 0.2 ? "info" : "ok";
    const state = type === "ok" || (type === "info" && luck < 0.15) ? COMMITTED : ABORTED;
    for (const { log, offset } of written) {
      log.states[offset] = state;
      if (log.open.delete(process)) this.#append(log, -1, CONTROL);
    }
    const completeMs = this.#complete(process);
    return { type, process, txn: process, isolation: "read_committed", invokeMs, completeMs, micro };
  }

  #poll(process: string): ClientOperation | null {
    const invokeMs = this.#invoke(process);
    if (invokeMs === null) return null;
    const positions = this.#positions.get(process) as number[];
    const polled: Record<string, PolledRecord[]> = {};
    this.#logs.forEach((log, index) => {
      const stable = Math.min(log.values.length, ...log.open.values());
      const records: PolledRecord[] = [];
      let offset = positions[index] as number;
      for (; offset < stable && records.length < this.#options.pollRecordsMax; offset++) {
        if (log.states[offset] === COMMITTED) records.push([offset, log.values[offset] as number]);
      }
      positions[index] = offset;
      if (records.length > 0) polled[log.name] = records;
    });
    const micro: Micro[] = [["poll", polled]];
    return {
      type: "ok",
      process,
      isolation: "read_committed",
      invokeMs,
      completeMs: this.#complete(process),
      micro,
    };
  }

  #assign(process: string): HistoryLine {
    this.#positions.set(process, this.#logs.map(() => 0));
    const line = { kind: "assign", type: "ok", process, to: this.#logs.map((log) => log.name) } as const;
    this.#freeAtMs.set(process, this.#nowMs);
    return { ...line, invokeMs: this.#nowMs, completeMs: this.#nowMs };
  }

  #isAtEnd(process: string): boolean {
    const positions = this.#positions.get(process) as number[];
    return this.#logs.every((log, index) => (positions[index] as number) >= log.values.length);
  }

  #append(log: ModelLog, value: number, state: number): number {
    log.states.push(state);
    return log.values.push(value) - 1;
  }

  /** A time of invocation at or before now, after the process's last operation; null while it is busy. */
  #invoke(process: string): number | null {
    const freeAtMs = this.#freeAtMs.get(process) ?? 0;
    if (freeAtMs > this.#nowMs) return null;
    return round(Math.max(freeAtMs, this.#nowMs - this.#random() * 2));
  }

  #complete(process: string): number {
    const completeMs = round(this.#nowMs + this.#random() * 2) + 0.001;
    this.#freeAtMs.set(process, completeMs);
    return completeMs;
  }

  #pickLog(): ModelLog {
    return this.#logs[this.#below(this.#logs.length)] as ModelLog;
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }
}

function round(ms: number): number {
  return Math.floor(ms * 1000) / 1000;
}

/** A small seeded generator of numbers in [0, 1) (mulberry32, public domain). */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x100000000;
  };
}
