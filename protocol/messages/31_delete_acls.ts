/**
 * DeleteAcls (API 31): removes the access rules that match filters, and tells which those were (KIP-140).
 *
 * Versions 1 to 3.
 * - 1: rules for prefixes of names (KIP-290).
 * - 2: flexible (KIP-482).
 * - 3: users as resources (KIP-373).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int8, string, struct } from "../schema/fields.ts";

export const deleteAcls = api({
  key: 31,
  name: "DeleteAcls",
  versions: "1-3",
  flexible: "2+",
  request: () => ({
    /** As in DescribeAcls. */
    filters: array(
      "0+",
      struct({
        resourceTypeFilter: int8("0+"),
        resourceNameFilter: string("0+", { nullable: "0+" }),
        patternTypeFilter: int8("0+", { default: 3 }),
        principalFilter: string("0+", { nullable: "0+" }),
        hostFilter: string("0+", { nullable: "0+" }),
        operation: int8("0+"),
        permissionType: int8("0+"),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    /** In the order of the request. */
    filterResults: array(
      "0+",
      struct({
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+" }),
        matchingAcls: array(
          "0+",
          struct({
            errorCode: int16("0+"),
            errorMessage: string("0+", { nullable: "0+" }),
            resourceType: int8("0+"),
            resourceName: string("0+"),
            patternType: int8("0+", { default: 3 }),
            principal: string("0+"),
            host: string("0+"),
            operation: int8("0+"),
            permissionType: int8("0+"),
          }),
        ),
      }),
    ),
  }),
});

export type DeleteAclsRequest = RequestOf<typeof deleteAcls>;
export type DeleteAclsRequestInput = RequestInput<typeof deleteAcls>;
export type DeleteAclsResponse = ResponseOf<typeof deleteAcls>;
export type DeleteAclsResponseInput = ResponseInput<typeof deleteAcls>;
