/**
 * The producer: records in, acknowledged offsets out.
 *
 * Records gather in one batch per partition until it is full or `lingerMs` have passed; batches for the same broker
 * travel in one request. Idempotent by default (KIP-98): what is sent again after a failure is stored once and in order.
 * Source: Kafka's KafkaProducer, RecordAccumulator and Sender.
 */
import { ZERO_UUID } from "../lib/bytes.ts";
import type { Cancel, Env } from "../lib/env.ts";
import { errorName, isRetriable } from "../protocol/errors.ts";
import { produce, type ProduceResponse } from "../protocol/messages/00_produce.ts";
import { initProducerId } from "../protocol/messages/22_init_producer_id.ts";
import type { Compression, RecordInput } from "../protocol/records/record_batch.ts";
import { type ClientOptions, Cluster, type TopicMetadata } from "./cluster.ts";
import {
  BrokerError,
  BufferFullError,
  ClientError,
  ClosedError,
  ConfigurationError,
  ConnectionError,
  isRetriableError,
  RecordTooLargeError,
  throwIfError,
  TimeoutError,
} from "./errors.ts";
import { nextStickyPartition, partitionForKey } from "./partitioner.ts";
import {
  type Batch,
  PartitionQueue,
  type PendingRecord,
  type ProducerIdentity,
  type RecordMetadata,
  recordSizeInBytes,
} from "./record_accumulator.ts";

export interface ProducerOptions extends ClientOptions {
  /** Who must have a record before it counts: all in-sync replicas, the leader (1), nobody (0). Default `"all"`. */
  readonly acks?: "all" | 1 | 0 | undefined;
  /** Default true with `acks: "all"`, else false. */
  readonly idempotent?: boolean | undefined;
  /** Default `"none"`. */
  readonly compression?: Compression | undefined;
  /** How long a batch waits for more records, milliseconds. Default 5. */
  readonly lingerMs?: number | undefined;
  /** Size at which a batch is full, bytes before compression. Default 65,536. */
  readonly batchBytesMax?: number | undefined;
  /** Largest request, and so the largest record, bytes. Default 1,048,576. */
  readonly requestBytesMax?: number | undefined;
  /** Records that wait for their acknowledgement, bytes. Default 32 MiB. */
  readonly bufferBytesMax?: number | undefined;
  /** After this time a record that is not acknowledged has failed, milliseconds. Default 120,000. */
  readonly deliveryTimeoutMs?: number | undefined;
}

/** A record to send. Text is written as UTF-8. */
export interface ProducerRecord {
  readonly topic: string;
  /** Without it the key decides, and without a key the producer. */
  readonly partition?: number | undefined;
  readonly key?: Uint8Array | string | null | undefined;
  readonly value: Uint8Array | string | null;
  readonly headers?:
    | readonly { readonly key: string; readonly value: Uint8Array | string | null }[]
    | undefined;
  /** Milliseconds since 1970. Default: now. */
  readonly timestamp?: number | undefined;
}

interface TopicState {
  readonly name: string;
  /** By partition, made on first use. */
  readonly queues: PartitionQueue[];
  /** Records that came before the topic's metadata, in order. */
  readonly unrouted: { record: PendingRecord; partition: number | null }[];
  resolving: boolean;
  stickyPartition: number | null;
}

/** A batch inside a request. */
interface SentBatch {
  readonly queue: PartitionQueue;
  readonly batch: Batch;
  readonly bytes: Uint8Array;
  readonly topicId: string;
}

const REQUESTS_PER_BROKER_MAX = 5;
const BATCH_OVERHEAD_BYTES = 61;
const ACKS = { all: -1, 1: 1, 0: 0 } as const;
const encoder = new TextEncoder();

/**
 * Sends records.
 *
 * ```ts
 * const producer = new Producer(env, { bootstrapServers: "localhost:9092" });
 * const { offset } = await producer.send({ topic: "test", key: "k", value: "hello" });
 * await producer.close();
 * ```
 */
