/**
 * InitializeShareGroupState (API 83): the group coordinator begins to keep state for partitions of a share group
 * (KIP-932). From broker to broker, to the share coordinator.
 *
 * Version 0, flexible.
 *
 * FENCED_STATE_EPOCH when the state epoch is lower than the one that is kept.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, string, struct, uuid } from "../schema/fields.ts";

export const initializeShareGroupState = api({
  key: 83,
  name: "InitializeShareGroupState",
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
            /** Rises each time that the state begins anew. */
            stateEpoch: int32("0+"),
            /** −1 leaves it open. */
            startOffset: int64("0+"),
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

export type InitializeShareGroupStateRequest = RequestOf<typeof initializeShareGroupState>;
export type InitializeShareGroupStateRequestInput = RequestInput<typeof initializeShareGroupState>;
export type InitializeShareGroupStateResponse = ResponseOf<typeof initializeShareGroupState>;
export type InitializeShareGroupStateResponseInput = ResponseInput<typeof initializeShareGroupState>;
