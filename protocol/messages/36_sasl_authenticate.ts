/**
 * SaslAuthenticate (API 36): one step of the exchange of tokens (KIP-152).
 *
 * Versions 0 to 2.
 * - 1: how long the session lasts (KIP-368).
 * - 2: flexible (KIP-482).
 *
 * SASL_AUTHENTICATION_FAILED ends the connection; its message may be shown to the user.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { bytes, int16, int64, string } from "../schema/fields.ts";

export const saslAuthenticate = api({
  key: 36,
  name: "SaslAuthenticate",
  versions: "0-2",
  flexible: "2+",
  request: () => ({
    /** What the mechanism prescribes. */
    authBytes: bytes("0+"),
  }),
  response: () => ({
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
    /** What the mechanism prescribes. */
    authBytes: bytes("0+"),
    /** After it the client must have authenticated again; 0 for never. */
    sessionLifetimeMs: int64("1+", { default: 0 }),
  }),
});

export type SaslAuthenticateRequest = RequestOf<typeof saslAuthenticate>;
export type SaslAuthenticateRequestInput = RequestInput<typeof saslAuthenticate>;
export type SaslAuthenticateResponse = ResponseOf<typeof saslAuthenticate>;
export type SaslAuthenticateResponseInput = ResponseInput<typeof saslAuthenticate>;
