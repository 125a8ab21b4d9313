/**
 * DescribeGroups (API 15): state and members of classic groups.
 *
 * Versions 0 to 6.
 * - 1: throttle time.
 * - 3: authorized operations (KIP-430).
 * - 4: static members (KIP-345).
 * - 5: flexible (KIP-482).
 * - 6: GROUP_ID_NOT_FOUND with a message for unknown groups (KIP-1043).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, bytes, int16, int32, string, struct } from "../schema/fields.ts";

export const describeGroups = api({
  key: 15,
  name: "DescribeGroups",
  versions: "0-6",
  flexible: "5+",
  request: () => ({
    groups: array("0+", "string"),
    includeAuthorizedOperations: bool("3+"),
  }),
  response: () => ({
    throttleTimeMs: int32("1+", { default: 0 }),
    groups: array(
      "0+",
      struct({
        errorCode: int16("0+"),
        errorMessage: string("6+", { nullable: "0+", default: null }),
        groupId: string("0+"),
        groupState: string("0+"),
        protocolType: string("0+"),
        /** The assignor in use, when the group is stable. */
        protocolData: string("0+"),
        members: array(
          "0+",
          struct({
            memberId: string("0+"),
            groupInstanceId: string("4+", { nullable: "0+", default: null }),
            clientId: string("0+"),
            clientHost: string("0+"),
            /** The subscription, when the group is stable. */
            memberMetadata: bytes("0+"),
            /** The assignment, when the group is stable. */
            memberAssignment: bytes("0+"),
          }),
        ),
        /** Bits by AclOperation; the default means that nobody asked. */
        authorizedOperations: int32("3+", { default: -0x80000000 }),
      }),
    ),
  }),
});

export type DescribeGroupsRequest = RequestOf<typeof describeGroups>;
export type DescribeGroupsRequestInput = RequestInput<typeof describeGroups>;
export type DescribeGroupsResponse = ResponseOf<typeof describeGroups>;
export type DescribeGroupsResponseInput = ResponseInput<typeof describeGroups>;
