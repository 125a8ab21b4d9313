/**
 * `["p", topicId, partition, "t", maxTimestamp, baseOffset]`: with the batch at `baseOffset` the largest timestamp of the
 * log so far rose to `maxTimestamp`. Sparse: not every rise has an entry, but every rise that comes at least
 * `TIME_ENTRY_BATCHES` batches or `TIME_ENTRY_BYTES` bytes after the last entry has one. So the first batch that reaches
 * a timestamp lies at most that far behind the last lower entry, or it is the next entry. Owner: `log_writer.ts`.
 *
 * Value v1: version; the key says all.
 */
import type { KvKey } from "../storage.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

export const TIME_ENTRY_BATCHES = 64;
export const TIME_ENTRY_BYTES = 64 * 1024;

const VERSION = 1;

export interface TimeEntry {
  readonly maxTimestamp: number;
  readonly baseOffset: number;
}

export function timeEntryOfKey(key: KvKey): TimeEntry {
  return { maxTimestamp: key[4] as number, baseOffset: key[5] as number };
}

export const timeIndexValue: Uint8Array = encodeValue(VERSION, () => {});

export function checkTimeIndexValue(value: Uint8Array): void {
  decodeValue("time index entry", VERSION, value, () => undefined);
}
