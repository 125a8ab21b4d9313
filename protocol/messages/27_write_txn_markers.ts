/**
 * WriteTxnMarkers (API 27): a transaction coordinator has the leaders append the control records that end
 * transactions (KIP-98). From broker to broker; it takes the ClusterAction permission.
 *
 * Versions 1 to 2, all flexible.
 * - 1: flexible (KIP-482).
 * - 2: the version of transactions (KIP-1228).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, int64, int8, string, struct } from "../schema/fields.ts";

export const writeTxnMarkers = api({
  key: 27,
  name: "WriteTxnMarkers",
  versions: "1-2",
  flexible: "1+",
  request: () => ({
    markers: array(
      "0+",
      struct({
        producerId: int64("0+"),
        producerEpoch: int16("0+"),
        /** True commits, false aborts. */
        transactionResult: bool("0+"),
        topics: array(
          "0+",
          struct({
            name: string("0+"),
            partitionIndexes: array("0+", "int32"),
          }),
        ),
        /**
         * Epoch of the coordinator; partitions refuse lower ones than they have seen
         * (TRANSACTION_COORDINATOR_FENCED).
         */
        coordinatorEpoch: int32("0+"),
        /**
         * 0 and 1: the older protocols. 2: epochs rise with each transaction (KIP-890), so a marker needs a
         * higher one.
         */
        transactionVersion: int8("2+", { default: 0 }),
      }),
    ),
  }),
  response: () => ({
    markers: array(
      "0+",
      struct({
        producerId: int64("0+"),
        topics: array(
          "0+",
          struct({
            name: string("0+"),
            partitions: array(
              "0+",
              struct({
                partitionIndex: int32("0+"),
                errorCode: int16("0+"),
              }),
            ),
          }),
        ),
      }),
    ),
  }),
});

export type WriteTxnMarkersRequest = RequestOf<typeof writeTxnMarkers>;
export type WriteTxnMarkersRequestInput = RequestInput<typeof writeTxnMarkers>;
export type WriteTxnMarkersResponse = ResponseOf<typeof writeTxnMarkers>;
export type WriteTxnMarkersResponseInput = ResponseInput<typeof writeTxnMarkers>;
