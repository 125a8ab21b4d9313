/** How far live consumers are behind the ends of the partitions they read. */
import type { Broker } from "../actors/broker.ts";
import type { ConsumerLiveness } from "../actors/messages/supervisor.ts";

export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  /** What the group has committed; null for nothing, and in share groups, which commit record by record. */
  readonly committedOffset: number | null;
  readonly endOffset: number | null;
  readonly lag: number | null;
}

export interface ConsumerLag extends ConsumerLiveness {
  readonly partitions: readonly PartitionLag[];
  /** Of all partitions whose lag is known; null for none. */
  readonly lag: number | null;
}

/** So many partitions are looked at for one answer; of the others the offsets are unknown. */
const PARTITIONS_MAX = 2_000;

/** The consumers with their lag, in the same order. Throws what the actors throw. */
export async function withLag(
  broker: Broker,
  consumers: readonly ConsumerLiveness[],
): Promise<ConsumerLag[]> {
  const groupIds = new Set(
    consumers.filter(({ assignment }) => assignment.length > 0).map(({ groupId }) => groupId),
  );
  const committed = new Map<string, number>();
  await Promise.all([...groupIds].map(async (groupId) => {
    const { offsets } = await broker.group(groupId).ask({
      type: "offsetFetch",
      partitions: null,
      memberId: null,
      memberEpoch: -1,
      requireStable: false,
    });
    for (const { topic, partition, offset } of offsets) {
      if (offset >= 0) committed.set(`${groupId}/${topic}/${partition}`, offset);
    }
  }));
  const ends = new Map<string, Promise<number>>();
  const endOf = (topic: string, partition: number): Promise<number> | null => {
    const key = `${topic}/${partition}`;
    const known = ends.get(key);
    const image = broker.metadata.topicsByName.get(topic);
    const isThere = image !== undefined && partition < image.partitions.length;
    if (known !== undefined || !isThere || ends.size >= PARTITIONS_MAX) return known ?? null;
    const asked = broker.partition(image.topicId, partition).ask({ type: "describe" })
      .then(({ highWatermark }) => highWatermark);
    ends.set(key, asked);
    return asked;
  };
  return await Promise.all(consumers.map(async (consumer) => {
    const assigned = consumer.assignment.flatMap(({ topic, partitions }) =>
      partitions.map((partition) => ({ topic, partition }))
    );
    const partitions = await Promise.all(assigned.map(async ({ topic, partition }) => {
      const committedOffset = committed.get(`${consumer.groupId}/${topic}/${partition}`) ?? null;
      const endOffset = await endOf(topic, partition);
      const isKnown = committedOffset !== null && endOffset !== null;
      const lag = isKnown ? Math.max(0, endOffset - committedOffset) : null;
      return { topic, partition, committedOffset, endOffset, lag };
    }));
    const lags = partitions.map(({ lag }) => lag).filter((lag) => lag !== null);
    return {
      ...consumer,
      partitions,
      lag: lags.length === 0 ? null : lags.reduce((sum, lag) => sum + lag, 0),
    };
  }));
}
