/**
 * Groups and their committed offsets in group shards: the boundary between the facts of `core/group` and keys. A group
 * belongs to the shard that Kafka would choose; all groups of a shard commit through its one head, so that a
 * coordinator that lost the shard can write nothing any more.
 */
import type {
  GroupEvent,
  OffsetFact,
  OffsetPartition,
  PendingOffsetFact,
} from "../core/group/group_event.ts";
import type { ConsumerGroupRecord } from "../core/group/modern/consumer_group_record.ts";
import type { GroupRecord } from "../core/group/group_state.ts";
import { concat } from "../lib/bytes.ts";
import { crc32c } from "../lib/crc32c.ts";
import { unreachable } from "../lib/invariant.ts";
import { addSizes, emptyCommitSize, sizeOfMutations } from "./commit_size.ts";
import { CorruptStorageError } from "./errors.ts";
import { splitIntoChunks } from "./keys/chunk.ts";
import {
  groupIdOfKey,
  groupKey,
  groupOffsetKey,
  groupOffsetsPrefix,
  groupPieceKey,
  groupPiecesPrefix,
  groupShardHeadKey,
  groupsPrefix,
  partitionOfOffsetKey,
  partsOfPendingOffsetKey,
  pendingOffsetKey,
  pendingOffsetsPrefix,
  writingOfPieceKey,
} from "./keys/group.ts";
import {
  decodeGroupOffset,
  decodePendingOffset,
  encodeGroupOffset,
  encodePendingOffset,
} from "./keys/group_offset.ts";
import {
  decodeConsumerGroupBody,
  decodeGroupBody,
  decodeGroupValue,
  encodeConsumerGroupBody,
  encodeGroupBody,
  encodeGroupValue,
  GROUP_VALUE_OVERHEAD_BYTES,
  isConsumerGroupBody,
} from "./keys/group_record.ts";
import { below } from "./keys/keyspace.ts";
import { shareGroupKey } from "./keys/share.ts";
import { scan } from "./scan.ts";
import { OpenedShards } from "./opened_shards.ts";
import type { Shard, ShardStore } from "./shard.ts";
import type { KvKey, Mutation, Storage, StoredEntry } from "./storage.ts";

/** `offsets.topic.num.partitions`; fixed when the first group is stored. */
export const GROUP_SHARD_COUNT = 50;

export interface GroupSummary {
  readonly groupId: string;
  /** 0: empty. */
  readonly memberCount: number;
  /** null: a group of consumers without group management, or one that is too large to be read for a list. */
  readonly protocolType: string | null;
  readonly groupType: "classic" | "consumer";
}

/** All group shards of a store; each is opened once, when it is first needed. */
export class GroupShards {
  readonly #shards: ShardStore;
  readonly #shardCount: number;
  readonly #opened: OpenedShards<GroupStore>;

  constructor(shards: ShardStore, shardCount = GROUP_SHARD_COUNT) {
    this.#shards = shards;
    this.#shardCount = shardCount;
    this.#opened = new OpenedShards(shardCount, (shardIndex) => GroupStore.open(shards, shardIndex));
  }

  /** The store of the group's shard; opened anew if the last one failed. Throws what `openShard` throws. */
  storeOf(groupId: string): Promise<GroupStore> {
    return this.#opened.storeOf(groupId);
  }

  get storage(): Storage {
    return this.#shards.storage;
  }

  get shardCount(): number {
    return this.#shardCount;
  }

  /** The groups that are stored, e.g. to wake those that have members after a restart. Not the share groups. */
  async list(): Promise<GroupSummary[]> {
    const groups: GroupSummary[] = [];
    for (let shardIndex = 0; shardIndex < this.#shardCount; shardIndex++) {
      for await (const { key, value } of scan(this.#shards.storage, below(groupsPrefix(shardIndex)))) {
        const { memberCount, body } = decodeGroupValue(value);
        // Large groups have members, so that their actors are asked anyway.
        const isConsumer = body instanceof Uint8Array && isConsumerGroupBody(body);
        groups.push({
          groupId: groupIdOfKey(key),
          memberCount,
          protocolType: isConsumer
            ? "consumer"
            : body instanceof Uint8Array
            ? decodeGroupBody(body).protocolType
            : null,
          groupType: isConsumer ? "consumer" : "classic",
        });
      }
    }
    return groups;
  }
}

/** One group shard. */
export class GroupStore {
  readonly storage: Storage;
  readonly shardIndex: number;
  readonly #shard: Shard;

