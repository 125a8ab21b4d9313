/**
 * ListGroups (API 16): the groups that this broker coordinates.
 *
 * Versions 0 to 5.
 * - 1: throttle time.
 * - 3: flexible (KIP-482).
 * - 4: states, and a filter by them (KIP-518).
 * - 5: types, and a filter by them (KIP-848).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, string, struct } from "../schema/fields.ts";

export const listGroups = api({
  key: 16,
  name: "ListGroups",
  versions: "0-5",
  flexible: "3+",
  request: () => ({
    /** Empty for all. */
    statesFilter: array("4+", "string"),
    /** Empty for all. */
    typesFilter: array("5+", "string"),
  }),
  response: () => ({
    throttleTimeMs: int32("1+", { default: 0 }),
    errorCode: int16("0+"),
    groups: array(
      "0+",
      struct({
        groupId: string("0+"),
        protocolType: string("0+"),
        groupState: string("4+"),
        groupType: string("5+"),
      }),
    ),
  }),
});

export type ListGroupsRequest = RequestOf<typeof listGroups>;
export type ListGroupsRequestInput = RequestInput<typeof listGroups>;
export type ListGroupsResponse = ResponseOf<typeof listGroups>;
export type ListGroupsResponseInput = ResponseInput<typeof listGroups>;
