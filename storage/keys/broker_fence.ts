/**
 * `["b", brokerId]`: the incarnation of a broker that may commit. Every commit of the broker checks it, so that one
 * write here stops all shards of an older process at once. Absent before the broker's first start. Owner: `shard.ts`.
 *
 * Value v1: version, incarnation (UUID).
 *
 * `["b", brokerId, "probe"]`: written and deleted while the store refuses commits, to notice when it takes them again; may be
 * left over from a process that ended meanwhile. Value v1: version, zeros.
 */
import type { KvKey } from "../storage.ts";
import { FAMILY } from "./keyspace.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

const VERSION = 1;

export function brokerFenceKey(brokerId: number): KvKey {
  return [FAMILY.brokerFence, brokerId];
}

export function encodeBrokerFence(incarnation: string): Uint8Array {
  return encodeValue(VERSION, (writer) => writer.uuid(incarnation));
}

export function decodeBrokerFence(value: Uint8Array): string {
  return decodeValue("broker fence", VERSION, value, (reader) => reader.uuid());
}

export function writeProbeKey(brokerId: number): KvKey {
  return [FAMILY.brokerFence, brokerId, "probe"];
}

/** A value as large as the store takes. */
export function encodeWriteProbe(valueBytesMax: number): Uint8Array {
  const value = new Uint8Array(valueBytesMax);
  value[0] = VERSION;
  return value;
}
