/**
 * The producer: records in, acknowledged offsets out. Here a record gets its place in the buffer and its partition;
 * `batch_sender.ts` does the rest.
 *
 * Records gather in one batch per partition until it is full or `lingerMs` have passed; batches for the same broker
 * travel in one request. Idempotent by default (KIP-98): what is sent again after a failure is stored once and in order.
 * Source: Kafka's KafkaProducer.
 */
import type { Env } from "../lib/env.ts";
import type { Compression, RecordInput } from "../protocol/records/record_batch.ts";
import { BatchSender } from "./batch_sender.ts";
import { type ClientOptions, Cluster, type TopicMetadata } from "./cluster.ts";
import { asError, BufferFullError, ClosedError, ConfigurationError, RecordTooLargeError } from "./errors.ts";
import type { ClientMetric } from "./metrics.ts";
import { nextStickyPartition, partitionForKey } from "./partitioner.ts";
import { type PendingRecord, type RecordMetadata, recordSizeInBytes } from "./record_accumulator.ts";
import { TransactionManager } from "./transaction_manager.ts";

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
  /** Records are sent in transactions of this id: `initTransactions`, then `beginTransaction` and an end, over and over. */
  readonly transactionalId?: string | undefined;
  /** After this time the coordinator aborts an open transaction, milliseconds. Default 60,000. */
  readonly transactionTimeoutMs?: number | undefined;
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
  /** Records that came before the topic's metadata, in order. */
  readonly unrouted: { record: PendingRecord; partition: number | null }[];
  resolving: boolean;
  stickyPartition: number | null;
}

