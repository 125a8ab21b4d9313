/**
 * `["g", shardIndex, "o", groupId, topicId, partition]`: the offset that a group committed for a partition. By topic
 * id, so that a topic created anew under the same name does not inherit it. Owner: `group_store.ts`.
 *
 * Value v1: version, offset (int64), leader epoch (int32), wall clock of the commit (int64), topic name and metadata
 * (compact strings).
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

export function decodeGroupOffset(value: Uint8Array): StoredOffset {
  return decodeValue("committed offset", VERSION, value, (reader) => ({
    offset: reader.int64(),
    leaderEpoch: reader.int32(),
    committedAtMs: reader.int64(),
    topic: reader.compactString(),
    metadata: reader.compactString(),
  }));
}
