/**
 * AlterShareGroupOffsets (API 91): sets where a share group goes on (KIP-932).
 *
 * Version 0, flexible.
 *
 * NON_EMPTY_GROUP while the group has members.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, string, struct, uuid } from "../schema/fields.ts";

export const alterShareGroupOffsets = api({
  key: 91,
  name: "AlterShareGroupOffsets",
  versions: "0",
  flexible: "0+",
  request: () => ({
    groupId: string("0+"),
    topics: array(
      "0+",
      struct({
        topicName: string("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            startOffset: int64("0+"),
          }),
        ),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+", default: null }),
    responses: array(
      "0+",
      struct({
        topicName: string("0+"),
        topicId: uuid("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            errorCode: int16("0+"),
            errorMessage: string("0+", { nullable: "0+", default: null }),
          }),
        ),
      }),
    ),
  }),
});

export type AlterShareGroupOffsetsRequest = RequestOf<typeof alterShareGroupOffsets>;
export type AlterShareGroupOffsetsRequestInput = RequestInput<typeof alterShareGroupOffsets>;
export type AlterShareGroupOffsetsResponse = ResponseOf<typeof alterShareGroupOffsets>;
export type AlterShareGroupOffsetsResponseInput = ResponseInput<typeof alterShareGroupOffsets>;
