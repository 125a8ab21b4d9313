/**
 * DeleteShareGroupOffsets (API 92): forgets how far a share group has got in some topics (KIP-932).
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
import { array, int16, int32, string, struct, uuid } from "../schema/fields.ts";

export const deleteShareGroupOffsets = api({
  key: 92,
  name: "DeleteShareGroupOffsets",
  versions: "0",
  flexible: "0+",
  request: () => ({
    groupId: string("0+"),
    topics: array(
      "0+",
      struct({
        topicName: string("0+"),
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
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+", default: null }),
      }),
    ),
  }),
});

export type DeleteShareGroupOffsetsRequest = RequestOf<typeof deleteShareGroupOffsets>;
export type DeleteShareGroupOffsetsRequestInput = RequestInput<typeof deleteShareGroupOffsets>;
export type DeleteShareGroupOffsetsResponse = ResponseOf<typeof deleteShareGroupOffsets>;
export type DeleteShareGroupOffsetsResponseInput = ResponseInput<typeof deleteShareGroupOffsets>;