export class Producer {
  readonly #env: Env;
  readonly #cluster: Cluster;
  readonly #acks: "all" | 1 | 0;
  readonly #idempotent: boolean;
  readonly #compression: Compression;
  readonly #lingerMs: number;
  readonly #batchBytesMax: number;
  readonly #requestBytesMax: number;
  readonly #bufferBytesMax: number;
  readonly #deliveryTimeoutMs: number;
  readonly #topics = new Map<string, TopicState>();
  /** Requests under way, by broker id. */
  readonly #requestCounts = new Map<number, number>();
  /** Queues whose identity is on its way. */
  readonly #identifying = new Set<PartitionQueue>();
  readonly #refreshing = new Set<string>();
  #sharedIdentity: Promise<ProducerIdentity> | null = null;
  #bufferedBytes = 0;
  #recordCount = 0;
  #readyWaiters: (() => void)[] = [];
  #flushWaiters: (() => void)[] = [];
  #timer: { cancel: Cancel; atMs: number } | null = null;
  #pumpScheduled = false;
  #closing = false;

  /** Throws `ConfigurationError`. Connects on first use. */
  constructor(env: Env, options: ProducerOptions) {
    this.#env = env;
    this.#acks = options.acks ?? "all";
    this.#idempotent = options.idempotent ?? this.#acks === "all";
    if (this.#idempotent && this.#acks !== "all") {
      throw new ConfigurationError(`An idempotent producer needs acks "all", not ${this.#acks}`);
    }
    this.#compression = options.compression ?? "none";
    this.#lingerMs = options.lingerMs ?? 5;
    this.#batchBytesMax = options.batchBytesMax ?? 64 * 1024;
    this.#requestBytesMax = options.requestBytesMax ?? 1024 * 1024;
    this.#bufferBytesMax = options.bufferBytesMax ?? 32 * 1024 * 1024;
    this.#deliveryTimeoutMs = options.deliveryTimeoutMs ?? 120_000;
    this.#cluster = new Cluster(env, options);
  }

  /** Records that wait for their acknowledgement, bytes. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /**
   * Sends a record; resolves when it is acknowledged as `acks` says. The order of calls is the order in the partition.
   * Rejects with `BrokerError`, `TimeoutError`, `RecordTooLargeError`, `ClosedError`, or with `BufferFullError` when
   * nobody awaited `ready()`.
   */
  send(record: ProducerRecord): Promise<RecordMetadata> {
    return new Promise((resolve, reject) => {
      const input = recordInput(record, () => this.#env.now());
      const sizeInBytes = recordSizeInBytes(input);
      if (this.#closing) return reject(new ClosedError("Cannot send: the producer is closed"));
      if (sizeInBytes + BATCH_OVERHEAD_BYTES > this.#requestBytesMax) {
        return reject(
          new RecordTooLargeError(
            `Record of ${sizeInBytes} bytes: the limit is ${this.#requestBytesMax}, as requestBytesMax says`,
          ),
        );
      }
      if (this.#bufferedBytes + sizeInBytes > this.#bufferBytesMax && this.#recordCount > 0) {
        return reject(
          new BufferFullError(`Cannot buffer ${sizeInBytes} more bytes: ${this.#bufferedBytes} wait already`),
        );
      }
      this.#bufferedBytes += sizeInBytes;
      this.#recordCount++;
      const settled = () => this.#settle(sizeInBytes);
      this.#route(this.#topicState(record.topic), {
        input,
        sizeInBytes,
        resolve: (metadata) => {
          resolve(metadata);
          settled();
        },
        reject: (error) => {
          reject(error);
          settled();
        },
      }, record.partition ?? null);
    });
  }

