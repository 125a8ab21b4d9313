/**
 * The partition actor: the single writer of one partition's log. It decides with `core/partition`, keeps the assigned
 * head (what the next batch builds on) apart from the durable one (what readers see), and serves readers from the
 * tail cache or the log. Key: `<topicId>/<partition>`.
 *
 * On one store every durable record is committed, so the high watermark is the durable log end offset; until
 * transactions arrive the last stable offset is the same.
 */
import { limits } from "../core/config/limits.ts";
import { type BatchFacts, decideAppend } from "../core/partition/append.ts";
import type { LogHead } from "../core/partition/log_head.ts";
import type { ProducerState } from "../core/partition/producer_state.ts";
import {
  assignOffsets,
  type BatchFault,
  type BatchHeader,
  deservesRecordWalk,
  setLogAppendTime,
  validateProducedBatch,
  validateRecords,
} from "../protocol/records/record_batch.ts";
import { CorruptStorageError } from "../storage/errors.ts";
import { type LogAppend, PartitionLog } from "../storage/partition_log.ts";
import type { ShardStore } from "../storage/shard.ts";
import { PARTITION_KIND } from "./kinds.ts";
import type {
  AwaitData,
  Fetch,
  FetchResult,
  ListOffset,
  ListOffsetResult,
  PartitionMessage,
  Produce,
  ProduceResult,
} from "./messages/partition.ts";
import type { ActorContext, ActorHost, ActorKind, Reply } from "./runtime/types.ts";
import { TailCache, TailCacheBudget } from "./tail_cache.ts";

/** Appends that may wait for a commit; with batches of 1 MiB this bounds memory at some hundred MiB for one partition. */
const STAGED_APPENDS_MAX = 256;

/** Producer states kept in memory; the rest is read back from storage on demand. */
const PRODUCERS_CACHED_MAX = 1_024;

export interface PartitionKindOptions {
  readonly shards: ShardStore;
  /** Bytes of the tail cache that all partitions share. */
  readonly tailCacheBytesMax: number;
  /** The leader epoch that the assignment gives this broker for the partition; null when the topic is not there. */
  readonly leaderEpochOf: (topicId: string, partition: number) => number | null;
}

export function partitionKey(topicId: string, partition: number): string {
  return `${topicId}/${partition}`;
}

export function partitionKind(options: PartitionKindOptions): ActorKind<PartitionMessage, LogAppend> {
  const budget = new TailCacheBudget(options.tailCacheBytesMax);
  return {
    kind: PARTITION_KIND,
    options: { stagedEffectsMax: STAGED_APPENDS_MAX },
    async activate(context) {
      const [topicId = "", index = ""] = context.address.key.split("/");
      const partition = Number(index);
      const leaderEpoch = options.leaderEpochOf(topicId, partition);
      if (leaderEpoch === null) return new AbsentPartition();
      const log = await PartitionLog.open(options.shards, topicId, partition);
      return new PartitionHost(context, log, new TailCache(budget), leaderEpoch);
    },
  };
}

/** Stands in for a partition that the metadata no longer holds, so that asking for it creates nothing. */
class AbsentPartition implements ActorHost<PartitionMessage, LogAppend> {
  receive(message: PartitionMessage, reply: Reply<unknown>): void {
    const error = "UNKNOWN_TOPIC_OR_PARTITION";
    switch (message.type) {
      case "produce":
        return reply.sendNow(refusedProduce(error, null, -1));
      case "fetch":
        return reply.sendNow({ ...emptyFetch, error });
      case "listOffset":
        return reply.sendNow({ error, offset: -1, timestamp: -1, leaderEpoch: -1 });
      case "describe":
        return reply.sendNow({
          logStartOffset: 0,
          highWatermark: 0,
          lastStableOffset: 0,
          leaderEpoch: -1,
          sizeBytes: 0,
        });
      case "awaitData":
      case "close":
        return reply.sendNow(true);
    }
  }
}

