/**
 * ListOffsets (API 2): finds offsets by timestamp.
 *
 * Special timestamps: −1 latest, −2 earliest, −3 that of the largest timestamp, −4 earliest local, −5 latest
 * tiered, −6 earliest pending upload.
 *
 * Versions 1 to 11.
 * - 1: one offset and its timestamp for each partition (KIP-79).
 * - 2: isolation level (KIP-98).
 * - 4: leader epochs (KIP-320).
 * - 5: OFFSET_NOT_AVAILABLE is possible (KIP-207).
 * - 6: flexible (KIP-482).
 * - 7: timestamp −3 (KIP-734); 8: −4 (KIP-405); 9: −5 (KIP-1005).
 * - 10: a deadline, since tiered storage may take long (KIP-1075).
 * - 11: timestamp −6 (KIP-1023).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, int8, string, struct } from "../schema/fields.ts";

export const listOffsets = api({
  key: 2,
  name: "ListOffsets",
  versions: "1-11",
  flexible: "6+",
  request: () => ({
    /** Broker id of a follower; −1 for consumers. */
    replicaId: int32("0+"),
    /** 0: READ_UNCOMMITTED, 1: READ_COMMITTED; decides what "latest" means. */
    isolationLevel: int8("2+"),
    topics: array(
      "0+",
      struct({
        name: string("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            /** The leader epoch that the asker knows; −1 for no check. */
            currentLeaderEpoch: int32("4+", { default: -1 }),
            /** Milliseconds, or one of the special values. */
            timestamp: int64("0+"),
          }),
        ),
      }),
    ),
    timeoutMs: int32("10+"),
  }),
  response: () => ({
    throttleTimeMs: int32("2+", { default: 0 }),
    topics: array(
      "0+",
      struct({
        name: string("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            errorCode: int16("0+"),
            /** That of the record found; −1 for latest and earliest, or when there is none. */
            timestamp: int64("0+", { default: -1 }),
            /** −1 when no record is that young. */
            offset: int64("0+", { default: -1 }),
            leaderEpoch: int32("4+", { default: -1 }),
          }),
        ),
      }),
    ),
  }),
});

export type ListOffsetsRequest = RequestOf<typeof listOffsets>;
export type ListOffsetsRequestInput = RequestInput<typeof listOffsets>;
export type ListOffsetsResponse = ResponseOf<typeof listOffsets>;
export type ListOffsetsResponseInput = ResponseInput<typeof listOffsets>;
