/**
 * The sending half of the producer: decides when batches leave, which travel together, and what an answer means for
 * them. The boundary between the queues of the partitions and the requests to the brokers.
 *
 * Source: Kafka's Sender.
 */
import { ZERO_UUID } from "../lib/bytes.ts";
import type { Cancel, Env } from "../lib/env.ts";
import { errorName, isRetriable } from "../protocol/errors.ts";
import { produce, type ProduceResponse } from "../protocol/messages/00_produce.ts";
import { initProducerId } from "../protocol/messages/22_init_producer_id.ts";
import type { Compression } from "../protocol/records/record_batch.ts";
import type { Cluster } from "./cluster.ts";
import type { Connection } from "./connection.ts";
import { AmountMetric, type ClientMetric } from "./metrics.ts";
import {
  asError,
  BrokerError,
  ConnectionError,
  isRetriableError,
  throwIfError,
  TimeoutError,
} from "./errors.ts";
import {
  type Batch,
  PartitionQueue,
  type PendingRecord,
  type ProducerIdentity,
} from "./record_accumulator.ts";
import type { TransactionManager } from "./transaction_manager.ts";

/** `ProducerOptions` with their defaults filled in. */
export interface SenderOptions {
  readonly acks: "all" | 1 | 0;
  readonly idempotent: boolean;
  readonly compression: Compression;
  readonly lingerMs: number;
  readonly batchBytesMax: number;
  readonly requestBytesMax: number;
  readonly deliveryTimeoutMs: number;
  /** Null for a producer without transactions. */
  readonly transactions: TransactionManager | null;
}

/** A batch inside a request. */
interface SentBatch {
  readonly queue: PartitionQueue;
  readonly batch: Batch;
  readonly bytes: Uint8Array;
  readonly topicId: string;
}

const REQUESTS_PER_BROKER_MAX = 5;
const ACKS = { all: -1, 1: 1, 0: 0 } as const;

/** Sends what is appended; each record learns its outcome through its callbacks. */
export class BatchSender {
  /** While true nothing lingers. */
  isFlushing = false;
  readonly #env: Env;
  readonly #cluster: Cluster;
  readonly #options: SenderOptions;
  /** By topic, then by partition, made on first use. */
  readonly #queues = new Map<string, PartitionQueue[]>();
  /** Requests under way, by broker id. */
  readonly #requestCounts = new Map<number, number>();
  /** Queues whose identity is on its way. */
  readonly #identifying = new Set<PartitionQueue>();
  /** Queues that have asked for an identity before. */
  readonly #identified = new WeakSet<PartitionQueue>();
  /** Topics whose metadata is on its way. */
  readonly #refreshing = new Set<string>();
  #sharedIdentity: Promise<ProducerIdentity> | null = null;
  readonly #batchSizes = new AmountMetric();
  readonly #recordsPerRequest = new AmountMetric();
  #sentCount = 0;
  #retryCount = 0;
  #timer: { cancel: Cancel; atMs: number } | null = null;
  #pumpScheduled = false;

  constructor(env: Env, cluster: Cluster, options: SenderOptions) {
    this.#env = env;
    this.#cluster = cluster;
    this.#options = options;
  }

  /** Whether the partition's open batch takes a record of this size. */
  hasRoom(topic: string, partition: number, sizeInBytes: number): boolean {
    return this.#queue(topic, partition).hasRoom(sizeInBytes);
  }

