/**
 * SaslHandshake (API 17): the client chooses a mechanism (KIP-43).
 *
 * Versions 0 to 1, neither flexible.
 * - 1: the tokens that follow come inside SaslAuthenticate requests, no longer bare (KIP-152).
 *
 * UNSUPPORTED_SASL_MECHANISM comes with the list of those that the broker offers.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, string } from "../schema/fields.ts";

export const saslHandshake = api({
  key: 17,
  name: "SaslHandshake",
  versions: "0-1",
  flexible: "none",
  request: () => ({
    mechanism: string("0+"),
  }),
  response: () => ({
    errorCode: int16("0+"),
    mechanisms: array("0+", "string"),
  }),
});

export type SaslHandshakeRequest = RequestOf<typeof saslHandshake>;
export type SaslHandshakeRequestInput = RequestInput<typeof saslHandshake>;
export type SaslHandshakeResponse = ResponseOf<typeof saslHandshake>;
export type SaslHandshakeResponseInput = ResponseInput<typeof saslHandshake>;