  /** Resolves as soon as the buffer is less than half full: await it between sends. */
  ready(): Promise<void> {
    if (this.#bufferedBytes < this.#bufferBytesMax / 2) return Promise.resolve();
    return new Promise((resolve) => this.#readyWaiters.push(resolve));
  }

  /** Sends what is buffered without lingering; resolves once every record has been acknowledged or has failed. */
  flush(): Promise<void> {
    if (this.#recordCount === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#flushWaiters.push(resolve);
      this.#pump();
    });
  }

  /** Flushes, then closes. Idempotent. Records that are not acknowledged after `timeoutMs` are rejected. */
  async close(options: { timeoutMs?: number } = {}): Promise<void> {
    this.#closing = true;
    const timeoutMs = options.timeoutMs ?? this.#deliveryTimeoutMs;
    const { promise: expired, resolve } = Promise.withResolvers<void>();
    const cancel = this.#env.timer(timeoutMs, resolve);
    await Promise.race([this.flush(), expired]);
    cancel();
    this.#timer?.cancel();
    this.#timer = null;
    this.#cluster.close();
    this.#rejectAll(new ClosedError("The producer was closed before the record was acknowledged"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #rejectAll(error: Error): void {
    for (const topic of this.#topics.values()) {
      for (const { record } of topic.unrouted.splice(0)) record.reject(error);
      for (const queue of topic.queues) {
        for (const batch of queue?.waiting.slice() ?? []) queue?.fail(batch, error, { outcomeUnknown: true });
        for (const batch of queue?.inFlight.slice() ?? []) {
          queue?.fail(batch, error, { outcomeUnknown: true });
        }
      }
    }
  }

  #settle(sizeInBytes: number): void {
    this.#bufferedBytes -= sizeInBytes;
    this.#recordCount--;
    if (this.#recordCount === 0) { for (const resolve of this.#flushWaiters.splice(0)) resolve(); }
    if (this.#readyWaiters.length > 0 && this.#bufferedBytes < this.#bufferBytesMax / 2) {
      for (const resolve of this.#readyWaiters.splice(0)) resolve();
    }
  }

  #topicState(name: string): TopicState {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = { name, queues: [], unrouted: [], resolving: false, stickyPartition: null };
      this.#topics.set(name, topic);
    }
    return topic;
  }

