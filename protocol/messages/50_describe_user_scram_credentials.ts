/**
 * DescribeUserScramCredentials (API 50): which users have SCRAM passwords, without the passwords (KIP-554).
 *
 * Version 0, flexible.
 *
 * RESOURCE_NOT_FOUND for a user without any; DUPLICATE_RESOURCE for one that is named twice.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int8, string, struct } from "../schema/fields.ts";

export const describeUserScramCredentials = api({
  key: 50,
  name: "DescribeUserScramCredentials",
  versions: "0",
  flexible: "0+",
  request: () => ({
    /** Null or empty asks for all. */
    users: array(
      "0+",
      struct({
        name: string("0+"),
      }),
      { nullable: "0+" },
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
    results: array(
      "0+",
      struct({
        user: string("0+"),
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+" }),
        credentialInfos: array(
          "0+",
          struct({
            /** 1: SCRAM-SHA-256, 2: SCRAM-SHA-512. */
            mechanism: int8("0+"),
            iterations: int32("0+"),
          }),
        ),
      }),
    ),
  }),
});

export type DescribeUserScramCredentialsRequest = RequestOf<typeof describeUserScramCredentials>;
export type DescribeUserScramCredentialsRequestInput = RequestInput<typeof describeUserScramCredentials>;
export type DescribeUserScramCredentialsResponse = ResponseOf<typeof describeUserScramCredentials>;
export type DescribeUserScramCredentialsResponseInput = ResponseInput<typeof describeUserScramCredentials>;
