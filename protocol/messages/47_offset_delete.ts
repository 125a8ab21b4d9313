/**
 * OffsetDelete (API 47): forgets how far a group has read in some partitions (KIP-496).
 *
 * Version 0, not flexible.
 *
 * GROUP_SUBSCRIBED_TO_TOPIC: members are reading the topic. NON_EMPTY_GROUP: there are members, and they do not
 * tell what they read.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, string, struct } from "../schema/fields.ts";

export const offsetDelete = api({
  key: 47,
  name: "OffsetDelete",
  versions: "0",
  flexible: "none",
  request: () => ({
    groupId: string("0+"),
    topics: array(
      "0+",
      struct({
        name: string("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
          }),
        ),
      }),
    ),
  }),
  response: () => ({
    errorCode: int16("0+"),
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
          }),
        ),
      }),
    ),
  }),
});

export type OffsetDeleteRequest = RequestOf<typeof offsetDelete>;
export type OffsetDeleteRequestInput = RequestInput<typeof offsetDelete>;
export type OffsetDeleteResponse = ResponseOf<typeof offsetDelete>;
export type OffsetDeleteResponseInput = ResponseInput<typeof offsetDelete>;
