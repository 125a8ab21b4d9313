/**
 * OffsetCommit (API 8): stores a group's offsets. Version 10 names topics by id (KIP-848). Topics and partitions that
 * do not exist are answered here; the rest goes to the group's actor in one message, which is one commit.
 */
import type { OffsetToCommit } from "../actors/messages/consumer_group.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { offsetCommit, type OffsetCommitRequest } from "../protocol/messages/08_offset_commit.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";
import { hasPartition, lookUpTopic } from "./topic_lookup.ts";

const TOPIC_ID_VERSION = 10;
const GROUP_ID_NOT_FOUND_VERSION = 9;

export const offsetCommitHandler = handler(offsetCommit, serveOffsetCommit);

async function serveOffsetCommit(request: OffsetCommitRequest, context: RequestContext) {
  const offsets: OffsetToCommit[] = [];
  /** The position in `offsets` of each partition of the request, or why it is not there. */
  const places = request.topics.map((asked) => {
    const lookup = lookUpTopic(context.broker.metadata, asked, context.apiVersion >= TOPIC_ID_VERSION);
    return asked.partitions.map((partition): number | ErrorName => {
      if (lookup.error !== null) return lookup.error;
      if (!hasPartition(lookup.topic, partition.partitionIndex)) return "UNKNOWN_TOPIC_OR_PARTITION";
      return offsets.push({
        topic: lookup.topic.name,
        topicId: lookup.topic.topicId,
        partition: partition.partitionIndex,
        offset: partition.committedOffset,
        leaderEpoch: partition.committedLeaderEpoch,
        metadata: partition.committedMetadata ?? "",
      }) - 1;
    });
  });
  const errors = await commit(request, offsets, context);
  return {
    topics: request.topics.map((asked, topicIndex) => ({
      name: asked.name,
      topicId: asked.topicId,
      partitions: asked.partitions.map(({ partitionIndex }, index) => {
        const place = places[topicIndex]?.[index] ?? "UNKNOWN_SERVER_ERROR";
        const error = typeof place === "number" ? errors(place) : place;
        return { partitionIndex, errorCode: errorCode(error) };
      }),
    })),
  };
}

/** Returns the error of each offset by its position. */
async function commit(
  request: OffsetCommitRequest,
  offsets: readonly OffsetToCommit[],
  context: RequestContext,
): Promise<(place: number) => ErrorName> {
  if (offsets.length === 0) return () => "NONE";
  try {
    const result = await context.broker.group(request.groupId).ask({
      type: "offsetCommit",
      generationId: request.generationIdOrMemberEpoch,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      offsets,
    });
    // Older clients do not know the newer name of "no such generation".
    const error = result.error === "GROUP_ID_NOT_FOUND" && context.apiVersion < GROUP_ID_NOT_FOUND_VERSION
      ? "ILLEGAL_GENERATION"
      : result.error;
    return (place) => error === "NONE" ? result.offsetErrors[place] ?? "NONE" : error;
  } catch (error) {
    const failure = coordinatorFailure(error);
    return () => failure;
  }
}
