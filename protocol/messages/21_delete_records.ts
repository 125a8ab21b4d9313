/**
 * DeleteRecords (API 21): moves the start of logs forward (KIP-107).
 *
 * Versions 0 to 2.
 * - 1: answers come before the throttling (KIP-219).
 * - 2: flexible (KIP-482).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, string, struct } from "../schema/fields.ts";

export const deleteRecords = api({
  key: 21,
  name: "DeleteRecords",
  versions: "0-2",
  flexible: "2+",
  request: () => ({
    topics: array(
      "0+",
      struct({
        name: string("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            /** The new first offset; −1 for the high watermark. */
            offset: int64("0+"),
          }),
        ),
      }),
    ),
    timeoutMs: int32("0+"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    topics: array(
      "0+",
      struct({
        name: string("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            /** Smallest log start offset of all live replicas. */
            lowWatermark: int64("0+"),
            errorCode: int16("0+"),
          }),
        ),
      }),
    ),
  }),
});

export type DeleteRecordsRequest = RequestOf<typeof deleteRecords>;
export type DeleteRecordsRequestInput = RequestInput<typeof deleteRecords>;
export type DeleteRecordsResponse = ResponseOf<typeof deleteRecords>;
export type DeleteRecordsResponseInput = ResponseInput<typeof deleteRecords>;
