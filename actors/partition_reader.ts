/**
 * The reading half of a partition: what is durable of its log, as consumers ask for it, from the tail cache or from storage, and
 * the consumers that wait for more. The writing half (`partition.ts`) tells it what has become durable.
 */
import { decideDivergence, epochEndOffset } from "../core/partition/leader_epochs.ts";
import type { LogHead } from "../core/partition/log_head.ts";
import type { OpenTransactions } from "../core/partition/transactions.ts";
import { CorruptStorageError } from "../storage/errors.ts";
import {
  type FoundRecord,
  type LogEffect,
  OffsetTrimmedError,
  type PartitionLog,
} from "../storage/partition_log.ts";
import type {
  AwaitData,
  Fetch,
  FetchResult,
  FindEpochEnd,
  ListOffset,
  ListOffsetResult,
  PartitionDescription,
  PartitionMessage,
} from "./messages/partition.ts";
import type { ActorContext, Reply } from "./runtime/types.ts";
import type { TailCache } from "./tail_cache.ts";

/** What is answered when no record qualifies, and with every error. */
export const noOffset: ListOffsetResult = { error: "NONE", offset: -1, timestamp: -1, leaderEpoch: -1 };

export interface PartitionReaderOptions {
  readonly context: ActorContext<PartitionMessage, LogEffect>;
  readonly log: PartitionLog;
  readonly cache: TailCache;
  readonly leaderEpoch: number;
  /** As stored. */
  readonly open: OpenTransactions;
  /** Offset of the newest abort marker; -1 when there is none. */
  readonly lastAbort: number;
}

interface Waiter {
  readonly message: AwaitData;
  readonly reply: Reply<unknown>;
}

export class PartitionReader {
  readonly #context: ActorContext<PartitionMessage, LogEffect>;
  readonly #log: PartitionLog;
  readonly #cache: TailCache;
  readonly #leaderEpoch: number;
  readonly #open: OpenTransactions;
  /** Offset of the newest abort marker that is durable; -1 when there is none. */
  #lastAbort: number;
  #head: LogHead;
  readonly #waiters = new Set<Waiter>();

  constructor({ context, log, cache, leaderEpoch, open, lastAbort }: PartitionReaderOptions) {
    this.#context = context;
    this.#log = log;
    this.#cache = cache;
    this.#leaderEpoch = leaderEpoch;
    this.#open = open;
    this.#lastAbort = lastAbort;
    this.#head = log.head;
  }

  /** What is durable: its end is the high watermark. */
  get head(): LogHead {
    return this.#head;
  }

  /** The transactions that are open in what is durable. */
  get open(): OpenTransactions {
    return this.#open;
  }

  get waitingCount(): number {
    return this.#waiters.size;
  }

