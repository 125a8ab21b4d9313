/**
 * The keys of a group shard, `["g", shardIndex, …]`: `__consumer_offsets-N` in Kafka's words.
 *
 * ```
 * ["g", shardIndex, "h"]                                  head of the shard            shard_head.ts
 * ["g", shardIndex, "r", groupId]                         the group: one generation    group_record.ts
 * ["g", shardIndex, "c", groupId, writing, k]             piece of a large group       group_record.ts
 * ["g", shardIndex, "o", groupId, topicId, partition]     committed offset             group_offset.ts
 * ["g", shardIndex, "x", groupId, producerId, topicId, partition]  offset of an open transaction  group_offset.ts
 * ["g", shardIndex, "q" | "m" | "s", …]                   share groups                 share.ts
 * ```
 * Owner: `group_store.ts`.
 */
import { invariant } from "../../lib/invariant.ts";
import type { KvKey } from "../storage.ts";
import { FAMILY } from "./keyspace.ts";
import { uuidBytes, uuidText } from "./uuid.ts";

export function groupShardHeadKey(shardIndex: number): KvKey {
  return [FAMILY.group, shardIndex, "h"];
}

/** Prefix of all groups of the shard. */
export function groupsPrefix(shardIndex: number): KvKey {
  return [FAMILY.group, shardIndex, "r"];
}

export function groupKey(shardIndex: number, groupId: string): KvKey {
  return [...groupsPrefix(shardIndex), groupId];
}

export function groupIdOfKey(key: KvKey): string {
  const groupId = key[3];
  invariant(typeof groupId === "string", "Group key without a group id");
  return groupId;
}

export function groupPiecesPrefix(shardIndex: number, groupId: string): KvKey {
  return [FAMILY.group, shardIndex, "c", groupId];
}

/** Piece k of one writing of the group; a writing's number is used once. */
export function groupPieceKey(shardIndex: number, groupId: string, writing: number, k: number): KvKey {
  return [...groupPiecesPrefix(shardIndex, groupId), writing, k];
}

export function writingOfPieceKey(key: KvKey): number {
  const writing = key[4];
  invariant(typeof writing === "number", "Key of a group's piece without a writing");
  return writing;
}

export function groupOffsetsPrefix(shardIndex: number, groupId: string): KvKey {
  return [FAMILY.group, shardIndex, "o", groupId];
}

export function groupOffsetKey(
  shardIndex: number,
  groupId: string,
  topicId: string,
  partition: number,
): KvKey {
  return [...groupOffsetsPrefix(shardIndex, groupId), uuidBytes(topicId), partition];
}

export function pendingOffsetsPrefix(shardIndex: number, groupId: string): KvKey {
  return [FAMILY.group, shardIndex, "x", groupId];
}

export function pendingOffsetKey(
  shardIndex: number,
  groupId: string,
  producerId: number,
  { topicId, partition }: { readonly topicId: string; readonly partition: number },
): KvKey {
  return [...pendingOffsetsPrefix(shardIndex, groupId), producerId, uuidBytes(topicId), partition];
}

export function partsOfPendingOffsetKey(
  key: KvKey,
): { readonly producerId: number; readonly topicId: string; readonly partition: number } {
  const [, , , , producerId, topicId, partition] = key;
  invariant(
    typeof producerId === "number" && topicId instanceof Uint8Array && typeof partition === "number",
    "Key of a pending offset without a producer or partition",
  );
  return { producerId, topicId: uuidText(topicId), partition };
}

export function partitionOfOffsetKey(key: KvKey): { readonly topicId: string; readonly partition: number } {
  const topicId = key[4];
  const partition = key[5];
  invariant(
    topicId instanceof Uint8Array && typeof partition === "number",
    "Key of an offset without a partition",
  );
  return { topicId: uuidText(topicId), partition };
}
