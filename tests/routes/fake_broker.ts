/**
 * A broker for tests of the HTTP door: plain actor refs over arrays, no runtime and no storage. It keeps batches as the
 * partition actor does, and fails on demand.
 */
import type { Broker } from "../../actors/broker.ts";
import type { AtomicProducerMessage } from "../../actors/messages/atomic_producer.ts";
import type { Fetch, ListOffset, PartitionMessage, Produce } from "../../actors/messages/partition.ts";
import type { SubscriptionMessage } from "../../actors/messages/subscription.ts";
import type { StreamRegistryMessage } from "../../actors/messages/stream.ts";
import type { TransactionMessage } from "../../actors/messages/transaction.ts";
import type { ConsumerLiveness, CreateTopic, SupervisorMessage } from "../../actors/messages/supervisor.ts";
import { EventFeed } from "../../actors/event_feed.ts";
import { ServerMetrics } from "../../actors/server_metrics.ts";
import { AskDeadlineError } from "../../actors/runtime/errors.ts";
import { ByteBudget } from "../../actors/runtime/byte_budget.ts";
import type { ActorRef, ActorSnapshot, AskOptions, ReplyOf } from "../../actors/runtime/types.ts";
import {
  emptyMetadataImage,
  type MetadataImage,
  type TopicImage,
} from "../../core/cluster/metadata_image.ts";
import { FetchSessionCache } from "../../core/fetch/fetch_session.ts";
import { ClientTelemetry } from "../../core/telemetry/client_telemetry.ts";
import { ClientQuotas } from "../../core/quota/client_quotas.ts";
import { startLayers } from "../../core/config/server_layers.ts";
import { serverConfigReader } from "../../core/config/broker_configs.ts";
import type { Env, Files } from "../../lib/env.ts";
import type { LogFields, Logger } from "../../lib/log.ts";
import { assignOffsets, readBatchHeader } from "../../protocol/records/record_batch.ts";

type Answer = (message: never, options: AskOptions) => unknown;

function fakeRef<M>(kind: string, key: string, answer: Answer): ActorRef<M> {
  return {
    address: { kind, key },
    async ask<A extends M>(message: A, options: AskOptions = {}): Promise<ReplyOf<A>> {
      return await answer(message as never, options) as ReplyOf<A>;
    },
    tell() {},
  };
}

export class FakePartition {
  readonly batches: Uint8Array[] = [];
  readonly produced: Produce[] = [];
  logStartOffset = 0;
  highWatermark = 0;
  /** Thrown or answered instead of the next answers, one each. */
  readonly failures: (Error | Record<string, unknown>)[] = [];
  readonly #waiters: (() => void)[] = [];

  append(batch: Uint8Array): number {
    const baseOffset = this.highWatermark;
    assignOffsets(batch, baseOffset, 0);
    this.highWatermark += readBatchHeader(batch).lastOffsetDelta + 1;
    this.batches.push(batch);
    for (const wake of this.#waiters.splice(0)) wake();
    return baseOffset;
  }

  get waiterCount(): number {
    return this.#waiters.length;
  }

  answer(message: PartitionMessage, options: AskOptions): unknown {
    const failure = this.failures.shift();
    if (failure instanceof Error) throw failure;
    if (failure !== undefined) return failure;
    const { logStartOffset, highWatermark } = this;
    switch (message.type) {
      case "produce":
        return this.#produce(message);
      case "fetch":
        return this.#fetch(message);
      case "listOffset":
        return this.#listOffset(message);
      case "awaitData":
        return this.#awaitData(message.offset, options);
      case "describe":
        return {
          logStartOffset,
          highWatermark,
          lastStableOffset: highWatermark,
          leaderEpoch: 0,
          sizeBytes: 1,
        };
      case "close":
        return true;
      default:
        throw new Error(`${message.type} is not in these tests`);
    }
  }

  #produce(message: Produce) {
    this.produced.push(message);
    if (message.batch.length > message.maxMessageBytes) {
      return {
        error: "MESSAGE_TOO_LARGE",
        errorMessage: null,
        baseOffset: -1,
        logAppendTimeMs: -1,
        logStartOffset: 0,
      };
    }
    const logAppendTimeMs = message.timestampType === "LogAppendTime" ? 777 : -1;
    const baseOffset = this.append(message.batch);
    return { error: "NONE", errorMessage: null, baseOffset, logAppendTimeMs, logStartOffset: 0 };
  }

