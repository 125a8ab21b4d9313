/**
 * A built history: all operations as columns of numbers, and the line-by-line builder.
 *
 * The builder takes values that `parse.ts` checked, or the same values straight from a simulator. After `build()` the
 * rules see plain typed arrays. Pure; about 29 bytes an operation and 13 a micro-operation or polled record.
 */

import { bytes, floats, ints, positionsByKey } from "./columns.ts";
import {
  type ClientOperation,
  type Fact,
  HEADER,
  type Header,
  HISTORY_LIMITS,
  HistoryError,
  type HistoryLine,
  type Micro,
  type Placement,
  type PolledRecord,
} from "./history_format.ts";
import { Names, Values } from "./interner.ts";
import { parseHeader, parseLine } from "./parse.ts";

/** `History.type` of an operation. */
export const OK = 0;
export const FAIL = 1;
export const INFO = 2;

/** Bits of `History.flags`. */
export const IN_TXN = 1;
export const READ_COMMITTED = 2;
/** acks 0 or 1: an acknowledgement promises nothing. */
export const WEAK = 4;
export const PLACEMENT = 8;
export const HAS_SEND = 16;
export const HAS_READ = 32;

/** `History.microKind` of an entry. */
export const SEND = 0;
/** One record that a poll returned. */
export const READ = 1;
/** A poll begins; its records follow. */
export const POLL = 2;
/** One partition of a Fetch reply begins; `microValue` is its place in `fetches`, `microOffset` its position. */
export const FETCH = 3;

export interface PlacementEntry {
  readonly mode: "assign" | "subscribe";
  readonly group: string | null;
  /** Partitions (assign) or topics (subscribe). */
  readonly to: readonly string[];
}

export interface FetchEntry {
  readonly partition: number;
  readonly end: number | null;
  readonly recordCount: number;
}

/** A line that is no client operation, with its number. */
export type FactAt<F extends Fact = Fact> = F & { readonly line: number };

/** How often an API answered an error code, and where first. */
export interface ReplyCount {
  readonly apiKey: number;
  readonly errorCode: number;
  readonly firstLine: number;
  count: number;
}

/** All operations in the order of their lines. Index an operation's entries from microStart[op] to microStart[op + 1]. */
export interface History {
  readonly header: Header;
  readonly operationCount: number;
  readonly lineCount: number;
  readonly partitions: Names;
  readonly processes: Names;
  readonly keys: Names;
  readonly values: Values;
  readonly type: Uint8Array;
  readonly flags: Uint8Array;
  readonly process: Int32Array;
  readonly invokeMs: Float64Array;
  readonly completeMs: Float64Array;
  readonly line: Int32Array;
  readonly microStart: Int32Array;
  readonly microKind: Uint8Array;
  readonly microValue: Int32Array;
  /** −1 when not known. */
  readonly microOffset: Float64Array;
  /** Value -> the operation that sent it, −1 when nobody did. */
  readonly writer: Int32Array;
  /** Value -> record key, −1 for none; empty when no send named one. */
  readonly keyOf: Int32Array;
  readonly tombstones: ReadonlySet<number>;
  readonly placements: ReadonlyMap<number, PlacementEntry>;
  readonly rebalances: ReadonlyMap<number, ReadonlySet<number>>;
  readonly fetches: readonly FetchEntry[];
  readonly facts: readonly FactAt[];
  readonly replies: readonly ReplyCount[];
  /** Operations in the order of their invocation. */
  readonly byInvoke: Int32Array;
}

const TYPES = { ok: OK, fail: FAIL, info: INFO } as const;

