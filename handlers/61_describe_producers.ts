/**
 * DescribeProducers (API 61): the producers that a partition remembers, with their open transactions (KIP-664). One partition after the
 * other: those for which an answer has no room any more get NOT_LEADER_OR_FOLLOWER, after which Kafka's admin client asks for
 * them again.
 */
import { limits } from "../core/config/limits.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  describeProducers,
  type DescribeProducersRequest,
} from "../protocol/messages/61_describe_producers.ts";
import { handler, partitionFailure, type RequestContext } from "./handler.ts";
import { hasPartition } from "./topic_lookup.ts";

export const describeProducersHandler = handler(describeProducers, serveDescribeProducers);

async function serveDescribeProducers(request: DescribeProducersRequest, context: RequestContext) {
  // Each partition once: a small request that repeats one must not become a huge answer.
  const asked = Map.groupBy(request.topics, ({ name }) => name);
  const topics: { name: string; partitions: Awaited<ReturnType<typeof describe>>[] }[] = [];
  let producerCount = 0;
  for (const [name, group] of asked) {
    const partitions: Awaited<ReturnType<typeof describe>>[] = [];
    for (const partition of new Set(group.flatMap(({ partitionIndexes }) => partitionIndexes))) {
      const described = producerCount < limits.describedProducersMax
        ? await describe(name, partition, context)
        : failed(partition, "NOT_LEADER_OR_FOLLOWER");
      producerCount += described.activeProducers.length;
      partitions.push(described);
    }
    topics.push({ name, partitions });
  }
  return { topics };
}

async function describe(name: string, partitionIndex: number, context: RequestContext) {
  const topic = context.broker.metadata.topicsByName.get(name);
  if (topic === undefined || !hasPartition(topic, partitionIndex)) {
    return failed(partitionIndex, "UNKNOWN_TOPIC_OR_PARTITION");
  }
  try {
    const { error, producers } = await context.broker.partition(topic.topicId, partitionIndex)
      .ask({ type: "describeProducers" });
    if (error !== "NONE") return failed(partitionIndex, error);
    return {
      partitionIndex,
      errorCode: 0,
      errorMessage: null,
      activeProducers: producers.map((producer) => ({
        producerId: producer.producerId,
        producerEpoch: producer.producerEpoch,
        lastSequence: producer.batches.at(-1)?.lastSequence ?? -1,
        lastTimestamp: producer.lastAppendMs,
        coordinatorEpoch: producer.coordinatorEpoch ?? -1,
        currentTxnStartOffset: producer.transactionStartOffset,
      })),
    };
  } catch (error) {
    return failed(partitionIndex, partitionFailure(error));
  }
}

function failed(partitionIndex: number, error: ErrorName) {
  return { partitionIndex, errorCode: errorCode(error), errorMessage: null, activeProducers: [] };
}
