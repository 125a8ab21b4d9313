/**
 * `["p", topicId, partition, "m"]`: the largest timestamp of all batches that were deleted below the log start; a search for a later
 * one need not know them. Absent: nothing was deleted, or by a Kavka that did not keep it. Changed in the commit of the
 * deletion. Owner: `log_trim.ts`.
 *
 * Value v1: version, milliseconds (int64), -1 for none.
 */
import { decodeValue, encodeValue } from "./value_codec.ts";

const VERSION = 1;

export function encodeTrimmedTimestamp(timestamp: number): Uint8Array {
  return encodeValue(VERSION, (writer) => writer.int64(timestamp));
}

export function decodeTrimmedTimestamp(value: Uint8Array): number {
  return decodeValue("trimmed timestamp", VERSION, value, (reader) => reader.int64());
}
