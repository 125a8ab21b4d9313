/**
 * The partition actor: the single writer of one partition's log. It decides with `core/partition`, keeps the assigned
 * head (what the next batch builds on) apart from the durable one (what readers see), which
 * `partition_reader.ts` serves. Key: `<topicId>/<partition>`.
 *
 * On one store every durable record is committed, so the high watermark is the durable log end offset. The first batch of
 * a transaction is verified with the transaction's coordinator while the mailbox waits, so that no marker can slip in
 * between (KIP-890).
 */
import { limits } from "../core/config/limits.ts";
import { type BatchFacts, decideAppend } from "../core/partition/append.ts";
import type { LogHead } from "../core/partition/log_head.ts";
import type { ProducerState } from "../core/partition/producer_state.ts";
import { decideSequence } from "../core/partition/sequence.ts";
import {
  decideMarker,
  decideTransactionalBatch,
  type OpenTransactions,
  type TransactionChange,
} from "../core/partition/transactions.ts";
import { invariant } from "../lib/invariant.ts";
import { buildControlBatch } from "../protocol/records/control_record.ts";
import { assignOffsets, type BatchHeader, setLogAppendTime } from "../protocol/records/record_batch.ts";
import { StorageUnavailableError } from "../storage/errors.ts";
import type { TrimPlan } from "../storage/log_trim.ts";
import { type LogAppend, type LogEffect, PartitionLog } from "../storage/partition_log.ts";
import type { ShardGuard, ShardStore } from "../storage/shard.ts";
import { AbsentPartition, refusedProduce } from "./absent_partition.ts";
import { PARTITION_KIND, TRANSACTION_KIND } from "./kinds.ts";
import type {
  PartitionMessage,
  Produce,
  ProduceResult,
  RestoreBatches,
  WriteMarker,
} from "./messages/partition.ts";
import type { TransactionMessage } from "./messages/transaction.ts";
import { PartitionProducers, PRODUCERS_FORGOTTEN_MAX } from "./partition_producers.ts";
import { ReadOnlyPartition } from "./read_only_partition.ts";
import { PartitionReader } from "./partition_reader.ts";
import { validateLargeProduce } from "./large_produce.ts";
import { type LargeProduce, type ProduceVerdict, validateProduce } from "./produce_validation.ts";
import { PartitionCleaner } from "./partition_cleaner.ts";
import { planGap, planRestore } from "./partition_restore.ts";
import type { ActorContext, ActorHost, ActorKind, Reply } from "./runtime/types.ts";
import { SlicedWork } from "./slices.ts";
import { TailCache, TailCacheBudget } from "./tail_cache.ts";

/** Appends that may wait for a commit; with batches of 1 MiB this bounds memory at some hundred MiB for one partition. */
const STAGED_APPENDS_MAX = 256;

/** A transaction's coordinator answers from memory; a client that waited in vain tries again. */
const VERIFY_DEADLINE_MS = 5_000;

const DAY_MS = 86_400_000;

export interface PartitionKindOptions {
  readonly shards: ShardStore;
  /** Bytes of the tail cache that all partitions share. */
  readonly tailCacheBytesMax: number;
  /** Told of each read of records whether the tail cache had them. */
  readonly onRead?: (isHit: boolean) => void;
  /** `producer.id.expiration.ms`; a day when left out. */
  readonly producerExpirationMs?: () => number;
  /** The leader epoch that the assignment gives this broker for the partition; null when the topic is not there. */
  readonly leaderEpochOf: (topicId: string, partition: number) => number | null;
  /** What says whether a topic may have data (`topicGuard`); absent: nothing does. */
  readonly guardOf?: (topicId: string) => ShardGuard;
}

export function partitionKey(topicId: string, partition: number): string {
  return `${topicId}/${partition}`;
}

export function partitionOfKey(key: string): { readonly topicId: string; readonly partition: number } {
  const [topicId = "", index = ""] = key.split("/");
  return { topicId, partition: Number(index) };
}

