/**
 * CreateAcls (API 30): adds access rules (KIP-140).
 *
 * Versions 1 to 3.
 * - 1: rules for prefixes of names (KIP-290).
 * - 2: flexible (KIP-482).
 * - 3: users as resources (KIP-373).
 *
 * Each rule has its own result, in the order of the request.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int8, string, struct } from "../schema/fields.ts";

export const createAcls = api({
  key: 30,
  name: "CreateAcls",
  versions: "1-3",
  flexible: "2+",
  request: () => ({
    creations: array(
      "0+",
      struct({
        /** As in DescribeAcls; any is no type to create for. */
        resourceType: int8("0+"),
        resourceName: string("0+"),
        /** 3: literal, 4: prefixed. */
        resourcePatternType: int8("0+", { default: 3 }),
        principal: string("0+"),
        /** An asterisk for all hosts. */
        host: string("0+"),
        /** As in DescribeAcls. */
        operation: int8("0+"),
        /** 2: deny, 3: allow. */
        permissionType: int8("0+"),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    results: array(
      "0+",
      struct({
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+" }),
      }),
    ),
  }),
});

export type CreateAclsRequest = RequestOf<typeof createAcls>;
export type CreateAclsRequestInput = RequestInput<typeof createAcls>;
export type CreateAclsResponse = ResponseOf<typeof createAcls>;
export type CreateAclsResponseInput = ResponseInput<typeof createAcls>;
