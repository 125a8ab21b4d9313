/**
 * DescribeAcls (API 29): the access rules that match a filter (KIP-140).
 *
 * Versions 1 to 3.
 * - 1: rules for prefixes of names (KIP-290).
 * - 2: flexible (KIP-482).
 * - 3: users as resources (KIP-373).
 *
 * SECURITY_DISABLED where the broker has no authorizer.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int8, string, struct } from "../schema/fields.ts";

export const describeAcls = api({
  key: 29,
  name: "DescribeAcls",
  versions: "1-3",
  flexible: "2+",
  request: () => ({
    /** 1: any, 2: topic, 3: group, 4: cluster, 5: transactional id, 6: delegation token, 7: user. */
    resourceTypeFilter: int8("0+"),
    /** Null for any. */
    resourceNameFilter: string("0+", { nullable: "0+" }),
    /** 1: any, 2: all that match the name, 3: literal, 4: prefixed. */
    patternTypeFilter: int8("0+", { default: 3 }),
    /** Such as User:alice; null for any. */
    principalFilter: string("0+", { nullable: "0+" }),
    /** Null for any. */
    hostFilter: string("0+", { nullable: "0+" }),
    /**
     * Numbers of AclOperation: 1: any, 2: all, 3: read, 4: write, 5: create, 6: delete, 7: alter, 8:
     * describe, 9: cluster action, 10: describe configs, 11: alter configs, 12: idempotent write, 13:
     * create tokens, 14: describe tokens, 15: two-phase commit.
     */
    operation: int8("0+"),
    /** 1: any, 2: deny, 3: allow. */
    permissionType: int8("0+"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
    resources: array(
      "0+",
      struct({
        resourceType: int8("0+"),
        resourceName: string("0+"),
        patternType: int8("0+", { default: 3 }),
        acls: array(
          "0+",
          struct({
            principal: string("0+"),
            /** An asterisk for all hosts. */
            host: string("0+"),
            operation: int8("0+"),
            permissionType: int8("0+"),
          }),
        ),
      }),
    ),
  }),
});

export type DescribeAclsRequest = RequestOf<typeof describeAcls>;
export type DescribeAclsRequestInput = RequestInput<typeof describeAcls>;
export type DescribeAclsResponse = ResponseOf<typeof describeAcls>;
export type DescribeAclsResponseInput = ResponseInput<typeof describeAcls>;
