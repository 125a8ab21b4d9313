/**
 * Share groups in a group shard: who is in a group, and how far it has got in each partition. Owner: `share_store.ts`.
 *
 * ```
 * ["g", shardIndex, "q", groupId]                          the share group
 * ["g", shardIndex, "m", groupId, memberId]                one member of it
 * ["g", shardIndex, "s", groupId, topicId, partition, k]   piece k of a share partition's state
 * ```
 * Group v1: version, group epoch (int32), wall clock of its change (int64). Member v1: version, rack id (nullable compact
 * string), client id, client host, topics as counted (compact strings). Share partition v1: version and pieces' count
 * (int32) in each piece, and, over all pieces, start offset (int64) and runs as counted: length (varlong), delivery count
 * times four plus state (unsigned varint; 0 available, 1 acknowledged, 2 archived).
 */
import type { ShareGroupRecord, ShareMember } from "../../core/share/group/share_group_state.ts";
import {
  type SharePartitionPicture,
  STORED_STATES,
  type StoredRun,
} from "../../core/share/partition/stored_picture.ts";
import { ByteReader, ByteWriter, concat, DecodeError } from "../../lib/bytes.ts";
import { invariant } from "../../lib/invariant.ts";
import { CorruptStorageError } from "../errors.ts";
import type { KvKey } from "../storage.ts";
import { splitIntoChunks } from "./chunk.ts";
import { FAMILY } from "./keyspace.ts";
import { uuidBytes, uuidText } from "./uuid.ts";
import { decodeValue, encodeValue, SEAL_BYTES } from "./value_codec.ts";

const VERSION = 1;
/** Version and count of pieces. */
const PIECE_OVERHEAD_BYTES = 5 + SEAL_BYTES;

/** Prefix of all share groups of the shard. */
export function shareGroupsPrefix(shardIndex: number): KvKey {
  return [FAMILY.group, shardIndex, "q"];
}

export function shareGroupKey(shardIndex: number, groupId: string): KvKey {
  return [...shareGroupsPrefix(shardIndex), groupId];
}

/** Prefix of the members of a group. */
export function shareMembersPrefix(shardIndex: number, groupId: string): KvKey {
  return [FAMILY.group, shardIndex, "m", groupId];
}

export function shareMemberKey(shardIndex: number, groupId: string, memberId: string): KvKey {
  return [...shareMembersPrefix(shardIndex, groupId), memberId];
}

/** Prefix of all share partitions of a group. */
export function sharePartitionsPrefix(shardIndex: number, groupId: string): KvKey {
  return [FAMILY.group, shardIndex, "s", groupId];
}

/** Prefix of the pieces of one. */
export function sharePartitionPrefix(
  shardIndex: number,
  groupId: string,
  topicId: string,
  partition: number,
): KvKey {
  return [...sharePartitionsPrefix(shardIndex, groupId), uuidBytes(topicId), partition];
}

export function partitionOfShareKey(key: KvKey): { readonly topicId: string; readonly partition: number } {
  const [, , , , topicId, partition] = key;
  invariant(topicId instanceof Uint8Array && typeof partition === "number", "Share key without a partition");
  return { topicId: uuidText(topicId), partition };
}

export function encodeShareGroup({ groupEpoch, changedAtMs }: ShareGroupRecord): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.int32(groupEpoch);
    writer.int64(changedAtMs);
  });
}

export function decodeShareGroup(value: Uint8Array): ShareGroupRecord {
  return decodeValue("share group", VERSION, value, (reader) => ({
    groupEpoch: reader.int32(),
    changedAtMs: reader.int64(),
  }));
}

export function encodeShareMember(member: ShareMember): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.compactNullableString(member.rackId);
    writer.compactString(member.clientId);
    writer.compactString(member.clientHost);
    writer.arrayLength(member.subscribedTopicNames.length);
    for (const name of member.subscribedTopicNames) writer.compactString(name);
  });
}

export function decodeShareMember(memberId: string, value: Uint8Array): ShareMember {
  return decodeValue("share group member", VERSION, value, (reader) => {
    const rackId = reader.compactNullableString();
    const clientId = reader.compactString();
    const clientHost = reader.compactString();
    const subscribedTopicNames: string[] = [];
    const count = reader.arrayLength(1);
    for (let i = 0; i < count; i++) subscribedTopicNames.push(reader.compactString());
    return { memberId, rackId, clientId, clientHost, subscribedTopicNames };
  });
}

/** One value for each piece. */
export function encodeSharePartition(
  { startOffset, runs }: SharePartitionPicture,
  valueBytesMax: number,
): Uint8Array[] {
  const body = new ByteWriter(64);
  body.int64(startOffset);
  body.arrayLength(runs.length);
  for (const { length, state, deliveryCount } of runs) {
    body.varlong(length);
    body.unsignedVarint(deliveryCount * 4 + STORED_STATES.indexOf(state));
  }
  const pieces = splitIntoChunks(body.toBytes(), valueBytesMax - PIECE_OVERHEAD_BYTES);
  return pieces.map((piece) =>
    encodeValue(VERSION, (writer) => {
      writer.int32(pieces.length);
      writer.bytes(piece);
    })
  );
}

/** Throws `CorruptStorageError`. */
export function decodeSharePartition(values: readonly Uint8Array[]): SharePartitionPicture {
  const pieces = values.map((value) =>
    decodeValue("share partition", VERSION, value, (reader) => ({
      count: reader.int32(),
      bytes: reader.bytes(reader.remaining),
    }))
  );
  if (pieces.some(({ count }) => count !== pieces.length)) {
    throw new CorruptStorageError(
      `Cannot read share partition: ${pieces.length} pieces, another number is named`,
    );
  }
  const reader = new ByteReader(concat(pieces.map(({ bytes }) => bytes)));
  try {
    const startOffset = reader.int64();
    const runs: StoredRun[] = [];
    const count = reader.arrayLength(2);
    for (let i = 0; i < count; i++) {
      const length = reader.varlong();
      const packed = reader.unsignedVarint();
      const state = STORED_STATES[packed % 4] ?? reader.fail(`Record state ${packed % 4} is unknown`);
      runs.push({ length, state, deliveryCount: Math.floor(packed / 4) });
    }
    reader.end();
    return { startOffset, runs };
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw new CorruptStorageError(`Cannot read share partition: ${cause.message}`, { cause });
  }
}
