/**
 * RenewDelegationToken (API 39): lets a token last longer, up to its maximum (KIP-48).
 *
 * Versions 1 to 2.
 * - 1: answers come before the throttling (KIP-219).
 * - 2: flexible (KIP-482).
 *
 * DELEGATION_TOKEN_OWNER_MISMATCH when neither the owner nor a renewer asks; DELEGATION_TOKEN_EXPIRED when it is
 * too late.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { bytes, int16, int32, int64 } from "../schema/fields.ts";

export const renewDelegationToken = api({
  key: 39,
  name: "RenewDelegationToken",
  versions: "1-2",
  flexible: "2+",
  request: () => ({
    hmac: bytes("0+"),
    /** From now on; −1 for the broker's setting. */
    renewPeriodMs: int64("0+"),
  }),
  response: () => ({
    errorCode: int16("0+"),
    expiryTimestampMs: int64("0+"),
    throttleTimeMs: int32("0+", { default: 0 }),
  }),
});

export type RenewDelegationTokenRequest = RequestOf<typeof renewDelegationToken>;
export type RenewDelegationTokenRequestInput = RequestInput<typeof renewDelegationToken>;
export type RenewDelegationTokenResponse = ResponseOf<typeof renewDelegationToken>;
export type RenewDelegationTokenResponseInput = ResponseInput<typeof renewDelegationToken>;
