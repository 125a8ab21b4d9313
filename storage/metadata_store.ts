/**
 * The metadata shard: topics, their assignment and configuration, and the producer ids handed out. One writer; all of it
 * is loaded at opening and kept in memory, so reads cost nothing and every change is one commit (or, for a topic too
 * large for one, a few, of which the last makes it visible).
 *
 * Methods are to be called one after the other. After an error other than `RangeError` the store must be opened anew.
 */
import type { PartitionImage } from "../core/cluster/metadata_image.ts";
import type { ApiKey } from "../core/access/api_key.ts";
import {
  configKey,
  type ConfigKind,
  type Configs,
  type ConfigsByResource,
} from "../core/config/config_resource.ts";
import { addSizes, type CommitSize, emptyCommitSize, sizeOfMutations } from "./commit_size.ts";
import { CorruptStorageError } from "./errors.ts";
import {
  assignmentKey,
  assignmentOfKey,
  assignmentsPrefix,
  decodeAssignment,
  encodeAssignment,
  PARTITIONS_PER_PAGE,
} from "./keys/assignment.ts";
import { below } from "./keys/keyspace.ts";
import { PartitionKeys } from "./keys/partition.ts";
import { decodeNextProducerId, encodeNextProducerId, nextProducerIdKey } from "./keys/producer_id.ts";
import {
  decodeTopic,
  encodeTopic,
  encodeTopicName,
  metadataHeadKey,
  topicIdOfKey,
  topicKey,
  topicNameKey,
  topicsPrefix,
  type TopicState,
} from "./keys/topic.ts";
import { apiKeyKey, apiKeysPrefix, decodeApiKey, encodeApiKey } from "./keys/api_key.ts";
import {
  decodeResourceConfigs,
  encodeResourceConfigs,
  resourceConfigsKey,
  resourceConfigsPrefix,
  resourceOfKey,
} from "./keys/resource_configs.ts";
import { scan } from "./scan.ts";
import type { Shard, ShardStore } from "./shard.ts";
import type { Mutation } from "./storage.ts";

export interface NewTopic {
  readonly name: string;
  /** A UUID never used before. */
  readonly topicId: string;
  readonly partitions: readonly PartitionImage[];
  readonly configs: Readonly<Record<string, string>>;
}

export interface StoredTopic extends NewTopic {
  /** CREATING topics are never seen outside. */
  readonly state: Exclude<TopicState, "CREATING">;
}

/** Deletions of one commit, with room for the rest of it. */
const DELETIONS_PER_COMMIT = 500;

export class MetadataStore {
  readonly #shard: Shard;
  readonly #topics: Map<string, StoredTopic>;
  readonly #apiKeys: Map<string, ApiKey>;
  /** Set by `open`, and by nobody else from outside. */
  #configs = new Map<string, Configs>();
  #nextProducerId: number;

  private constructor(
    shard: Shard,
    topics: Map<string, StoredTopic>,
    apiKeys: Map<string, ApiKey>,
    nextProducerId: number,
  ) {
    this.#shard = shard;
    this.#topics = topics;
    this.#apiKeys = apiKeys;
    this.#nextProducerId = nextProducerId;
  }

