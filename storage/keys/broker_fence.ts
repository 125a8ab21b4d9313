/**
 * `["b", brokerId]`: the incarnation of a broker that may commit. Every commit of the broker checks it, so that one
 * write here stops all shards of an older process at once. Absent before the broker's first start. Owner: `shard.ts`.
 *
 * Value v2: version, incarnation (UUID), start count (int64): rises with each process that takes the fence, so that an older copy of
 * the store can be told from the newest. v1 has none, which counts as 0.
 *
 * `["b", brokerId, "probe"]`: written and deleted while the store refuses commits, to notice when it takes them again; may be
 * left over from a process that ended meanwhile. Value v1: version, zeros.
 */
import type { KvKey } from "../storage.ts";
import { FAMILY } from "./keyspace.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

const PROBE_VERSION = 1;
const PLAIN_VERSION = 1;
const VERSION = 2;

export interface BrokerFence {
  readonly incarnation: string;
  readonly startCount: number;
}

export function brokerFenceKey(brokerId: number): KvKey {
  return [FAMILY.brokerFence, brokerId];
}

export function encodeBrokerFence({ incarnation, startCount }: BrokerFence): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.uuid(incarnation);
    writer.int64(startCount);
  });
}

export function decodeBrokerFence(value: Uint8Array): BrokerFence {
  return decodeValue("broker fence", VERSION, value, (reader, version) => ({
    incarnation: reader.uuid(),
    startCount: version === PLAIN_VERSION ? 0 : reader.int64(),
  }));
}

export function writeProbeKey(brokerId: number): KvKey {
  return [FAMILY.brokerFence, brokerId, "probe"];
}

/** A value as large as the store takes. */
export function encodeWriteProbe(valueBytesMax: number): Uint8Array {
  const value = new Uint8Array(valueBytesMax);
  value[0] = PROBE_VERSION;
  return value;
}
