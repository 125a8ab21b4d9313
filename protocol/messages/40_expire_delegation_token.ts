/**
 * ExpireDelegationToken (API 40): lets a token end sooner (KIP-48).
 *
 * Versions 1 to 2.
 * - 1: answers come before the throttling (KIP-219).
 * - 2: flexible (KIP-482).
 *
 * DELEGATION_TOKEN_OWNER_MISMATCH when neither the owner nor a renewer asks.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { bytes, int16, int32, int64 } from "../schema/fields.ts";

export const expireDelegationToken = api({
  key: 40,
  name: "ExpireDelegationToken",
  versions: "1-2",
  flexible: "2+",
  request: () => ({
    hmac: bytes("0+"),
    /** From now on; below 0 ends the token at once. */
    expiryTimePeriodMs: int64("0+"),
  }),
  response: () => ({
    errorCode: int16("0+"),
    expiryTimestampMs: int64("0+"),
    throttleTimeMs: int32("0+", { default: 0 }),
  }),
});

export type ExpireDelegationTokenRequest = RequestOf<typeof expireDelegationToken>;
export type ExpireDelegationTokenRequestInput = RequestInput<typeof expireDelegationToken>;
export type ExpireDelegationTokenResponse = ResponseOf<typeof expireDelegationToken>;
export type ExpireDelegationTokenResponseInput = ResponseInput<typeof expireDelegationToken>;
