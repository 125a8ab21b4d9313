/**
 * CreateDelegationToken (API 38): a secret with which others may act for its owner, for a while (KIP-48).
 *
 * Versions 1 to 3.
 * - 1: answers come before the throttling (KIP-219).
 * - 2: flexible (KIP-482).
 * - 3: a token for another user (KIP-373).
 *
 * DELEGATION_TOKEN_AUTH_DISABLED where the broker has no master key; DELEGATION_TOKEN_REQUEST_NOT_ALLOWED over
 * connections that are not authenticated, or by a token themselves.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bytes, int16, int32, int64, string, struct } from "../schema/fields.ts";

export const createDelegationToken = api({
  key: 38,
  name: "CreateDelegationToken",
  versions: "1-3",
  flexible: "2+",
  request: () => ({
    /** Null, as the name: who asks is the owner. */
    ownerPrincipalType: string("3+", { nullable: "0+" }),
    ownerPrincipalName: string("3+", { nullable: "0+" }),
    /** Who else may renew the token. */
    renewers: array(
      "0+",
      struct({
        principalType: string("0+"),
        principalName: string("0+"),
      }),
    ),
    /** −1 for the broker's setting. */
    maxLifetimeMs: int64("0+"),
  }),
  response: () => ({
    errorCode: int16("0+"),
    principalType: string("0+"),
    principalName: string("0+"),
    tokenRequesterPrincipalType: string("3+"),
    tokenRequesterPrincipalName: string("3+"),
    issueTimestampMs: int64("0+"),
    /** When it ends unless it is renewed. */
    expiryTimestampMs: int64("0+"),
    /** When it ends for good. */
    maxTimestampMs: int64("0+"),
    tokenId: string("0+"),
    /** The secret itself. */
    hmac: bytes("0+"),
    throttleTimeMs: int32("0+", { default: 0 }),
  }),
});

export type CreateDelegationTokenRequest = RequestOf<typeof createDelegationToken>;
export type CreateDelegationTokenRequestInput = RequestInput<typeof createDelegationToken>;
export type CreateDelegationTokenResponse = ResponseOf<typeof createDelegationToken>;
export type CreateDelegationTokenResponseInput = ResponseInput<typeof createDelegationToken>;
