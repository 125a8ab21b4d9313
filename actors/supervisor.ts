/**
 * The supervisor actor (`supervisor/cluster`): ZooKeeper's role. It is the single writer of the metadata shard, keeps
 * topics and their assignment, watches the liveness of brokers and consumers, and hands every change of the image to all
 * subscribed brokers before it answers the change, so that the next request on any door sees it.
 *
 * One process has one broker; in a cluster the same actor serves several, and the metadata store behind it becomes
 * the replicated metadata log.
 */
import {
  type BrokerRegistry,
  expireBrokers,
  heartbeatBroker,
  registerBroker,
} from "../core/cluster/liveness.ts";
import type { MetadataImage, TopicImage } from "../core/cluster/metadata_image.ts";
import { decidePartitionAddition } from "../core/cluster/partition_addition.ts";
import { decideTopicCreation } from "../core/cluster/topic_creation.ts";
import { limits } from "../core/config/limits.ts";
import { changeTopicConfigs } from "../core/config/config_changes.ts";
import { configKey, type Configs, configsOf } from "../core/config/config_resource.ts";
import { changeQuotas, quotaEntityName } from "../core/quota/quota_entity.ts";
import { changeResourceConfigs, resourceNameFault } from "../core/config/resource_changes.ts";
import { layeredReader, type ServerLayers, serverLayers } from "../core/config/server_layers.ts";
import type { MetadataStore, StoredTopic } from "../storage/metadata_store.ts";
import { BROKER_KIND, SUPERVISOR_KIND } from "./kinds.ts";
import type { BrokerMessage } from "./messages/broker.ts";
import type {
  AddPartitions,
  AllocateProducerIds,
  AlterConfigs,
  AlterQuotas,
  AlterTopicConfigs,
  ConsumerLiveness,
  CreateApiKey,
  CreateTopic,
  DeleteTopic,
  RegisterBroker,
  RenameTopics,
  ReportConsumers,
  RevokeApiKey,
  SupervisorDescription,
  SupervisorMessage,
  TopicFault,
  TopicOutcome,
} from "./messages/supervisor.ts";
import type { ActorContext, ActorHost, ActorKind, ActorRef, Reply } from "./runtime/types.ts";

/** Ids in one block: small enough that a crash wastes little, large enough that a commit is rare. As in Kafka. */
const PRODUCER_ID_BLOCK_LENGTH = 1_000;
const LIVENESS_SWEEP_MS = 1_000;
/** A broker that does not take a new image in this time learns of it when it registers again. */
const PUBLISH_DEADLINE_MS = 5_000;
/** Reports of a group's members go stale when its actor stops renewing them. */
const CONSUMER_REPORT_MS_MAX = 15_000;
const PURGE_RETRY_MS = 1_000;

export interface SupervisorKindOptions {
  readonly clusterId: string;
  /** The broker that hosts the supervisor: Kafka clients call it the controller. */
  readonly controllerId: number;
  readonly openMetadata: () => Promise<MetadataStore>;
  /** As the server was started. */
  readonly config: (name: string) => string;
  /** `broker.session.timeout.ms`. */
  readonly brokerSessionTimeoutMs: number;
  /** Stops the actors of a deleted topic's partition, then deletes its data in bounded steps; may be repeated. */
  readonly purgePartition: (topicId: string, partition: number, signal: AbortSignal) => Promise<void>;
}

export function supervisorKind(options: SupervisorKindOptions): ActorKind<SupervisorMessage, never> {
  return {
    kind: SUPERVISOR_KIND,
    options: { idleAfterMs: 0 },
    async activate(context) {
      const host = new SupervisorHost(context, await options.openMetadata(), options);
      host.start();
      return host;
    },
  };
}

interface ConsumerReport {
  readonly consumers: readonly ConsumerLiveness[];
  readonly reportedMonoMs: number;
}

class SupervisorHost implements ActorHost<SupervisorMessage, never> {
  readonly #context: ActorContext<SupervisorMessage, never>;
  readonly #metadata: MetadataStore;
  readonly #options: SupervisorKindOptions;
  readonly #consumers = new Map<string, ConsumerReport>();
  #brokers: BrokerRegistry = new Map();
  #image: MetadataImage;
  #lastSweepMonoMs: number;