  #fetch({ offset, maxBytes }: Fetch) {
    const { logStartOffset, highWatermark } = this;
    const common = {
      logStartOffset,
      highWatermark,
      lastStableOffset: highWatermark,
      abortedTransactions: [],
    };
    if (offset < logStartOffset || offset > highWatermark) {
      return { ...common, error: "OFFSET_OUT_OF_RANGE", records: [] };
    }
    let bytes = 0;
    const records = this.batches.filter((batch) => {
      const { baseOffset, lastOffsetDelta } = readBatchHeader(batch);
      if (baseOffset + lastOffsetDelta < offset) return false;
      bytes += batch.length;
      return bytes === batch.length || bytes <= maxBytes;
    });
    return { ...common, error: "NONE", records };
  }

  #listOffset({ timestamp }: ListOffset) {
    const found = timestamp === -2
      ? this.logStartOffset
      : timestamp === -1
      ? this.highWatermark
      : this.batches.map((batch) => readBatchHeader(batch)).find(({ maxTimestamp }) =>
        maxTimestamp >= timestamp
      )?.baseOffset ??
        -1;
    return { error: "NONE", offset: found, timestamp: -1, leaderEpoch: 0 };
  }

  #awaitData(offset: number, { deadlineMs, signal }: AskOptions): Promise<boolean> {
    if (this.highWatermark > offset) return Promise.resolve(true);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new AskDeadlineError("deadline")), deadlineMs);
      signal?.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
      this.#waiters.push(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }
}

export class FakeBroker implements Broker {
  metadata: MetadataImage = {
    ...emptyMetadataImage,
    clusterId: "cluster",
    controllerId: 1,
    brokers: [{ brokerId: 1, host: "127.0.0.1", port: 9092, rack: null, epoch: 1 }],
  };
  ready = true;
  readonly tracer = null;
  readonly metrics = new ServerMetrics();
  readonly events = new EventFeed(fakeEnv());
  storeFault: string | null = null;
  readonly brokerId = 1;
  readonly waitingBytes = new ByteBudget(Infinity);
  readonly telemetry = new ClientTelemetry({
    instancesMax: 10,
    pushBytesMax: 1_000_000,
    inflatedBytesMax: 1_000_000,
    pointsPerPushMax: 100,
    attributesPerPointMax: 10,
    clientsMax: 10,
    gaugesPerClientMax: 10,
    gaugesMax: 100,
  });
  readonly quotas = new ClientQuotas({
    window: { sampleCount: 1, sampleMs: 1_000 },
    mutationWindow: { sampleCount: 1, sampleMs: 1_000 },
    metersMax: 1,
  });
  readonly fetchSessions = new FetchSessionCache({
    slotsMax: 0,
    evictionMs: 0,
    partitionsMax: 0,
    random: () => 0,
  });
  readonly settings = new Map<string, string>();
  readonly config = serverConfigReader(this.settings);
  readonly configLayers = startLayers(this.config);
  readonly lines: { level: string; message: string; fields: LogFields }[] = [];
  readonly partitions = new Map<string, FakePartition>();
  readonly supervisorFailures: Error[] = [];
  consumers: ConsumerLiveness[] = [];
  snapshots: ActorSnapshot[] = [];
  readonly env: Env = fakeEnv();
  readonly log: Logger = {
    debug: (message, fields = {}) => this.lines.push({ level: "debug", message, fields }),
    info: (message, fields = {}) => this.lines.push({ level: "info", message, fields }),
    warn: (message, fields = {}) => this.lines.push({ level: "warn", message, fields }),
    error: (message, fields = {}) => this.lines.push({ level: "error", message, fields }),
  };

  readonly supervisor: ActorRef<SupervisorMessage> = fakeRef(
    "supervisor",
    "cluster",
    (message: SupervisorMessage) => {
      const failure = this.supervisorFailures.shift();
      if (failure !== undefined) throw failure;
      if (message.type === "createTopic") return this.#createTopic(message);
      if (message.type === "deleteTopic") return this.#deleteTopic(message.topicId ?? "");
      const brokers = [{ brokerId: 1, alive: true, sinceHeartbeatMs: 5 }];
      return { brokers, consumers: this.consumers };
    },
  );

