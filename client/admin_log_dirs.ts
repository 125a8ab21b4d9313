/** What each broker keeps in which directory, and how large it is (DescribeLogDirs, KIP-113, KIP-827). */
import { describeLogDirs } from "../protocol/messages/35_describe_log_dirs.ts";
import type { CallOptions, Cluster } from "./cluster.ts";
import { BrokerError, throwIfError } from "./errors.ts";
import type { TopicPartition } from "./topic_partition.ts";

export interface LogDirDescription {
  readonly path: string;
  /** Null when the directory is in order. */
  readonly error: BrokerError | null;
  readonly replicas: readonly LogDirReplica[];
}

export interface LogDirReplica extends TopicPartition {
  readonly sizeBytes: number;
  /** Records behind the high watermark. */
  readonly offsetLag: number;
  readonly isFuture: boolean;
}

/** The directories of each of these brokers, by broker id. */
export async function describeLogDirsOf(
  cluster: Cluster,
  brokerIds: readonly number[],
  options: CallOptions = {},
): Promise<Map<number, LogDirDescription[]>> {
  const byBroker = new Map<number, LogDirDescription[]>();
  for (const nodeId of brokerIds) {
    const response = await cluster.retry(async () => {
      if (!cluster.brokers.some((broker) => broker.nodeId === nodeId)) await cluster.refresh([]);
      return await (await cluster.connection(nodeId)).request(describeLogDirs, { topics: null });
    }, options);
    throwIfError(response.errorCode);
    byBroker.set(
      nodeId,
      response.results.map(({ logDir, errorCode, topics }) => ({
        path: logDir,
        error: errorCode === 0 ? null : new BrokerError(errorCode),
        replicas: topics.flatMap(({ name, partitions }) =>
          partitions.map(({ partitionIndex, partitionSize, offsetLag, isFutureKey }) => ({
            topic: name,
            partition: partitionIndex,
            sizeBytes: partitionSize,
            offsetLag,
            isFuture: isFutureKey,
          }))
        ),
      })),
    );
  }
  return byBroker;
}
