/**
 * `["s"]`: what this store is. Written once when it is first opened; absent in a new store. Owner: `data_directory.ts`.
 *
 * Value v1: version, layout version (int32), cluster id (string), store id (UUID).
 */
import type { KvKey } from "../storage.ts";
import { FAMILY } from "./keyspace.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

export interface StoreMeta {
  /** The arrangement of the whole database; a newer one than the program's is refused. */
  readonly layoutVersion: number;
  readonly clusterId: string;
  readonly storeId: string;
}

const VERSION = 1;

export const storeMetaKey: KvKey = [FAMILY.storeMeta];

export function encodeStoreMeta(meta: StoreMeta): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.int32(meta.layoutVersion);
    writer.string(meta.clusterId);
    writer.uuid(meta.storeId);
  });
}

export function decodeStoreMeta(value: Uint8Array): StoreMeta {
  return decodeValue("store meta", VERSION, value, (reader) => ({
    layoutVersion: reader.int32(),
    clusterId: reader.string(),
    storeId: reader.uuid(),
  }));
}