const BATCH_OVERHEAD_BYTES = 61;
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
  readonly #sender: BatchSender;
  readonly #transactions: TransactionManager | null;
  readonly #requestBytesMax: number;
  readonly #bufferBytesMax: number;
  readonly #deliveryTimeoutMs: number;
  readonly #topics = new Map<string, TopicState>();
  #bufferedBytes = 0;
  #recordCount = 0;
  #errorCount = 0;
  #readyWaiters: (() => void)[] = [];
  #flushWaiters: (() => void)[] = [];
  #closing = false;

  /** Throws `ConfigurationError`. Connects on first use. */
  constructor(env: Env, options: ProducerOptions) {
    this.#env = env;
    const acks = options.acks ?? "all";
    const idempotent = options.idempotent ?? acks === "all";
    if (idempotent && acks !== "all") {
      throw new ConfigurationError(`An idempotent producer needs acks "all", not ${acks}`);
    }
    const { transactionalId, transactionTimeoutMs = 60_000 } = options;
    if (transactionalId !== undefined && !idempotent) {
      throw new ConfigurationError(
        `The producer of transactional id "${transactionalId}" must be idempotent`,
      );
    }
    this.#requestBytesMax = options.requestBytesMax ?? 1024 * 1024;
    this.#bufferBytesMax = options.bufferBytesMax ?? 32 * 1024 * 1024;
    this.#deliveryTimeoutMs = options.deliveryTimeoutMs ?? 120_000;
    this.#cluster = new Cluster(env, options);
    this.#transactions = transactionalId === undefined
      ? null
      : new TransactionManager(this.#cluster, { transactionalId, transactionTimeoutMs });
    this.#sender = new BatchSender(env, this.#cluster, {
      acks,
      idempotent,
      compression: options.compression ?? "none",
      lingerMs: options.lingerMs ?? 5,
      batchBytesMax: options.batchBytesMax ?? 64 * 1024,
      requestBytesMax: this.#requestBytesMax,
      deliveryTimeoutMs: this.#deliveryTimeoutMs,
      transactions: this.#transactions,
    });
  }

  /** Records that wait for their acknowledgement, bytes. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** Figures under the names that Kafka's producer has for them. */
  metrics(): ClientMetric[] {
    const group = "producer-metrics";
    return [
      ...this.#sender.metrics(),
      { group, name: "record-error-total", value: this.#errorCount },
      { group, name: "buffer-total-bytes", value: this.#bufferBytesMax },
      { group, name: "buffer-available-bytes", value: this.#bufferBytesMax - this.#bufferedBytes },
    ];
  }

  /**
   * Sends a record; resolves when it is acknowledged as `acks` says. The order of calls is the order in the partition.
   * Rejects with `BrokerError`, `TimeoutError`, `RecordTooLargeError`, `ClosedError`, or with `BufferFullError` when
   * nobody awaited `ready()`.
   */
  send(record: ProducerRecord): Promise<RecordMetadata> {
    return new Promise((resolve, refuse) => {
      const reject = (error: Error) => {
        // A transaction is all of its records or none.
        this.#transactions?.fail(error);
        refuse(error);
      };
      const input = recordInput(record, () => this.#env.now());
      const sizeInBytes = recordSizeInBytes(input);
      if (this.#closing) return reject(new ClosedError("Cannot send: the producer is closed"));
      if (this.#transactions?.isOpen === false) {
        return refuse(new ConfigurationError("Cannot send: no transaction is open"));
      }
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
          this.#errorCount++;
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
      this.#sender.isFlushing = true;
      this.#sender.pump();
    });
  }

  /** Fences earlier producers of the transactional id and ends what they left open. Throws a `ClientError`. */
  async initTransactions(): Promise<void> {
    await this.#transactional().init();
  }

  /** Opens a transaction. Throws `ConfigurationError` while another one is open. */
  beginTransaction(): void {
    this.#transactional().begin();
  }

  /**
   * Flushes, then commits. Throws a `ClientError`: that of the first record that was not acknowledged, and then the
   * transaction is still open and can only be aborted.
   */
  async commitTransaction(): Promise<void> {
    await this.#transactional().commit(() => this.flush());
  }

  /** Aborts the open transaction; records that were not sent yet are rejected. Throws a `ClientError`. */
  async abortTransaction(): Promise<void> {
    const reason = new ClosedError("The transaction was aborted before the record was acknowledged");
    await this.#transactional().abort(() => this.flush(), reason);
  }

  #transactional(): TransactionManager {
    if (this.#transactions === null) throw new ConfigurationError("The producer has no transactional id");
    return this.#transactions;
  }

  /**
   * Flushes, aborts a transaction that is open, then closes. Idempotent. Records that are not acknowledged after `timeoutMs`
   * are rejected.
   */
  async close(options: { timeoutMs?: number } = {}): Promise<void> {
    this.#closing = true;
    const timeoutMs = options.timeoutMs ?? this.#deliveryTimeoutMs;
    const { promise: expired, resolve } = Promise.withResolvers<void>();
    const cancel = this.#env.timer(timeoutMs, resolve);
    await Promise.race([this.#finish(), expired]);
    cancel();
    this.#cluster.close();
    const error = new ClosedError("The producer was closed before the record was acknowledged");
    for (const topic of this.#topics.values()) {
      for (const { record } of topic.unrouted.splice(0)) record.reject(error);
    }
    this.#sender.close(error);
  }

  async #finish(): Promise<void> {
    await this.flush();
    if (this.#transactions?.isOpen !== true) return;
    try {
      await this.abortTransaction();
    } catch {
      // Its coordinator aborts it, after its timeout.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #settle(sizeInBytes: number): void {
    this.#bufferedBytes -= sizeInBytes;
    this.#recordCount--;
    if (this.#recordCount === 0) {
      this.#sender.isFlushing = false;
      for (const resolve of this.#flushWaiters.splice(0)) resolve();
    }
    if (this.#readyWaiters.length > 0 && this.#bufferedBytes < this.#bufferBytesMax / 2) {
      for (const resolve of this.#readyWaiters.splice(0)) resolve();
    }
  }

  #topicState(name: string): TopicState {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = { name, unrouted: [], resolving: false, stickyPartition: null };
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
    this.#sender.append(topic.name, chosen, record);
  }

  #sticky(topic: TopicState, count: number, sizeInBytes: number): number {
    const current = topic.stickyPartition;
    if (current !== null && current < count && this.#sender.hasRoom(topic.name, current, sizeInBytes)) {
      return current;
    }
    const next = nextStickyPartition(current, count, this.#env.random());
    topic.stickyPartition = next;
    return next;
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
      this.#sender.pump();
    } catch (error) {
      topic.resolving = false;
      const failure = asError(error);
      for (const { record } of topic.unrouted.splice(0)) record.reject(failure);
    }
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
