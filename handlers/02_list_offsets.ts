/**
 * ListOffsets (API 2): offsets by timestamp, or by Kafka's special timestamps (-1 latest, -2 earliest, -3 largest
 * timestamp since version 7, -4 earliest local since 8, -5 latest tiered since 9, -6 earliest pending upload since 11). A
 * partition that is named twice is INVALID_REQUEST, as in Kafka.
 */
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { listOffsets, type ListOffsetsRequest } from "../protocol/messages/02_list_offsets.ts";
import { handler, partitionFailure, type RequestContext } from "./handler.ts";
import { repeated } from "./repeated.ts";
import { hasPartition } from "./topic_lookup.ts";

type Partition = ListOffsetsRequest["topics"][number]["partitions"][number];

/** The first version that knows each special timestamp. */
const SPECIAL_TIMESTAMP_VERSIONS: ReadonlyMap<number, number> = new Map([
  [-1, 1],
  [-2, 1],
  [-3, 7],
  [-4, 8],
  [-5, 9],
  [-6, 11],
]);

export const listOffsetsHandler = handler(listOffsets, serveListOffsets);

async function serveListOffsets(request: ListOffsetsRequest, context: RequestContext) {
  const keyOf = (name: string, partition: Partition) => `${partition.partitionIndex} ${name}`;
  const isNamedTwice = repeated(
    request.topics.flatMap(({ name, partitions }) => partitions.map((each) => keyOf(name, each))),
  );
  const refusedKeys = new Set<string>();
  const topics = await Promise.all(request.topics.map(async ({ name, partitions }) => ({
    name,
    partitions: await Promise.all(partitions.flatMap((each) => {
      const key = keyOf(name, each);
      if (!isNamedTwice(key)) return [listOne(name, each, request, context)];
      // Told once.
      if (refusedKeys.has(key)) return [];
      refusedKeys.add(key);
      return [Promise.resolve(refused(each, "INVALID_REQUEST"))];
    })),
  })));
  return { topics };
}

async function listOne(
  name: string,
  partition: Partition,
  request: ListOffsetsRequest,
  context: RequestContext,
) {
  const topic = context.broker.metadata.topicsByName.get(name);
  if (topic === undefined || !hasPartition(topic, partition.partitionIndex)) {
    return refused(partition, "UNKNOWN_TOPIC_OR_PARTITION");
  }
  if (partition.timestamp < 0) {
    const since = SPECIAL_TIMESTAMP_VERSIONS.get(partition.timestamp);
    if (since === undefined || context.apiVersion < since) return refused(partition, "UNSUPPORTED_VERSION");
  }
  try {
    const result = await context.broker.partition(topic.topicId, partition.partitionIndex).ask({
      type: "listOffset",
      timestamp: partition.timestamp,
      isolationLevel: request.isolationLevel === 1 ? "read_committed" : "read_uncommitted",
      currentLeaderEpoch: partition.currentLeaderEpoch,
    });
    return {
      partitionIndex: partition.partitionIndex,
      errorCode: errorCode(result.error),
      timestamp: result.timestamp,
      offset: result.offset,
      leaderEpoch: result.leaderEpoch,
    };
  } catch (error) {
    return refused(partition, partitionFailure(error));
  }
}

function refused(partition: Partition, error: ErrorName) {
  return {
    partitionIndex: partition.partitionIndex,
    errorCode: errorCode(error),
    timestamp: -1,
    offset: -1,
    leaderEpoch: -1,
  };
}
