/**
 * ReadShareGroupStateSummary (API 87): how far a share group has got, without the single records; for
 * DescribeShareGroupOffsets (KIP-932). From broker to broker, to the share coordinator.
 *
 * Versions 0 to 1, all flexible.
 * - 1: how many deliveries are over, from which the lag follows (KIP-1226).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, string, struct, uuid } from "../schema/fields.ts";

export const readShareGroupStateSummary = api({
  key: 87,
  name: "ReadShareGroupStateSummary",
  versions: "0-1",
  flexible: "0+",
  request: () => ({
    groupId: string("0+"),
    topics: array(
      "0+",
      struct({
        topicId: uuid("0+"),
        partitions: array(
          "0+",
          struct({
            partition: int32("0+"),
            leaderEpoch: int32("0+"),
          }),
        ),
      }),
    ),
  }),
  response: () => ({
    results: array(
      "0+",
      struct({
        topicId: uuid("0+"),
        partitions: array(
          "0+",
          struct({
            partition: int32("0+"),
            errorCode: int16("0+"),
            errorMessage: string("0+", { nullable: "0+", default: null }),
            stateEpoch: int32("0+"),
            leaderEpoch: int32("0+"),
            /** −1 when it is still open. */
            startOffset: int64("0+"),
            /** Offsets from `startOffset` on whose delivery is over; −1 when unknown. */
            deliveryCompleteCount: int32("1+", { default: -1 }),
          }),
        ),
      }),
    ),
  }),
});

export type ReadShareGroupStateSummaryRequest = RequestOf<typeof readShareGroupStateSummary>;
export type ReadShareGroupStateSummaryRequestInput = RequestInput<typeof readShareGroupStateSummary>;
export type ReadShareGroupStateSummaryResponse = ResponseOf<typeof readShareGroupStateSummary>;
export type ReadShareGroupStateSummaryResponseInput = ResponseInput<typeof readShareGroupStateSummary>;
