/**
 * DescribeShareGroupOffsets (API 90): how far share groups have got (KIP-932).
 *
 * Versions 0 to 1, all flexible.
 * - 1: lag (KIP-1226).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, string, struct, uuid } from "../schema/fields.ts";

export const describeShareGroupOffsets = api({
  key: 90,
  name: "DescribeShareGroupOffsets",
  versions: "0-1",
  flexible: "0+",
  request: () => ({
    groups: array(
      "0+",
      struct({
        groupId: string("0+"),
        /** Null asks for all. */
        topics: array(
          "0+",
          struct({
            topicName: string("0+"),
            partitions: array("0+", "int32"),
          }),
          { nullable: "0+" },
        ),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    groups: array(
      "0+",
      struct({
        groupId: string("0+"),
        topics: array(
          "0+",
          struct({
            topicName: string("0+"),
            topicId: uuid("0+"),
            partitions: array(
              "0+",
              struct({
                partitionIndex: int32("0+"),
                /** Below it everything is done; −1 when nothing has been read yet. */
                startOffset: int64("0+"),
                leaderEpoch: int32("0+"),
                /** Records that are still to be delivered or acknowledged; −1 when unknown. */
                lag: int64("1+", { default: -1 }),
                errorCode: int16("0+"),
                errorMessage: string("0+", { nullable: "0+", default: null }),
              }),
            ),
          }),
        ),
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+", default: null }),
      }),
    ),
  }),
});

export type DescribeShareGroupOffsetsRequest = RequestOf<typeof describeShareGroupOffsets>;
export type DescribeShareGroupOffsetsRequestInput = RequestInput<typeof describeShareGroupOffsets>;
export type DescribeShareGroupOffsetsResponse = ResponseOf<typeof describeShareGroupOffsets>;
export type DescribeShareGroupOffsetsResponseInput = ResponseInput<typeof describeShareGroupOffsets>;
