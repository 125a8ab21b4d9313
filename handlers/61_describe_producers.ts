/** DescribeProducers (API 61): the producers that a partition remembers, with their open transactions (KIP-664). */
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
  const topics = await Promise.all(Array.from(asked, async ([name, group]) => {
    const indexes = new Set(group.flatMap(({ partitionIndexes }) => partitionIndexes));
    const partitions = await Promise.all([...indexes].map((partition) => describe(name, partition, context)));
    return { name, partitions };
  }));
  return { topics };
}

async function describe(name: string, partitionIndex: number, context: RequestContext) {
  const failed = (error: ErrorName) => ({
    partitionIndex,
    errorCode: errorCode(error),
    errorMessage: null,
    activeProducers: [],
  });
  const topic = context.broker.metadata.topicsByName.get(name);
  if (topic === undefined || !hasPartition(topic, partitionIndex)) {
    return failed("UNKNOWN_TOPIC_OR_PARTITION");
  }
  try {
    const { error, producers } = await context.broker.partition(topic.topicId, partitionIndex)
      .ask({ type: "describeProducers" });
    if (error !== "NONE") return failed(error);
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
    return failed(partitionFailure(error));
  }
}