  /** Gives the record to its partition, or keeps it until the topic is known. */
  #route(topic: TopicState, record: PendingRecord, partition: number | null): void {
    const metadata = topic.resolving ? null : this.#cluster.knownTopic(topic.name);
    if (metadata === null) {
      topic.unrouted.push({ record, partition });
      if (!topic.resolving) void this.#resolve(topic);
      return;
    }
    this.#append(topic, metadata, record, partition);
  }

  #append(
    topic: TopicState,
    metadata: TopicMetadata,
    record: PendingRecord,
    partition: number | null,
  ): void {
    const count = metadata.partitions.length;
    if (partition !== null && !(partition >= 0 && partition < count)) {
      const message = `Topic ${topic.name} has no partition ${partition}: it has ${count}`;
      return record.reject(new ConfigurationError(message));
    }
    const { key } = record.input;
    const chosen = partition ??
      (key === null ? this.#sticky(topic, count, record.sizeInBytes) : partitionForKey(key, count));
    const batchIsReady = this.#queue(topic, chosen).append(record, this.#env.mono());
    if (batchIsReady || this.#flushWaiters.length > 0 || this.#lingerMs === 0) this.#pumpSoon();
    else this.#pumpAt(this.#env.mono() + this.#lingerMs);
  }

  #sticky(topic: TopicState, count: number, sizeInBytes: number): number {
    const current = topic.stickyPartition;
    if (current !== null && current < count && this.#queue(topic, current).hasRoom(sizeInBytes)) {
      return current;
    }
    const next = nextStickyPartition(current, count, this.#env.random());
    topic.stickyPartition = next;
    return next;
  }

  #queue(topic: TopicState, partition: number): PartitionQueue {
    return topic.queues[partition] ??= new PartitionQueue(topic.name, partition, {
      idempotent: this.#idempotent,
      batchBytesMax: this.#batchBytesMax,
    });
  }

  /** Reads a topic's metadata, then routes what waits for it. Never rejects. */
  async #resolve(topic: TopicState): Promise<void> {
    topic.resolving = true;
    try {
      const metadata = await this.#cluster.topic(topic.name, { allowAutoTopicCreation: true });
      topic.resolving = false;
      for (const { record, partition } of topic.unrouted.splice(0)) {
        this.#append(topic, metadata, record, partition);
      }
      this.#pump();
    } catch (error) {
      topic.resolving = false;
      const failure = asError(error);
      for (const { record } of topic.unrouted.splice(0)) record.reject(failure);
    }
  }

  /** Pumps after the current turn, so that what is sent in one go is one batch. */
  #pumpSoon(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    void Promise.resolve().then(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  #pumpAt(atMs: number): void {
    if (this.#timer !== null && this.#timer.atMs <= atMs) return;
    this.#timer?.cancel();
    const cancel = this.#env.timer(Math.max(atMs - this.#env.mono(), 0), () => {
      this.#timer = null;
      this.#pump();
    });
    this.#timer = { cancel, atMs };
  }

  /** Sends every batch that may be sent now, and sets the timer for the next that will. */
  #pump(): void {
    if (this.#cluster.isClosed) return;
    const nowMs = this.#env.mono();
    let wakeAtMs = Infinity;
    const byLeader = new Map<number, PartitionQueue[]>();
    for (const topic of this.#topics.values()) {
      for (const queue of topic.queues) {
        if (queue === undefined) continue;
        this.#expire(queue, nowMs);
        const first = queue.waiting[0];
        if (first === undefined) continue;
        wakeAtMs = Math.min(wakeAtMs, first.createdMs + this.#deliveryTimeoutMs);
        if (!queue.sendable(nowMs)) {
          if (queue.retryAtMs > nowMs) wakeAtMs = Math.min(wakeAtMs, queue.retryAtMs);
          continue;
        }
        const lingersUntilMs = first.createdMs + this.#lingerMs;
        const lingers = !first.sealed && queue.waiting.length === 1 && this.#flushWaiters.length === 0;
        if (lingers && nowMs < lingersUntilMs) {
          wakeAtMs = Math.min(wakeAtMs, lingersUntilMs);
          continue;
        }
        const leader = this.#leaderOf(queue);
        if (leader === null || !this.#hasIdentity(queue)) continue;
        if ((this.#requestCounts.get(leader) ?? 0) >= REQUESTS_PER_BROKER_MAX) continue;
        const queues = byLeader.get(leader);
        if (queues === undefined) byLeader.set(leader, [queue]);
        else queues.push(queue);
      }
    }
    for (const [leader, queues] of byLeader) this.#sendTo(leader, queues);
    if (wakeAtMs !== Infinity) this.#pumpAt(wakeAtMs);
  }

  #expire(queue: PartitionQueue, nowMs: number): void {
    queue.expire(
      (batch) => nowMs - batch.createdMs >= this.#deliveryTimeoutMs,
      () =>
        new TimeoutError(
          `Record for ${queue.topic}-${queue.partition} not acknowledged in ${this.#deliveryTimeoutMs} ms`,
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
      this.#pump();
    }
  }

  #failTopic(name: string, error: Error): void {
    for (const queue of this.#topics.get(name)?.queues ?? []) {
      for (const batch of queue?.waiting.slice() ?? []) {
        queue?.fail(batch, error, { outcomeUnknown: batch.attemptCount > 0 });
      }
    }
  }

  #hasIdentity(queue: PartitionQueue): boolean {
    if (!this.#idempotent || queue.identity !== null) return true;
    if (!this.#identifying.has(queue)) void this.#identify(queue);
    return false;
  }

  /** Gets the producer id: the shared one at first, one of its own for a queue that lost it. Never rejects. */
  async #identify(queue: PartitionQueue): Promise<void> {
    this.#identifying.add(queue);
    try {
      const isFirst = !this.#identified.has(queue);
      this.#identified.add(queue);
      this.#sharedIdentity ??= this.#initProducerId();
      queue.identity = await (isFirst ? this.#sharedIdentity : this.#initProducerId());
    } catch (error) {
      this.#sharedIdentity = null;
      const failure = asError(error);
      for (const batch of queue.waiting.slice()) queue.fail(batch, failure, { outcomeUnknown: false });
    } finally {
      this.#identifying.delete(queue);
      this.#pump();
    }
  }

  readonly #identified = new WeakSet<PartitionQueue>();

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
      if (batches.length > 0 && requestBytes + next.sizeInBytes > this.#requestBytesMax) continue;
      try {
        const topicId = this.#cluster.knownTopic(queue.topic)?.topicId ?? ZERO_UUID;
        batches.push({ queue, topicId, ...queue.take(this.#compression) });
        requestBytes += next.sizeInBytes;
      } catch (error) {
        queue.fail(next, asError(error), { outcomeUnknown: false });
      }
    }
    if (batches.length === 0) return;
    this.#requestCounts.set(leader, (this.#requestCounts.get(leader) ?? 0) + 1);
    void this.#exchange(leader, batches);
    // More of the same queues may go into further requests.
    if (queues.some((queue) => queue.waiting.length > 0)) this.#pumpSoon();
  }

  /** Sends the request and deals with its outcome. Never rejects. */
  async #exchange(leader: number, batches: readonly SentBatch[]): Promise<void> {
    try {
      const response = await this.#produce(leader, batches);
      if (response === null) {
        for (const { queue, batch } of batches) queue.succeed(batch, -1, -1);
      } else {
        this.#handle(response, batches);
      }
    } catch (error) {
      const failure = asError(error);
      for (const { queue, batch } of batches) this.#handleFailure(queue, batch, failure);
    } finally {
      this.#requestCounts.set(leader, (this.#requestCounts.get(leader) ?? 1) - 1);
      this.#pump();
    }
  }

  async #produce(leader: number, batches: readonly SentBatch[]): Promise<ProduceResponse | null> {
    const connection = await this.#cluster.connection(leader);
    const topicData = [...Map.groupBy(batches, (batch) => batch.queue.topic)].map(([name, group]) => ({
      name,
      topicId: group[0]?.topicId ?? ZERO_UUID,
      partitionData: group.map(({ queue, bytes }) => ({ index: queue.partition, records: bytes })),
    }));
    // Version 13 names topics by id.
    const versionMax = topicData.every((topic) => topic.topicId !== ZERO_UUID) ? produce.maxVersion : 12;
    const value = { acks: ACKS[this.#acks], timeoutMs: this.#cluster.requestTimeoutMs, topicData };
    if (this.#acks === 0) return await connection.request(produce, value, { versionMax, oneWay: true });
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
        this.#handleFailure(queue, batch, new ConnectionError(message));
      } else if (answer.errorCode === 0) {
        queue.succeed(batch, answer.baseOffset, answer.logAppendTimeMs);
      } else {
        const message = answer.recordErrors[0]?.batchIndexErrorMessage ?? answer.errorMessage;
        this.#handleRefusal(queue, batch, new BrokerError(answer.errorCode, message));
      }
    }
  }

  /** The broker said no, so the batch is not in the log. */
  #handleRefusal(queue: PartitionQueue, batch: Batch, error: BrokerError): void {
    const retryAtMs = this.#env.mono() + this.#cluster.backoffMs(batch.attemptCount);
    switch (errorName(error.code)) {
      case "DUPLICATE_SEQUENCE_NUMBER":
        return queue.succeed(batch, -1, -1);
      case "OUT_OF_ORDER_SEQUENCE_NUMBER":
        if (queue.followsTrouble(batch)) return queue.retry(batch, retryAtMs);
        return queue.fail(batch, error, { outcomeUnknown: false });
      case "UNKNOWN_PRODUCER_ID":
      case "INVALID_PRODUCER_EPOCH":
        return queue.retryWithNewIdentity(batch, retryAtMs);
      case "MESSAGE_TOO_LARGE":
        if (queue.split(batch)) return;
        return queue.fail(batch, error, { outcomeUnknown: false });
      default:
        if (!isRetriable(error.code)) return queue.fail(batch, error, { outcomeUnknown: false });
        this.#cluster.forgetTopic(queue.topic);
        return queue.retry(batch, retryAtMs);
    }
  }

  /** No answer, so the batch may or may not be in the log. */
  #handleFailure(queue: PartitionQueue, batch: Batch, error: Error): void {
    if (!isRetriableError(error) || this.#cluster.isClosed) {
      return queue.fail(batch, error, { outcomeUnknown: true });
    }
    // The broker may be gone for good: another one knows who leads now.
    this.#cluster.forgetTopic(queue.topic);
    queue.retry(batch, this.#env.mono() + this.#cluster.backoffMs(batch.attemptCount));
  }
}

function recordInput(record: ProducerRecord, now: () => number): RecordInput {
  return {
    key: bytesOf(record.key ?? null),
    value: bytesOf(record.value),
    headers: (record.headers ?? []).map((header) => ({ key: header.key, value: bytesOf(header.value) })),
    timestamp: record.timestamp ?? now(),
  };
}

function bytesOf(value: Uint8Array | string | null): Uint8Array | null {
  return typeof value === "string" ? encoder.encode(value) : value;
}

function asError(error: unknown): Error {
  return error instanceof ClientError || error instanceof Error ? error : new Error(String(error));
}