export function partitionKind(options: PartitionKindOptions): ActorKind<PartitionMessage, LogEffect> {
  const budget = new TailCacheBudget(options.tailCacheBytesMax, options.onRead);
  const largeWork = new SlicedWork();
  return {
    kind: PARTITION_KIND,
    options: { stagedEffectsMax: STAGED_APPENDS_MAX, mailboxLengthMax: limits.partitionMailboxLengthMax },
    bytesOf,
    async activate(context) {
      const { topicId, partition } = partitionOfKey(context.address.key);
      const leaderEpoch = options.leaderEpochOf(topicId, partition);
      if (leaderEpoch === null) return new AbsentPartition();
      const log = await openLog(options, topicId, partition);
      const [open, lastAbort] = await Promise.all([log.openTransactions(), log.lastAbort()]);
      const cache = new TailCache(budget);
      const producers = new PartitionProducers(log, options.producerExpirationMs ?? (() => DAY_MS));
      const host = new PartitionHost({
        context,
        log,
        cache,
        producers,
        leaderEpoch,
        open,
        lastAbort,
        largeWork,
      });
      if (!log.isReadOnly) return host;
      return new ReadOnlyPartition({ context, reads: host, health: options.shards.health });
    },
  };
}

/** What a message brings to be stored. */
function bytesOf(message: PartitionMessage): number {
  if (message.type === "produce") return message.batch.byteLength;
  if (message.type !== "restore") return 0;
  return message.batches.reduce((sum, batch) => sum + batch.byteLength, 0);
}

/** To be read only, when the store takes no writes. */
async function openLog(
  { shards, guardOf }: PartitionKindOptions,
  topicId: string,
  partition: number,
): Promise<PartitionLog> {
  if (!shards.health.isFailing) {
    try {
      return await PartitionLog.open(shards, topicId, partition, guardOf?.(topicId) ?? null);
    } catch (error) {
      if (!(error instanceof StorageUnavailableError)) throw error;
    }
  }
  return await PartitionLog.openToRead(shards, topicId, partition);
}

interface HostOptions {
  readonly context: ActorContext<PartitionMessage, LogEffect>;
  readonly log: PartitionLog;
  readonly cache: TailCache;
  readonly producers: PartitionProducers;
  readonly leaderEpoch: number;
  /** As stored. */
  readonly open: OpenTransactions;
  /** Offset of the newest abort marker; -1 when there is none. */
  readonly lastAbort: number;
  /** Shared by all partitions. */
  readonly largeWork: SlicedWork;
}

class PartitionHost implements ActorHost<PartitionMessage, LogEffect> {
  readonly #context: ActorContext<PartitionMessage, LogEffect>;
  readonly #log: PartitionLog;
  readonly #cache: TailCache;
  readonly #reader: PartitionReader;
  readonly #leaderEpoch: number;
  readonly #producers: PartitionProducers;
  /** As `#assigned`; as durable it is the reader's. */
  readonly #assignedOpen: OpenTransactions;
  readonly #cleaner: PartitionCleaner;
  readonly #largeWork: SlicedWork;
  /** Likewise for the look at the producers. */
  #expiring = false;
  /** Includes appends whose commit is under way. */
  #assigned: LogHead;