const emptyFetch: FetchResult = {
  error: "NONE",
  highWatermark: -1,
  lastStableOffset: -1,
  logStartOffset: -1,
  records: [],
  abortedTransactions: [],
};

function refusedProduce(
  error: ProduceResult["error"],
  errorMessage: string | null,
  logStartOffset: number,
): ProduceResult {
  return { error, errorMessage, baseOffset: -1, logAppendTimeMs: -1, logStartOffset };
}

/**
 * The batch as a whole, and its records where that is cheap (no compression), demanded (keys) or wise (a tiny compressed
 * batch that claims millions of records).
 */
function validate(
  { batch, maxMessageBytes, requireKeys }: Produce,
): BatchFault | { ok: true; header: BatchHeader } {
  const validated = validateProducedBatch(batch, { maxMessageBytes });
  if (!validated.ok) return validated;
  const { header } = validated;
  if (header.compression !== "none" && !requireKeys && !deservesRecordWalk(header)) return validated;
  const records = validateRecords(batch, {
    maxDecompressedBytes: limits.decompressedBatchBytesMax,
    requireKeys,
  });
  if (!records.ok) return records;
  return { ok: true, header: { ...header, maxTimestamp: records.maxTimestamp } };
}

interface Waiter {
  readonly message: AwaitData;
  readonly reply: Reply<unknown>;
}

class PartitionHost implements ActorHost<PartitionMessage, LogAppend> {
  readonly #context: ActorContext<PartitionMessage, LogAppend>;
  readonly #log: PartitionLog;
  readonly #cache: TailCache;
  readonly #leaderEpoch: number;
  readonly #producers = new Map<number, ProducerState>();
  readonly #waiters = new Set<Waiter>();
  /** Includes appends whose commit is under way. */
  #assigned: LogHead;
  /** What readers see. */
  #durable: LogHead;

  constructor(
    context: ActorContext<PartitionMessage, LogAppend>,
    log: PartitionLog,
    cache: TailCache,
    leaderEpoch: number,
  ) {
    this.#context = context;
    this.#log = log;
    this.#cache = cache;
    this.#leaderEpoch = leaderEpoch;
    this.#assigned = log.head;
    this.#durable = log.head;
  }