  addTopic(name: string, partitionCount = 1, configs: Record<string, string> = {}): TopicImage {
    const topicId = `00000000-0000-4000-8000-${String(this.metadata.version).padStart(12, "0")}`;
    const partition = { leader: 1, leaderEpoch: 0, replicas: [1], isr: [1] };
    const topic = { name, topicId, partitions: new Array(partitionCount).fill(partition), configs };
    this.#publish([...this.metadata.topicsByName.values(), topic]);
    return topic;
  }

  partitionOf(name: string, index: number): FakePartition {
    const { topicId } = this.metadata.topicsByName.get(name) ?? { topicId: name };
    const key = `${topicId}/${index}`;
    const partition = this.partitions.get(key) ?? new FakePartition();
    this.partitions.set(key, partition);
    return partition;
  }

  transaction(): ActorRef<TransactionMessage> {
    throw new Error("Transactions are not in these tests");
  }

  atomicProducer(): ActorRef<AtomicProducerMessage> {
    throw new Error("Transactions are not in these tests");
  }

  listTransactions(): Promise<never[]> {
    return Promise.resolve([]);
  }

  listGroups(): Promise<never[]> {
    return Promise.resolve([]);
  }

  partition(topicId: string, index: number): ActorRef<PartitionMessage> {
    const name = this.metadata.topicsById.get(topicId)?.name ?? topicId;
    const partition = this.partitionOf(name, index);
    return fakeRef(
      "partition",
      `${topicId}/${index}`,
      (message, options) => partition.answer(message, options),
    );
  }

  readonly streams = fakeRef<StreamRegistryMessage>("stream_registry", "streams", () => {
    throw new Error("no streams here");
  });

  readonly subscriptions = fakeRef<SubscriptionMessage>("stream_subscriptions", "all", () => {
    throw new Error("no subscriptions here");
  });

  webhook(name: string): never {
    throw new Error(`not in this test: webhook ${name}`);
  }

  webhookNames(): Promise<string[]> {
    return Promise.resolve([]);
  }

  restConsumer(groupId: string): never {
    throw new Error(`no consumers here: ${groupId}`);
  }

  stream(streamId: string): never {
    throw new Error(`no streams here: ${streamId}`);
  }

  shareGroup(groupId: string): never {
    throw new Error(`no share group in this test: ${groupId}`);
  }

  sharePartition(groupId: string): never {
    throw new Error(`no share group in this test: ${groupId}`);
  }

  group(groupId: string): never {
    throw new Error(`no groups here: ${groupId}`);
  }

  nextProducerId(): Promise<number> {
    return Promise.resolve(1);
  }

  inspect(): ActorSnapshot[] {
    return this.snapshots;
  }

  #createTopic({ name, partitionCount, replicationFactor, configs }: CreateTopic) {
    if (this.metadata.topicsByName.has(name)) {
      return { error: "TOPIC_ALREADY_EXISTS", message: `Topic "${name}" already exists` };
    }
    if (replicationFactor > 1) {
      return { error: "INVALID_REPLICATION_FACTOR", message: "There is one broker" };
    }
    const set = Object.entries(configs).filter((entry): entry is [string, string] => entry[1] !== null);
    return {
      topic: this.addTopic(name, partitionCount === -1 ? 1 : partitionCount, Object.fromEntries(set)),
    };
  }

  #deleteTopic(topicId: string) {
    const topic = this.metadata.topicsById.get(topicId);
    if (topic === undefined) return { error: "UNKNOWN_TOPIC_OR_PARTITION", message: "gone" };
    this.#publish([...this.metadata.topicsByName.values()].filter((other) => other !== topic));
    return { topic };
  }

  #publish(topics: readonly TopicImage[]) {
    this.metadata = {
      ...this.metadata,
      version: this.metadata.version + 1,
      topicsByName: new Map(topics.map((topic) => [topic.name, topic])),
      topicsById: new Map(topics.map((topic) => [topic.topicId, topic])),
    };
  }
}

function fakeEnv(): Env {
  const unused = () => {
    throw new Error("not in this test");
  };
  return {
    now: () => 1_700_000_000_000,
    mono: () => performance.now(),
    sleep: unused,
    timer: (ms, callback) => {
      const id = setTimeout(callback, ms);
      return () => clearTimeout(id);
    },
    random: () => 0,
    uuid: () => "11111111-1111-4111-8111-111111111111",
    kv: unused,
    files: new Proxy({}, { get: () => unused }) as Files,
    listen: unused,
    connect: unused,
    resolve: unused,
    fetch: unused,
    zlib: unused,
  };
}