  /** Adds a record to its partition and sees to it that it leaves in time. */
  append(topic: string, partition: number, record: PendingRecord): void {
    const nowMs = this.#env.mono();
    const batchIsReady = this.#queue(topic, partition).append(record, nowMs);
    if (batchIsReady || this.isFlushing || this.#options.lingerMs === 0) this.#pumpSoon();
    else this.#pumpAt(nowMs + this.#options.lingerMs);
  }

  metrics(): ClientMetric[] {
    const group = "producer-metrics";
    return [
      { group, name: "batch-size-avg", value: this.#batchSizes.average },
      { group, name: "batch-size-max", value: this.#batchSizes.max },
      { group, name: "records-per-request-avg", value: this.#recordsPerRequest.average },
      { group, name: "record-send-total", value: this.#sentCount },
      { group, name: "record-retry-total", value: this.#retryCount },
    ];
  }

  /** Ends sending; records that are not acknowledged yet are rejected. The cluster must be closed before. */
  close(error: Error): void {
    this.#timer?.cancel();
    this.#timer = null;
    for (const queues of this.#queues.values()) for (const queue of queues) queue?.failAll(error);
  }

  #queue(topic: string, partition: number): PartitionQueue {
    let queues = this.#queues.get(topic);
    if (queues === undefined) this.#queues.set(topic, queues = []);
    return queues[partition] ??= new PartitionQueue(topic, partition, {
      ...this.#options,
      isTransactional: this.#options.transactions !== null,
    });
  }

  /** Pumps after the current turn, so that what is sent in one go is one batch. */
  #pumpSoon(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    void Promise.resolve().then(() => {
      this.#pumpScheduled = false;
      this.pump();
    });
  }

  #pumpAt(atMs: number): void {
    if (this.#timer !== null && this.#timer.atMs <= atMs) return;
    this.#timer?.cancel();
    const cancel = this.#env.timer(Math.max(atMs - this.#env.mono(), 0), () => {
      this.#timer = null;
      this.pump();
    });
    this.#timer = { cancel, atMs };
  }

  /** Sends every batch that may be sent now, and sets the timer for the next that will. */
  pump(): void {
    if (this.#cluster.isClosed) return;
    const failure = this.#options.transactions?.failure ?? null;
    // What is left of a transaction that can only be aborted is not sent any more.
    if (failure !== null) { for (const topic of this.#queues.keys()) this.#failTopic(topic, failure); }
    const nowMs = this.#env.mono();
    let wakeAtMs = Infinity;
    const byLeader = new Map<number, PartitionQueue[]>();
    for (const queues of this.#queues.values()) {
      for (const queue of queues) {
        if (queue === undefined) continue;
        this.#expire(queue, nowMs);
        const next = queue.sendable(nowMs);
        const first = queue.waiting[0];
        if (first === undefined) continue;
        wakeAtMs = Math.min(wakeAtMs, first.createdMs + this.#options.deliveryTimeoutMs);
        if (next === null) {
          if (queue.retryAtMs > nowMs) wakeAtMs = Math.min(wakeAtMs, queue.retryAtMs);
          continue;
        }
        const lingersUntilMs = next.createdMs + this.#options.lingerMs;
        const lingers = !next.sealed && queue.waiting.length === 1 && !this.isFlushing;
        if (lingers && nowMs < lingersUntilMs) {
          wakeAtMs = Math.min(wakeAtMs, lingersUntilMs);
          continue;
        }
        const leader = this.#leaderOf(queue);
        if (leader === null || !this.#hasIdentity(queue)) continue;
        if ((this.#requestCounts.get(leader) ?? 0) >= REQUESTS_PER_BROKER_MAX) continue;
        const others = byLeader.get(leader);
        if (others === undefined) byLeader.set(leader, [queue]);
        else others.push(queue);
      }
    }
    for (const [leader, queues] of byLeader) this.#sendTo(leader, queues);
    if (wakeAtMs !== Infinity) this.#pumpAt(wakeAtMs);
  }

  #expire(queue: PartitionQueue, nowMs: number): void {
    queue.expire(
      (batch) => nowMs - batch.createdMs >= this.#options.deliveryTimeoutMs,
      () =>
        new TimeoutError(
          `Record for ${queue.topic}-${queue.partition} not acknowledged in ${this.#options.deliveryTimeoutMs} ms`,
        ),
    );
  }

  /** The leader's id; asks for metadata and gives null when it is not known. */
  #leaderOf(queue: PartitionQueue): number | null {
    const leader = this.#cluster.knownTopic(queue.topic)?.partitions[queue.partition]?.leader ?? -1;
    if (leader >= 0) return leader;
    if (!this.#refreshing.has(queue.topic)) void this.#refresh(queue.topic);
    return null;
  }

  /** Never rejects: records that nobody can take fail by their delivery timeout. */
  async #refresh(topic: string): Promise<void> {
    this.#refreshing.add(topic);
    try {
      await this.#cluster.topic(topic);
    } catch (error) {
      if (!isRetriableError(error)) this.#failTopic(topic, asError(error));
    } finally {
      this.#refreshing.delete(topic);
      this.pump();
    }
  }

  #failTopic(name: string, error: Error): void {
    for (const queue of this.#queues.get(name) ?? []) {
      for (const batch of queue?.waiting.slice() ?? []) queue?.fail(batch, error);
    }
  }

  #hasIdentity(queue: PartitionQueue): boolean {
    const { transactions } = this.#options;
    if (transactions !== null) {
      const { identity } = transactions;
      if (identity !== null && queue.identity !== identity) queue.adopt(identity);
      return identity !== null;
    }
    if (!this.#options.idempotent || queue.identity !== null) return true;
    if (!this.#identifying.has(queue)) void this.#identify(queue);
    return false;
  }

  /** Gets the producer id: the shared one at first, one of its own for a queue that lost it. Never rejects. */
  async #identify(queue: PartitionQueue): Promise<void> {
    this.#identifying.add(queue);
    try {
      const isFirst = !this.#identified.has(queue);
      this.#identified.add(queue);
      // Only what is awaited is asked for: a refusal that nobody waits for would end the program.
      queue.identity =
        await (isFirst ? this.#sharedIdentity ??= this.#initProducerId() : this.#initProducerId());
    } catch (error) {
      this.#sharedIdentity = null;
      const failure = asError(error);
      for (const batch of queue.waiting.slice()) queue.fail(batch, failure);
    } finally {
      this.#identifying.delete(queue);
      this.pump();
    }
  }

  #initProducerId(): Promise<ProducerIdentity> {
    return this.#cluster.retry(async () => {
      const connection = await this.#cluster.anyConnection();
      const response = await connection.request(initProducerId, {
        transactionalId: null,
        transactionTimeoutMs: 60_000,
      });
      throwIfError(response.errorCode);
      return { producerId: response.producerId, producerEpoch: response.producerEpoch };
    });
  }

  /** One request with the first batch of each queue, as far as they fit. */
  #sendTo(leader: number, queues: readonly PartitionQueue[]): void {
    const batches: SentBatch[] = [];
    let requestBytes = 0;
    for (const queue of queues) {
      const next = queue.waiting[0];
      if (next === undefined) continue;
      if (batches.length > 0 && requestBytes + next.sizeInBytes > this.#options.requestBytesMax) continue;
      try {
        const topicId = this.#cluster.knownTopic(queue.topic)?.topicId ?? ZERO_UUID;
        batches.push({ queue, topicId, ...queue.take(this.#options.compression) });
        this.#options.transactions?.noteUse();
        requestBytes += next.sizeInBytes;
      } catch (error) {
        queue.fail(next, asError(error));
      }
    }
    if (batches.length === 0) return;
    this.#count(batches);
    this.#requestCounts.set(leader, (this.#requestCounts.get(leader) ?? 0) + 1);
    void this.#exchange(leader, batches);
    // More of the same queues may go into further requests.
    if (queues.some((queue) => queue.waiting.length > 0)) this.#pumpSoon();
  }

  #count(batches: readonly SentBatch[]): void {
    let records = 0;
    for (const { batch, bytes } of batches) {
      records += batch.records.length;
      this.#batchSizes.record(bytes.length);
      if (batch.attemptCount > 1) this.#retryCount += batch.records.length;
      else this.#sentCount += batch.records.length;
    }
    this.#recordsPerRequest.record(records);
  }

  /** Sends the request and deals with its outcome. Never rejects. */
  async #exchange(leader: number, batches: readonly SentBatch[]): Promise<void> {
    let isSent = false;
    try {
      const connection = await this.#cluster.connection(leader);
      isSent = true;
      const response = await this.#produce(connection, batches);
      if (response === null) {
        for (const { queue, batch } of batches) queue.succeed(batch, -1, -1);
      } else {
        this.#handle(response, batches);
      }
    } catch (error) {
      const failure = asError(error);
      for (const { queue, batch } of batches) this.#handleFailure(queue, batch, failure, isSent);
    } finally {
      this.#requestCounts.set(leader, (this.#requestCounts.get(leader) ?? 1) - 1);
      this.pump();
    }
  }

  async #produce(connection: Connection, batches: readonly SentBatch[]): Promise<ProduceResponse | null> {
    const topicData = [...Map.groupBy(batches, (batch) => batch.queue.topic)].map(([name, group]) => ({
      name,
      topicId: group[0]?.topicId ?? ZERO_UUID,
      partitionData: group.map(({ queue, bytes }) => ({ index: queue.partition, records: bytes })),
    }));
    // Version 13 names topics by id.
    const versionMax = topicData.every((topic) => topic.topicId !== ZERO_UUID) ? produce.maxVersion : 12;
    const value = {
      transactionalId: this.#options.transactions?.transactionalId ?? null,
      acks: ACKS[this.#options.acks],
      timeoutMs: this.#cluster.requestTimeoutMs,
      topicData,
    };
    if (this.#options.acks === 0) {
      return await connection.request(produce, value, { versionMax, oneWay: true });
    }
    return await connection.request(produce, value, { versionMax });
  }

  #handle(response: ProduceResponse, batches: readonly SentBatch[]): void {
    type Answer = ProduceResponse["responses"][number]["partitionResponses"][number];
    const answers = new Map<string, Answer>();
    for (const topic of response.responses) {
      const id = topic.name !== "" ? topic.name : topic.topicId;
      for (const answer of topic.partitionResponses) answers.set(`${id}/${answer.index}`, answer);
    }
    for (const { queue, batch, topicId } of batches) {
      const answer = answers.get(`${queue.topic}/${queue.partition}`) ??
        answers.get(`${topicId}/${queue.partition}`);
      if (answer === undefined) {
        const message = `The broker did not answer for ${queue.topic}-${queue.partition}`;
        this.#handleFailure(queue, batch, new ConnectionError(message), true);
      } else if (answer.errorCode === 0) {
        queue.succeed(batch, answer.baseOffset, answer.logAppendTimeMs);
      } else {
        const message = answer.recordErrors[0]?.batchIndexErrorMessage ?? answer.errorMessage;
        this.#handleRefusal(queue, batch, new BrokerError(answer.errorCode, message));
      }
    }
  }

  /** The broker said no. */
  #handleRefusal(queue: PartitionQueue, batch: Batch, error: BrokerError): void {
    const atMs = this.#retryAtMs(batch);
    switch (errorName(error.code)) {
      case "DUPLICATE_SEQUENCE_NUMBER":
        return queue.succeed(batch, -1, -1);
      case "OUT_OF_ORDER_SEQUENCE_NUMBER":
        if (queue.followsTrouble(batch)) return queue.retry(batch, { atMs, doubt: null });
        return queue.fail(batch, error);
      case "UNKNOWN_PRODUCER_ID":
      case "INVALID_PRODUCER_EPOCH":
        // In a transaction it means that another producer has taken over.
        if (this.#options.transactions !== null) return queue.fail(batch, error);
        return queue.retryWithNewIdentity(batch, { atMs, doubt: null });
      case "MESSAGE_TOO_LARGE":
        if (queue.split(batch)) return;
        return queue.fail(batch, error);
      default:
        if (!isRetriable(error.code)) return queue.fail(batch, error);
        this.#cluster.forgetTopic(queue.topic);
        // Such errors may come after the append, too: followers were slow, or the leader was deposed meanwhile.
        return queue.retry(batch, { atMs, doubt: error });
    }
  }

  /** No answer: if the request was sent, the batch may or may not be in the log. */
  #handleFailure(queue: PartitionQueue, batch: Batch, error: Error, isSent: boolean): void {
    if (!isRetriableError(error) || this.#cluster.isClosed) return queue.fail(batch, error);
    // The broker may be gone for good: another one knows who leads now.
    this.#cluster.forgetTopic(queue.topic);
    queue.retry(batch, { atMs: this.#retryAtMs(batch), doubt: isSent ? error : null });
  }

  #retryAtMs(batch: Batch): number {
    return this.#env.mono() + this.#cluster.backoffMs(batch.attemptCount);
  }
}
