/**
 * `["p", topicId, partition, "o", attempt]`: a batch larger than one commit is being written piece by piece. Set by every
 * commit of the attempt, deleted by the commit that writes the index entry; one that is found at opening is of an
 * older writer, and its pieces are swept unless an index entry names them. Owner: `chunked_append.ts`.
 *
 * Value v1: version, base offset (int64), chunk count (int32).
 */
import type { KvKey } from "../storage.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

export interface AttemptValue {
  readonly baseOffset: number;
  readonly chunkCount: number;
}

const VERSION = 1;

export function attemptOfKey(key: KvKey): string {
  return key[4] as string;
}

export function encodeAttempt(attempt: AttemptValue): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.int64(attempt.baseOffset);
    writer.int32(attempt.chunkCount);
  });
}

export function decodeAttempt(value: Uint8Array): AttemptValue {
  return decodeValue("attempt", VERSION, value, (reader) => ({
    baseOffset: reader.int64(),
    chunkCount: reader.int32(),
  }));
}
