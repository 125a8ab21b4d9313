/**
 * `["m", "c", kind, name]` -> what was set for a resource other than a topic: a broker, a group, a client metrics
 * subscription, an entity with quotas. Absent: nothing was set. Owner: `metadata_store.ts`.
 *
 * Value v1: version, counted pairs of strings (name, value).
 */
import { CONFIG_KINDS, type ConfigKind, type Configs } from "../../core/config/config_resource.ts";
import { CorruptStorageError } from "../errors.ts";
import type { KvKey } from "../storage.ts";
import { FAMILY } from "./keyspace.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

const VERSION = 1;

/** Prefix of all of them. */
export const resourceConfigsPrefix: KvKey = [FAMILY.metadata, "c"];

export function resourceConfigsKey(kind: ConfigKind, name: string): KvKey {
  return [...resourceConfigsPrefix, kind, name];
}

export function resourceOfKey(key: KvKey): { readonly kind: ConfigKind; readonly name: string } {
  const kind = CONFIG_KINDS.find((each) => each === key[2]);
  if (kind === undefined) throw new CorruptStorageError(`Cannot read configurations: kind ${String(key[2])}`);
  return { kind, name: key[3] as string };
}

export function encodeResourceConfigs(configs: Configs): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    const entries = Object.entries(configs);
    writer.arrayLength(entries.length);
    for (const [name, value] of entries) {
      writer.string(name);
      writer.string(value);
    }
  });
}

export function decodeResourceConfigs(value: Uint8Array): Configs {
  return decodeValue("configurations", VERSION, value, (reader) => {
    const configs: [string, string][] = [];
    const count = reader.arrayLength(4);
    for (let i = 0; i < count; i++) configs.push([reader.string(), reader.string()]);
    return Object.fromEntries(configs);
  });
}
