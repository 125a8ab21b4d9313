/**
 * `["m", "a", topicId, page]`: leader, leader epoch, replicas and ISR of 500 partitions. Pages keep a topic of 10,000
 * partitions within the store's limits and let one partition change without rewriting all. Present for every
 * partition of an ACTIVE topic. Owner: `metadata_store.ts`.
 *
 * Value v1: version, count (int32), and for each partition leader (int32), leader epoch (int32), replicas and ISR
 * as counted int32s.
 */
import type { ByteReader, ByteWriter } from "../../lib/bytes.ts";
import type { PartitionImage } from "../../core/cluster/metadata_image.ts";
import type { KvKey } from "../storage.ts";
import { FAMILY } from "./keyspace.ts";
import { uuidBytes, uuidText } from "./uuid.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

export const PARTITIONS_PER_PAGE = 500;

const VERSION = 1;

/** Prefix of all assignments. */
export const assignmentsPrefix: KvKey = [FAMILY.metadata, "a"];

export function assignmentPrefix(topicId: string): KvKey {
  return [...assignmentsPrefix, uuidBytes(topicId)];
}

export function assignmentKey(topicId: string, page: number): KvKey {
  return [...assignmentPrefix(topicId), page];
}

export function assignmentOfKey(key: KvKey): { readonly topicId: string; readonly page: number } {
  return { topicId: uuidText(key[2] as Uint8Array), page: key[3] as number };
}

export function encodeAssignment(partitions: readonly PartitionImage[]): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.arrayLength(partitions.length);
    for (const partition of partitions) {
      writer.int32(partition.leader);
      writer.int32(partition.leaderEpoch);
      writeIds(writer, partition.replicas);
      writeIds(writer, partition.isr);
    }
  });
}

export function decodeAssignment(value: Uint8Array): PartitionImage[] {
  return decodeValue("assignment", VERSION, value, (reader) => {
    const partitions: PartitionImage[] = [];
    const count = reader.arrayLength(16);
    for (let i = 0; i < count; i++) {
      partitions.push({
        leader: reader.int32(),
        leaderEpoch: reader.int32(),
        replicas: readIds(reader),
        isr: readIds(reader),
      });
    }
    return partitions;
  });
}

function writeIds(writer: ByteWriter, ids: readonly number[]): void {
  writer.arrayLength(ids.length);
  for (const id of ids) writer.int32(id);
}

function readIds(reader: ByteReader): number[] {
  const ids: number[] = [];
  const count = reader.arrayLength(4);
  for (let i = 0; i < count; i++) ids.push(reader.int32());
  return ids;
}
