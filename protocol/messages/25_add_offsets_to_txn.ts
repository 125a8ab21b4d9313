/**
 * AddOffsetsToTxn (API 25): a transaction will commit offsets of this group (KIP-98). The coordinator adds the
 * partition of __consumer_offsets that holds the group.
 *
 * Versions 0 to 4.
 * - 1: answers come before the throttling (KIP-219).
 * - 2: PRODUCER_FENCED is possible (KIP-588).
 * - 3: flexible (KIP-482).
 * - 4: TRANSACTION_ABORTABLE is possible (KIP-890).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { int16, int32, int64, string } from "../schema/fields.ts";

export const addOffsetsToTxn = api({
  key: 25,
  name: "AddOffsetsToTxn",
  versions: "0-4",
  flexible: "3+",
  request: () => ({
    transactionalId: string("0+"),
    producerId: int64("0+"),
    producerEpoch: int16("0+"),
    groupId: string("0+"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
  }),
});

export type AddOffsetsToTxnRequest = RequestOf<typeof addOffsetsToTxn>;
export type AddOffsetsToTxnRequestInput = RequestInput<typeof addOffsetsToTxn>;
export type AddOffsetsToTxnResponse = ResponseOf<typeof addOffsetsToTxn>;
export type AddOffsetsToTxnResponseInput = ResponseInput<typeof addOffsetsToTxn>;
