/**
 * Heartbeat (API 12): a member of a classic group is alive.
 *
 * Versions 0 to 4.
 * - 1: throttle time.
 * - 2: answers come before the throttling (KIP-219).
 * - 3: static members (KIP-345).
 * - 4: flexible (KIP-482).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { int16, int32, string } from "../schema/fields.ts";

export const heartbeat = api({
  key: 12,
  name: "Heartbeat",
  versions: "0-4",
  flexible: "4+",
  request: () => ({
    groupId: string("0+"),
    generationId: int32("0+"),
    memberId: string("0+"),
    /** A static member's own name. */
    groupInstanceId: string("3+", { nullable: "0+", default: null }),
  }),
  response: () => ({
    throttleTimeMs: int32("1+", { default: 0 }),
    /** REBALANCE_IN_PROGRESS tells the member to join again. */
    errorCode: int16("0+"),
  }),
});

export type HeartbeatRequest = RequestOf<typeof heartbeat>;
export type HeartbeatRequestInput = RequestInput<typeof heartbeat>;
export type HeartbeatResponse = ResponseOf<typeof heartbeat>;
export type HeartbeatResponseInput = ResponseInput<typeof heartbeat>;