  receive(message: PartitionMessage, reply: Reply<unknown>): void | Promise<void> {
    switch (message.type) {
      case "produce":
        return this.#produce(message, reply);
      case "fetch":
        return this.#fetch(message, reply);
      case "awaitData":
        return this.#awaitData(message, reply);
      case "listOffset":
        return this.#listOffset(message, reply);
      case "describe":
        return reply.sendNow({
          logStartOffset: this.#durable.logStartOffset,
          highWatermark: this.#durable.logEndOffset,
          lastStableOffset: this.#durable.logEndOffset,
          leaderEpoch: this.#leaderEpoch,
          sizeBytes: this.#durable.sizeBytes,
        });
      case "close":
        for (const waiter of this.#waiters) waiter.reply.sendNow(true);
        this.#waiters.clear();
        return reply.send(true);
    }
  }

  async commit(appends: readonly LogAppend[]): Promise<number> {
    const count = await this.#log.append(appends);
    const last = appends[count - 1];
    if (last !== undefined) this.#durable = last.headAfter;
    for (const append of appends.slice(0, count)) this.#cache.add(append);
    this.#wakeWaiters();
    return count;
  }

  stop(): void {
    this.#cache.clear();
    this.#log.close();
  }

  inspect(): Record<string, unknown> {
    return {
      logStartOffset: this.#durable.logStartOffset,
      highWatermark: this.#durable.logEndOffset,
      logEndOffset: this.#assigned.logEndOffset,
      sizeBytes: this.#durable.sizeBytes,
      waiting: this.#waiters.size,
    };
  }

  #produce(message: Produce, reply: Reply<unknown>): void | Promise<void> {
    const validated = validate(message);
    if (!validated.ok) {
      return reply.send(
        refusedProduce(validated.error, validated.message, this.#durable.logStartOffset),
      );
    }
    const { producerId, isTransactional } = validated.header;
    if (isTransactional) {
      const message = "Transactions are not supported yet";
      return reply.send(refusedProduce("INVALID_TXN_STATE", message, this.#durable.logStartOffset));
    }
    if (producerId < 0) return this.#append(message, validated.header, null, reply);
    const known = this.#producers.get(producerId);
    if (known !== undefined) return this.#append(message, validated.header, known, reply);
    // The first batch of a producer in this activation: its state may be in storage. The mailbox waits meanwhile.
    return this.#log.producerState(producerId)
      .then((stored) => this.#append(message, validated.header, stored, reply));
  }

  #append(message: Produce, facts: BatchFacts, producer: ProducerState | null, reply: Reply<unknown>): void {
    const nowMs = this.#context.env.now();
    const byAppendTime = message.timestampType === "LogAppendTime";
    const maxTimestamp = byAppendTime ? nowMs : facts.maxTimestamp;
    const decision = decideAppend(
      this.#assigned,
      { ...facts, maxTimestamp },
      producer,
      this.#leaderEpoch,
      nowMs,
    );
    const logStartOffset = this.#durable.logStartOffset;
    switch (decision.type) {
      case "refused":
        return reply.send(refusedProduce(decision.error, decision.message, logStartOffset));
      case "duplicate":
        return reply.send(
          {
            error: "NONE",
            errorMessage: null,
            baseOffset: decision.baseOffset,
            logAppendTimeMs: -1,
            logStartOffset,
          } satisfies ProduceResult,
        );
      case "append":
        if (byAppendTime) setLogAppendTime(message.batch, nowMs);
        assignOffsets(message.batch, decision.baseOffset, this.#leaderEpoch);
        this.#assigned = decision.head;
        if (decision.producer !== null) this.#rememberProducer(decision.producer);
        this.#context.stage({
          baseOffset: decision.baseOffset,
          lastOffset: decision.lastOffset,
          leaderEpoch: this.#leaderEpoch,
          bytes: message.batch,
          maxTimestamp,
          producer: decision.producer,
          headAfter: decision.head,
        });
        return reply.send(
          {
            error: "NONE",
            errorMessage: null,
            baseOffset: decision.baseOffset,
            logAppendTimeMs: byAppendTime ? nowMs : -1,
            logStartOffset,
          } satisfies ProduceResult,
        );
    }
  }

  /** Keeps the newest producers; one may be forgotten only when its newest batch is durable and can be read back. */
  #rememberProducer(state: ProducerState): void {
    this.#producers.delete(state.producerId);
    this.#producers.set(state.producerId, state);
    if (this.#producers.size <= PRODUCERS_CACHED_MAX) return;
    for (const [producerId, oldest] of this.#producers) {
      const newest = oldest.batches.at(-1);
      if (newest !== undefined && newest.baseOffset < this.#durable.logEndOffset) {
        this.#producers.delete(producerId);
      }
      return;
    }
  }

  #fetch(message: Fetch, reply: Reply<unknown>): void {
    const { logStartOffset, logEndOffset: highWatermark } = this.#durable;
    const known = { highWatermark, lastStableOffset: highWatermark, logStartOffset, abortedTransactions: [] };
    const epochError = this.#epochError(message.currentLeaderEpoch);
    if (epochError !== null) return reply.sendNow({ ...known, error: epochError, records: [] });
    if (message.offset < logStartOffset || message.offset > highWatermark) {
      return reply.sendNow({ ...known, error: "OFFSET_OUT_OF_RANGE", records: [] });
    }
    if (message.offset === highWatermark) return reply.sendNow({ ...known, error: "NONE", records: [] });
    const cached = this.#cache.read(message.offset, highWatermark, message.maxBytes, message.minOneBatch);
    if (cached !== null) return reply.sendNow({ ...known, error: "NONE", records: cached });
    this.#context.run(async () => {
      const answer = await this.#readCold(message, highWatermark);
      reply.sendNow({ ...known, ...answer });
    });
  }

  async #readCold(
    message: Fetch,
    upTo: number,
  ): Promise<{ error: FetchResult["error"]; records: readonly Uint8Array[] }> {
    try {
      const records = await this.#log.read(message.offset, {
        maxBytes: message.maxBytes,
        minOneBatch: message.minOneBatch,
        upTo,
      });
      return { error: "NONE", records };
    } catch (error) {
      // A failed read says nothing against the writer: only this fetch is answered with Kafka's retriable error.
      this.#context.log.error("Cannot read the log", {
        partition: this.#context.address.key,
        offset: message.offset,
        error: String(error),
        corrupt: error instanceof CorruptStorageError,
      });
      return { error: "KAFKA_STORAGE_ERROR", records: [] };
    }
  }

  #awaitData(message: AwaitData, reply: Reply<unknown>): void {
    const waiter = { message, reply };
    if (this.#hasData(message)) return reply.sendNow(true);
    this.#waiters.add(waiter);
    reply.onAbandon(() => this.#waiters.delete(waiter));
  }

  #hasData(message: AwaitData): boolean {
    if (message.offset >= this.#durable.logEndOffset) return false;
    // Data that already left the cache is more than any sensible `minBytes`, or will be read at once anyway.
    const bytes = this.#cache.bytesFrom(message.offset, message.minBytes);
    return bytes === null || bytes >= message.minBytes;
  }

  #wakeWaiters(): void {
    for (const waiter of this.#waiters) {
      if (!this.#hasData(waiter.message)) continue;
      this.#waiters.delete(waiter);
      waiter.reply.sendNow(true);
    }
  }

  #listOffset(message: ListOffset, reply: Reply<unknown>): void {
    const leaderEpoch = this.#leaderEpoch;
    const answer = (offset: number, timestamp: number) =>
      reply.sendNow({ error: "NONE", offset, timestamp, leaderEpoch } satisfies ListOffsetResult);
    const epochError = this.#epochError(message.currentLeaderEpoch);
    if (epochError !== null) {
      return reply.sendNow(
        { error: epochError, offset: -1, timestamp: -1, leaderEpoch: -1 } satisfies ListOffsetResult,
      );
    }
    const head = this.#durable;
    switch (message.timestamp) {
      case -1:
        return answer(head.logEndOffset, -1);
      case -2:
      case -4:
        return answer(head.logStartOffset, -1);
      case -3:
        return this.#search(head.maxTimestamp, head, reply);
      case -5:
        return answer(-1, -1);
      default:
        return this.#search(message.timestamp, head, reply);
    }
  }

  #search(timestamp: number, head: LogHead, reply: Reply<unknown>): void {
    const leaderEpoch = this.#leaderEpoch;
    if (timestamp < 0 && head.maxTimestamp < 0) {
      return reply.sendNow(
        { error: "NONE", offset: -1, timestamp: -1, leaderEpoch } satisfies ListOffsetResult,
      );
    }
    this.#context.run(async () => {
      let result: ListOffsetResult;
      try {
        const found = await this.#log.offsetForTimestamp(timestamp, head.logEndOffset);
        result = {
          error: "NONE",
          offset: found?.offset ?? -1,
          timestamp: found?.timestamp ?? -1,
          leaderEpoch,
        };
      } catch (error) {
        this.#context.log.error("Cannot search the log", {
          partition: this.#context.address.key,
          timestamp,
          error: String(error),
        });
        result = { error: "KAFKA_STORAGE_ERROR", offset: -1, timestamp: -1, leaderEpoch: -1 };
      }
      reply.sendNow(result);
    });
  }

  #epochError(currentLeaderEpoch: number): "FENCED_LEADER_EPOCH" | "UNKNOWN_LEADER_EPOCH" | null {
    if (currentLeaderEpoch < 0 || currentLeaderEpoch === this.#leaderEpoch) return null;
    return currentLeaderEpoch < this.#leaderEpoch ? "FENCED_LEADER_EPOCH" : "UNKNOWN_LEADER_EPOCH";
  }
}
