/**
 * Administration of transactions: list and describe them, look at a partition's producers, abort what hangs, force an end.
 * Source: Kafka's Admin client (KIP-664, KIP-994, KIP-1152).
 */
import type { Env } from "../lib/env.ts";
import { errorCode } from "../protocol/errors.ts";
import { initProducerId } from "../protocol/messages/22_init_producer_id.ts";
import { writeTxnMarkers } from "../protocol/messages/27_write_txn_markers.ts";
import { describeProducers } from "../protocol/messages/61_describe_producers.ts";
import { describeTransactions } from "../protocol/messages/65_describe_transactions.ts";
import { listTransactions } from "../protocol/messages/66_list_transactions.ts";
import { type CallOptions, type ClientOptions, Cluster } from "./cluster.ts";
import type { Connection } from "./connection.ts";
import { BrokerError, ConnectionError, throwIfError } from "./errors.ts";
import { transactionCoordinatorOf } from "./group_coordinator.ts";
import type { TopicPartition } from "./topic_partition.ts";

/** Of a forced end: nobody goes on with the transactional id's new epoch, so that its timeout does not matter. */
const FORCED_TIMEOUT_MS = 60_000;

export interface TransactionListing {
  readonly transactionalId: string;
  /** Broker id. */
  readonly coordinator: number;
  readonly producerId: number;
  readonly state: string;
}

export interface TransactionFilter {
  readonly states?: readonly string[];
  readonly producerIds?: readonly number[];
  /** Transactions that run longer, milliseconds; negative or left out: all. */
  readonly durationMs?: number | undefined;
  /** A regular expression. */
  readonly pattern?: string | undefined;
}

export interface TransactionDescription {
  /** Broker id. */
  readonly coordinator: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly state: string;
  readonly timeoutMs: number;
  /** Null while none is open. */
  readonly startedMs: number | null;
  readonly partitions: readonly TopicPartition[];
}

export interface ProducerDescription {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  readonly lastTimestamp: number;
  /** Null before the first marker. */
  readonly coordinatorEpoch: number | null;
  /** First offset of the open transaction; null: none. */
  readonly transactionStartOffset: number | null;
}

export interface MarkerTarget extends TopicPartition {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
}

/** One client for any number of calls; `close` it at the end. Every call throws a `ClientError`. */
export class TransactionAdmin {
  readonly #cluster: Cluster;

  constructor(env: Env, options: ClientOptions) {
    this.#cluster = new Cluster(env, options);
  }

  /** The transactional ids of all brokers. */
  listTransactions(filter: TransactionFilter = {}, options: CallOptions = {}): Promise<TransactionListing[]> {
    const cluster = this.#cluster;
    return cluster.retry(async () => {
      await cluster.refresh([]);
      const listings: TransactionListing[] = [];
      for (const { nodeId } of cluster.brokers) {
        const connection = await cluster.connection(nodeId);
        const response = await connection.request(listTransactions, {
          stateFilters: [...filter.states ?? []],
          producerIdFilters: [...filter.producerIds ?? []],
          durationFilter: filter.durationMs ?? -1,
          transactionalIdPattern: filter.pattern ?? null,
        });
        throwIfError(response.errorCode);
        for (const { transactionalId, producerId, transactionState } of response.transactionStates) {
          listings.push({ transactionalId, producerId, coordinator: nodeId, state: transactionState });
        }
      }
      return listings;
    }, options);
  }

