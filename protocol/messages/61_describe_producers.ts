/**
 * DescribeProducers (API 61): the producers that a partition remembers, among them those whose transaction hangs
 * (KIP-664).
 *
 * Version 0, flexible.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, string, struct } from "../schema/fields.ts";

export const describeProducers = api({
  key: 61,
  name: "DescribeProducers",
  versions: "0",
  flexible: "0+",
  request: () => ({
    topics: array(
      "0+",
      struct({
        name: string("0+"),
        partitionIndexes: array("0+", "int32"),
      }),
    ),
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
            errorCode: int16("0+"),
            errorMessage: string("0+", { nullable: "0+", default: null }),
            activeProducers: array(
              "0+",
              struct({
                producerId: int64("0+"),
                producerEpoch: int32("0+"),
                /** Sequence number of the last record; −1 for none. */
                lastSequence: int32("0+", { default: -1 }),
                /** When the last batch came; −1 for none. */
                lastTimestamp: int64("0+", { default: -1 }),
                /** Of the coordinator that ended the last transaction. */
                coordinatorEpoch: int32("0+"),
                /** First offset of the open transaction; −1 for none. */
                currentTxnStartOffset: int64("0+", { default: -1 }),
              }),
            ),
          }),
        ),
      }),
    ),
  }),
});

export type DescribeProducersRequest = RequestOf<typeof describeProducers>;
export type DescribeProducersRequestInput = RequestInput<typeof describeProducers>;
export type DescribeProducersResponse = ResponseOf<typeof describeProducers>;
export type DescribeProducersResponseInput = ResponseInput<typeof describeProducers>;
