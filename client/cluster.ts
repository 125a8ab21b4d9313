/**
 * The cluster as a client sees it: connections to its brokers, who leads what, and trying again.
 *
 * Admin, producer, consumer and group membership share this. Source: Kafka's NetworkClient and Metadata.
 */
import type { Env } from "../lib/env.ts";
import { ZERO_UUID } from "../lib/bytes.ts";
import { errorCode } from "../protocol/errors.ts";
import { metadata, type MetadataResponse } from "../protocol/messages/03_metadata.ts";
import type { Api, ResponseOf } from "../protocol/schema/api.ts";
import { type BrokerAddress, parseBootstrapServers } from "./bootstrap.ts";
import { Connection, type RequestOptions, type RequestValue } from "./connection.ts";
import {
  BrokerError,
  ClosedError,
  ConnectionError,
  isRetriableError,
  throwIfError,
  TimeoutError,
} from "./errors.ts";

/** What every client needs to know. */
export interface ClientOptions {
  /** `HOST:PORT`, several with commas between or as a list. One that answers is enough. */
  readonly bootstrapServers: string | readonly string[];
  /** Named in the broker's logs and quotas. Default `kavka`. */
  readonly clientId?: string | undefined;
  /** Deadline of one request, milliseconds. Default 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Deadline of a call with all its retries, milliseconds. Default 60,000. */
  readonly callTimeoutMs?: number | undefined;
  /** Pause before the first retry; it doubles up to `retryBackoffMaxMs`. Default 100. */
  readonly retryBackoffMs?: number | undefined;
  /** Default 1,000. */
  readonly retryBackoffMaxMs?: number | undefined;
  /** After this time metadata is read again. Default 300,000. */
  readonly metadataMaxAgeMs?: number | undefined;
  /** Largest response that is accepted, bytes. Default 128 MiB. */
  readonly frameBytesMax?: number | undefined;
}

export interface Broker {
  readonly nodeId: number;
  readonly hostname: string;
  readonly port: number;
  readonly rack: string | null;
}

export interface PartitionMetadata {
  readonly partition: number;
  /** Broker id; −1 while there is none. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  readonly offlineReplicas: readonly number[];
}

export interface TopicMetadata {
  readonly name: string;
  /** 36 characters; all zeroes when the broker does not tell. */
  readonly topicId: string;
  readonly isInternal: boolean;
  /** In the order of their numbers, which have no gaps. */
  readonly partitions: readonly PartitionMetadata[];
}

/** Requests that the broker may hold back get a connection of their own, so that nobody waits behind them. */
export type Channel = "general" | "fetch" | "coordinator";

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Deadline with all retries, milliseconds; the client's `callTimeoutMs` by default. */
  readonly timeoutMs?: number | undefined;
}

const DEFAULTS = {
  clientId: "kavka",
  requestTimeoutMs: 30_000,
  callTimeoutMs: 60_000,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1_000,
  metadataMaxAgeMs: 300_000,
  frameBytesMax: 128 * 1024 * 1024,
} as const;

/** One broker answers or not within this time before the next one is tried. */
const CONNECT_TIMEOUT_MS = 10_000;

export class Cluster {
  readonly env: Env;
  readonly requestTimeoutMs: number;
  readonly callTimeoutMs: number;
  readonly metadataMaxAgeMs: number;
  readonly #bootstrap: readonly BrokerAddress[];
  readonly #clientId: string;
  readonly #retryBackoffMs: number;
  readonly #retryBackoffMaxMs: number;
  readonly #frameBytesMax: number;
  readonly #closing = new AbortController();
  /** By channel and address; a promise, so that those who come while it opens share it. */
  readonly #connections = new Map<string, Promise<Connection>>();
  #brokers = new Map<number, Broker>();
  #topics = new Map<string, { topic: TopicMetadata; readAtMs: number }>();
  #controllerId = -1;
  #clusterId: string | null = null;

