/**
 * JoinGroup (API 11): enters a classic group, or its next generation.
 *
 * Versions 0 to 9.
 * - 1: a rebalance timeout apart from the session timeout (KIP-62).
 * - 2: throttle time.
 * - 4: a new member is first given an id and joins again with it (KIP-394).
 * - 5: static members (KIP-345).
 * - 6: flexible (KIP-482).
 * - 7: the response tells the protocol type (KIP-559).
 * - 8: the reason for joining (KIP-800).
 * - 9: the leader may be told not to assign anew (KIP-814).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, bytes, int16, int32, string, struct } from "../schema/fields.ts";

export const joinGroup = api({
  key: 11,
  name: "JoinGroup",
  versions: "0-9",
  flexible: "6+",
  request: () => ({
    groupId: string("0+"),
    sessionTimeoutMs: int32("0+"),
    /** How long the others may take to join again. In version 0 the session timeout stands for it. */
    rebalanceTimeoutMs: int32("1+", { default: -1 }),
    /** Empty at first. */
    memberId: string("0+"),
    /** A static member's own name. */
    groupInstanceId: string("5+", { nullable: "0+", default: null }),
    /** `consumer` or `connect`, for example. */
    protocolType: string("0+"),
    /** Assignors in order of preference, with the subscription for each. */
    protocols: array(
      "0+",
      struct({
        name: string("0+"),
        metadata: bytes("0+"),
      }),
    ),
    reason: string("8+", { nullable: "0+", default: null }),
  }),
  response: () => ({
    throttleTimeMs: int32("2+", { default: 0 }),
    errorCode: int16("0+"),
    generationId: int32("0+", { default: -1 }),
    protocolType: string("7+", { nullable: "0+", default: null }),
    /** The assignor chosen; null in errors. */
    protocolName: string("0+", { nullable: "7+" }),
    leader: string("0+"),
    /** The leader must not compute an assignment: the old one holds. */
    skipAssignment: bool("9+", { default: false }),
    memberId: string("0+"),
    /** For the leader alone; empty for the others. */
    members: array(
      "0+",
      struct({
        memberId: string("0+"),
        groupInstanceId: string("5+", { nullable: "0+", default: null }),
        /** The member's subscription for the chosen assignor. */
        metadata: bytes("0+"),
      }),
    ),
  }),
});

export type JoinGroupRequest = RequestOf<typeof joinGroup>;
export type JoinGroupRequestInput = RequestInput<typeof joinGroup>;
export type JoinGroupResponse = ResponseOf<typeof joinGroup>;
export type JoinGroupResponseInput = ResponseInput<typeof joinGroup>;
