/**
 * The history format, version 1: what clients and brokers did, one JSON object a line.
 *
 * It is the boundary between whatever ran (the simulator, real processes with any client) and the checker.
 * The first line is the header, each other line one operation with its invocation and its completion. The shape
 * follows Jepsen's `jepsen.tests.kafka`: operations of micro-operations, and three outcomes. `sim/README.md` has the
 * same with examples. Pure.
 *
 * - Times are milliseconds of one monotonic clock, fractions allowed; `a` is before `b` only when a.completeMs < b.invokeMs.
 * - Partitions are named `topic/partition`; of a topic that is deleted and created again, `topic@topicId/partition`.
 * - A value is an integer or a string, and is sent at most once to a partition.
 * - One line is one outcome: a transaction is one line; sends without a transaction that can fail apart are lines apart.
 */

/** `ok`: it happened. `fail`: it surely did not, nor will. `info`: nobody knows. */
export type Outcome = "ok" | "fail" | "info";
export type Isolation = "read_uncommitted" | "read_committed";
/** What identifies a record. Integers are far cheaper for the checker than strings. */
export type Value = number | string;
/** Offset and value of a record that a consumer got. */
export type PolledRecord = readonly [offset: number, value: Value];

/** `offset` is null when no acknowledgement told it. `key` and `tombstone` matter for compacted topics. */
export type Send = readonly [
  "send",
  partition: string,
  value: Value,
  offset: number | null,
  key?: string | null,
  tombstone?: boolean,
];
/** What one poll returned, by partition; a partition with no records may be absent. */
export type Poll = readonly ["poll", Readonly<Record<string, readonly PolledRecord[]>>];
/**
 * One partition of one Fetch reply: the position asked for, the reply's high watermark (last stable offset at read_committed) or null,
 * and the records at or after the position, without control records and aborted ones.
 */
export type Fetch = readonly [
  "fetch",
  partition: string,
  position: number,
  end: number | null,
  records: readonly PolledRecord[],
];
export type Micro = Send | Poll | Fetch;

/** What all lines share. `replies` lists [api key, error code] of Kafka replies seen on the way. */
interface Common {
  readonly type: Outcome;
  readonly process: number | string;
  readonly invokeMs: number;
  readonly completeMs: number;
  readonly replies?: readonly (readonly [apiKey: number, errorCode: number])[];
}

/** Sends and polls. With `txn` all of it is one transaction: ok committed, fail aborted. */
export interface ClientOperation extends Common {
  readonly kind?: "op";
  readonly micro: readonly Micro[];
  readonly txn?: string;
  /** Of the polls; Kafka's default is read_uncommitted. */
  readonly isolation?: Isolation;
  /** −1 by default. With 0 or 1 an acknowledgement promises nothing, and only polls tell what the log holds. */
  readonly acks?: -1 | 0 | 1;
  /** Partitions that were assigned or revoked while it ran. */
  readonly rebalance?: readonly string[];
}

/** From here on the process reads these partitions (assign) or topics (subscribe, in `group`). */
export interface Placement extends Common {
  readonly kind: "assign" | "subscribe";
  readonly to: readonly string[];
  readonly group?: string;
}

/** ListOffsets of one partition. */
export interface ListOffsets extends Common {
  readonly kind: "offsets";
  readonly partition: string;
  readonly at: "earliest" | "latest";
  readonly offset: number;
  readonly isolation?: Isolation;
}

/** OffsetCommit, or TxnOffsetCommit with the transaction's outcome and times. */
export interface OffsetCommit extends Common {
  readonly kind: "commit";
  readonly group: string;
  readonly generation: number;
  readonly offsets: Readonly<Record<string, number>>;
}

/** OffsetFetch; −1 is no committed offset. */
export interface OffsetFetch extends Common {
  readonly kind: "committed";
  readonly group: string;
  readonly offsets: Readonly<Record<string, number>>;
}

/** What a leader said of a partition, in any reply or read from its state. */
export interface Observation extends Common {
  readonly kind: "observe";
  readonly partition: string;
  readonly leaderEpoch: number;
  readonly highWatermark?: number;
  readonly lastStableOffset?: number;
  readonly logStart?: number;
  /** Smallest log end offset of the ISR members. */
  readonly minIsrEnd?: number;
}

/** A replica cut its log: the records at `offset` and after are gone. */
export interface Truncation extends Common {
  readonly kind: "truncate";
  readonly partition: string;
  readonly offset: number;
}

/** The broker answered fetches of these offsets with a storage error, for good: their stored bytes are damaged. */
export interface DamagedRange extends Common {
  readonly kind: "damaged";
  readonly partition: string;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

/** The records of one replica, read from its store at the end; `crc` is of the stored bytes. */
export interface StoreDump extends Common {
  readonly kind: "store";
  readonly store: string;
  readonly partition: string;
  readonly highWatermark: number;
  readonly records: readonly (readonly [offset: number, value: Value, leaderEpoch: number, crc: number])[];
}

/** A reader that began at the log's start folded the CRC of all records up to and with `offset`. */
export interface PrefixChain extends Common {
  readonly kind: "chain";
  readonly partition: string;
  readonly offset: number;
  readonly crc: number;
}

export type Fact =
  | ListOffsets
  | OffsetCommit
  | OffsetFetch
  | Observation
  | Truncation
  | DamagedRange
  | StoreDump
  | PrefixChain;
export type HistoryLine = ClientOperation | Placement | Fact;

/** The first line. */
export interface Header {
  readonly kavka: "history";
  readonly version: 1;
  /** Name of the profile to judge by, when the checker is not told another. */
  readonly profile?: string;
  /** True when the history ends with reads of everything after the system came to rest. */
  readonly finalReads?: boolean;
  /** Topics that the copy job read and wrote. */
  readonly copy?: { readonly from: readonly string[]; readonly to: readonly string[] };
  /** Free words on what ran: seed, versions, command. */
  readonly about?: string;
}

export const HEADER: Header = { kavka: "history", version: 1 };

/** Bounds of what the parser takes. */
export const HISTORY_LIMITS = {
  lineBytesMax: 16 << 20,
  nameCharsMax: 512,
  microCountMax: 100_000,
  operationCountMax: 200_000_000,
  recordCountMax: 1_000_000_000,
} as const;

/** A history that is malformed or contradicts itself; the message names the line. */
export class HistoryError extends Error {
  override readonly name = "HistoryError";
  readonly line: number;
  constructor(line: number, reason: string, options?: ErrorOptions) {
    super(`Cannot read history line ${line}: ${reason}`, options);
    this.line = line;
  }
}
