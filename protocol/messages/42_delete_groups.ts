/**
 * DeleteGroups (API 42): removes empty groups with their offsets (KIP-229).
 *
 * Versions 0 to 2.
 * - 1: answers come before the throttling (KIP-219).
 * - 2: flexible (KIP-482).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, string, struct } from "../schema/fields.ts";

export const deleteGroups = api({
  key: 42,
  name: "DeleteGroups",
  versions: "0-2",
  flexible: "2+",
  request: () => ({
    groupsNames: array("0+", "string"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    results: array(
      "0+",
      struct({
        groupId: string("0+"),
        errorCode: int16("0+"),
      }),
    ),
  }),
});

export type DeleteGroupsRequest = RequestOf<typeof deleteGroups>;
export type DeleteGroupsRequestInput = RequestInput<typeof deleteGroups>;
export type DeleteGroupsResponse = ResponseOf<typeof deleteGroups>;
export type DeleteGroupsResponseInput = ResponseInput<typeof deleteGroups>;
