/**
 * AlterUserScramCredentials (API 51): sets and removes SCRAM passwords (KIP-554). The client does the salting, so
 * the password itself never travels.
 *
 * Version 0, flexible.
 *
 * One result for each user, for which either everything happens or nothing. RESOURCE_NOT_FOUND: there is nothing
 * to remove; DUPLICATE_RESOURCE: one password is changed twice; UNACCEPTABLE_CREDENTIAL: too few or too many
 * iterations, or no name.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bytes, int16, int32, int8, string, struct } from "../schema/fields.ts";

export const alterUserScramCredentials = api({
  key: 51,
  name: "AlterUserScramCredentials",
  versions: "0",
  flexible: "0+",
  request: () => ({
    deletions: array(
      "0+",
      struct({
        name: string("0+"),
        /** 1: SCRAM-SHA-256, 2: SCRAM-SHA-512. */
        mechanism: int8("0+"),
      }),
    ),
    upsertions: array(
      "0+",
      struct({
        name: string("0+"),
        /** 1: SCRAM-SHA-256, 2: SCRAM-SHA-512. */
        mechanism: int8("0+"),
        iterations: int32("0+"),
        salt: bytes("0+"),
        /** Hi(password, salt, iterations) of RFC 5802. */
        saltedPassword: bytes("0+"),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    results: array(
      "0+",
      struct({
        user: string("0+"),
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+" }),
      }),
    ),
  }),
});

export type AlterUserScramCredentialsRequest = RequestOf<typeof alterUserScramCredentials>;
export type AlterUserScramCredentialsRequestInput = RequestInput<typeof alterUserScramCredentials>;
export type AlterUserScramCredentialsResponse = ResponseOf<typeof alterUserScramCredentials>;
export type AlterUserScramCredentialsResponseInput = ResponseInput<typeof alterUserScramCredentials>;
