/**
 * ConsumerGroupHeartbeat (API 68): the one request by which members of the new consumer protocol join, stay in,
 * are assigned partitions by, and leave their group (KIP-848).
 *
 * Versions 0 to 1, all flexible.
 * - 1: subscriptions by regular expression (KIP-848); members choose their own id (KIP-1082).
 *
 * A member sends what has changed since its last heartbeat, null or −1 in place of the rest; all of it when it
 * joins or has got an error. UNKNOWN_MEMBER_ID and FENCED_MEMBER_EPOCH: give up all partitions and join again.
 * UNRELEASED_INSTANCE_ID: another member has the same static name. UNSUPPORTED_ASSIGNOR,
 * INVALID_REGULAR_EXPRESSION and GROUP_MAX_SIZE_REACHED are final.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, nested, string, struct, uuid } from "../schema/fields.ts";

export const consumerGroupHeartbeat = api({
  key: 68,
  name: "ConsumerGroupHeartbeat",
  versions: "0-1",
  flexible: "0+",
  request: () => ({
    groupId: string("0+"),
    /**
     * A UUID of the member, for as long as its process lives; in version 0 the coordinator gives one to a
     * member that has none.
     */
    memberId: string("0+"),
    /** 0 joins, −1 leaves, −2 leaves for a while as a static member; else what the last response said. */
    memberEpoch: int32("0+"),
    /** A static member's own name. */
    instanceId: string("0+", { nullable: "0+", default: null }),
    rackId: string("0+", { nullable: "0+", default: null }),
    /** How long the member may take to give up partitions. */
    rebalanceTimeoutMs: int32("0+", { default: -1 }),
    subscribedTopicNames: array("0+", "string", { nullable: "0+", default: null }),
    /** In the language of RE2, as the broker evaluates it. */
    subscribedTopicRegex: string("1+", { nullable: "0+", default: null }),
    /** Null leaves the choice to the coordinator. */
    serverAssignor: string("0+", { nullable: "0+", default: null }),
    /** What the member owns now. */
    topicPartitions: array(
      "0+",
      struct({
        topicId: uuid("0+"),
        partitions: array("0+", "int32"),
      }),
      { nullable: "0+", default: null },
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+", default: null }),
    /** Null when nothing changed. */
    memberId: string("0+", { nullable: "0+", default: null }),
    /** For the next heartbeat. */
    memberEpoch: int32("0+"),
    /** After which the next heartbeat is due. */
    heartbeatIntervalMs: int32("0+"),
    /**
     * Null when nothing changed. What the member owns and misses here it must give up, then say so in a
     * heartbeat.
     */
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

export type ConsumerGroupHeartbeatRequest = RequestOf<typeof consumerGroupHeartbeat>;
export type ConsumerGroupHeartbeatRequestInput = RequestInput<typeof consumerGroupHeartbeat>;
export type ConsumerGroupHeartbeatResponse = ResponseOf<typeof consumerGroupHeartbeat>;
export type ConsumerGroupHeartbeatResponseInput = ResponseInput<typeof consumerGroupHeartbeat>;