  /** Throws a `BrokerError`, for example TRANSACTIONAL_ID_NOT_FOUND. */
  describeTransaction(transactionalId: string, options: CallOptions = {}): Promise<TransactionDescription> {
    return this.#cluster.retry(async () => {
      const { connection, nodeId } = await this.#coordinator(transactionalId);
      const response = await connection.request(describeTransactions, {
        transactionalIds: [transactionalId],
      });
      const [found] = response.transactionStates;
      if (found === undefined) throw new ConnectionError("The broker did not tell of the transaction");
      throwIfError(found.errorCode);
      return {
        coordinator: nodeId,
        producerId: found.producerId,
        producerEpoch: found.producerEpoch,
        state: found.transactionState,
        timeoutMs: found.transactionTimeoutMs,
        startedMs: found.transactionStartTimeMs < 0 ? null : found.transactionStartTimeMs,
        partitions: found.topics.flatMap(({ topic, partitions }) =>
          partitions.map((partition) => ({ topic, partition }))
        ),
      };
    }, options);
  }

  /** The producers that the partition's leader, or another broker, remembers. Throws a `BrokerError`. */
  describeProducers(
    { topic, partition }: TopicPartition,
    options: CallOptions & { readonly brokerId?: number | undefined } = {},
  ): Promise<ProducerDescription[]> {
    return this.#cluster.retry(async () => {
      const connection = await this.#leader({ topic, partition }, options.brokerId);
      const response = await connection.request(describeProducers, {
        topics: [{ name: topic, partitionIndexes: [partition] }],
      });
      const found = response.topics[0]?.partitions[0];
      if (found === undefined) throw new ConnectionError("The broker did not tell of the partition");
      throwIfError(found.errorCode, found.errorMessage);
      return found.activeProducers.map((producer) => ({
        producerId: producer.producerId,
        producerEpoch: producer.producerEpoch,
        lastSequence: producer.lastSequence,
        lastTimestamp: producer.lastTimestamp,
        coordinatorEpoch: producer.coordinatorEpoch < 0 ? null : producer.coordinatorEpoch,
        transactionStartOffset: producer.currentTxnStartOffset < 0 ? null : producer.currentTxnStartOffset,
      }));
    }, options);
  }

  /** Ends a transaction in one partition, past its coordinator. Throws a `BrokerError`, for example INVALID_PRODUCER_EPOCH. */
  abortTransaction(target: MarkerTarget, options: CallOptions = {}): Promise<void> {
    const { topic, partition, producerId, producerEpoch, coordinatorEpoch } = target;
    return this.#cluster.retry(async () => {
      const connection = await this.#leader(target, undefined);
      const response = await connection.request(writeTxnMarkers, {
        markers: [{
          producerId,
          producerEpoch,
          coordinatorEpoch,
          transactionResult: false,
          topics: [{ name: topic, partitionIndexes: [partition] }],
        }],
      });
      const found = response.markers[0]?.topics[0]?.partitions[0];
      if (found === undefined) throw new ConnectionError("The broker did not tell of the marker");
      throwIfError(found.errorCode);
    }, options);
  }

  /** Aborts whatever the transactional id has open and fences its producer. Throws a `BrokerError`. */
  forceTerminateTransaction(transactionalId: string, options: CallOptions = {}): Promise<void> {
    return this.#cluster.retry(async () => {
      const { connection } = await this.#coordinator(transactionalId);
      const response = await connection.request(initProducerId, {
        transactionalId,
        transactionTimeoutMs: FORCED_TIMEOUT_MS,
        producerId: -1,
        producerEpoch: -1,
      });
      throwIfError(response.errorCode);
    }, options);
  }

  /** Every partition of the topics (null: of all), or those that the broker leads. */
  async partitions(
    topics: readonly string[] | null,
    options: CallOptions & { readonly brokerId?: number | undefined } = {},
  ): Promise<TopicPartition[]> {
    const { brokerId } = options;
    return await this.#cluster.retry(async () => {
      const response = await this.#cluster.refresh(topics);
      const found: TopicPartition[] = [];
      for (const { name, errorCode: code } of response.topics) {
        throwIfError(code);
        const topic = name === null ? null : this.#cluster.knownTopic(name);
        for (const { partition, replicas } of topic?.partitions ?? []) {
          if (topic !== null && (brokerId === undefined || replicas.includes(brokerId))) {
            found.push({ topic: topic.name, partition });
          }
        }
      }
      return found;
    }, options);
  }

  close(): void {
    this.#cluster.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #leader({ topic, partition }: TopicPartition, brokerId: number | undefined): Promise<Connection> {
    const { partitions } = await this.#cluster.topic(topic);
    const leader = partitions[partition]?.leader;
    if (leader === undefined) throw new BrokerError(errorCode("UNKNOWN_TOPIC_OR_PARTITION"));
    return await this.#cluster.connection(brokerId ?? leader);
  }

  async #coordinator(
    transactionalId: string,
  ): Promise<{ readonly connection: Connection; readonly nodeId: number }> {
    const { nodeId } = await transactionCoordinatorOf(this.#cluster, transactionalId);
    return { connection: await this.#cluster.connection(nodeId), nodeId };
  }
}
