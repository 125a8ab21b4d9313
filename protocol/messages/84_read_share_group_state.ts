/**
 * ReadShareGroupState (API 84): a leader that takes over a partition asks how far its share groups have got
 * (KIP-932). From broker to broker, to the share coordinator.
 *
 * Version 0, flexible.
 *
 * FENCED_LEADER_EPOCH when another leader has asked since.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, int8, string, struct, uuid } from "../schema/fields.ts";

export const readShareGroupState = api({
  key: 84,
  name: "ReadShareGroupState",
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
            /** −1 when it is still open. */
            startOffset: int64("0+"),
            /** What is known above `startOffset`. */
            stateBatches: array(
              "0+",
              struct({
                firstOffset: int64("0+"),
                /** Inclusive. */
                lastOffset: int64("0+"),
                /** 0: available, 2: acknowledged, 4: archived. */
                deliveryState: int8("0+"),
                deliveryCount: int16("0+"),
              }),
            ),
          }),
        ),
      }),
    ),
  }),
});

export type ReadShareGroupStateRequest = RequestOf<typeof readShareGroupState>;
export type ReadShareGroupStateRequestInput = RequestInput<typeof readShareGroupState>;
export type ReadShareGroupStateResponse = ResponseOf<typeof readShareGroupState>;
export type ReadShareGroupStateResponseInput = ResponseInput<typeof readShareGroupState>;
