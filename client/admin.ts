/**
 * Administration of a cluster: topics, configuration, brokers. Kafka's Admin client in small.
 */
import { ZERO_UUID } from "../lib/bytes.ts";
import type { Env } from "../lib/env.ts";
import { errorCode } from "../protocol/errors.ts";
import { createTopics } from "../protocol/messages/19_create_topics.ts";
import { deleteTopics } from "../protocol/messages/20_delete_topics.ts";
import { describeConfigs } from "../protocol/messages/32_describe_configs.ts";
import { describeCluster } from "../protocol/messages/60_describe_cluster.ts";
import type { Api, ResponseOf } from "../protocol/schema/api.ts";
import { type Broker, type CallOptions, type ClientOptions, Cluster, type TopicMetadata } from "./cluster.ts";
import type { RequestValue } from "./connection.ts";
import { BrokerError, throwIfError } from "./errors.ts";

/** A topic to be made. Without counts the broker's defaults hold. */
export interface NewTopic {
  readonly name: string;
  readonly partitionCount?: number | undefined;
  readonly replicationFactor?: number | undefined;
  readonly configs?: Readonly<Record<string, string>> | undefined;
}

export interface ConfigEntry {
  readonly name: string;
  /** Null for sensitive settings. */
  readonly value: string | null;
  /** Neither set for this resource nor for its brokers. */
  readonly isDefault: boolean;
  readonly isReadOnly: boolean;
  readonly isSensitive: boolean;
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

const RESOURCE_TYPES = { topic: 2, broker: 4 } as const;
/** `configSource` of a value that comes from the program itself. */
const DEFAULT_CONFIG = 5;

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
          assignments: [],
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

  /** Settings of topics or brokers, by name of the resource. */
  async describeConfigs(
    type: keyof typeof RESOURCE_TYPES,
    names: readonly string[],
    options: CallOptions = {},
  ): Promise<Map<string, ConfigEntry[]>> {
    const response = await this.#cluster.call(describeConfigs, {
      resources: names.map((resourceName) => ({
        resourceType: RESOURCE_TYPES[type],
        resourceName,
        configurationKeys: null,
      })),
    }, options);
    const described = new Map<string, ConfigEntry[]>();
    for (const result of response.results) {
      throwIfError(result.errorCode, result.errorMessage);
      const entries = result.configs.map((config) => ({
        name: config.name,
        value: config.value,
        isDefault: config.configSource === DEFAULT_CONFIG,
        isReadOnly: config.readOnly,
        isSensitive: config.isSensitive,
      }));
      described.set(result.resourceName, entries);
    }
    return described;
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
