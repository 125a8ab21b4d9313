/**
 * DescribeDelegationToken (API 41): the tokens that the user may see (KIP-48).
 *
 * Versions 1 to 3.
 * - 1: answers come before the throttling (KIP-219).
 * - 2: flexible (KIP-482).
 * - 3: who asked for each token (KIP-373).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bytes, int16, int32, int64, string, struct } from "../schema/fields.ts";

export const describeDelegationToken = api({
  key: 41,
  name: "DescribeDelegationToken",
  versions: "1-3",
  flexible: "2+",
  request: () => ({
    /** Null asks for all. */
    owners: array(
      "0+",
      struct({
        principalType: string("0+"),
        principalName: string("0+"),
      }),
      { nullable: "0+" },
    ),
  }),
  response: () => ({
    errorCode: int16("0+"),
    tokens: array(
      "0+",
      struct({
        principalType: string("0+"),
        principalName: string("0+"),
        tokenRequesterPrincipalType: string("3+"),
        tokenRequesterPrincipalName: string("3+"),
        issueTimestamp: int64("0+"),
        expiryTimestamp: int64("0+"),
        maxTimestamp: int64("0+"),
        tokenId: string("0+"),
        hmac: bytes("0+"),
        renewers: array(
          "0+",
          struct({
            principalType: string("0+"),
            principalName: string("0+"),
          }),
        ),
      }),
    ),
    throttleTimeMs: int32("0+", { default: 0 }),
  }),
});

export type DescribeDelegationTokenRequest = RequestOf<typeof describeDelegationToken>;
export type DescribeDelegationTokenRequestInput = RequestInput<typeof describeDelegationToken>;
export type DescribeDelegationTokenResponse = ResponseOf<typeof describeDelegationToken>;
export type DescribeDelegationTokenResponseInput = ResponseInput<typeof describeDelegationToken>;
