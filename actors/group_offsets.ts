/** The offsets of a consumer group, for a member that lives on the server. Not an actor. */
import type { ConsumerGroupMessage, GroupError } from "./messages/consumer_group.ts";
import type { ActorRef } from "./runtime/types.ts";

export interface GroupPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

/** Who commits; generation -1 and "" is nobody's member, which a group without members takes. */
export interface CommittingMember {
  readonly generationId: number;
  readonly memberId: string;
}

export const NO_MEMBER: CommittingMember = { generationId: -1, memberId: "" };

/** The group does not tell its offsets: it is of another kind, or its coordinator is not ready. */
export class OffsetsRefusedError extends Error {
  override readonly name = "OffsetsRefusedError";
}

/** One for each partition that was asked for, in order; -1: nothing is committed. Throws `OffsetsRefusedError`. */
export async function fetchOffsets<P extends GroupPartition>(
  group: ActorRef<ConsumerGroupMessage>,
  partitions: readonly P[],
): Promise<number[]> {
  if (partitions.length === 0) return [];
  const { error, offsets } = await group.ask({
    type: "offsetFetch",
    partitions: partitions.map(({ topic, topicId, partition }) => ({ topic, topicId, partition })),
    memberId: null,
    memberEpoch: -1,
    requireStable: false,
  });
  if (error !== "NONE") {
    throw new OffsetsRefusedError(`Cannot read the offsets of group "${group.address.key}": ${error}`);
  }
  const found = new Map(offsets.map(({ topicId, partition, offset }) => [`${topicId}/${partition}`, offset]));
  return partitions.map(({ topicId, partition }) => found.get(`${topicId}/${partition}`) ?? -1);
}

/** Null when they are durable; else the first error. */
export async function commitOffsets(
  group: ActorRef<ConsumerGroupMessage>,
  { generationId, memberId }: CommittingMember,
  offsets: readonly (GroupPartition & { readonly offset: number })[],
): Promise<GroupError | null> {
  const result = await group.ask({
    type: "offsetCommit",
    generationId,
    memberId,
    groupInstanceId: null,
    offsets: offsets.map(({ topic, topicId, partition, offset }) => ({
      topic,
      topicId,
      partition,
      offset,
      leaderEpoch: -1,
      metadata: "",
    })),
  });
  return [result.error, ...result.offsetErrors].find((error) => error !== "NONE") ?? null;
}
