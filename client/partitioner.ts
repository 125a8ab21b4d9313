/**
 * Which partition a record goes to: by the hash of its key, as all Kafka clients agree (`DefaultPartitioner`), and
 * for records without a key one partition until its batch is full, then another (KIP-480). Pure.
 */
import { murmur2 } from "../lib/murmur2.ts";

/** The partition of a key among `partitionCount`. */
export function partitionForKey(key: Uint8Array, partitionCount: number): number {
  // Kafka clears the sign bit; that is not the absolute value.
  return (murmur2(key) & 0x7fffffff) % partitionCount;
}

/** Another partition than `current`, if there is one. `random`: uniform in [0, 1). */
export function nextStickyPartition(current: number | null, partitionCount: number, random: number): number {
  if (current === null || current >= partitionCount || partitionCount === 1) {
    return Math.floor(random * partitionCount);
  }
  return (current + 1 + Math.floor(random * (partitionCount - 1))) % partitionCount;
}
