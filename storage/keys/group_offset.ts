/**
 * `["g", shardIndex, "o", groupId, topicId, partition]`: the offset that a group committed for a partition. By topic
 * id, so that a topic created anew under the same name does not inherit it. Owner: `group_store.ts`.
 *
 * Value v1: version, offset (int64), leader epoch (int32), wall clock of the commit (int64), topic name and metadata
 * (compact strings). An offset that waits for its transaction, `["g", shardIndex, "x", groupId, producerId, topicId,
 * partition]`, v1: version, producer epoch (int16), and the value above.
 */
import type { StoredOffset } from "../../core/group/group_state.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

const VERSION = 1;

export function encodeGroupOffset(offset: StoredOffset): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.int64(offset.offset);
    writer.int32(offset.leaderEpoch);
    writer.int64(offset.committedAtMs);
    writer.compactString(offset.topic);
    writer.compactString(offset.metadata);
  });
}

export function encodePendingOffset(producerEpoch: number, offset: StoredOffset): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.int16(producerEpoch);
    writer.bytes(encodeGroupOffset(offset));
  });
}

export function decodePendingOffset(
  value: Uint8Array,
): { readonly producerEpoch: number; readonly offset: StoredOffset } {
  return decodeValue("pending offset", VERSION, value, (reader) => ({
    producerEpoch: reader.int16(),
    offset: decodeGroupOffset(reader.bytes(reader.remaining)),
  }));
}

export function decodeGroupOffset(value: Uint8Array): StoredOffset {
  return decodeValue("committed offset", VERSION, value, (reader) => ({
    offset: reader.int64(),
    leaderEpoch: reader.int32(),
    committedAtMs: reader.int64(),
    topic: reader.compactString(),
    metadata: reader.compactString(),
  }));
}
