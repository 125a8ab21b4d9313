/**
 * `["p", topicId, partition, "x", producerId]`: a transaction that is open in the partition, from its first batch to its
 * marker; and `["p", topicId, partition, "a", markerOffset, producerId]`: one that was aborted, for readers of committed
 * data. Both change in the commit of the batch that opens, or of the marker that ends the transaction. Owner: `log_writer.ts`.
 *
 * Value v1 of both: version, first offset (int64); of an aborted one also the last stable offset after it (int64).
 */
import type { AbortedTransaction } from "../../core/partition/transactions.ts";
import type { KvKey } from "../storage.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

const VERSION = 1;

export function encodeOpenTransaction(firstOffset: number): Uint8Array {
  return encodeValue(VERSION, (writer) => writer.int64(firstOffset));
}

export function decodeOpenTransaction(
  key: KvKey,
  value: Uint8Array,
): { readonly producerId: number; readonly firstOffset: number } {
  const producerId = key[4] as number;
  return decodeValue("open transaction", VERSION, value, (reader) => ({
    producerId,
    firstOffset: reader.int64(),
  }));
}

export function encodeAbortedTransaction(aborted: AbortedTransaction): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.int64(aborted.firstOffset);
    writer.int64(aborted.lastStableOffset);
  });
}

export function decodeAbortedTransaction(key: KvKey, value: Uint8Array): AbortedTransaction {
  const lastOffset = key[4] as number;
  const producerId = key[5] as number;
  return decodeValue("aborted transaction", VERSION, value, (reader) => ({
    producerId,
    firstOffset: reader.int64(),
    lastOffset,
    lastStableOffset: reader.int64(),
  }));
}
