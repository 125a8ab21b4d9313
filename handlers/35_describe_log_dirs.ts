/** DescribeLogDirs (API 35): bytes of each partition in the data directory (KIP-113). The volume's size is not told. */
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { errorCode } from "../protocol/errors.ts";
import { describeLogDirs, type DescribeLogDirsRequest } from "../protocol/messages/35_describe_log_dirs.ts";
import { handler, readFailure, type RequestContext } from "./handler.ts";
import { hasPartition } from "./topic_lookup.ts";

/** Partitions asked at a time: an idle one must be opened to know its size. */
const CONCURRENT_MAX = 64;

interface Place {
  readonly topic: TopicImage;
  readonly partition: number;
}

export const describeLogDirsHandler = handler(describeLogDirs, serveDescribeLogDirs);

async function serveDescribeLogDirs(request: DescribeLogDirsRequest, context: RequestContext) {
  const logDir = context.broker.config("log.dirs");
  const places = placesOf(request, context);
  const sizes: number[] = [];
  try {
    for (let from = 0; from < places.length; from += CONCURRENT_MAX) {
      const group = places.slice(from, from + CONCURRENT_MAX);
      sizes.push(...await Promise.all(group.map((place) => sizeOf(place, context))));
    }
  } catch (error) {
    return { errorCode: 0, results: [{ errorCode: errorCode(readFailure(error)), logDir, topics: [] }] };
  }
  const byTopic = Map.groupBy(places.map((place, index) => ({ ...place, index })), ({ topic }) => topic.name);
  const topics = [...byTopic].map(([name, partitions]) => ({
    name,
    partitions: partitions.map(({ partition, index }) => ({
      partitionIndex: partition,
      partitionSize: sizes[index] ?? 0,
      offsetLag: 0,
      isFutureKey: false,
    })),
  }));
  return { errorCode: 0, results: [{ errorCode: 0, logDir, topics }] };
}

/** Each partition asked for once; those that do not exist are left out, as in Kafka. */
function placesOf(request: DescribeLogDirsRequest, context: RequestContext): Place[] {
  const { topicsByName } = context.broker.metadata;
  if (request.topics === null) {
    return [...topicsByName.values()].flatMap((topic) =>
      topic.partitions.map((_, partition) => ({ topic, partition }))
    );
  }
  const places = new Map<string, Place>();
  for (const asked of request.topics) {
    const topic = topicsByName.get(asked.topic);
    if (topic === undefined) continue;
    for (const partition of asked.partitions) {
      if (hasPartition(topic, partition)) places.set(`${topic.topicId} ${partition}`, { topic, partition });
    }
  }
  return [...places.values()];
}

async function sizeOf({ topic, partition }: Place, context: RequestContext): Promise<number> {
  const { sizeBytes } = await context.broker.partition(topic.topicId, partition).ask({ type: "describe" });
  return sizeBytes;
}
