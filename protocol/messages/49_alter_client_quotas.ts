/**
 * AlterClientQuotas (API 49): sets and removes quotas of users, clients and addresses (KIP-546).
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
import { array, bool, float64, int16, int32, string, struct } from "../schema/fields.ts";

export const alterClientQuotas = api({
  key: 49,
  name: "AlterClientQuotas",
  versions: "0-1",
  flexible: "1+",
  request: () => ({
    entries: array(
      "0+",
      struct({
        entity: array(
          "0+",
          struct({
            /** user, client-id or ip. */
            entityType: string("0+"),
            /** Null for the default entity. */
            entityName: string("0+", { nullable: "0+" }),
          }),
        ),
        ops: array(
          "0+",
          struct({
            key: string("0+"),
            /** Ignored when `remove` is set. */
            value: float64("0+"),
            remove: bool("0+"),
          }),
        ),
      }),
    ),
    /** Only check; change nothing. */
    validateOnly: bool("0+"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    entries: array(
      "0+",
      struct({
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+" }),
        entity: array(
          "0+",
          struct({
            entityType: string("0+"),
            entityName: string("0+", { nullable: "0+" }),
          }),
        ),
      }),
    ),
  }),
});

export type AlterClientQuotasRequest = RequestOf<typeof alterClientQuotas>;
export type AlterClientQuotasRequestInput = RequestInput<typeof alterClientQuotas>;
export type AlterClientQuotasResponse = ResponseOf<typeof alterClientQuotas>;
export type AlterClientQuotasResponseInput = ResponseInput<typeof alterClientQuotas>;
