/**
 * EndTxn (API 26): commits or aborts a transaction (KIP-98).
 *
 * Versions 0 to 5.
 * - 1: answers come before the throttling (KIP-219).
 * - 2: PRODUCER_FENCED is possible (KIP-588).
 * - 3: flexible (KIP-482).
 * - 4: TRANSACTION_ABORTABLE is possible (KIP-890).
 * - 5: every end raises the producer's epoch; the response tells which id and epoch come next (KIP-890).
 *
 * CONCURRENT_TRANSACTIONS: an end is still under way, ask again. INVALID_TXN_STATE: what is asked contradicts what
 * was decided before.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { bool, int16, int32, int64, string } from "../schema/fields.ts";

export const endTxn = api({
  key: 26,
  name: "EndTxn",
  versions: "0-5",
  flexible: "3+",
  request: () => ({
    transactionalId: string("0+"),
    producerId: int64("0+"),
    producerEpoch: int16("0+"),
    /** True commits, false aborts. */
    committed: bool("0+"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    /** For the next transaction: another id when the epochs of the old one are used up. */
    producerId: int64("5+", { default: -1 }),
    producerEpoch: int16("5+", { default: -1 }),
  }),
});

export type EndTxnRequest = RequestOf<typeof endTxn>;
export type EndTxnRequestInput = RequestInput<typeof endTxn>;
export type EndTxnResponse = ResponseOf<typeof endTxn>;
export type EndTxnResponseInput = ResponseInput<typeof endTxn>;