  /** Fences older writers, loads everything, and rolls back topics whose creation did not end. */
  static async open(shards: ShardStore): Promise<MetadataStore> {
    const { storage } = shards;
    const shard = await shards.openShard(metadataHeadKey);
    const assignments = new Map<string, PartitionImage[]>();
    for await (const { key, value } of scan(storage, below(assignmentsPrefix))) {
      // Pages come in order.
      const { topicId } = assignmentOfKey(key);
      const partitions = assignments.get(topicId) ?? [];
      partitions.push(...decodeAssignment(value));
      assignments.set(topicId, partitions);
    }
    const topics = new Map<string, StoredTopic>();
    for await (const { key, value } of scan(storage, below(topicsPrefix))) {
      const topicId = topicIdOfKey(key);
      const { name, state, partitionCount, configs } = decodeTopic(value);
      const partitions = assignments.get(topicId) ?? [];
      assignments.delete(topicId);
      if (state === "CREATING") {
        shards.log.warn("rolled back a topic whose creation did not end", { topic: name, topicId });
        await removeTopicKeys(shard, topicId, name, partitionCount);
        continue;
      }
      // More are assigned than the topic has when adding partitions did not end: those are not there.
      if (partitions.length < partitionCount) {
        throw new CorruptStorageError(
          `Cannot read topic ${topicId}: ${partitionCount} partitions, ${partitions.length} are assigned`,
        );
      }
      const topic = { name, topicId, partitions: partitions.slice(0, partitionCount), configs };
      if (state === "RESTORING") {
        shards.log.warn("a restore did not end: what there is of it goes", { topic: name, topicId });
        await shard.commit({ mutations: deletingMutations(topic) });
      }
      topics.set(topicId, { ...topic, state: state === "RESTORING" ? "DELETING" : state });
    }
    const next = await storage.get(nextProducerIdKey);
    const apiKeys = new Map<string, ApiKey>();
    for await (const { key, value } of scan(storage, below(apiKeysPrefix))) {
      const id = key[2] as string;
      apiKeys.set(id, decodeApiKey(id, value));
    }
    const store = new MetadataStore(
      shard,
      topics,
      apiKeys,
      next === null ? 0 : decodeNextProducerId(next.value),
    );
    for await (const { key, value } of scan(storage, below(resourceConfigsPrefix))) {
      const { kind, name } = resourceOfKey(key);
      store.#configs.set(configKey(kind, name), decodeResourceConfigs(value));
    }
    return store;
  }