  constructor(
    { context, log, cache, producers, leaderEpoch, open, lastAbort, largeWork }: HostOptions,
  ) {
    this.#reader = new PartitionReader({ context, log, cache, leaderEpoch, open: open.copy(), lastAbort });
    this.#context = context;
    this.#log = log;
    this.#cache = cache;
    this.#producers = producers;
    this.#leaderEpoch = leaderEpoch;
    this.#assignedOpen = open;
    this.#largeWork = largeWork;
    this.#assigned = log.head;
    this.#cleaner = new PartitionCleaner(context, log, {
      durable: () => this.#reader.head,
      assigned: () => this.#assigned,
      lastStableOffset: () => this.#reader.lastStableOffset,
      stage: (change, trim) => this.#stageCleanup(change, trim),
    });
  }

  receive(message: PartitionMessage, reply: Reply<unknown>): void | Promise<void> {
    switch (message.type) {
      case "produce":
        return this.#produce(message, reply);
      case "fetch":
        return this.#reader.fetch(message, reply);
      case "awaitData":
        return this.#reader.awaitData(message, reply);
      case "listOffset":
        return this.#reader.listOffset(message, reply);
      case "findEpochEnd":
        return this.#reader.findEpochEnd(message, reply);
      case "describe":
        return reply.sendNow(this.#reader.describe());
      case "writeMarker":
        return this.#withProducer(
          message.producerId,
          (producer) => this.#writeMarker(message, producer, reply),
        );
      case "describeProducers":
        return this.#context.run(async () => {
          reply.sendNow({ error: "NONE", producers: await this.#producers.describe(this.#reader.open) });
        });
      case "expireProducers":
        return this.#expireProducers(reply);
      case "forgetProducers":
        return this.#forgetProducers(message.victims);
      case "deleteRecords":
        return this.#deleteRecords(message.offset, reply);
      case "clean":
        return this.#cleaner.clean(message, reply);
      case "compact":
        return this.#cleaner.compact(message, reply);
      case "restore":
        return this.#restore(message, reply);
      case "verify":
        return this.#verifyLog(message.from, reply);
      case "close":
        this.release();
        return reply.send(true);
    }
  }

  release(): void {
    this.#reader.release();
  }

  async commit(effects: readonly LogEffect[]): Promise<number> {
    const count = await this.#log.append(effects);
    const durable = effects.slice(0, count);
    this.#reader.published(durable);
    this.#cleaner.committed(durable);
    return count;
  }

  stop(): void {
    this.#cache.clear();
    this.#log.close();
  }

  inspect(): Record<string, unknown> {
    return {
      ...this.#reader.describe(),
      logEndOffset: this.#assigned.logEndOffset,
      openTransactions: this.#reader.open.count,
      waiting: this.#reader.waitingCount,
    };
  }

  #produce(message: Produce, reply: Reply<unknown>): void | Promise<void> {
    const validated = validateProduce(message, this.#context.env.now());
    if (validated.ok === "large") return this.#produceLarge(message, validated, reply);
    return this.#produceValidated(message, validated, reply);
  }

  /** The mailbox waits meanwhile, so that batches keep their order. */
  async #produceLarge(message: Produce, { header }: LargeProduce, reply: Reply<unknown>): Promise<void> {
    const { env } = this.#context;
    const validated = await this.#largeWork.inTurn(env, async (slices) => {
      // Its turn may come after the asker gave up; what nobody waits for is not worth the time.
      if (reply.settled) return null;
      return await validateLargeProduce(message, header, { env, slices, nowMs: env.now() });
    });
    if (validated !== null && !reply.settled) return this.#produceValidated(message, validated, reply);
    // The asker gave up, or this activation has ended and its log is another's: nothing is stored. An answer all the same,
    // since the message's bytes count until there is one.
    reply.send(refusedProduce("REQUEST_TIMED_OUT", "The batch was not looked at in time", -1));
  }

  #produceValidated(
    message: Produce,
    validated: ProduceVerdict,
    reply: Reply<unknown>,
  ): void | Promise<void> {
    if (!validated.ok) {
      const { error, recordFaults } = validated;
      // Like Kafka, which knows the log only once it looks at the records.
      const logStartOffset = recordFaults === undefined ? -1 : this.#reader.head.logStartOffset;
      const refused = refusedProduce(error, validated.message, logStartOffset);
      return reply.send(recordFaults === undefined ? refused : { ...refused, recordFaults });
    }
    const toStore = { ...message, batch: validated.batch };
    const { producerId, isTransactional } = validated.header;
    if (isTransactional && (message.transactionalId ?? null) === null) {
      const why = "A transactional batch needs a transactional id";
      return reply.send(refusedProduce("INVALID_TXN_STATE", why, this.#reader.head.logStartOffset));
    }
    const batch = { facts: validated.header, opensTransaction: false };
    if (producerId < 0) return this.#append(toStore, batch, null, reply);
    return this.#withProducer(
      producerId,
      (producer) => this.#produceInSequence(toStore, validated.header, producer, reply),
    );
  }

  /** Goes on with the producer's state: at once, or when it is read from storage, while the mailbox waits. */
  #withProducer(
    producerId: number,
    goOn: (producer: ProducerState | null) => void | Promise<void>,
  ): void | Promise<void> {
    return this.#producers.withState(producerId, this.#assignedOpen, this.#context.env.now(), goOn);
  }

  #produceInSequence(
    message: Produce,
    header: BatchHeader,
    producer: ProducerState | null,
    reply: Reply<unknown>,
  ): void | Promise<void> {
    const isVersion2 = header.isTransactional && message.supportsEpochBump === true;
    const facts = {
      ...header,
      firstSequenceMax: isVersion2 ? 0 : this.#producers.firstSequenceMax(header),
    };
    // A duplicate is one whether or not its transaction is still open.
    const isNext = decideSequence(producer, facts).type === "next";
    const place = isNext ? decideTransactionalBatch(this.#assignedOpen, producer, facts) : "continues";
    if (place === "continues") {
      return this.#append(message, { facts, opensTransaction: false }, producer, reply);
    }
    if (place === "INVALID_TXN_STATE") {
      const why = "The producer has another transaction open here";
      return reply.send(refusedProduce(place, why, this.#reader.head.logStartOffset));
    }
    return this.#verify(message, facts).then((error) => {
      if (error === "NONE") return this.#append(message, { facts, opensTransaction: true }, producer, reply);
      this.#producers.turnAway(facts);
      const why = "The batch is not part of an open transaction";
      reply.send(refusedProduce(error, why, this.#reader.head.logStartOffset));
    });
  }

  /** Asks the coordinator whether this partition is in the producer's open transaction. */
  async #verify(
    message: Produce,
    { producerId, producerEpoch }: BatchHeader,
  ): Promise<ProduceResult["error"]> {
    const [topicId = "", index = ""] = this.#context.address.key.split("/");
    const ref = this.#context.ref<TransactionMessage>(TRANSACTION_KIND, message.transactionalId ?? "");
    try {
      const { error } = await ref.ask({
        type: "verifyTransaction",
        producerId,
        producerEpoch,
        partitions: [{ topicId, partition: Number(index) }],
        groups: [],
      }, { deadlineMs: VERIFY_DEADLINE_MS });
      // Produce has no code of its own for a fenced producer.
      return error === "PRODUCER_FENCED" ? "INVALID_PRODUCER_EPOCH" : error;
    } catch (error) {
      this.#context.log.warn("Cannot verify a transaction", { error: String(error) });
      return "NOT_ENOUGH_REPLICAS";
    }
  }

  #writeMarker(message: WriteMarker, producer: ProducerState | null, reply: Reply<unknown>): void {
    const nowMs = Math.floor(this.#context.env.now());
    const offset = this.#assigned.logEndOffset;
    const decision = decideMarker(this.#assignedOpen, producer, message, offset, nowMs);
    // What was done before may not be durable yet: the output gate knows.
    if (decision.type === "done") return reply.send({ error: "NONE" });
    if (decision.type === "refused") return reply.send({ error: decision.error });
    const { producerId, producerEpoch, coordinatorEpoch, committed } = message;
    const type = committed ? "COMMIT" : "ABORT";
    const bytes = buildControlBatch({ type, coordinatorEpoch, producerId, producerEpoch, timestamp: nowMs });
    const facts = {
      recordCount: 1,
      maxTimestamp: nowMs,
      sizeInBytes: bytes.length,
      // The marker is its producer's, but in no sequence.
      producerId: -1,
      producerEpoch: -1,
      baseSequence: -1,
    };
    const appended = decideAppend(this.#assigned, facts, null, this.#leaderEpoch, nowMs);
    invariant(appended.type === "append", "A marker is always appended");
    assignOffsets(bytes, offset, this.#leaderEpoch);
    this.#assigned = appended.head;
    this.#assignedOpen.apply(decision.change);
    this.#rememberProducer(decision.producer, offset, producer === null);
    this.#stage({
      baseOffset: offset,
      lastOffset: offset,
      leaderEpoch: this.#leaderEpoch,
      bytes,
      maxTimestamp: nowMs,
      producer: decision.producer,
      transaction: decision.change,
      headAfter: appended.head,
    });
    reply.send({ error: "NONE" });
  }

  #append(
    message: Produce,
    { facts, opensTransaction }: { readonly facts: BatchFacts; readonly opensTransaction: boolean },
    producer: ProducerState | null,
    reply: Reply<unknown>,
  ): void {
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
    const logStartOffset = this.#reader.head.logStartOffset;
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
        if (decision.producer !== null) {
          this.#rememberProducer(decision.producer, decision.baseOffset, producer === null);
        }
        this.#stage({
          baseOffset: decision.baseOffset,
          lastOffset: decision.lastOffset,
          leaderEpoch: this.#leaderEpoch,
          bytes: message.batch,
          maxTimestamp,
          ...(maxTimestamp < 0 && { appendedMs: nowMs }),
          producer: decision.producer,
          ...(opensTransaction ? { transaction: this.#open(facts.producerId, decision.baseOffset) } : {}),
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

  #stage(append: LogAppend): void {
    // The disk takes the bytes while the commits before it are under way.
    this.#log.prepare(append);
    this.#context.stage(append);
  }

  #open(producerId: number, firstOffset: number): TransactionChange {
    const change = { type: "opened", producerId, firstOffset } as const;
    this.#assignedOpen.apply(change);
    return change;
  }

  #deleteRecords(offset: number, reply: Reply<unknown>): void {
    const { logStartOffset, logEndOffset: highWatermark } = this.#reader.head;
    const wanted = offset === -1 ? highWatermark : offset;
    if (wanted < 0 || wanted > highWatermark) {
      return reply.sendNow({ error: "OFFSET_OUT_OF_RANGE", lowWatermark: -1 });
    }
    if (wanted > this.#assigned.logStartOffset) this.#raiseLogStart(wanted);
    reply.send({ error: "NONE", lowWatermark: Math.max(wanted, logStartOffset) });
  }

  #verifyLog(from: number, reply: Reply<unknown>): void {
    this.#context.run(async () => {
      try {
        reply.sendNow(await this.#log.verify(from));
      } catch (error) {
        // The store does not answer: that is what there is to say of the rest.
        reply.sendNow({ next: null, batchCount: 0, sizeBytes: 0, faults: [String(error)] });
      }
    });
  }

  #restore({ batches, endOffset = 0 }: RestoreBatches, reply: Reply<unknown>): void {
    const leaderEpoch = this.#leaderEpoch;
    const nowMs = this.#context.env.now();
    const stage = (appends: readonly LogAppend[]) => {
      for (const append of appends) {
        this.#assigned = append.headAfter;
        this.#stage(append);
      }
    };
    for (const batch of batches) {
      const planned = planRestore(batch, {
        head: this.#assigned,
        open: this.#assignedOpen,
        leaderEpoch,
        nowMs,
      });
      if (typeof planned === "string") return reply.send({ fault: planned });
      stage(planned);
    }
    stage(planGap(this.#assigned, endOffset, { leaderEpoch, nowMs }));
    reply.send({ fault: null });
  }

  #raiseLogStart(logStartOffset: number): void {
    this.#stageCleanup({ logStartOffset }, null);
  }

  #stageCleanup(change: Partial<LogHead>, trim: TrimPlan | null): LogEffect {
    this.#assigned = { ...this.#assigned, ...change };
    const effect = { headAfter: this.#assigned, trim };
    this.#context.stage(effect);
    return effect;
  }

  #rememberProducer(state: ProducerState, offset: number, isNew: boolean): void {
    const durableEnd = this.#reader.head.logEndOffset;
    const isCrowded = this.#producers.remember(state, { isNew, offset, durableEnd });
    if (isCrowded) this.#context.tellSelf({ type: "expireProducers" });
  }

  /** Looks through the producers in the background; those to be forgotten are then forgotten in the mailbox's order. */
  #expireProducers(reply: Reply<unknown>): void {
    if (this.#expiring) return reply.sendNow(true);
    this.#expiring = true;
    this.#context.run(async () => {
      let victims: readonly ProducerState[] = [];
      try {
        victims = await this.#producers.findVictims(this.#reader.open, this.#context.env.now());
        if (victims.length > 0) this.#context.tellSelf({ type: "forgetProducers", victims });
      } catch (error) {
        // The next look tries again; nothing else depends on it.
        this.#context.log.error("Cannot look for idle producers", {
          partition: this.#context.address.key,
          error: String(error),
        });
      } finally {
        this.#expiring = false;
      }
      reply.sendNow(victims.length > 0);
    });
  }

  async #forgetProducers(victims: readonly ProducerState[]): Promise<void> {
    const forgotten = await this.#producers.forget(victims, this.#assignedOpen);
    if (forgotten.length === 0) return;
    this.#context.stage(this.#log.forgetProducers(forgotten, this.#assigned));
    if (victims.length >= PRODUCERS_FORGOTTEN_MAX) this.#context.tellSelf({ type: "expireProducers" });
  }
}
