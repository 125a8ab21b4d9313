/**
 * UnregisterBroker (API 64): forgets a broker that is gone for good (KIP-631).
 *
 * Version 0, flexible.
 *
 * BROKER_ID_NOT_REGISTERED for one that the cluster does not know.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { int16, int32, string } from "../schema/fields.ts";

export const unregisterBroker = api({
  key: 64,
  name: "UnregisterBroker",
  versions: "0",
  flexible: "0+",
  request: () => ({
    brokerId: int32("0+"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
  }),
});

export type UnregisterBrokerRequest = RequestOf<typeof unregisterBroker>;
export type UnregisterBrokerRequestInput = RequestInput<typeof unregisterBroker>;
export type UnregisterBrokerResponse = ResponseOf<typeof unregisterBroker>;
export type UnregisterBrokerResponseInput = ResponseInput<typeof unregisterBroker>;
