/**
 * Collects what clients did as a history for the checker (`checker/history_format.ts`). Works on any clock: the
 * simulator's or a real one.
 */
import type { ConsumedRecord, RecordMetadata } from "../client/mod.ts";
import { BrokerError, ClosedError, type CommittedOffset, RecordTooLargeError } from "../client/mod.ts";
import type { HistoryLine, Isolation, Micro, Outcome, PolledRecord } from "./checker/history_format.ts";

/** Told of each operation when it ends, for the story of a run. */
export type OnOperation = (process: string, what: string) => void;

/** A line without what the recorder adds. */
type Unrecorded<L> = L extends HistoryLine ? Omit<L, "type" | "process" | "invokeMs" | "completeMs"> : never;

const textDecoder = new TextDecoder();
const textEncoder = new TextEncoder();

/** Broker errors that say that the record is not in the log and never will be. */
const SURELY_NOT: ReadonlySet<string> = new Set([
  "MESSAGE_TOO_LARGE",
  "RECORD_LIST_TOO_LARGE",
  "INVALID_RECORD",
  "CORRUPT_MESSAGE",
  "INVALID_TOPIC_EXCEPTION",
]);

export class HistoryRecorder {
  readonly #nowMs: () => number;
  readonly #onOperation: OnOperation;
  readonly #lines: { readonly line: HistoryLine; readonly serial: number }[] = [];
  readonly #open = new Set<() => void>();
  #serial = 0;

  constructor(nowMs: () => number, onOperation: OnOperation = () => {}) {
    this.#nowMs = nowMs;
    this.#onOperation = onOperation;
  }

  get length(): number {
    return this.#lines.length;
  }

