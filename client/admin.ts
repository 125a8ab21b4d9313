/**
 * Administration of a cluster: topics, configuration, brokers. Kafka's Admin client in small.
 */
import { ZERO_UUID } from "../lib/bytes.ts";
import type { Env } from "../lib/env.ts";
import { errorCode } from "../protocol/errors.ts";
import { createTopics } from "../protocol/messages/19_create_topics.ts";
import { deleteTopics } from "../protocol/messages/20_delete_topics.ts";
import { createPartitions } from "../protocol/messages/37_create_partitions.ts";
import { describeCluster } from "../protocol/messages/60_describe_cluster.ts";
import type { Api, ResponseOf } from "../protocol/schema/api.ts";
import {
  alterConfigsOf,
  type ConfigChange,
  type ConfigEntry,
  type ConfigResource,
  type ConfigResourceType,
  describeConfigsOf,
  listConfigResourcesOf,
} from "./admin_configs.ts";
import { describeLogDirsOf, type LogDirDescription } from "./admin_log_dirs.ts";
import {
  alterQuotasOf,
  type ClientQuota,
  describeQuotasOf,
  type QuotaComponent,
  type QuotaFilter,
} from "./admin_quotas.ts";
import { type DeletedRecords, deleteRecordsOf } from "./admin_records.ts";
import { describeTopicsInFull, type TopicDescription } from "./admin_topics.ts";
import { type Broker, type CallOptions, type ClientOptions, Cluster, type TopicMetadata } from "./cluster.ts";
import type { RequestValue } from "./connection.ts";
import { BrokerError, throwIfError } from "./errors.ts";
import { findOffsets, type FoundOffset, type OffsetSpec } from "./offsets.ts";
import type { TopicPartition } from "./topic_partition.ts";

/** A topic to be made. Without counts the broker's defaults hold. */
export interface NewTopic {
  readonly name: string;
  readonly partitionCount?: number | undefined;
  readonly replicationFactor?: number | undefined;
  /** Broker ids of each partition's replicas, in place of both counts. */
  readonly assignments?: readonly (readonly number[])[] | undefined;
  readonly configs?: Readonly<Record<string, string>> | undefined;
}

export interface ClusterDescription {
  readonly clusterId: string | null;
  /** Broker id, −1 while unknown. */
  readonly controllerId: number;
  readonly brokers: readonly Broker[];
}

/** The answer for one of several topics. */
export interface TopicOutcome {
  readonly name: string;
  /** Null when it was done. */
  readonly error: BrokerError | null;
}

/** One client for any number of calls; `close` it at the end. Every call throws a `ClientError`. */
export class Admin {
  readonly #cluster: Cluster;

  constructor(env: Env, options: ClientOptions) {
    this.#cluster = new Cluster(env, options);
  }

