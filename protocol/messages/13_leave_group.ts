/**
 * LeaveGroup (API 13): members leave a classic group.
 *
 * Versions 0 to 5.
 * - 1: throttle time.
 * - 3: several members at once, static ones by their own name (KIP-345).
 * - 4: flexible (KIP-482).
 * - 5: the reason (KIP-800).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, string, struct } from "../schema/fields.ts";

export const leaveGroup = api({
  key: 13,
  name: "LeaveGroup",
  versions: "0-5",
  flexible: "4+",
  request: () => ({
    groupId: string("0+"),
    memberId: string("0-2"),
    members: array(
      "3+",
      struct({
        /** May be empty when the instance id is given. */
        memberId: string("0+"),
        groupInstanceId: string("0+", { nullable: "0+", default: null }),
        reason: string("5+", { nullable: "0+", default: null }),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("1+", { default: 0 }),
    errorCode: int16("0+"),
    members: array(
      "3+",
      struct({
        memberId: string("0+"),
        groupInstanceId: string("0+", { nullable: "0+" }),
        errorCode: int16("0+"),
      }),
    ),
  }),
});

export type LeaveGroupRequest = RequestOf<typeof leaveGroup>;
export type LeaveGroupRequestInput = RequestInput<typeof leaveGroup>;
export type LeaveGroupResponse = ResponseOf<typeof leaveGroup>;
export type LeaveGroupResponseInput = ResponseInput<typeof leaveGroup>;
