/**
 * What a rule is, what it is given, and what it reports.
 *
 * A rule is one file under `rules/` and one line in `rules/all.ts`. Pure.
 */

import { type FactAt, type History, IN_TXN, INFO, OK, READ } from "./history.ts";
import type { DamagedRange } from "./history_format.ts";
import type { LogOrder, PartitionLog } from "./log_order.ts";
import type { Profile } from "./profile.ts";
import type { Value } from "./history_format.ts";

/** `fatal`: a broken promise. `report`: worth knowing, allowed by Kafka. */
export type Severity = "fatal" | "report";

/** The least that shows one violation. */
export interface Evidence {
  /** One sentence with offsets and values. */
  readonly message: string;
  /** Lines of the operations in it. */
  readonly lines: readonly number[];
  readonly partition?: string;
  readonly offsets?: readonly number[];
}

/** Where rules report. The evidence is only built while it is wanted, so that a million findings cost little. */
export interface Sink {
  /** Reports a violation; `severity` overrides that of the rule for this one. */
  add(evidence: () => Evidence, severity?: Severity): void;
  /** Tells a measured number, whether or not it breaks a ceiling. */
  metric(name: string, value: number): void;
}

export interface Rule {
  /** Lower case with dashes, as Jepsen names it. */
  readonly name: string;
  /** What must not be, in one sentence. */
  readonly what: string;
  /** Where to look in a broker when it was found. */
  readonly look: string;
  /** How bad it is under a profile; `off` when it cannot be judged there. */
  severity(profile: Profile): Severity | "off";
  check(judged: Judged, sink: Sink): void;
}

/** A history, its log order, and what several rules ask of both. */
export class Judged {
  readonly history: History;
  readonly log: LogOrder;
  readonly profile: Profile;
  #logStart: Float64Array | null = null;
  #superseded: Uint8Array | null = null;
  #readers: Readers | null = null;
  #damaged: readonly FactAt<DamagedRange>[] | null = null;

  constructor(history: History, log: LogOrder, profile: Profile) {
    this.history = history;
    this.log = log;
    this.profile = profile;
  }

  partitionLog(partition: number): PartitionLog {
    return this.log.logs[partition] as PartitionLog;
  }

  /** The line of an operation; −1 has none. */
  line(operation: number): number {
    return this.history.line[operation] ?? 0;
  }

  /** Lines of the operations, without those that do not exist. */
  lines(...operations: readonly number[]): number[] {
    return [...new Set(operations.filter((op) => op >= 0).map((op) => this.line(op)))];
  }

  value(value: number): Value {
    return this.history.values.valueOf(value);
  }

  /** A value with its partition, for people: `"v1" of orders/0`. */
  show(value: number): string {
    return `${JSON.stringify(this.value(value))} of ${this.partitionName(value)}`;
  }

  partitionName(value: number): string {
    return this.history.partitions.name(this.history.values.partitionOf(value));
  }

  /** The offset of a value in the log, the first when it has several, −1 when it has none. */
  offsetOf(value: number): number {
    const index = this.log.firstIndex[value] as number;
    return index < 0
      ? -1
      : this.partitionLog(this.history.values.partitionOf(value)).offsets[index] as number;
  }

  /** Which operations polled a value. */
  get readers(): Readers {
    return this.#readers ??= new Readers(this.history);
  }

