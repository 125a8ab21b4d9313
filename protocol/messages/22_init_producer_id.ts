/**
 * InitProducerId (API 22): gives an idempotent or transactional producer its id and epoch (KIP-98).
 *
 * Versions 0 to 5; version 6 (KIP-939, two-phase commit) is not yet stable in Kafka.
 * - 1: answers come before the throttling (KIP-219).
 * - 2: flexible (KIP-482).
 * - 3: a producer may bump its own epoch (KIP-360).
 * - 4: PRODUCER_FENCED is possible (KIP-588).
 * - 5: TRANSACTION_ABORTABLE is possible (KIP-890).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { int16, int32, int64, string } from "../schema/fields.ts";

export const initProducerId = api({
  key: 22,
  name: "InitProducerId",
  versions: "0-5",
  flexible: "2+",
  request: () => ({
    /** Null for a producer that is only idempotent. */
    transactionalId: string("0+", { nullable: "0+" }),
    /** After it the coordinator aborts the open transaction. */
    transactionTimeoutMs: int32("0+"),
    /** The id to continue, with its epoch; −1 for a new one. */
    producerId: int64("3+", { default: -1 }),
    producerEpoch: int16("3+", { default: -1 }),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    producerId: int64("0+", { default: -1 }),
    producerEpoch: int16("0+"),
  }),
});

export type InitProducerIdRequest = RequestOf<typeof initProducerId>;
export type InitProducerIdRequestInput = RequestInput<typeof initProducerId>;
export type InitProducerIdResponse = ResponseOf<typeof initProducerId>;
export type InitProducerIdResponseInput = ResponseInput<typeof initProducerId>;