  constructor(
    context: ActorContext<SupervisorMessage, never>,
    metadata: MetadataStore,
    options: SupervisorKindOptions,
  ) {
    this.#context = context;
    this.#metadata = metadata;
    this.#options = options;
    this.#lastSweepMonoMs = context.env.mono();
    const { clusterId, controllerId } = options;
    const topics = metadata.topics().filter((topic) => topic.state === "ACTIVE").map(imageOf);
    this.#image = {
      version: 1,
      clusterId,
      controllerId,
      brokers: [],
      topicsByName: new Map(topics.map((topic) => [topic.name, topic])),
      topicsById: new Map(topics.map((topic) => [topic.topicId, topic])),
      configs: metadata.resourceConfigs(),
      apiKeys: metadata.apiKeys(),
    };
  }

  /** Goes on with deletions that a crash or a restart interrupted. */
  start(): void {
    this.#armSweep();
    for (const topic of this.#metadata.topics()) {
      if (topic.state === "DELETING") this.#purgeSoon(topic.topicId);
    }
  }

  receive(message: SupervisorMessage, reply: Reply<unknown>): void | Promise<void> {
    switch (message.type) {
      case "createTopic":
        return this.#createTopic(message).then((outcome) => reply.send(outcome));
      case "deleteTopic":
        return this.#deleteTopic(message).then((outcome) => reply.send(outcome));
      case "renameTopics":
        return this.#renameTopics(message).then((outcome) => reply.send(outcome));
      case "alterTopicConfigs":
        return this.#alterTopicConfigs(message).then((outcome) => reply.send(outcome));
      case "alterConfigs":
        return this.#alterConfigs(message).then((outcome) => reply.send(outcome));
      case "alterQuotas":
        return this.#alterQuotas(message).then((outcomes) => reply.send(outcomes));
      case "addPartitions":
        return this.#addPartitions(message).then((outcome) => reply.send(outcome));
      case "createApiKey":
        return this.#createApiKey(message).then((created) => reply.send(created));
      case "revokeApiKey":
        return this.#revokeApiKey(message).then((revoked) => reply.send(revoked));
      case "allocateProducerIds":
        return this.#allocateProducerIds(message, reply);
      case "registerBroker":
        return this.#registerBroker(message).then((answer) => reply.send(answer));
      case "brokerHeartbeat": {
        const { brokers, answer } = heartbeatBroker(
          this.#brokers,
          message.brokerId,
          message.epoch,
          this.#context.env.mono(),
        );
        this.#brokers = brokers;
        return reply.send({ error: answer });
      }
      case "reportConsumers":
        return this.#reportConsumers(message);
      case "describe":
        return reply.send(this.#describe());
      case "tick":
        if (message.task === "liveness") return this.#sweep();
        if (message.topicId !== undefined) this.#purge(message.topicId);
        return;
    }
  }

  inspect(): Record<string, unknown> {
    return {
      imageVersion: this.#image.version,
      topics: this.#image.topicsByName.size,
      brokers: this.#image.brokers.length,
      consumers: this.#liveConsumers().length,
    };
  }

  async #createTopic(wish: CreateTopic): Promise<TopicOutcome> {
    const decision = decideTopicCreation(this.#image, wish, {
      partitionCount: Number(this.#options.config("num.partitions")),
      replicationFactor: Number(this.#options.config("default.replication.factor")),
    });
    if ("error" in decision) return decision;
    const { partitions, configs } = decision.plan;
    const topicId = wish.topicId ?? this.#context.env.uuid();
    const topic: TopicImage = { name: wish.name, topicId, partitions, configs };
    if (wish.validateOnly) return { topic };
    await this.#metadata.createTopic(topic, wish.isRestoring === true ? "RESTORING" : "ACTIVE");
    this.#context.log.info("Topic created", {
      topic: topic.name,
      topicId: topic.topicId,
      partitions: partitions.length,
    });
    await this.#putTopic(topic);
    return { topic };
  }

  async #deleteTopic({ name, topicId }: DeleteTopic): Promise<TopicOutcome> {
    const topic = topicId !== undefined
      ? this.#image.topicsById.get(topicId)
      : this.#image.topicsByName.get(name ?? "");
    if (topic === undefined) {
      return topicId !== undefined
        ? fault("UNKNOWN_TOPIC_ID", "No topic has this id")
        : unknownTopic(name ?? "");
    }
    if (this.#options.config("delete.topic.enable") === "false") {
      return fault("TOPIC_DELETION_DISABLED", "delete.topic.enable is false");
    }
    await this.#metadata.markDeleting(topic.topicId);
    this.#context.log.info("Topic deleted", { topic: topic.name, topicId: topic.topicId });
    const topicsByName = new Map(this.#image.topicsByName);
    const topicsById = new Map(this.#image.topicsById);
    topicsByName.delete(topic.name);
    topicsById.delete(topic.topicId);
    await this.#publish({ topicsByName, topicsById });
    this.#purgeSoon(topic.topicId);
    return { topic };
  }

  async #renameTopics(
    { nameById, overwrite }: RenameTopics,
  ): Promise<{ readonly error: "NONE" } | TopicFault> {
    const { topicsById, topicsByName } = this.#image;
    for (const [topicId, name] of nameById) {
      if (!topicsById.has(topicId)) return fault("UNKNOWN_TOPIC_ID", "No topic has this id");
      if (topicsByName.has(name) && !overwrite) {
        return fault("TOPIC_ALREADY_EXISTS", `Topic "${name}" already exists`);
      }
    }
    if (overwrite && this.#options.config("delete.topic.enable") === "false") {
      return fault("TOPIC_DELETION_DISABLED", "delete.topic.enable is false");
    }
    let replaced: readonly StoredTopic[];
    try {
      replaced = await this.#metadata.renameTopics(nameById);
    } catch (error) {
      if (error instanceof RangeError) return fault("INVALID_REQUEST", error.message);
      throw error;
    }
    const topics = this.#metadata.topics().filter(({ state }) => state !== "DELETING").map((topic) => {
      const known = topicsById.get(topic.topicId);
      return known !== undefined && known.name === topic.name ? known : imageOf(topic);
    });
    for (const name of nameById.values()) this.#context.log.info("Topic put in place", { topic: name });
    await this.#publish({
      topicsByName: new Map(topics.map((topic) => [topic.name, topic])),
      topicsById: new Map(topics.map((topic) => [topic.topicId, topic])),
    });
    for (const { topicId } of replaced) this.#purgeSoon(topicId);
    return { error: "NONE" };
  }

  async #alterTopicConfigs(
    { name, changes, replace, validateOnly }: AlterTopicConfigs,
  ): Promise<TopicOutcome> {
    const topic = this.#image.topicsByName.get(name);
    if (topic === undefined) return unknownTopic(name);
    const current = replace ? {} : topic.configs;
    const changed = changeTopicConfigs(current, changes, this.#config);
    if ("fault" in changed) return fault(changed.error, changed.fault);
    const altered = { ...topic, configs: changed.configs };
    if (validateOnly) return { topic: altered };
    await this.#metadata.putConfigs(topic.topicId, altered.configs);
    await this.#putTopic(altered);
    return { topic: altered };
  }

  async #alterConfigs(
    { kind, name, changes, replace, validateOnly }: AlterConfigs,
  ): Promise<{ readonly error: "NONE" } | TopicFault> {
    const nameFault = resourceNameFault(kind, name);
    if (nameFault !== null) return fault("INVALID_REQUEST", nameFault);
    const { configs } = this.#image;
    const current = configsOf(configs, kind, name);
    const changed = changeResourceConfigs(kind, replace ? {} : current, changes, this.#layers);
    if ("fault" in changed) return fault(changed.error, changed.fault);
    if (!configs.has(configKey(kind, name)) && configs.size >= limits.configResourcesMax) {
      return fault(
        "POLICY_VIOLATION",
        `There are ${configs.size} resources with settings, one more is too many`,
      );
    }
    if (validateOnly) return { error: "NONE" };
    await this.#metadata.putResourceConfigs([{ kind, name, configs: changed.configs }]);
    this.#context.log.info("Settings changed", { kind, name });
    await this.#publishConfigs(kind === "broker");
    return { error: "NONE" };
  }

  async #alterQuotas({ entries, validateOnly }: AlterQuotas) {
    const outcomes: ({ readonly error: "NONE" } | TopicFault)[] = [];
    const changed: { kind: "quota"; name: string; configs: Configs }[] = [];
    let resourceCount = this.#image.configs.size;
    for (const { entity, changes } of entries) {
      const name = quotaEntityName(entity);
      const change = changeQuotas(entity, configsOf(this.#image.configs, "quota", name), changes);
      if ("fault" in change) {
        outcomes.push(fault("INVALID_REQUEST", change.fault));
        continue;
      }
      if (!this.#image.configs.has(configKey("quota", name))) resourceCount += 1;
      if (resourceCount > limits.configResourcesMax) {
        outcomes.push(fault("POLICY_VIOLATION", "There are as many resources with settings as there may be"));
        continue;
      }
      changed.push({ kind: "quota", name, configs: change.quotas });
      outcomes.push({ error: "NONE" });
    }
    if (!validateOnly && changed.length > 0) {
      await this.#metadata.putResourceConfigs(changed);
      this.#context.log.info("Quotas changed", { entities: changed.length });
      await this.#publishConfigs(false);
    }
    return outcomes;
  }

  /** Who keeps what follows from a topic's settings keeps it by the topic's object: a server-wide change makes new ones. */
  #publishConfigs(isServerWide: boolean): Promise<void> {
    const configs = this.#metadata.resourceConfigs();
    if (!isServerWide) return this.#publish({ configs });
    const topics = [...this.#image.topicsByName.values()].map((topic) => ({ ...topic }));
    return this.#publish({
      configs,
      topicsByName: new Map(topics.map((topic) => [topic.name, topic])),
      topicsById: new Map(topics.map((topic) => [topic.topicId, topic])),
    });
  }

  get #layers(): ServerLayers {
    return serverLayers(this.#image.configs, this.#options.controllerId, this.#options.config);
  }

  /** A server-wide setting as it is now. */
  get #config(): (name: string) => string {
    return layeredReader(this.#layers);
  }

  async #addPartitions({ name, count, assignments, validateOnly }: AddPartitions): Promise<TopicOutcome> {
    const topic = this.#image.topicsByName.get(name);
    if (topic === undefined) return unknownTopic(name);
    const decision = decidePartitionAddition(this.#image, topic, count, assignments);
    if ("error" in decision) return decision;
    const grown = { ...topic, partitions: [...topic.partitions, ...decision.added] };
    if (validateOnly) return { topic: grown };
    await this.#metadata.addPartitions(topic.topicId, decision.added);
    this.#context.log.info("Partitions added", { topic: name, partitions: grown.partitions.length });
    await this.#putTopic(grown);
    return { topic: grown };
  }

  async #createApiKey({ key }: CreateApiKey): Promise<boolean> {
    if (this.#image.apiKeys.size >= limits.apiKeysMax) return false;
    await this.#metadata.putApiKey(key);
    this.#context.log.info("API key created", { id: key.id, scopes: key.scopes.join(" ") });
    await this.#publish({ apiKeys: this.#metadata.apiKeys() });
    return true;
  }

  async #revokeApiKey({ id }: RevokeApiKey): Promise<boolean> {
    if (!this.#image.apiKeys.has(id)) return false;
    await this.#metadata.removeApiKey(id);
    this.#context.log.info("API key revoked", { id });
    await this.#publish({ apiKeys: this.#metadata.apiKeys() });
    return true;
  }

  async #allocateProducerIds(_message: AllocateProducerIds, reply: Reply<unknown>): Promise<void> {
    const firstId = await this.#metadata.allocateProducerIdBlock(PRODUCER_ID_BLOCK_LENGTH);
    reply.send({ firstId, count: PRODUCER_ID_BLOCK_LENGTH });
  }

  async #registerBroker(message: RegisterBroker): Promise<{ epoch: number }> {
    const { brokers, epoch } = registerBroker(this.#brokers, message, this.#context.env.mono());
    this.#brokers = brokers;
    this.#context.log.info("Broker registered", { brokerId: message.brokerId, epoch });
    await this.#publish({});
    return { epoch };
  }

  #reportConsumers({ groupId, consumers }: ReportConsumers): void {
    if (consumers.length === 0) this.#consumers.delete(groupId);
    else this.#consumers.set(groupId, { consumers, reportedMonoMs: this.#context.env.mono() });
  }

  #describe(): SupervisorDescription {
    const now = this.#context.env.mono();
    return {
      brokers: [...this.#brokers.values()].map(({ brokerId, alive, lastHeartbeatMonoMs }) => ({
        brokerId,
        alive,
        sinceHeartbeatMs: Math.round(now - lastHeartbeatMonoMs),
      })),
      consumers: this.#liveConsumers(),
    };
  }

  #liveConsumers(): ConsumerLiveness[] {
    return [...this.#consumers.values()].flatMap((report) => report.consumers);
  }

  async #sweep(): Promise<void> {
    const now = this.#context.env.mono();
    const sinceSweepMs = now - this.#lastSweepMonoMs;
    this.#lastSweepMonoMs = now;
    this.#armSweep();
    for (const [groupId, report] of this.#consumers) {
      if (now - report.reportedMonoMs > CONSUMER_REPORT_MS_MAX) this.#consumers.delete(groupId);
    }
    const sessionTimeoutMs = this.#options.brokerSessionTimeoutMs;
    // When this very process stood still, everybody looks dead: their heartbeats are still in the queue.
    if (sinceSweepMs > LIVENESS_SWEEP_MS + sessionTimeoutMs / 2) return;
    const { brokers, expired } = expireBrokers(this.#brokers, now, sessionTimeoutMs);
    if (expired.length === 0) return;
    this.#brokers = brokers;
    for (const brokerId of expired) this.#context.log.warn("Broker expired", { brokerId });
    await this.#publish({});
  }

  #armSweep(): void {
    this.#context.setTimer("liveness", LIVENESS_SWEEP_MS, { type: "tick", task: "liveness" });
  }

  #purgeSoon(topicId: string, afterMs = 0): void {
    this.#context.setTimer(`purge ${topicId}`, afterMs, { type: "tick", task: "purge", topicId });
  }

  /** Deletes a topic's data beside the mailbox; a failure is tried again, since the topic stays DELETING. */
  #purge(topicId: string): void {
    const topic = this.#metadata.topics().find((each) => each.topicId === topicId);
    if (topic === undefined) return;
    this.#context.run(async (signal) => {
      try {
        let failure: unknown = null;
        for (let partition = 0; partition < topic.partitions.length; partition++) {
          signal.throwIfAborted();
          // One that cannot be deleted, because it is damaged for example, keeps no other.
          await this.#options.purgePartition(topicId, partition, signal).catch((error) => failure = error);
        }
        if (failure !== null) throw failure;
        await this.#metadata.removeTopic(topicId);
        this.#context.log.info("Topic data removed", { topic: topic.name, topicId });
      } catch (error) {
        signal.throwIfAborted();
        this.#context.log.warn("Cannot remove a deleted topic's data yet", { topicId, error: String(error) });
        this.#purgeSoon(topicId, PURGE_RETRY_MS);
      }
    });
  }

  #putTopic(topic: TopicImage): Promise<void> {
    return this.#publish({
      topicsByName: new Map(this.#image.topicsByName).set(topic.name, topic),
      topicsById: new Map(this.#image.topicsById).set(topic.topicId, topic),
    });
  }

  /** Replaces the image and waits until every live broker has it, or its deadline passed. */
  async #publish(change: Partial<MetadataImage>): Promise<void> {
    const alive = [...this.#brokers.values()].filter((broker) => broker.alive);
    const brokers = alive.map(({ brokerId, host, port, rack, epoch }) => ({
      brokerId,
      host,
      port,
      rack,
      epoch,
    }));
    this.#image = { ...this.#image, ...change, brokers, version: this.#image.version + 1 };
    const image = this.#image;
    await Promise.all(alive.map(async ({ brokerId }) => {
      const broker: ActorRef<BrokerMessage> = this.#context.ref(BROKER_KIND, String(brokerId));
      try {
        await broker.ask({ type: "metadataChanged", image }, { deadlineMs: PUBLISH_DEADLINE_MS });
      } catch (error) {
        this.#context.log.warn("A broker did not take the metadata", { brokerId, error: String(error) });
      }
    }));
  }
}

function imageOf({ name, topicId, partitions, configs }: StoredTopic): TopicImage {
  return { name, topicId, partitions, configs };
}

function unknownTopic(name: string): TopicFault {
  return fault("UNKNOWN_TOPIC_OR_PARTITION", `Topic "${name}" does not exist`);
}

function fault(error: TopicFault["error"], message: string): TopicFault {
  return { error, message };
}
