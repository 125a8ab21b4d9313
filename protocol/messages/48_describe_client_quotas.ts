/**
 * DescribeClientQuotas (API 48): the quotas of users, clients and addresses (KIP-546).
 *
 * Versions 0 to 1.
 * - 1: flexible (KIP-482).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, float64, int16, int32, int8, string, struct } from "../schema/fields.ts";

export const describeClientQuotas = api({
  key: 48,
  name: "DescribeClientQuotas",
  versions: "0-1",
  flexible: "1+",
  request: () => ({
    components: array(
      "0+",
      struct({
        /** user, client-id or ip. */
        entityType: string("0+"),
        /** 0: the entity with this name, 1: the default entity, 2: every entity with a name. */
        matchType: int8("0+"),
        /** The name; null for the other types of match. */
        match: string("0+", { nullable: "0+" }),
      }),
    ),
    /** Leave out entities that have further components. */
    strict: bool("0+"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
    /** Null on errors. */
    entries: array(
      "0+",
      struct({
        entity: array(
          "0+",
          struct({
            entityType: string("0+"),
            /** Null for the default entity. */
            entityName: string("0+", { nullable: "0+" }),
          }),
        ),
        values: array(
          "0+",
          struct({
            /** Such as producer_byte_rate. */
            key: string("0+"),
            value: float64("0+"),
          }),
        ),
      }),
      { nullable: "0+" },
    ),
  }),
});

export type DescribeClientQuotasRequest = RequestOf<typeof describeClientQuotas>;
export type DescribeClientQuotasRequestInput = RequestInput<typeof describeClientQuotas>;
export type DescribeClientQuotasResponse = ResponseOf<typeof describeClientQuotas>;
export type DescribeClientQuotasResponseInput = ResponseInput<typeof describeClientQuotas>;
