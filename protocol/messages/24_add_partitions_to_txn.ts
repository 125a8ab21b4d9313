/**
 * AddPartitionsToTxn (API 24): a transaction will write to these partitions (KIP-98).
 *
 * Versions 0 to 5. Producers use up to 3, brokers 4 and above.
 * - 1: answers come before the throttling (KIP-219).
 * - 2: PRODUCER_FENCED is possible (KIP-588).
 * - 3: flexible (KIP-482).
 * - 4: several transactions at once, and mere questions whether a partition takes part (KIP-890).
 * - 5: TRANSACTION_ABORTABLE is possible (KIP-890).
 *
 * When one partition is refused, none is added: the others get OPERATION_NOT_ATTEMPTED.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, int64, string, struct } from "../schema/fields.ts";

const txnTopic = struct({
  name: string("0+"),
  partitions: array("0+", "int32"),
});

const topicResult = struct({
  name: string("0+"),
  resultsByPartition: array(
    "0+",
    struct({
      partitionIndex: int32("0+"),
      partitionErrorCode: int16("0+"),
    }),
  ),
});

export const addPartitionsToTxn = api({
  key: 24,
  name: "AddPartitionsToTxn",
  versions: "0-5",
  flexible: "3+",
  request: () => ({
    transactions: array(
      "4+",
      struct({
        transactionalId: string("0+"),
        producerId: int64("0+"),
        producerEpoch: int16("0+"),
        /** Add nothing; only tell which partitions are in the transaction. */
        verifyOnly: bool("0+", { default: false }),
        topics: array("0+", txnTopic),
      }),
    ),
    v3AndBelowTransactionalId: string("0-3"),
    v3AndBelowProducerId: int64("0-3"),
    v3AndBelowProducerEpoch: int16("0-3"),
    v3AndBelowTopics: array("0-3", txnTopic),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    /** Of the whole request. */
    errorCode: int16("4+"),
    resultsByTransaction: array(
      "4+",
      struct({
        transactionalId: string("0+"),
        topicResults: array("0+", topicResult),
      }),
    ),
    resultsByTopicV3AndBelow: array("0-3", topicResult),
  }),
});

export type AddPartitionsToTxnRequest = RequestOf<typeof addPartitionsToTxn>;
export type AddPartitionsToTxnRequestInput = RequestInput<typeof addPartitionsToTxn>;
export type AddPartitionsToTxnResponse = ResponseOf<typeof addPartitionsToTxn>;
export type AddPartitionsToTxnResponseInput = ResponseInput<typeof addPartitionsToTxn>;
