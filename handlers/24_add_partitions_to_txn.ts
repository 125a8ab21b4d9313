/**
 * AddPartitionsToTxn (API 24): clients before KIP-890 name the partitions of a transaction before they write to them.
 * Versions 4 and later carry several transactions, from broker to broker; `verifyOnly` asks without adding.
 */
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  addPartitionsToTxn,
  type AddPartitionsToTxnRequest,
} from "../protocol/messages/24_add_partitions_to_txn.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";
import { hasPartition } from "./topic_lookup.ts";
import { isTransactionalId, transactionErrorCode } from "./transactions.ts";

const BATCHED_VERSION = 4;
const ERROR_VERSIONS = { fenced: 2, abortable: 5 };

type Transaction = AddPartitionsToTxnRequest["transactions"][number];

export const addPartitionsToTxnHandler = handler(addPartitionsToTxn, serveAddPartitionsToTxn);

async function serveAddPartitionsToTxn(request: AddPartitionsToTxnRequest, context: RequestContext) {
  if (context.apiVersion >= BATCHED_VERSION) {
    const resultsByTransaction = await Promise.all(request.transactions.map(async (transaction) => ({
      transactionalId: transaction.transactionalId,
      topicResults: await add(transaction, context),
    })));
    return { errorCode: 0, resultsByTransaction };
  }
  const resultsByTopicV3AndBelow = await add({
    transactionalId: request.v3AndBelowTransactionalId,
    producerId: request.v3AndBelowProducerId,
    producerEpoch: request.v3AndBelowProducerEpoch,
    verifyOnly: false,
    topics: request.v3AndBelowTopics,
  }, context);
  return { resultsByTopicV3AndBelow };
}

async function add(transaction: Transaction, context: RequestContext) {
  const { metadata } = context.broker;
  const missing = (name: string, partition: number) => {
    const topic = metadata.topicsByName.get(name);
    return topic === undefined || !hasPartition(topic, partition);
  };
  // All or nothing, as in Kafka: what could have been added is OPERATION_NOT_ATTEMPTED.
  const isAllThere = !transaction.topics.some(({ name, partitions }) =>
    partitions.some((partition) => missing(name, partition))
  );
  const error = isAllThere ? await ask(transaction, context) : errorCode("OPERATION_NOT_ATTEMPTED");
  return transaction.topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex) => ({
      partitionIndex,
      partitionErrorCode: missing(name, partitionIndex) ? errorCode("UNKNOWN_TOPIC_OR_PARTITION") : error,
    })),
  }));
}

async function ask(transaction: Transaction, context: RequestContext): Promise<number> {
  const { transactionalId, producerId, producerEpoch, verifyOnly, topics } = transaction;
  if (!isTransactionalId(transactionalId)) return errorCode("INVALID_REQUEST");
  const partitions = topics.flatMap(({ name, partitions: indexes }) => {
    const topicId = context.broker.metadata.topicsByName.get(name)?.topicId ?? "";
    return indexes.map((partition) => ({ topicId, partition }));
  });
  const named = { producerId, producerEpoch, partitions, groups: [] };
  try {
    const ref = context.broker.transaction(transactionalId);
    const { error } = verifyOnly
      ? await ref.ask({ type: "verifyTransaction", ...named })
      : await ref.ask({ type: "addToTransaction", ...named });
    return transactionErrorCode(error, context.apiVersion, ERROR_VERSIONS);
  } catch (error) {
    const failure: ErrorName = coordinatorFailure(error);
    return errorCode(failure);
  }
}
