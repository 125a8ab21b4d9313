/**
 * ShareGroupHeartbeat (API 76): the request by which members of a share group join, stay in, are assigned
 * partitions by, and leave their group (KIP-932).
 *
 * Version 1, flexible; version 0 was a preview.
 *
 * As in ConsumerGroupHeartbeat null stands for what has not changed. Partitions are shared, so nothing has to be
 * given up before others get it, and a fenced member merely joins again.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, nested, string, struct, uuid } from "../schema/fields.ts";

export const shareGroupHeartbeat = api({
  key: 76,
  name: "ShareGroupHeartbeat",
  versions: "1",
  flexible: "0+",
  request: () => ({
    groupId: string("0+"),
    /** A UUID of the member, for as long as its process lives. */
    memberId: string("0+"),
    /** 0 joins, −1 leaves; else what the last response said. */
    memberEpoch: int32("0+"),
    rackId: string("0+", { nullable: "0+", default: null }),
    subscribedTopicNames: array("0+", "string", { nullable: "0+", default: null }),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+", default: null }),
    memberId: string("0+", { nullable: "0+", default: null }),
    /** For the next heartbeat. */
    memberEpoch: int32("0+"),
    /** After which the next heartbeat is due. */
    heartbeatIntervalMs: int32("0+"),
    /** Null when nothing changed. */
    assignment: nested(
      "0+",
      struct({
        topicPartitions: array(
          "0+",
          struct({
            topicId: uuid("0+"),
            partitions: array("0+", "int32"),
          }),
        ),
      }),
      { nullable: "0+", default: null },
    ),
  }),
});

export type ShareGroupHeartbeatRequest = RequestOf<typeof shareGroupHeartbeat>;
export type ShareGroupHeartbeatRequestInput = RequestInput<typeof shareGroupHeartbeat>;
export type ShareGroupHeartbeatResponse = ResponseOf<typeof shareGroupHeartbeat>;
export type ShareGroupHeartbeatResponseInput = ResponseInput<typeof shareGroupHeartbeat>;
