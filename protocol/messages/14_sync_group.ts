/**
 * SyncGroup (API 14): the leader hands in the assignment, every member receives its share.
 *
 * Versions 0 to 5.
 * - 1: throttle time.
 * - 3: static members (KIP-345).
 * - 4: flexible (KIP-482).
 * - 5: protocol type and name, to detect mismatches (KIP-559).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bytes, int16, int32, string, struct } from "../schema/fields.ts";

export const syncGroup = api({
  key: 14,
  name: "SyncGroup",
  versions: "0-5",
  flexible: "4+",
  request: () => ({
    groupId: string("0+"),
    generationId: int32("0+"),
    memberId: string("0+"),
    /** A static member's own name. */
    groupInstanceId: string("3+", { nullable: "0+", default: null }),
    protocolType: string("5+", { nullable: "0+", default: null }),
    protocolName: string("5+", { nullable: "0+", default: null }),
    /** From the leader; empty from the others. */
    assignments: array(
      "0+",
      struct({
        memberId: string("0+"),
        assignment: bytes("0+"),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("1+", { default: 0 }),
    errorCode: int16("0+"),
    protocolType: string("5+", { nullable: "0+", default: null }),
    protocolName: string("5+", { nullable: "0+", default: null }),
    assignment: bytes("0+"),
  }),
});

export type SyncGroupRequest = RequestOf<typeof syncGroup>;
export type SyncGroupRequestInput = RequestInput<typeof syncGroup>;
export type SyncGroupResponse = ResponseOf<typeof syncGroup>;
export type SyncGroupResponseInput = ResponseInput<typeof syncGroup>;