  private constructor(storage: Storage, shard: Shard, shardIndex: number) {
    this.storage = storage;
    this.#shard = shard;
    this.shardIndex = shardIndex;
  }

  /** Takes the shard: older writers are fenced. One per shard and process; `GroupShards` sees to that. */
  static async open(shards: ShardStore, shardIndex: number): Promise<GroupStore> {
    const shard = await shards.openShard(groupShardHeadKey(shardIndex));
    return new GroupStore(shards.storage, shard, shardIndex);
  }

  /** Why the shard is of no use any more, or null. */
  get fault(): Error | null {
    return this.#shard.fault;
  }

  /** Throws `FencedError` when another writer had taken the shard before this was called. */
  async confirmOwnership(): Promise<void> {
    await this.#shard.confirmOwnership();
  }

  /** In one commit, which must fit. Throws `FencedError`, `StorageUnavailableError`. */
  async commit(mutations: readonly Mutation[]): Promise<void> {
    await this.#shard.commit({ mutations });
  }

  /** As few commits as the store allows, one after the other. */
  async commitInOrder(mutations: readonly Mutation[]): Promise<void> {
    await commitInOrder(this.#shard, mutations);
  }

  /** Reads a group, stored or not. Throws `CorruptStorageError`. */
  async openGroup(groupId: string): Promise<StoredGroup> {
    const entry = await this.storage.get(groupKey(this.shardIndex, groupId));
    const shareGroup = await this.storage.get(shareGroupKey(this.shardIndex, groupId));
    const pieces: StoredEntry[] = [];
    for await (const piece of scan(this.storage, below(groupPiecesPrefix(this.shardIndex, groupId)))) {
      pieces.push(piece);
    }
    const offsets: OffsetFact[] = [];
    for await (
      const { key, value } of scan(this.storage, below(groupOffsetsPrefix(this.shardIndex, groupId)))
    ) {
      offsets.push({ ...decodeGroupOffset(value), ...partitionOfOffsetKey(key) });
    }
    const pendingOffsets: PendingOffsetFact[] = [];
    for await (
      const { key, value } of scan(this.storage, below(pendingOffsetsPrefix(this.shardIndex, groupId)))
    ) {
      const { producerId, ...partition } = partsOfPendingOffsetKey(key);
      const { producerEpoch, offset } = decodePendingOffset(value);
      pendingOffsets.push({ producerId, producerEpoch, fact: { ...offset, ...partition } });
    }
    return new StoredGroup({
      pendingOffsets,
      shard: this.#shard,
      shardIndex: this.shardIndex,
      valueBytesMax: this.storage.limits.valueBytesMax,
      groupId,
      ...(entry === null ? { record: null, consumerRecord: null } : readRecord(groupId, entry.value, pieces)),
      offsets,
      pieceKeys: pieces.map(({ key }) => key),
      isShareGroup: shareGroup !== null,
    });
  }
}

interface StoredGroupOptions {
  readonly shard: Shard;
  readonly shardIndex: number;
  readonly valueBytesMax: number;
  readonly groupId: string;
  readonly record: GroupRecord | null;
  readonly consumerRecord: ConsumerGroupRecord | null;
  readonly offsets: readonly OffsetFact[];
  readonly pendingOffsets: readonly PendingOffsetFact[];
  readonly pieceKeys: readonly KvKey[];
  readonly isShareGroup: boolean;
}

/** One group as found, and the way to change it. One writer at a time: the group's actor. */
export class StoredGroup {
  readonly groupId: string;
  /** As found at the opening; one of the two at most. */
  readonly record: GroupRecord | null;
  readonly consumerRecord: ConsumerGroupRecord | null;
  readonly offsets: readonly OffsetFact[];
  readonly pendingOffsets: readonly PendingOffsetFact[];
  /** The name belongs to a share group. */
  readonly isShareGroup: boolean;
  readonly #shard: Shard;
  readonly #shardIndex: number;
  readonly #valueBytesMax: number;
  /** Every piece in the store: those in use, and those that a writing left behind that did not end. */
  #pieceKeys: readonly KvKey[];
  #lastWriting: number;

