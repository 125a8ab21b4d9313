/**
 * Share groups and the state of their partitions in group shards: all commit through the head of the group's shard, so
 * that whoever lost the shard can neither change a group nor acknowledge a record.
 */
import type {
  ShareGroupEvent,
  ShareGroupRecord,
  ShareMember,
} from "../core/share/group/share_group_state.ts";
import type { SharePartitionPicture } from "../core/share/partition/stored_picture.ts";
import type { SharePartitionId } from "../core/share/sessions.ts";
import type { GroupShards, GroupStore } from "./group_store.ts";
import { below } from "./keys/keyspace.ts";
import {
  decodeShareGroup,
  decodeShareMember,
  decodeSharePartition,
  encodeShareGroup,
  encodeShareMember,
  encodeSharePartition,
  partitionOfShareKey,
  shareGroupKey,
  shareGroupsPrefix,
  shareMemberKey,
  shareMembersPrefix,
  sharePartitionPrefix,
  sharePartitionsPrefix,
} from "./keys/share.ts";
import { scan } from "./scan.ts";
import type { Mutation } from "./storage.ts";

/** A share group as found, and the way to change it. One writer at a time: the group's actor. */
export class StoredShareGroup {
  readonly #store: GroupStore;
  readonly #groupId: string;

  private constructor(
    store: GroupStore,
    groupId: string,
    readonly record: ShareGroupRecord | null,
    readonly members: readonly ShareMember[],
  ) {
    this.#store = store;
    this.#groupId = groupId;
  }

  /** Throws `CorruptStorageError` and what `openShard` throws. */
  static async open(groupShards: GroupShards, groupId: string): Promise<StoredShareGroup> {
    const store = await groupShards.storeOf(groupId);
    const found = await store.storage.get(shareGroupKey(store.shardIndex, groupId));
    const members: ShareMember[] = [];
    for await (const entry of scan(store.storage, below(shareMembersPrefix(store.shardIndex, groupId)))) {
      members.push(decodeShareMember(String(entry.key.at(-1)), entry.value));
    }
    const record = found === null ? null : decodeShareGroup(found.value);
    return new StoredShareGroup(store, groupId, record, members);
  }

  /** Why nothing can be committed any more, or null. */
  get fault(): Error | null {
    return this.#store.fault;
  }

  /** Throws `FencedError`, `StorageUnavailableError`. */
  async commit(events: readonly ShareGroupEvent[]): Promise<void> {
    const { shardIndex } = this.#store;
    // Later facts replace earlier ones.
    const mutations = new Map<string, Mutation>();
    const put = (name: string, mutation: Mutation) => mutations.set(name, mutation);
    for (const event of events) {
      switch (event.type) {
        case "groupRecorded":
          put("g", {
            type: "set",
            key: shareGroupKey(shardIndex, this.#groupId),
            value: encodeShareGroup(event.record),
          });
          break;
        case "groupRemoved":
          put("g", { type: "delete", key: shareGroupKey(shardIndex, this.#groupId) });
          break;
        case "memberRecorded": {
          const key = shareMemberKey(shardIndex, this.#groupId, event.member.memberId);
          put(`m${event.member.memberId}`, { type: "set", key, value: encodeShareMember(event.member) });
          break;
        }
        case "memberRemoved": {
          const key = shareMemberKey(shardIndex, this.#groupId, event.memberId);
          put(`m${event.memberId}`, { type: "delete", key });
        }
      }
    }
    await this.#store.commitInOrder([...mutations.values()]);
  }
}

/** The state of one share partition, there or not. One writer at a time: its actor. */
export class StoredSharePartition {
  readonly #store: GroupStore;
  readonly #groupId: string;
  readonly #id: SharePartitionId;
  #pieceCount: number;

  private constructor(
    store: GroupStore,
    groupId: string,
    id: SharePartitionId,
    readonly picture: SharePartitionPicture | null,
    pieceCount: number,
  ) {
    this.#store = store;
    this.#groupId = groupId;
    this.#id = id;
    this.#pieceCount = pieceCount;
  }

  /** Throws `CorruptStorageError` and what `openShard` throws. */
  static async open(
    groupShards: GroupShards,
    groupId: string,
    id: SharePartitionId,
  ): Promise<StoredSharePartition> {
    const store = await groupShards.storeOf(groupId);
    const prefix = sharePartitionPrefix(store.shardIndex, groupId, id.topicId, id.partition);
    const pieces: Uint8Array[] = [];
    for await (const { value } of scan(store.storage, below(prefix))) pieces.push(value);
    const picture = pieces.length === 0 ? null : decodeSharePartition(pieces);
    return new StoredSharePartition(store, groupId, id, picture, pieces.length);
  }

  /** Why nothing can be committed any more, or null. */
  get fault(): Error | null {
    return this.#store.fault;
  }

  /** Throws `FencedError` when another writer had taken the shard before this was called. */
  async confirmOwnership(): Promise<void> {
    await this.#store.confirmOwnership();
  }

  /** Stores the whole picture, or forgets it; in one commit. Throws `FencedError`, `StorageUnavailableError`. */
  async commit(picture: SharePartitionPicture | null): Promise<void> {
    const { storage, shardIndex } = this.#store;
    const { topicId, partition } = this.#id;
    const prefix = sharePartitionPrefix(shardIndex, this.#groupId, topicId, partition);
    const pieces = picture === null ? [] : encodeSharePartition(picture, storage.limits.valueBytesMax);
    const mutations = pieces.map((value, k): Mutation => ({ type: "set", key: [...prefix, k], value }));
    for (let k = pieces.length; k < this.#pieceCount; k++) {
      mutations.push({ type: "delete", key: [...prefix, k] });
    }
    this.#pieceCount = pieces.length;
    if (mutations.length > 0) await this.#store.commit(mutations);
  }
}

export interface ShareGroupSummary {
  readonly groupId: string;
  readonly memberCount: number;
}

/** Every share group of the store. */
export async function listShareGroups(groupShards: GroupShards): Promise<ShareGroupSummary[]> {
  const { storage, shardCount } = groupShards;
  const groups: ShareGroupSummary[] = [];
  for (let shardIndex = 0; shardIndex < shardCount; shardIndex++) {
    for await (const { key } of scan(storage, below(shareGroupsPrefix(shardIndex)))) {
      const groupId = String(key.at(-1));
      let memberCount = 0;
      for await (const _member of scan(storage, below(shareMembersPrefix(shardIndex, groupId)))) {
        memberCount++;
      }
      groups.push({ groupId, memberCount });
    }
  }
  return groups;
}

/** Every partition that a share group has state of. */
export async function listSharePartitions(
  groupShards: GroupShards,
  groupId: string,
): Promise<SharePartitionId[]> {
  const store = await groupShards.storeOf(groupId);
  const ids: SharePartitionId[] = [];
  for await (const { key } of scan(store.storage, below(sharePartitionsPrefix(store.shardIndex, groupId)))) {
    if (key.at(-1) === 0) ids.push(partitionOfShareKey(key));
  }
  return ids;
}
