/**
 * DeleteShareGroupState (API 86): forgets the state of partitions of a share group (KIP-932). From broker to
 * broker, to the share coordinator.
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
import { array, int16, int32, string, struct, uuid } from "../schema/fields.ts";

export const deleteShareGroupState = api({
  key: 86,
  name: "DeleteShareGroupState",
  versions: "0",
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
          }),
        ),
      }),
    ),
  }),
});

export type DeleteShareGroupStateRequest = RequestOf<typeof deleteShareGroupState>;
export type DeleteShareGroupStateRequestInput = RequestInput<typeof deleteShareGroupState>;
export type DeleteShareGroupStateResponse = ResponseOf<typeof deleteShareGroupState>;
export type DeleteShareGroupStateResponseInput = ResponseInput<typeof deleteShareGroupState>;
