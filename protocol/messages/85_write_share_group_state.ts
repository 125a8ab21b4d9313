/**
 * WriteShareGroupState (API 85): the leader of a partition stores what has become of records of a share group
 * (KIP-932). From broker to broker, to the share coordinator.
 *
 * Versions 0 to 1, all flexible.
 * - 1: how many deliveries are over, from which the lag follows (KIP-1226).
 *
 * FENCED_LEADER_EPOCH and FENCED_STATE_EPOCH: another leader has taken over, or the state has begun anew.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, int8, string, struct, uuid } from "../schema/fields.ts";

export const writeShareGroupState = api({
  key: 85,
  name: "WriteShareGroupState",
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
            stateEpoch: int32("0+"),
            leaderEpoch: int32("0+"),
            /** −1 leaves it as it is. */
            startOffset: int64("0+"),
            /** Offsets from `startOffset` on whose delivery is over; −1 when unknown. */
            deliveryCompleteCount: int32("1+", { default: -1 }),
            /** Only what has changed. */
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

export type WriteShareGroupStateRequest = RequestOf<typeof writeShareGroupState>;
export type WriteShareGroupStateRequestInput = RequestInput<typeof writeShareGroupState>;
export type WriteShareGroupStateResponse = ResponseOf<typeof writeShareGroupState>;
export type WriteShareGroupStateResponseInput = ResponseInput<typeof writeShareGroupState>;
