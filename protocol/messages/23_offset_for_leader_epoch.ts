/**
 * OffsetForLeaderEpoch (API 23): where an epoch of a leader ended in the log. By it consumers and followers find
 * out whether what they have read was cut off by a change of leaders (KIP-101, KIP-320).
 *
 * Versions 2 to 4.
 * - 2: the reader's leader epoch, to fence, and the throttle time (KIP-320).
 * - 3: who asks (KIP-392).
 * - 4: flexible (KIP-482).
 *
 * A `currentLeaderEpoch` that the broker does not know yet gives UNKNOWN_LEADER_EPOCH, an outdated one
 * FENCED_LEADER_EPOCH.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, string, struct } from "../schema/fields.ts";

export const offsetForLeaderEpoch = api({
  key: 23,
  name: "OffsetForLeaderEpoch",
  versions: "2-4",
  flexible: "4+",
  request: () => ({
    /**
     * Broker id of a follower, −1 for consumers; −2 may see records above the high watermark, for
     * debugging.
     */
    replicaId: int32("3+", { default: -2 }),
    topics: array(
      "0+",
      struct({
        topic: string("0+"),
        partitions: array(
          "0+",
          struct({
            partition: int32("0+"),
            /** The leader epoch that the reader knows; −1 for no check. */
            currentLeaderEpoch: int32("0+", { default: -1 }),
            /** The epoch in question. */
            leaderEpoch: int32("0+"),
          }),
        ),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    topics: array(
      "0+",
      struct({
        topic: string("0+"),
        partitions: array(
          "0+",
          struct({
            errorCode: int16("0+"),
            partition: int32("0+"),
            /** Largest epoch up to the one in question that has records; −1 for none. */
            leaderEpoch: int32("0+", { default: -1 }),
            /** Offset after the last record of that epoch; −1 for none. */
            endOffset: int64("0+", { default: -1 }),
          }),
        ),
      }),
    ),
  }),
});

export type OffsetForLeaderEpochRequest = RequestOf<typeof offsetForLeaderEpoch>;
export type OffsetForLeaderEpochRequestInput = RequestInput<typeof offsetForLeaderEpoch>;
export type OffsetForLeaderEpochResponse = ResponseOf<typeof offsetForLeaderEpoch>;
export type OffsetForLeaderEpochResponseInput = ResponseInput<typeof offsetForLeaderEpoch>;