/** Collects lines and builds the `History`. Throws HistoryError when lines contradict each other or bounds are passed. */
export class HistoryBuilder {
  #header: Header;
  #partitions = new Names();
  #processes = new Names();
  #keys = new Names();
  #values = new Values();
  #type = bytes();
  #flags = bytes();
  #process = ints();
  #invokeMs = floats();
  #completeMs = floats();
  #line = ints();
  #microStart = ints();
  #microKind = bytes();
  #microValue = ints();
  #microOffset = floats();
  #writer = ints();
  #keyOf = ints();
  #tombstones = new Set<number>();
  #placements = new Map<number, PlacementEntry>();
  #rebalances = new Map<number, ReadonlySet<number>>();
  #fetches: FetchEntry[] = [];
  #facts: FactAt[] = [];
  #replies = new Map<string, ReplyCount>();
  #lineCount = 1;

  constructor(header: Header = HEADER) {
    this.#header = header;
  }

  /** Adds an operation; `line` is where to find it, by default the next number (the header is line 1). */
  add(operation: HistoryLine, line = this.#lineCount + 1): void {
    this.#lineCount = line;
    for (const [apiKey, errorCode] of operation.replies ?? []) this.#addReply(apiKey, errorCode, line);
    switch (operation.kind) {
      case undefined:
      case "op":
        this.#addOperation(operation, line);
        break;
      case "assign":
      case "subscribe":
        this.#addPlacement(operation, line);
        break;
      default:
        this.#facts.push({ ...operation, line });
        if ("partition" in operation) this.#partitions.id(operation.partition);
    }
  }

  build(): History {
    this.#microStart.push(this.#microKind.length);
    while (this.#writer.length < this.#values.count) this.#writer.push(-1);
    while (this.#keyOf.length > 0 && this.#keyOf.length < this.#values.count) this.#keyOf.push(-1);
    const invokeMs = this.#invokeMs.view();
    let byInvoke: Int32Array | null = null;
    return {
      header: this.#header,
      operationCount: this.#type.length,
      lineCount: this.#lineCount,
      partitions: this.#partitions,
      processes: this.#processes,
      keys: this.#keys,
      values: this.#values,
      type: this.#type.view(),
      flags: this.#flags.view(),
      process: this.#process.view(),
      invokeMs,
      completeMs: this.#completeMs.view(),
      line: this.#line.view(),
      microStart: this.#microStart.view(),
      microKind: this.#microKind.view(),
      microValue: this.#microValue.view(),
      microOffset: this.#microOffset.view(),
      writer: this.#writer.view(),
      keyOf: this.#keyOf.view(),
      tombstones: this.#tombstones,
      placements: this.#placements,
      rebalances: this.#rebalances,
      fetches: this.#fetches,
      facts: this.#facts,
      replies: [...this.#replies.values()],
      get byInvoke() {
        return byInvoke ??= positionsByKey(invokeMs);
      },
    };
  }

  #addReply(apiKey: number, errorCode: number, line: number): void {
    const key = `${apiKey} ${errorCode}`;
    const known = this.#replies.get(key);
    if (known === undefined) this.#replies.set(key, { apiKey, errorCode, firstLine: line, count: 1 });
    else known.count += 1;
  }

  #addRow(operation: ClientOperation | Placement, flags: number, line: number): number {
    const index = this.#type.length;
    if (index >= HISTORY_LIMITS.operationCountMax) {
      throw new HistoryError(line, `more than ${HISTORY_LIMITS.operationCountMax} operations`);
    }
    this.#type.push(TYPES[operation.type]);
    this.#flags.push(flags);
    this.#process.push(this.#processes.id(String(operation.process)));
    this.#invokeMs.push(operation.invokeMs);
    this.#completeMs.push(operation.completeMs);
    this.#line.push(line);
    this.#microStart.push(this.#microKind.length);
    return index;
  }

  #addPlacement(operation: Placement, line: number): void {
    const index = this.#addRow(operation, PLACEMENT, line);
    this.#placements.set(index, { mode: operation.kind, group: operation.group ?? null, to: operation.to });
  }