  /** ACTIVE, DELETING and RESTORING ones. */
  topics(): StoredTopic[] {
    return [...this.#topics.values()];
  }

  /** Throws `RangeError` when the name or the id is taken, or when it is too large for the store. */
  async createTopic(topic: NewTopic, state: "ACTIVE" | "RESTORING" = "ACTIVE"): Promise<void> {
    if (
      this.#topics.has(topic.topicId) ||
      this.topics().some((t) => t.state !== "DELETING" && t.name === topic.name)
    ) {
      throw new RangeError(`Cannot create topic "${topic.name}": it exists`);
    }
    const nameMutation: Mutation = {
      type: "set",
      key: topicNameKey(topic.name),
      value: encodeTopicName(topic.topicId),
    };
    const active = topicMutation(topic, state);
    const pages = pagesOf(topic);
    const whole = [nameMutation, active, ...pages];
    if (this.#shard.fits(sizeOfMutations(whole), 0)) {
      await this.#shard.commit({ mutations: whole });
    } else {
      await this.#shard.commit({ mutations: [nameMutation, topicMutation(topic, "CREATING")] });
      for (const mutations of this.#split(pages)) await this.#shard.commit({ mutations });
      await this.#shard.commit({ mutations: [active] });
    }
    this.#topics.set(topic.topicId, { ...topic, state });
  }

  /** The name is free from here on; the topic's data is not yet gone. Nothing when it is DELETING or unknown. */
  async markDeleting(topicId: string): Promise<void> {
    const topic = this.#topics.get(topicId);
    if (topic === undefined || topic.state === "DELETING") return;
    await this.#shard.commit({ mutations: deletingMutations(topic) });
    this.#topics.set(topicId, { ...topic, state: "DELETING" });
  }

  /**
   * Gives topics other names, and makes those ACTIVE that are RESTORING, in one commit; a topic that bears one of those names is
   * DELETING from then on, and is returned. Throws `RangeError` for an unknown topic, and for more topics than one commit takes.
   */
  async renameTopics(nameById: ReadonlyMap<string, string>): Promise<StoredTopic[]> {
    const changed: StoredTopic[] = [];
    const replaced: StoredTopic[] = [];
    const mutations: Mutation[] = [];
    for (const [topicId, name] of nameById) {
      const topic = this.#topics.get(topicId);
      if (topic === undefined || topic.state === "DELETING") {
        throw new RangeError(`Cannot rename topic ${topicId}: there is no such topic`);
      }
      const old = this.topics().find((each) => each.state === "ACTIVE" && each.name === name);
      if (old !== undefined) {
        mutations.push(topicMutation(old, "DELETING"));
        replaced.push({ ...old, state: "DELETING" });
      }
      const renamed = { ...topic, name, state: "ACTIVE" } as const;
      mutations.push({ type: "delete", key: topicNameKey(topic.name) }, topicMutation(renamed, "ACTIVE"));
      mutations.push({ type: "set", key: topicNameKey(name), value: encodeTopicName(topicId) });
      changed.push(renamed);
    }
    if (!this.#shard.fits(sizeOfMutations(mutations), 0)) {
      throw new RangeError(`Cannot rename ${nameById.size} topics: they do not fit into one commit`);
    }
    await this.#shard.commit({ mutations });
    for (const topic of [...replaced, ...changed]) this.#topics.set(topic.topicId, topic);
    return replaced;
  }

  /**
   * Forgets a DELETING topic whose partitions' data is gone, and the tombstones of its partitions with it. Nothing when
   * the topic is unknown.
   */
  async removeTopic(topicId: string): Promise<void> {
    const topic = this.#topics.get(topicId);
    if (topic === undefined) return;
    if (topic.state !== "DELETING") {
      throw new RangeError(`Cannot remove topic "${topic.name}": it is ${topic.state}`);
    }
    await removeTopicKeys(this.#shard, topicId, null, topic.partitions.length);
    this.#topics.delete(topicId);
  }

  /** Replaces the topic's own configuration. Throws `RangeError` for an unknown topic. */
  async putConfigs(topicId: string, configs: Readonly<Record<string, string>>): Promise<void> {
    const topic = this.#topics.get(topicId);
    if (topic === undefined || topic.state === "DELETING") {
      throw new RangeError(`Cannot configure topic ${topicId}: there is no such topic`);
    }
    const changed = { ...topic, configs };
    await this.#shard.commit({ mutations: [topicMutation(changed, topic.state)] });
    this.#topics.set(topicId, changed);
  }

  /** Gives the topic more partitions: `added` follow those it has. Throws `RangeError` for an unknown topic. */
  async addPartitions(topicId: string, added: readonly PartitionImage[]): Promise<void> {
    const topic = this.#topics.get(topicId);
    if (topic === undefined || topic.state === "DELETING") {
      throw new RangeError(`Cannot add partitions to topic ${topicId}: there is no such topic`);
    }
    const changed = { ...topic, partitions: [...topic.partitions, ...added] };
    const pages = pagesOf(changed).slice(Math.floor(topic.partitions.length / PARTITIONS_PER_PAGE));
    const topicChange = topicMutation(changed, topic.state);
    if (this.#shard.fits(sizeOfMutations([...pages, topicChange]), 0)) {
      await this.#shard.commit({ mutations: [...pages, topicChange] });
    } else {
      // The topic's own record comes last: until then its partitions are as many as before.
      for (const mutations of this.#split(pages)) await this.#shard.commit({ mutations });
      await this.#shard.commit({ mutations: [topicChange] });
    }
    this.#topics.set(topicId, changed);
  }

  /** The first of `count` producer ids that nobody else gets. */
  async allocateProducerIdBlock(count: number): Promise<number> {
    const first = this.#nextProducerId;
    const value = encodeNextProducerId(first + count);
    await this.#shard.commit({ mutations: [{ type: "set", key: nextProducerIdKey, value }] });
    this.#nextProducerId = first + count;
    return first;
  }

  /** Keys of the HTTP door, by id. */
  apiKeys(): ReadonlyMap<string, ApiKey> {
    return new Map(this.#apiKeys);
  }

  async putApiKey(key: ApiKey): Promise<void> {
    await this.#shard.commit({
      mutations: [{ type: "set", key: apiKeyKey(key.id), value: encodeApiKey(key) }],
    });
    this.#apiKeys.set(key.id, key);
  }

  async removeApiKey(id: string): Promise<void> {
    await this.#shard.commit({ mutations: [{ type: "delete", key: apiKeyKey(id) }] });
    this.#apiKeys.delete(id);
  }

  /** What was set for resources other than topics. */
  resourceConfigs(): ConfigsByResource {
    return new Map(this.#configs);
  }

  /** Replaces what was set for some resources, in one commit where they fit; without settings a resource is forgotten. */
  async putResourceConfigs(
    changes: readonly { readonly kind: ConfigKind; readonly name: string; readonly configs: Configs }[],
  ): Promise<void> {
    const mutations = changes.map(({ kind, name, configs }): Mutation => {
      const key = resourceConfigsKey(kind, name);
      return Object.keys(configs).length === 0
        ? { type: "delete", key }
        : { type: "set", key, value: encodeResourceConfigs(configs) };
    });
    for (const part of this.#split(mutations)) await this.#shard.commit({ mutations: part });
    for (const { kind, name, configs } of changes) {
      if (Object.keys(configs).length === 0) this.#configs.delete(configKey(kind, name));
      else this.#configs.set(configKey(kind, name), configs);
    }
  }

  close(): void {
    this.#shard.close();
  }

  #split(mutations: readonly Mutation[]): Mutation[][] {
    const commits: Mutation[][] = [];
    let size: CommitSize = emptyCommitSize;
    for (const mutation of mutations) {
      const own = sizeOfMutations([mutation]);
      const added = addSizes(size, own);
      const open = commits[commits.length - 1];
      if (open !== undefined && this.#shard.fits(added, 0)) {
        open.push(mutation);
        size = added;
      } else {
        commits.push([mutation]);
        size = own;
      }
    }
    return commits;
  }
}

/** From this commit on the name is free. */
function deletingMutations(topic: NewTopic): Mutation[] {
  return [{ type: "delete", key: topicNameKey(topic.name) }, topicMutation(topic, "DELETING")];
}

function topicMutation(topic: NewTopic, state: TopicState): Mutation {
  const { name, configs, partitions } = topic;
  const replicationFactor = partitions[0]?.replicas.length ?? 0;
  const value = encodeTopic({ name, state, partitionCount: partitions.length, replicationFactor, configs });
  return { type: "set", key: topicKey(topic.topicId), value };
}

function pagesOf(topic: NewTopic): Mutation[] {
  const pages: Mutation[] = [];
  for (let page = 0; page * PARTITIONS_PER_PAGE < topic.partitions.length; page++) {
    const from = page * PARTITIONS_PER_PAGE;
    const value = encodeAssignment(topic.partitions.slice(from, from + PARTITIONS_PER_PAGE));
    pages.push({ type: "set", key: assignmentKey(topic.topicId, page), value });
  }
  return pages;
}

/** Deletes partition heads first and the topic in the last commit, so that a crash in between is found. */
async function removeTopicKeys(
  shard: Shard,
  topicId: string,
  name: string | null,
  partitionCount: number,
): Promise<void> {
  const mutations: Mutation[] = [];
  for (let partition = 0; partition < partitionCount; partition++) {
    mutations.push({ type: "delete", key: new PartitionKeys(topicId, partition).head });
  }
  for (let page = 0; page * PARTITIONS_PER_PAGE < partitionCount; page++) {
    mutations.push({ type: "delete", key: assignmentKey(topicId, page) });
  }
  if (name !== null) mutations.push({ type: "delete", key: topicNameKey(name) });
  mutations.push({ type: "delete", key: topicKey(topicId) });
  for (let from = 0; from < mutations.length; from += DELETIONS_PER_COMMIT) {
    await shard.commit({ mutations: mutations.slice(from, from + DELETIONS_PER_COMMIT) });
  }
}