  get lastStableOffset(): number {
    // DeleteRecords may go past the beginning of an open transaction.
    const { logStartOffset, logEndOffset } = this.#head;
    return Math.max(logStartOffset, this.#open.lastStableOffset(logEndOffset));
  }

  /** These have become durable, in this order. */
  published(effects: readonly LogEffect[]): void {
    const last = effects.at(-1);
    if (last !== undefined) this.#head = last.headAfter;
    for (const append of effects) {
      if (!("bytes" in append)) {
        if (append.trim?.rewritten !== undefined) this.#cache.dropBelow(append.trim.rewritten.upTo);
        continue;
      }
      this.#cache.add(append);
      const { transaction } = append;
      if (transaction === undefined) continue;
      this.#open.apply(transaction);
      if (transaction.type === "ended" && transaction.aborted !== null) {
        this.#lastAbort = transaction.aborted.lastOffset;
      }
    }
    this.#wakeWaiters();
  }

  /** Answers everybody who waits for records, so that they ask again. */
  release(): void {
    for (const waiter of this.#waiters) waiter.reply.sendNow(true);
    this.#waiters.clear();
  }

  describe(): PartitionDescription {
    return {
      logStartOffset: this.#head.logStartOffset,
      highWatermark: this.#head.logEndOffset,
      lastStableOffset: this.lastStableOffset,
      leaderEpoch: this.#leaderEpoch,
      sizeBytes: this.#head.sizeBytes,
    };
  }

  findEpochEnd(message: FindEpochEnd, reply: Reply<unknown>): void {
    const error = this.#epochError(message.currentLeaderEpoch);
    if (error !== null) return reply.sendNow({ error, epoch: -1, endOffset: -1 });
    reply.sendNow({ error: "NONE", ...epochEndOffset(this.#head, this.#leaderEpoch, message.leaderEpoch) });
  }

  fetch(message: Fetch, reply: Reply<unknown>): void {
    const { logStartOffset, logEndOffset: highWatermark } = this.#head;
    const lastStableOffset = this.lastStableOffset;
    const isCommitted = message.isolationLevel === "read_committed";
    const upTo = isCommitted ? lastStableOffset : highWatermark;
    const known = { highWatermark, lastStableOffset, logStartOffset, abortedTransactions: [] };
    const epochError = this.#epochError(message.currentLeaderEpoch);
    if (epochError !== null) return reply.sendNow({ ...known, error: epochError, records: [] });
    const divergence = decideDivergence(this.#head, this.#leaderEpoch, {
      offset: message.offset,
      lastFetchedEpoch: message.lastFetchedEpoch ?? -1,
    });
    if (divergence.type === "diverging") {
      return reply.sendNow({ ...known, error: "NONE", records: [], divergingEpoch: divergence.end });
    }
    if (
      divergence.type === "unknown" || message.offset < logStartOffset || message.offset > highWatermark
    ) {
      return reply.sendNow({ ...known, error: "OFFSET_OUT_OF_RANGE", records: [] });
    }
    const wantsRecords = message.maxBytes > 0 || message.minOneBatch;
    if (message.offset >= upTo || !wantsRecords) {
      return reply.sendNow({ ...known, error: "NONE", records: [] });
    }
    const cached = this.#cache.read(message.offset, upTo, message.maxBytes, message.minOneBatch);
    const mayHoldAborted = isCommitted && message.offset <= this.#lastAbort;
    if (cached !== null && !mayHoldAborted) {
      return reply.sendNow({ ...known, error: "NONE", records: cached });
    }
    this.#context.run(async () => {
      reply.sendNow({ ...known, ...await this.#read(message, upTo, { cached, mayHoldAborted }) });
    });
  }

  /** What is to be read from storage: the records, or, where some of them may be aborted, which these are. */
  async #read(
    { offset, maxBytes, minOneBatch }: Fetch,
    upTo: number,
    { cached, mayHoldAborted }: {
      readonly cached: readonly Uint8Array[] | null;
      readonly mayHoldAborted: boolean;
    },
  ): Promise<Partial<FetchResult>> {
    const options = { maxBytes, minOneBatch, upTo };
    try {
      if (!mayHoldAborted) return { error: "NONE", records: await this.#log.read(offset, options) };
      const { batches, aborted } = await this.#log.readCommitted(offset, options, cached);
      return { error: "NONE", records: batches, abortedTransactions: aborted };
    } catch (error) {
      if (error instanceof OffsetTrimmedError) {
        // Deleted while it was being read.
        return { error: "OFFSET_OUT_OF_RANGE", records: [], logStartOffset: error.logStartOffset };
      }
      // A failed read says nothing against the writer: only this fetch is answered with Kafka's retriable error.
      this.#context.log.error("Cannot read the log", {
        partition: this.#context.address.key,
        offset,
        error: String(error),
        corrupt: error instanceof CorruptStorageError,
      });
      return { error: "KAFKA_STORAGE_ERROR", records: [] };
    }
  }

  awaitData(message: AwaitData, reply: Reply<unknown>): void {
    const waiter = { message, reply };
    if (this.#hasData(message)) return reply.sendNow(true);
    this.#waiters.add(waiter);
    reply.onAbandon(() => this.#waiters.delete(waiter));
  }

  #hasData(message: AwaitData): boolean {
    const upTo = message.isolationLevel === "read_committed"
      ? this.lastStableOffset
      : this.#head.logEndOffset;
    if (message.offset >= upTo) return false;
    // Data that already left the cache is more than any sensible `minBytes`, or will be read at once anyway.
    const bytes = this.#cache.bytesFrom(message.offset, message.minBytes, upTo);
    return bytes === null || bytes >= message.minBytes;
  }

  #wakeWaiters(): void {
    for (const waiter of this.#waiters) {
      if (!this.#hasData(waiter.message)) continue;
      this.#waiters.delete(waiter);
      waiter.reply.sendNow(true);
    }
  }

  listOffset(message: ListOffset, reply: Reply<unknown>): void {
    const head = this.#head;
    const upTo = message.isolationLevel === "read_committed" ? this.lastStableOffset : head.logEndOffset;
    const epochError = this.#epochError(message.currentLeaderEpoch);
    if (epochError !== null) return reply.sendNow({ ...noOffset, error: epochError });
    switch (message.timestamp) {
      case -1:
        return reply.sendNow(this.#found(upTo, -1, this.#leaderEpoch));
      case -2:
      case -4:
        return reply.sendNow(this.#found(head.logStartOffset, -1));
      case -3:
        return this.#search(message, () => this.#log.maxTimestampRecord(), reply);
      // Nothing is ever tiered, nor waits for it.
      default:
        if (message.timestamp < 0) return reply.sendNow(noOffset);
        return this.#search(message, () => this.#log.offsetForTimestamp(message.timestamp, upTo), reply);
    }
  }

  /** The leader epoch is that of the record there. */
  #found(
    offset: number,
    timestamp: number,
    leaderEpoch = this.#head.epochs.findLast((each) => each.startOffset <= offset)?.epoch ??
      this.#leaderEpoch,
  ): ListOffsetResult {
    return { error: "NONE", offset, timestamp, leaderEpoch };
  }

  #search(
    { timestamp }: ListOffset,
    find: () => Promise<FoundRecord | null>,
    reply: Reply<unknown>,
  ): void {
    this.#context.run(async () => {
      let result: ListOffsetResult;
      try {
        const found = await find();
        result = found === null ? noOffset : this.#found(found.offset, found.timestamp);
      } catch (error) {
        this.#context.log.error("Cannot search the log", {
          partition: this.#context.address.key,
          timestamp,
          error: String(error),
        });
        result = { ...noOffset, error: "KAFKA_STORAGE_ERROR" };
      }
      reply.sendNow(result);
    });
  }

  #epochError(currentLeaderEpoch: number): "FENCED_LEADER_EPOCH" | "UNKNOWN_LEADER_EPOCH" | null {
    if (currentLeaderEpoch < 0 || currentLeaderEpoch === this.#leaderEpoch) return null;
    return currentLeaderEpoch < this.#leaderEpoch ? "FENCED_LEADER_EPOCH" : "UNKNOWN_LEADER_EPOCH";
  }
}