  /** Throws `ConfigurationError`. Connects on first use. */
  constructor(env: Env, options: ClientOptions) {
    this.env = env;
    this.#bootstrap = parseBootstrapServers(options.bootstrapServers);
    this.#clientId = options.clientId ?? DEFAULTS.clientId;
    this.requestTimeoutMs = options.requestTimeoutMs ?? DEFAULTS.requestTimeoutMs;
    this.callTimeoutMs = options.callTimeoutMs ?? DEFAULTS.callTimeoutMs;
    this.metadataMaxAgeMs = options.metadataMaxAgeMs ?? DEFAULTS.metadataMaxAgeMs;
    this.#retryBackoffMs = options.retryBackoffMs ?? DEFAULTS.retryBackoffMs;
    this.#retryBackoffMaxMs = options.retryBackoffMaxMs ?? DEFAULTS.retryBackoffMaxMs;
    this.#frameBytesMax = options.frameBytesMax ?? DEFAULTS.frameBytesMax;
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Aborted when the client closes. */
  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  get brokers(): readonly Broker[] {
    return [...this.#brokers.values()];
  }

  get clusterId(): string | null {
    return this.#clusterId;
  }

  /** Broker id, −1 while unknown. */
  get controllerId(): number {
    return this.#controllerId;
  }

  /** Closes all connections; whatever waits is rejected. Idempotent. */
  close(): void {
    if (this.isClosed) return;
    this.#closing.abort(new ClosedError("The client was closed"));
    for (const connection of this.#connections.values()) {
      connection.then((open) => open.close(), ignore);
    }
    this.#connections.clear();
  }

  /** A connection to a broker that the metadata names. Throws `ConnectionError` and what `Connection.open` throws. */
  connection(nodeId: number, channel: Channel = "general"): Promise<Connection> {
    const broker = this.#brokers.get(nodeId);
    if (broker === undefined) {
      return Promise.reject(new ConnectionError(`Broker ${nodeId} is not in the metadata`));
    }
    const connecting = this.#connect(broker, channel);
    connecting.catch(() => {
      // It may have moved. Whoever wants it next finds it unknown, and asks where it is.
      if (this.#brokers.get(nodeId) === broker) this.#brokers.delete(nodeId);
    });
    return connecting;
  }

  /** A connection to whichever broker answers. Throws the last failure when none does. */
  async anyConnection(): Promise<Connection> {
    const known: BrokerAddress[] = [...this.#brokers.values()];
    const start = Math.floor(this.env.random() * Math.max(known.length, 1));
    const candidates = [...known.slice(start), ...known.slice(0, start), ...this.#bootstrap];
    let failure: unknown = new ConnectionError("No broker is known");
    for (const address of candidates) {
      try {
        return await this.#connect(address, "general");
      } catch (error) {
        this.closed.throwIfAborted();
        failure = error;
      }
    }
    throw failure;
  }

  /** Asks any broker, with retries on failures of the connection; error codes in the response are the caller's. */
  call<A extends Api>(
    api: A,
    value: RequestValue<A>,
    options: CallOptions & RequestOptions = {},
  ): Promise<ResponseOf<A>> {
    return this.retry(async () => (await this.anyConnection()).request(api, value, options), options);
  }

  /** Asks the controller, or any broker where that is not known. */
  async controllerConnection(): Promise<Connection> {
    return this.#brokers.has(this.#controllerId)
      ? await this.connection(this.#controllerId)
      : await this.anyConnection();
  }

  /** Reads metadata of the topics (null: of all) and remembers it. Error codes of topics are the caller's. */
  async refresh(
    topics: readonly string[] | null,
    options: { allowAutoTopicCreation?: boolean } = {},
  ): Promise<MetadataResponse> {
    const connection = await this.anyConnection();
    const response = await connection.request(metadata, (version) => ({
      topics: topics === null && version > 0
        ? null
        : (topics ?? []).map((name) => ({ name, topicId: ZERO_UUID })),
      allowAutoTopicCreation: options.allowAutoTopicCreation ?? false,
    }));
    throwIfError(response.errorCode);
    this.#remember(response);
    return response;
  }

  #remember(response: MetadataResponse): void {
    this.#clusterId = response.clusterId ?? this.#clusterId;
    this.#controllerId = response.controllerId;
    // A broker that is just starting knows nobody yet; what was known is better than nothing.
    if (response.brokers.length > 0) {
      this.#brokers = new Map(
        response.brokers.map((
          b,
        ) => [b.nodeId, { nodeId: b.nodeId, hostname: b.host, port: b.port, rack: b.rack }]),
      );
    }
    const readAtMs = this.env.mono();
    for (const topic of response.topics) {
      if (topic.name === null) continue;
      if (topic.errorCode === 0) {
        this.#topics.set(topic.name, { topic: topicOf(topic, topic.name), readAtMs });
      } else this.#topics.delete(topic.name);
    }
  }

  /** What is known of a topic, without asking; null when nothing is, or it is too old. */
  knownTopic(name: string): TopicMetadata | null {
    const known = this.#topics.get(name);
    if (known === undefined || this.env.mono() - known.readAtMs > this.metadataMaxAgeMs) return null;
    return known.topic;
  }

  /** Forgets a topic, so that the next look asks a broker. */
  forgetTopic(name: string): void {
    this.#topics.delete(name);
  }

  /**
   * Metadata of a topic, from memory or a broker; waits until the topic exists and all its partitions have leaders.
   * Throws the last error when that takes longer than the deadline.
   */
  async topic(
    name: string,
    options: CallOptions & { allowAutoTopicCreation?: boolean } = {},
  ): Promise<TopicMetadata> {
    const known = this.knownTopic(name);
    if (known !== null && known.partitions.every((partition) => partition.leader >= 0)) return known;
    return await this.retry(async () => {
      const response = await this.refresh([name], options);
      const answer = response.topics.find((topic) => topic.name === name);
      throwIfError(answer?.errorCode ?? errorCode("UNKNOWN_TOPIC_OR_PARTITION"));
      const found = this.knownTopic(name);
      if (found === null || found.partitions.some((partition) => partition.leader < 0)) {
        throw new BrokerError(errorCode("LEADER_NOT_AVAILABLE"));
      }
      return found;
    }, options);
  }

  /** A pause before attempt `attempt` (1 for the first retry), doubling, with jitter. */
  backoffMs(attempt: number): number {
    const full = Math.min(this.#retryBackoffMs * 2 ** (attempt - 1), this.#retryBackoffMaxMs);
    return full * (0.8 + 0.4 * this.env.random());
  }

  /** Runs `attempt` until it succeeds, fails for good, or the deadline has passed: then throws its last error. */
  async retry<T>(attempt: () => Promise<T>, options: CallOptions = {}): Promise<T> {
    const { signal } = options;
    const timeoutMs = options.timeoutMs ?? this.callTimeoutMs;
    const deadlineMs = this.env.mono() + timeoutMs;
    for (let count = 1;; count++) {
      signal?.throwIfAborted();
      this.closed.throwIfAborted();
      try {
        return await withDeadline(this.env, attempt(), deadlineMs - this.env.mono(), signal);
      } catch (error) {
        signal?.throwIfAborted();
        this.closed.throwIfAborted();
        const pauseMs = this.backoffMs(count);
        if (!isRetriableError(error) || this.env.mono() + pauseMs >= deadlineMs) throw error;
        await this.sleep(pauseMs, signal);
      }
    }
  }

  /** Sleeps; rejects when the signal is aborted or the client closes. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.env.sleep(ms, signal === undefined ? this.closed : AbortSignal.any([signal, this.closed]));
  }

  #connect(address: BrokerAddress, channel: Channel): Promise<Connection> {
    if (this.isClosed) return Promise.reject(this.closed.reason);
    const key = `${channel} ${address.hostname}:${address.port}`;
    const existing = this.#connections.get(key);
    if (existing !== undefined) return this.#reuse(existing, key, address);
    return this.#open(key, address);
  }

  async #reuse(existing: Promise<Connection>, key: string, address: BrokerAddress): Promise<Connection> {
    const connection = await existing;
    if (connection.isOpen) return connection;
    // Somebody else may have opened a new one meanwhile.
    const current = this.#connections.get(key);
    return await (current === undefined || current === existing ? this.#open(key, address) : current);
  }

  #open(key: string, address: BrokerAddress): Promise<Connection> {
    const opening = Connection.open(this.env, {
      hostname: address.hostname,
      port: address.port,
      clientId: this.#clientId,
      requestTimeoutMs: this.requestTimeoutMs,
      connectTimeoutMs: Math.min(CONNECT_TIMEOUT_MS, this.requestTimeoutMs),
      frameBytesMax: this.#frameBytesMax,
      signal: this.closed,
    });
    this.#connections.set(key, opening);
    opening.catch(() => {
      if (this.#connections.get(key) === opening) this.#connections.delete(key);
    });
    return opening;
  }
}

function topicOf(topic: MetadataResponse["topics"][number], name: string): TopicMetadata {
  const partitions = topic.partitions.map((partition) => ({
    partition: partition.partitionIndex,
    leader: partition.leaderId,
    leaderEpoch: partition.leaderEpoch,
    replicas: partition.replicaNodes,
    isr: partition.isrNodes,
    offlineReplicas: partition.offlineReplicas,
  }));
  partitions.sort((a, b) => a.partition - b.partition);
  return { name, topicId: topic.topicId, isInternal: topic.isInternal, partitions };
}

/** The promise's outcome, unless the deadline passes or the signal is aborted first. */
async function withDeadline<T>(env: Env, promise: Promise<T>, ms: number, signal?: AbortSignal): Promise<T> {
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const cancel = env.timer(
    Math.max(ms, 0),
    () => reject(new TimeoutError("The deadline of the call has passed")),
  );
  const abort = () => reject(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, ended]);
  } finally {
    cancel();
    signal?.removeEventListener("abort", abort);
  }
}

function ignore(): void {}
