/**
 * Deletes a partition's data in bounded steps. The head becomes a tombstone first, which fences the writer and keeps
 * a late creator away; it goes last, by `removeTombstone`, when the topic is gone from the metadata. Every step can
 * be interrupted and the whole begun again, any number of times. Segment files go when no index entry names them any more.
 */
import { mutant } from "../lib/mutants.ts";
import { CorruptStorageError, ShardGoneError } from "./errors.ts";
import { compareKeys } from "./key_order.ts";
import { decodeLogHead, encodeLogHead } from "./keys/log_head.ts";
import { PartitionKeys } from "./keys/partition.ts";
import { STORE_BYTES_PER_STEP } from "./log_trim.ts";
import type { Shard, ShardStore } from "./shard.ts";
import type { Mutation } from "./storage.ts";
import { topicGuard } from "./topic_guard.ts";

const KEYS_PER_STEP = 64;

/** Yields the number of keys deleted after each step, 0 after that of a segment file; ends when only the tombstone is left. */
export async function* deletePartition(
  shards: ShardStore,
  topicId: string,
  partition: number,
): AsyncGenerator<number, void, void> {
  const keys = new PartitionKeys(topicId, partition);
  const shard = await openExisting(shards, topicId, keys);
  if (shard === null) return;
  try {
    yield* deleteAll(shards, shard, keys);
    for await (const _file of shards.segments?.partition(topicId, partition).removeAll() ?? []) yield 0;
  } finally {
    shard.close();
  }
}

/**
 * Null when there is no head. Then there is nothing else either, and never will be, since the topic's row forbids it; and no
 * head is made for the deletion's sake, which a late duplicate of that commit could bring back.
 */
async function openExisting(shards: ShardStore, topicId: string, keys: PartitionKeys): Promise<Shard | null> {
  const { key } = topicGuard(topicId);
  try {
    return await shards.openShard(
      keys.head,
      { key, isOpen: () => false },
      encodeLogHead({ state: "deleted" }),
    );
  } catch (error) {
    if (error instanceof ShardGoneError) return null;
    throw error;
  }
}

async function* deleteAll(
  shards: ShardStore,
  shard: Shard,
  keys: PartitionKeys,
): AsyncGenerator<number, void, void> {
  if (!isTombstone(shard.payload) && !mutant("no-tombstone")) {
    await shard.commit({ mutations: [], payload: encodeLogHead({ state: "deleted" }) });
    yield 0;
  }
  // The commit writes the head, too.
  const countMax = Math.min(KEYS_PER_STEP, shards.storage.limits.mutationsMax - 1);
  let count = Math.min(countMax, Math.ceil(STORE_BYTES_PER_STEP / shards.storage.limits.valueBytesMax));
  while (true) {
    // One more than is deleted, since the head is among them. Values are read along with their keys.
    const found = await shards.storage.list(keys.all(), { limit: count + 1 });
    const mutations: Mutation[] = [];
    let bytes = 0;
    for (const { key, value } of found) {
      if (compareKeys(key, keys.head) === 0) continue;
      const isFull = mutations.length >= count ||
        (mutations.length > 0 && bytes + value.length > STORE_BYTES_PER_STEP);
      if (isFull) break;
      mutations.push({ type: "delete", key });
      bytes += value.length;
    }
    if (mutations.length === 0) return;
    await shard.commit({ mutations });
    yield mutations.length;
    // As many as the last ones were small; twice as many at most, since the next may be larger.
    const wanted = Math.floor(mutations.length * STORE_BYTES_PER_STEP / Math.max(1, bytes));
    count = Math.max(1, Math.min(countMax, 2 * count, wanted));
  }
}

/** A head that is damaged is as good as a live one: what it is the head of goes. */
function isTombstone(payload: Uint8Array | null): boolean {
  try {
    return decodeLogHead(payload).state === "deleted";
  } catch (error) {
    if (error instanceof CorruptStorageError) return false;
    throw error;
  }
}

/** Removes the tombstone; nothing when there is none. Throws `RangeError` when the partition was not deleted. */
export async function removeTombstone(shards: ShardStore, topicId: string, partition: number): Promise<void> {
  const keys = new PartitionKeys(topicId, partition);
  const found = await shards.storage.get(keys.head);
  if (found === null) return;
  const shard = await openExisting(shards, topicId, keys);
  if (shard === null) return;
  if (decodeLogHead(shard.payload).state !== "deleted") {
    shard.close();
    throw new RangeError(`Cannot remove the head of topic ${topicId}, partition ${partition}: it is live`);
  }
  await shard.remove();
}
