/**
 * `["p", topicId, partition, "k"]`: how far compaction of the log came. Absent: it was never compacted. Set in the last
 * commit of each round. Owner: `log_compaction.ts`.
 *
 * Value v1: version, first dirty offset, bytes left below it, earliest time at which something below it may go, log
 * start at that time (int64 each).
 */
import type { CleanerCheckpoint } from "../../core/partition/compaction.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

const VERSION = 1;

export function encodeCleanerCheckpoint(checkpoint: CleanerCheckpoint): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.int64(checkpoint.firstDirtyOffset);
    writer.int64(checkpoint.cleanBytes);
    writer.int64(checkpoint.nextHorizonMs);
    writer.int64(checkpoint.logStartOffset);
  });
}

export function decodeCleanerCheckpoint(value: Uint8Array): CleanerCheckpoint {
  return decodeValue("cleaner checkpoint", VERSION, value, (reader) => ({
    firstDirtyOffset: reader.int64(),
    cleanBytes: reader.int64(),
    nextHorizonMs: reader.int64(),
    logStartOffset: reader.int64(),
  }));
}
