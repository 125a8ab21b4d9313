/**
 * ListTransactions (API 66): the transactions that this broker coordinates (KIP-664).
 *
 * Versions 0 to 2, all flexible.
 * - 1: a filter by duration (KIP-994).
 * - 2: a filter by pattern; INVALID_REGULAR_EXPRESSION is possible (KIP-1152).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, string, struct } from "../schema/fields.ts";

export const listTransactions = api({
  key: 66,
  name: "ListTransactions",
  versions: "0-2",
  flexible: "0+",
  request: () => ({
    /** Empty for all. */
    stateFilters: array("0+", "string"),
    /** Empty for all. */
    producerIdFilters: array("0+", "int64"),
    /** Milliseconds that a transaction must have been open; below 0 for all. */
    durationFilter: int64("1+", { default: -1 }),
    /** Regular expression (RE2) that must match the whole id; null or empty for all. */
    transactionalIdPattern: string("2+", { nullable: "0+", default: null }),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    /** States in the filter that the broker does not know. */
    unknownStateFilters: array("0+", "string"),
    transactionStates: array(
      "0+",
      struct({
        transactionalId: string("0+"),
        producerId: int64("0+"),
        /** As in DescribeTransactions. */
        transactionState: string("0+"),
      }),
    ),
  }),
});

export type ListTransactionsRequest = RequestOf<typeof listTransactions>;
export type ListTransactionsRequestInput = RequestInput<typeof listTransactions>;
export type ListTransactionsResponse = ResponseOf<typeof listTransactions>;
export type ListTransactionsResponseInput = ResponseInput<typeof listTransactions>;