  /** Makes topics; the outcome of each is in the result. */
  async createTopics(
    topics: readonly NewTopic[],
    options: CallOptions & { validateOnly?: boolean } = {},
  ): Promise<TopicOutcome[]> {
    const response = await this.#callController(
      createTopics,
      {
        topics: topics.map((topic) => ({
          name: topic.name,
          numPartitions: topic.partitionCount ?? -1,
          replicationFactor: topic.replicationFactor ?? -1,
          assignments: (topic.assignments ?? []).map((brokerIds, partitionIndex) => ({
            partitionIndex,
            brokerIds: [...brokerIds],
          })),
          configs: Object.entries(topic.configs ?? {}).map(([name, value]) => ({ name, value })),
        })),
        timeoutMs: this.#cluster.requestTimeoutMs,
        validateOnly: options.validateOnly ?? false,
      },
      (r) => r.topics,
      options,
    );
    return response.topics.map(outcomeOf);
  }

  /** Makes one topic. Throws a `BrokerError`, for example TOPIC_ALREADY_EXISTS. */
  async createTopic(topic: NewTopic, options: CallOptions = {}): Promise<void> {
    for (const outcome of await this.createTopics([topic], options)) if (outcome.error) throw outcome.error;
  }

  /** Deletes topics; the outcome of each is in the result. */
  async deleteTopics(names: readonly string[], options: CallOptions = {}): Promise<TopicOutcome[]> {
    const response = await this.#callController(
      deleteTopics,
      {
        topics: names.map((name) => ({ name, topicId: ZERO_UUID })),
        topicNames: names,
        timeoutMs: this.#cluster.requestTimeoutMs,
      },
      (r) => r.responses,
      options,
    );
    return response.responses.map(outcomeOf);
  }

  /** Deletes one topic. Throws a `BrokerError`, for example UNKNOWN_TOPIC_OR_PARTITION. */
  async deleteTopic(name: string, options: CallOptions = {}): Promise<void> {
    for (const outcome of await this.deleteTopics([name], options)) if (outcome.error) throw outcome.error;
  }

  /** Names of all topics, sorted. */
  async listTopics(options: CallOptions = {}): Promise<string[]> {
    return (await this.describeTopics(null, options)).map((topic) => topic.name);
  }

  /**
   * Partitions, leaders and replicas of the topics (null: of all), sorted by name. Topics that do not exist are missing in
   * the result.
   */
  describeTopics(names: readonly string[] | null, options: CallOptions = {}): Promise<TopicMetadata[]> {
    return this.#cluster.retry(async () => {
      const response = await this.#cluster.refresh(names);
      const topics: TopicMetadata[] = [];
      for (const { name, errorCode: code } of response.topics) {
        if (code === errorCode("UNKNOWN_TOPIC_OR_PARTITION")) continue;
        throwIfError(code);
        const topic = name === null ? null : this.#cluster.knownTopic(name);
        if (topic !== null) topics.push(topic);
      }
      return topics.sort((a, b) => (a.name < b.name ? -1 : 1));
    }, options);
  }

  /** The topics with all that the brokers tell of their partitions, sorted; those that do not exist are missing. */
  describeTopicPartitions(
    names: readonly string[],
    options: CallOptions & { readonly partitionsPerResponse?: number | undefined } = {},
  ): Promise<TopicDescription[]> {
    return describeTopicsInFull(this.#cluster, names, options);
  }

  /**
   * Adds partitions up to a total, with `assignments` for the new ones. Throws a `BrokerError`, for example
   * INVALID_PARTITIONS.
   */
  async createPartitions(
    name: string,
    totalCount: number,
    options: CallOptions & {
      readonly assignments?: readonly (readonly number[])[];
      readonly validateOnly?: boolean;
    } = {},
  ): Promise<void> {
    const response = await this.#callController(
      createPartitions,
      {
        topics: [{
          name,
          count: totalCount,
          assignments: options.assignments?.map((brokerIds) => ({ brokerIds: [...brokerIds] })) ?? null,
        }],
        timeoutMs: this.#cluster.requestTimeoutMs,
        validateOnly: options.validateOnly ?? false,
      },
      (r) => r.results,
      options,
    );
    for (const { errorCode: code, errorMessage } of response.results) throwIfError(code, errorMessage);
  }

  /** Deletes records below an offset (−1: all that are committed); the outcome of each partition is in the result. */
  deleteRecords(
    requests: readonly (TopicPartition & { readonly beforeOffset: number })[],
    options: CallOptions = {},
  ): Promise<DeletedRecords[]> {
    return deleteRecordsOf(this.#cluster, requests, options);
  }

  /** Places in the log, keyed by `partitionKey`. */
  findOffsets(
    requests: readonly (TopicPartition & { readonly spec: OffsetSpec })[],
    options: CallOptions = {},
  ): Promise<Map<string, FoundOffset>> {
    return findOffsets(this.#cluster, requests, "read_uncommitted", options);
  }

  /** Settings of resources of one type, by name of the resource; of all brokers together under the empty name. */
  describeConfigs(
    type: ConfigResourceType,
    names: readonly string[],
    options: CallOptions & { readonly includeSynonyms?: boolean } = {},
  ): Promise<Map<string, ConfigEntry[]>> {
    return describeConfigsOf(this.#cluster, names.map((name) => ({ type, name })), options);
  }

  /** Changes some settings and leaves the others. Throws a `BrokerError`, for example INVALID_CONFIG. */
  alterConfigs(
    resource: ConfigResource,
    changes: readonly ConfigChange[],
    options: CallOptions & { readonly validateOnly?: boolean } = {},
  ): Promise<void> {
    return alterConfigsOf(this.#cluster, resource, changes, options);
  }

  /** Names of the resources of this type that have settings of their own, sorted. */
  listConfigResources(type: ConfigResourceType, options: CallOptions = {}): Promise<string[]> {
    return listConfigResourcesOf(this.#cluster, type, options);
  }

  /** What these brokers keep in which directory, by broker id. */
  describeLogDirs(
    brokerIds: readonly number[],
    options: CallOptions = {},
  ): Promise<Map<number, LogDirDescription[]>> {
    return describeLogDirsOf(this.#cluster, brokerIds, options);
  }

  /** Quotas of entities that have exactly these components. */
  describeClientQuotas(filters: readonly QuotaFilter[], options: CallOptions = {}): Promise<ClientQuota[]> {
    return describeQuotasOf(this.#cluster, filters, options);
  }

  /** Sets quotas of one entity; a null value removes one. Throws a `BrokerError`. */
  alterClientQuotas(
    entity: readonly QuotaComponent[],
    changes: ReadonlyMap<string, number | null>,
    options: CallOptions = {},
  ): Promise<void> {
    return alterQuotasOf(this.#cluster, entity, changes, options);
  }

  /** Brokers, controller and id of the cluster. */
  async describeCluster(options: CallOptions = {}): Promise<ClusterDescription> {
    const response = await this.#cluster.call(
      describeCluster,
      { includeClusterAuthorizedOperations: false },
      options,
    );
    throwIfError(response.errorCode, response.errorMessage);
    return {
      clusterId: response.clusterId,
      controllerId: response.controllerId,
      brokers: response.brokers.map((broker) => ({
        nodeId: broker.brokerId,
        hostname: broker.host,
        port: broker.port,
        rack: broker.rack,
      })),
    };
  }

  /** Closes all connections. Idempotent. */
  close(): void {
    this.#cluster.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Asks the controller, and again when another node has become it. */
  #callController<A extends Api>(
    api: A,
    value: RequestValue<A>,
    entries: (response: ResponseOf<A>) => readonly { errorCode: number }[],
    options: CallOptions,
  ): Promise<ResponseOf<A>> {
    const cluster = this.#cluster;
    return cluster.retry(async () => {
      const response = await (await cluster.controllerConnection()).request(api, value);
      if (entries(response).some((entry) => entry.errorCode === errorCode("NOT_CONTROLLER"))) {
        await cluster.refresh([]);
        throw new BrokerError(errorCode("NOT_CONTROLLER"));
      }
      return response;
    }, options);
  }
}

function outcomeOf(
  answer: { name: string | null; errorCode: number; errorMessage: string | null },
): TopicOutcome {
  const error = answer.errorCode === 0 ? null : new BrokerError(answer.errorCode, answer.errorMessage);
  return { name: answer.name ?? "", error };
}