  /** True when retention or compaction may have removed the record before somebody read it. */
  mayBeGone(value: number): boolean {
    const partition = this.history.values.partitionOf(value);
    this.#logStart ??= this.#findLogStarts();
    const offset = this.offsetOf(value);
    if (offset >= 0 && offset < (this.#logStart[partition] as number)) return true;
    if (!this.profile.compaction) return false;
    this.#superseded ??= this.#findSuperseded();
    if (this.#superseded[value] === 1 || !this.isVisible(value, true)) return true;
    return this.history.tombstones.has(value) && !this.profile.tombstonesStay;
  }

  /** True when the broker said that the record's stored bytes are damaged. */
  isDamaged(value: number): boolean {
    const offset = this.offsetOf(value);
    this.#damaged ??= this.history.facts.filter((fact) =>
      fact.kind === "damaged" && fact.type === "ok"
    ) as FactAt<
      DamagedRange
    >[];
    return offset >= 0 &&
      this.#damaged.some(({ partition, from, to }) =>
        from <= offset && offset < to && partition === this.partitionName(value)
      );
  }

  /** True when the value was surely in view of readers: not of a transaction that aborted or may have. */
  isVisible(value: number, readCommitted: boolean): boolean {
    const writer = this.history.writer[value] as number;
    if (!readCommitted || writer < 0) return true;
    return ((this.history.flags[writer] as number) & IN_TXN) === 0 || this.log.committed[writer] === 1;
  }

  #findLogStarts(): Float64Array {
    const starts = new Float64Array(this.history.partitions.all.length);
    const raise = (name: string, offset: number) => {
      const partition = this.history.partitions.find(name);
      starts[partition] = Math.max(starts[partition] as number, offset);
    };
    for (const fact of this.history.facts) {
      if (fact.kind === "observe" && fact.logStart !== undefined) raise(fact.partition, fact.logStart);
      if (fact.kind === "offsets" && fact.at === "earliest" && fact.type === "ok") {
        raise(fact.partition, fact.offset);
      }
    }
    return starts;
  }

  /** By value: 1 when a later record of the log has the same key, or may have had. */
  #findSuperseded(): Uint8Array {
    const { keyOf, values } = this.history;
    const superseded = new Uint8Array(values.count);
    const unknown = this.#unknownTombstones();
    for (const [partition, log] of this.log.logs.entries()) {
      const seen = new Set<number>(unknown[partition]);
      for (let index = log.values.length - 1; index >= 0; index--) {
        const value = log.values[index] as number;
        const key = keyOf[value] ?? -1;
        if (key < 0 || !this.isVisible(value, true)) continue;
        if (seen.has(key)) superseded[value] = 1;
        seen.add(key);
      }
    }
    return superseded;
  }

  /**
   * By partition: keys with a tombstone of which nobody knows whether it was written. It may have taken the key's records away and
   * then gone itself. A record with a value cannot: it would be the newest and still there, or superseded by one that is.
   */
  #unknownTombstones(): Set<number>[] {
    const { tombstones, writer, type, keyOf, values, partitions } = this.history;
    const unknown = partitions.all.map(() => new Set<number>());
    if (this.profile.tombstonesStay) return unknown;
    for (const value of tombstones) {
      const by = writer[value] as number;
      if (by < 0 || type[by] !== INFO) continue;
      const isCertain = this.log.committed[by] === 1 && (this.log.firstIndex[value] as number) >= 0;
      if (!isCertain) unknown[values.partitionOf(value)]?.add(keyOf[value] ?? -1);
    }
    return unknown;
  }
}

/** Value -> ok operations that polled it, in compressed rows. */
export class Readers {
  readonly start: Int32Array;
  readonly operations: Int32Array;

  constructor(history: History) {
    const { type, microStart, microKind, microValue } = history;
    this.start = new Int32Array(history.values.count + 1);
    for (let op = 0; op < history.operationCount; op++) {
      if (type[op] !== OK) continue;
      for (let i = microStart[op] as number; i < (microStart[op + 1] as number); i++) {
        if (microKind[i] !== READ) continue;
        const next = microValue[i] as number + 1;
        this.start[next] = this.start[next] as number + 1;
      }
    }
    for (let value = 0; value < history.values.count; value++) {
      this.start[value + 1] = (this.start[value + 1] as number) + (this.start[value] as number);
    }
    const filled = this.start.slice(0, -1);
    this.operations = new Int32Array(this.start[history.values.count] as number);
    for (let op = 0; op < history.operationCount; op++) {
      if (type[op] !== OK) continue;
      for (let i = microStart[op] as number; i < (microStart[op + 1] as number); i++) {
        if (microKind[i] !== READ) continue;
        const value = microValue[i] as number;
        const place = filled[value] as number;
        this.operations[place] = op;
        filled[value] = place + 1;
      }
    }
  }

  /** The first ok operation that polled the value, −1 for none. */
  first(value: number): number {
    const start = this.start[value] as number;
    return start < (this.start[value + 1] as number) ? this.operations[start] as number : -1;
  }
}