  #addOperation(operation: ClientOperation, line: number): void {
    let flags = (operation.txn === undefined ? 0 : IN_TXN) |
      (operation.isolation === "read_committed" ? READ_COMMITTED : 0) |
      ((operation.acks ?? -1) === -1 ? 0 : WEAK);
    const index = this.#addRow(operation, flags, line);
    for (const micro of operation.micro) flags |= this.#addMicro(micro, index, line);
    this.#flags.set(index, flags);
    if (operation.rebalance !== undefined && operation.rebalance.length > 0) {
      this.#rebalances.set(index, new Set(operation.rebalance.map((name) => this.#partitions.id(name))));
    }
    if (this.#microKind.length > HISTORY_LIMITS.recordCountMax) {
      throw new HistoryError(line, `more than ${HISTORY_LIMITS.recordCountMax} records`);
    }
  }

  /** Adds the entries of one micro-operation; returns the flag it brings. */
  #addMicro(micro: Micro, operation: number, line: number): number {
    switch (micro[0]) {
      case "send":
        this.#addSend(micro, operation, line);
        return HAS_SEND;
      case "poll":
        this.#addEntry(POLL, 0, -1);
        for (const name in micro[1]) this.#addRecords(this.#partitions.id(name), micro[1][name] ?? []);
        return HAS_READ;
      case "fetch": {
        const partition = this.#partitions.id(micro[1]);
        this.#fetches.push({ partition, end: micro[3], recordCount: micro[4].length });
        this.#addEntry(FETCH, this.#fetches.length - 1, micro[2]);
        this.#addRecords(partition, micro[4]);
        return HAS_READ;
      }
    }
  }

  #addSend(micro: Micro & readonly ["send", ...unknown[]], operation: number, line: number): void {
    const [, name, sent, offset, key, tombstone] = micro;
    const value = this.#values.id(this.#partitions.id(name), sent);
    while (this.#writer.length <= value) this.#writer.push(-1);
    const earlier = this.#writer.at(value);
    if (earlier >= 0) {
      const first = earlier === operation ? line : this.#line.at(earlier);
      throw new HistoryError(
        line,
        `value ${
          JSON.stringify(sent)
        } was already sent to ${name} in line ${first}; values must be unique in a partition`,
      );
    }
    this.#writer.set(value, operation);
    if (typeof key === "string") {
      while (this.#keyOf.length <= value) this.#keyOf.push(-1);
      this.#keyOf.set(value, this.#keys.id(key));
    }
    if (tombstone === true) this.#tombstones.add(value);
    this.#addEntry(SEND, value, offset ?? -1);
  }

  #addRecords(partition: number, records: readonly PolledRecord[]): void {
    for (const [offset, value] of records) this.#addEntry(READ, this.#values.id(partition, value), offset);
  }

  #addEntry(kind: number, value: number, offset: number): void {
    this.#microKind.push(kind);
    this.#microValue.push(value);
    this.#microOffset.push(offset);
  }
}

/** Builds a history from lines of text, the header first; empty lines are skipped. Throws HistoryError. */
export class HistoryReader {
  #builder: HistoryBuilder | null = null;
  #line = 0;

  addLine(text: string): void {
    this.#line += 1;
    if (this.#line === 1) this.#builder = new HistoryBuilder(parseHeader(text, 1));
    else if (text.length > 0) this.#builder?.add(parseLine(text, this.#line), this.#line);
  }

  build(): History {
    if (this.#builder === null) throw new HistoryError(1, "the history is empty");
    return this.#builder.build();
  }
}

/** Builds a history from its whole text. Throws HistoryError. */
export function readHistory(text: string): History {
  const reader = new HistoryReader();
  for (const line of text.endsWith("\n") ? text.slice(0, -1).split("\n") : text.split("\n")) {
    reader.addLine(line);
  }
  return reader.build();
}

/** The text form of a history: what `readHistory` reads. */
export function writeHistory(header: Header, lines: Iterable<HistoryLine>): string {
  let text = JSON.stringify(header) + "\n";
  for (const line of lines) text += JSON.stringify(line) + "\n";
  return text;
}
