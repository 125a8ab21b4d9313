/** DescribeTransactions (API 65): the state of transactions by their ids (KIP-664). */
import { groupShardIndex } from "../core/group/group_config.ts";
import type { TransactionRecord } from "../core/transaction/transaction_state.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  describeTransactions,
  type DescribeTransactionsRequest,
} from "../protocol/messages/65_describe_transactions.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";
import { isTransactionalId } from "./transactions.ts";

/** What clients and tools know the groups' shards by. */
const OFFSETS_TOPIC = "__consumer_offsets";
const OFFSETS_PARTITION_COUNT = 50;

export const describeTransactionsHandler = handler(describeTransactions, serveDescribeTransactions);

async function serveDescribeTransactions(request: DescribeTransactionsRequest, context: RequestContext) {
  // Each once: a small request that repeats one must not become a huge answer.
  const transactionStates = await Promise.all(
    [...new Set(request.transactionalIds)].map((transactionalId) => describe(transactionalId, context)),
  );
  return { transactionStates };
}

async function describe(transactionalId: string, context: RequestContext) {
  if (!isTransactionalId(transactionalId)) return failed(transactionalId, "INVALID_REQUEST");
  try {
    const record = await context.broker.transaction(transactionalId).ask({ type: "describe" });
    if (record === null) return failed(transactionalId, "TRANSACTIONAL_ID_NOT_FOUND");
    return {
      errorCode: 0,
      transactionalId,
      transactionState: record.state,
      transactionTimeoutMs: record.timeoutMs,
      transactionStartTimeMs: record.startedMs,
      producerId: record.producerId,
      producerEpoch: record.producerEpoch,
      topics: topicsOf(record, context),
    };
  } catch (error) {
    return failed(transactionalId, coordinatorFailure(error));
  }
}

function topicsOf({ partitions, groups }: TransactionRecord, context: RequestContext) {
  const byTopic = new Map<string, Set<number>>();
  const add = (topic: string, partition: number) => {
    const known = byTopic.get(topic);
    if (known === undefined) byTopic.set(topic, new Set([partition]));
    else known.add(partition);
  };
  for (const { topicId, partition } of partitions) {
    // Of a topic that was deleted meanwhile nothing is left to show.
    const topic = context.broker.metadata.topicsById.get(topicId);
    if (topic !== undefined) add(topic.name, partition);
  }
  for (const group of groups) add(OFFSETS_TOPIC, groupShardIndex(group, OFFSETS_PARTITION_COUNT));
  return [...byTopic].map(([topic, indexes]) => ({ topic, partitions: [...indexes] }));
}

function failed(transactionalId: string, error: ErrorName) {
  return {
    errorCode: errorCode(error),
    transactionalId,
    transactionState: "",
    transactionTimeoutMs: -1,
    transactionStartTimeMs: -1,
    producerId: -1,
    producerEpoch: -1,
    topics: [],
  };
}
