/**
 * DescribeTransactions (API 65): the state of transactions, from their coordinator (KIP-664).
 *
 * Version 0, flexible.
 *
 * TRANSACTIONAL_ID_NOT_FOUND for an id that the coordinator does not know.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, string, struct } from "../schema/fields.ts";

export const describeTransactions = api({
  key: 65,
  name: "DescribeTransactions",
  versions: "0",
  flexible: "0+",
  request: () => ({
    /** Empty asks for none. */
    transactionalIds: array("0+", "string"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    transactionStates: array(
      "0+",
      struct({
        errorCode: int16("0+"),
        transactionalId: string("0+"),
        /**
         * Empty, Ongoing, PrepareCommit, PrepareAbort, CompleteCommit, CompleteAbort, PrepareEpochFence or
         * Dead.
         */
        transactionState: string("0+"),
        transactionTimeoutMs: int32("0+"),
        /** −1 when no transaction is open. */
        transactionStartTimeMs: int64("0+"),
        producerId: int64("0+"),
        producerEpoch: int16("0+"),
        /** Partitions in the transaction; while it ends, those whose marker is not written yet. */
        topics: array(
          "0+",
          struct({
            topic: string("0+"),
            partitions: array("0+", "int32"),
          }),
        ),
      }),
    ),
  }),
});

export type DescribeTransactionsRequest = RequestOf<typeof describeTransactions>;
export type DescribeTransactionsRequestInput = RequestInput<typeof describeTransactions>;
export type DescribeTransactionsResponse = ResponseOf<typeof describeTransactions>;
export type DescribeTransactionsResponseInput = ResponseInput<typeof describeTransactions>;