  /** For `GroupStore` alone. */
  constructor(options: StoredGroupOptions) {
    this.groupId = options.groupId;
    this.record = options.record;
    this.consumerRecord = options.consumerRecord;
    this.offsets = options.offsets;
    this.pendingOffsets = options.pendingOffsets;
    this.isShareGroup = options.isShareGroup;
    this.#shard = options.shard;
    this.#shardIndex = options.shardIndex;
    this.#valueBytesMax = options.valueBytesMax;
    this.#pieceKeys = options.pieceKeys;
    this.#lastWriting = options.pieceKeys.reduce((last, key) => Math.max(last, writingOfPieceKey(key)), 0);
  }

  /** Why nothing can be committed any more, or null. */
  get fault(): Error | null {
    return this.#shard.fault;
  }

  /**
   * Makes events durable, in one commit if the store takes them so, else in several: a group that changes is never
   * seen half, and of many offsets a prefix may be stored when the process dies, as no answer says otherwise.
   * Throws `FencedError`, `StorageUnavailableError`.
   */
  async commit(events: readonly GroupEvent[]): Promise<void> {
    const { record, offsets, pending } = foldEvents(events);
    const mutations: Mutation[] = Array.from(offsets.values(), ({ partition, fact }) => {
      const key = groupOffsetKey(this.#shardIndex, this.groupId, partition.topicId, partition.partition);
      return fact === null ? { type: "delete", key } : { type: "set", key, value: encodeGroupOffset(fact) };
    });
    // After the offsets: if the process dies in between, the transaction's marker comes again and finds them.
    for (const { producerId, producerEpoch, fact, isEnded } of pending.values()) {
      const key = pendingOffsetKey(this.#shardIndex, this.groupId, producerId, fact);
      const value = isEnded ? null : encodePendingOffset(producerEpoch, fact);
      mutations.push(value === null ? { type: "delete", key } : { type: "set", key, value });
    }
    if (record === "removed") {
      mutations.push({ type: "delete", key: groupKey(this.#shardIndex, this.groupId) });
      for (const key of this.#pieceKeys) mutations.push({ type: "delete", key });
      this.#pieceKeys = [];
    } else if (record !== null) {
      const body = "groupEpoch" in record ? encodeConsumerGroupBody(record) : encodeGroupBody(record);
      const memberCount = record.members.length;
      const stale = this.#pieceKeys;
      if (body.length + GROUP_VALUE_OVERHEAD_BYTES <= this.#valueBytesMax) {
        mutations.push(this.#setGroup(encodeGroupValue({ memberCount, body })));
        this.#pieceKeys = [];
      } else {
        mutations.push(this.#setGroup(await this.#writePieces(memberCount, body)));
      }
      for (const key of stale) mutations.push({ type: "delete", key });
    }
    await commitInOrder(this.#shard, mutations);
  }

  /** Pieces are nobody's until the group names them; returns the group's value that does. */
  async #writePieces(memberCount: number, body: Uint8Array): Promise<Uint8Array> {
    const writing = ++this.#lastWriting;
    const pieces = splitIntoChunks(body, this.#valueBytesMax);
    const mutations = pieces.map((value, k): Mutation => ({
      type: "set",
      key: groupPieceKey(this.#shardIndex, this.groupId, writing, k),
      value,
    }));
    this.#pieceKeys = mutations.map(({ key }) => key);
    await commitInOrder(this.#shard, mutations);
    return encodeGroupValue({
      memberCount,
      body: { writing, pieceCount: pieces.length, byteLength: body.length, crc: crc32c(body) },
    });
  }

  #setGroup(value: Uint8Array): Mutation {
    return { type: "set", key: groupKey(this.#shardIndex, this.groupId), value };
  }
}

/** As few commits as the store allows, one after the other. */
async function commitInOrder(shard: Shard, mutations: readonly Mutation[]): Promise<void> {
  let part: Mutation[] = [];
  let size = emptyCommitSize;
  for (const mutation of mutations) {
    const grown = addSizes(size, sizeOfMutations([mutation]));
    if (part.length > 0 && !shard.fits(grown, shard.payload?.length ?? 0)) {
      await shard.commit({ mutations: part });
      part = [];
      size = emptyCommitSize;
    }
    part.push(mutation);
    size = addSizes(size, sizeOfMutations([mutation]));
  }
  if (part.length > 0) await shard.commit({ mutations: part });
}

/** What is left to write. Later facts replace earlier ones: no answer that depends on either has left. */
function foldEvents(events: readonly GroupEvent[]) {
  let record: GroupRecord | ConsumerGroupRecord | "removed" | null = null;
  const offsets = new Map<
    string,
    { readonly partition: OffsetPartition; readonly fact: OffsetFact | null }
  >();
  const pending = new Map<string, PendingOffsetFact & { readonly isEnded: boolean }>();
  for (const event of events) {
    switch (event.type) {
      case "groupRecorded":
      case "consumerGroupRecorded":
        record = event.record;
        break;
      case "groupRemoved":
        record = "removed";
        break;
      case "offsetsCommitted":
        for (const fact of event.offsets) {
          offsets.set(`${fact.topicId}/${fact.partition}`, { partition: fact, fact });
        }
        break;
      case "offsetsPending": {
        const { producerId, producerEpoch } = event;
        for (const fact of event.offsets) {
          const key = `${producerId}/${fact.topicId}/${fact.partition}`;
          pending.set(key, { producerId, producerEpoch, fact, isEnded: false });
        }
        break;
      }
      case "transactionEnded": {
        const { producerId, committed } = event;
        for (const fact of event.offsets) {
          if (committed) offsets.set(`${fact.topicId}/${fact.partition}`, { partition: fact, fact });
          const key = `${producerId}/${fact.topicId}/${fact.partition}`;
          pending.set(key, { producerId, producerEpoch: -1, fact, isEnded: true });
        }
        break;
      }
      case "offsetsDeleted":
        for (const partition of event.partitions) {
          offsets.set(`${partition.topicId}/${partition.partition}`, { partition, fact: null });
        }
        break;
      default:
        return unreachable(event);
    }
  }
  return { record, offsets, pending };
}

function readRecord(groupId: string, value: Uint8Array, stored: readonly StoredEntry[]) {
  const body = readBody(groupId, value, stored);
  return isConsumerGroupBody(body)
    ? { record: null, consumerRecord: decodeConsumerGroupBody(body) }
    : { record: decodeGroupBody(body), consumerRecord: null };
}

function readBody(groupId: string, value: Uint8Array, stored: readonly StoredEntry[]): Uint8Array {
  const { body } = decodeGroupValue(value);
  if (body instanceof Uint8Array) return body;
  const pieces = stored.filter(({ key }) => writingOfPieceKey(key) === body.writing);
  const bytes = pieces.length === 0 ? new Uint8Array() : concat(pieces.map((piece) => piece.value));
  if (pieces.length !== body.pieceCount || bytes.length !== body.byteLength || crc32c(bytes) !== body.crc) {
    throw new CorruptStorageError(
      `Cannot read group ${JSON.stringify(groupId)}: its ${body.pieceCount} pieces are not what was written`,
    );
  }
  return bytes;
}
