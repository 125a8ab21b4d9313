/**
 * `["m", "p"]`: the first producer id that was never handed out. Absent: 0. Owner: `metadata_store.ts`.
 *
 * Value v1: version, next producer id (int64).
 */
import type { KvKey } from "../storage.ts";
import { FAMILY } from "./keyspace.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

const VERSION = 1;

export const nextProducerIdKey: KvKey = [FAMILY.metadata, "p"];

export function encodeNextProducerId(nextProducerId: number): Uint8Array {
  return encodeValue(VERSION, (writer) => writer.int64(nextProducerId));
}

export function decodeNextProducerId(value: Uint8Array): number {
  return decodeValue("next producer id", VERSION, value, (reader) => reader.int64());
}