  /** In the order of their invocation; what has not ended by now has outcome `info`. */
  lines(): HistoryLine[] {
    for (const giveUp of this.#open) giveUp();
    return this.#lines.toSorted((a, b) => a.line.invokeMs - b.line.invokeMs || a.serial - b.serial)
      .map(({ line }) => line);
  }

  /** Begins an operation of a process; the result is called with its outcome, once. */
  begin(process: string): (type: Outcome, line: Unrecorded<HistoryLine>) => void {
    const invokeMs = this.#nowMs();
    const serial = this.#serial++;
    return (type, rest) => {
      const line = { type, process, invokeMs, completeMs: this.#nowMs(), ...rest } as HistoryLine;
      this.#lines.push({ line, serial });
      this.#onOperation(process, `${type} ${describe(line)}`);
    };
  }

  /** Records one send; never rejects. */
  async send(
    process: string,
    partition: string,
    value: number,
    sending: Promise<RecordMetadata>,
    { key = null, tombstone = false }: { readonly key?: string | null; readonly tombstone?: boolean } = {},
  ): Promise<Outcome> {
    const end = this.begin(process);
    const done = (outcome: Outcome, offset: number | null) =>
      end(outcome, { micro: [sendOf(partition, value, offset, key, tombstone)], acks: -1 });
    const giveUp = () => done("info", null);
    this.#open.add(giveUp);
    try {
      const { offset } = await sending;
      done("ok", offset < 0 ? null : offset);
      return "ok";
    } catch (error) {
      const outcome = isSurelyNot(error) ? "fail" : "info";
      done(outcome, null);
      return outcome;
    } finally {
      this.#open.delete(giveUp);
    }
  }

  /** Records what a poll returned. */
  poll(
    end: (type: Outcome, line: Unrecorded<HistoryLine>) => void,
    nameOf: (topic: string, partition: number) => string,
    records: readonly ConsumedRecord[],
    isolation: Isolation = "read_uncommitted",
  ): void {
    const polled: Record<string, PolledRecord[]> = {};
    for (const { topic, partition, offset, value, headers } of records) {
      const named = value ?? headers.find(({ key }) => key === TOMBSTONE_HEADER)?.value ?? null;
      (polled[nameOf(topic, partition)] ??= []).push([offset, decodeValue(named)]);
    }
    end("ok", { micro: [["poll", polled]], isolation });
  }

  /** Records a transaction with all that it sent; what is not ended by the last line is unknown. */
  beginTransaction(process: string, id: string): RecordedTransaction {
    const end = this.begin(process);
    const micro: Micro[] = [];
    const done = (outcome: Outcome) => {
      if (!this.#open.delete(giveUp)) return;
      if (micro.length > 0) end(outcome, { micro, txn: id });
    };
    const giveUp = () => done("info");
    this.#open.add(giveUp);
    return {
      send: (partition, value, { offset, key = null, tombstone = false }) => {
        micro.push(sendOf(partition, value, offset, key, tombstone));
      },
      end: done,
    };
  }

  /** Records an OffsetCommit; rethrows. */
  async commit(
    process: string,
    commit: {
      readonly group: string;
      readonly generation: number;
      readonly offsets: readonly CommittedOffset[];
    },
    nameOf: (topic: string, partition: number) => string,
    committing: Promise<void>,
  ): Promise<void> {
    const end = this.begin(process);
    const offsets = Object.fromEntries(
      commit.offsets.map(({ topic, partition, offset }) => [nameOf(topic, partition), offset]),
    );
    const line = { kind: "commit", group: commit.group, generation: commit.generation, offsets } as const;
    const giveUp = () => end("info", line);
    this.#open.add(giveUp);
    try {
      await committing;
      end("ok", line);
    } catch (error) {
      end("info", line);
      throw error;
    } finally {
      this.#open.delete(giveUp);
    }
  }
}

export interface RecordedTransaction {
  /** `offset` is null when no acknowledgement told it. */
  send(
    partition: string,
    value: number,
    sent: { readonly offset: number | null; readonly key?: string | null; readonly tombstone?: boolean },
  ): void;
  /** Ok: committed; fail: aborted, surely. Later calls are without effect. */
  end(outcome: Outcome): void;
}

/** The header in which a record without a value says which one it is. */
export const TOMBSTONE_HEADER = "value";

function sendOf(
  partition: string,
  value: number,
  offset: number | null,
  key: string | null,
  tombstone: boolean,
): Micro {
  return key === null
    ? ["send", partition, value, offset]
    : ["send", partition, value, offset, key, tombstone];
}

/** The record's value for a number: its digits, then filling up to `sizeBytes`. */
export function encodeValue(value: number, sizeBytes = 0): Uint8Array {
  return textEncoder.encode(`${value} `.padEnd(sizeBytes, "."));
}

/** Throws nothing: bytes that no workload wrote become a text that the checker has never seen sent. */
function decodeValue(bytes: Uint8Array | null): number | string {
  if (bytes === null) return "null";
  const text = textDecoder.decode(bytes);
  const match = /^(\d+) \.*$/.exec(text);
  return match === null ? `unwritten: ${text.slice(0, 40)}` : Number(match[1]);
}

function isSurelyNot(error: unknown): boolean {
  if (error instanceof RecordTooLargeError) return true;
  // A client that was closed before it had sent anything would be sure, too; it does not tell.
  if (error instanceof ClosedError) return false;
  return error instanceof BrokerError && SURELY_NOT.has(error.error);
}

function describe(line: HistoryLine): string {
  switch (line.kind) {
    case "assign":
    case "subscribe":
      return `${line.kind} ${line.to.join(" ")}`;
    case "offsets":
      return `${line.at} offset of ${line.partition} is ${line.offset}`;
    case "commit":
    case "committed":
      return `${line.kind} ${JSON.stringify(line.offsets)}`;
    case undefined:
    case "op":
      return line.micro.map((micro) =>
        micro[0] === "send"
          ? `send ${micro[1]} ${micro[2]} at ${micro[3]}`
          : micro[0] === "poll"
          ? `poll ${
            Object.entries(micro[1]).map(([name, records]) =>
              `${name} ${records[0]?.[0]}-${records.at(-1)?.[0]}`
            ).join(", ")
          }`
          : micro[0]
      ).join(", ");
    default:
      return line.kind;
  }
}
