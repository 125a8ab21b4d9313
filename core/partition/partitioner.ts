/** Which partition a record with a key belongs to. Source: Kafka's `BuiltInPartitioner.partitionForKey`. */
import { murmur2 } from "../../lib/murmur2.ts";

/** The same key and the same number of partitions give the same partition as Kafka's own clients. */
export function partitionForKey(key: Uint8Array, partitionCount: number): number {
  return (murmur2(key) & 0x7fffffff) % partitionCount;
}
