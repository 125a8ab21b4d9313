/**
 * OffsetDelete (API 47): forgets the offsets of partitions that no member of the group reads (KIP-496). Topics that do
 * not exist are answered here.
 */
import type { ErrorName } from "../protocol/errors.ts";
import { errorCode } from "../protocol/errors.ts";
import { offsetDelete, type OffsetDeleteRequest } from "../protocol/messages/47_offset_delete.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

export const offsetDeleteHandler = handler(offsetDelete, serveOffsetDelete);

async function serveOffsetDelete(request: OffsetDeleteRequest, context: RequestContext) {
  const partitions: { topic: string; topicId: string; partition: number }[] = [];
  /** The position in `partitions`, or null where the topic is unknown. */
  const places = request.topics.map(({ name, partitions: asked }) => {
    const topic = context.broker.metadata.topicsByName.get(name);
    return asked.map(({ partitionIndex }) =>
      topic === undefined
        ? null
        : partitions.push({ topic: name, topicId: topic.topicId, partition: partitionIndex }) - 1
    );
  });
  const { error, partitionErrors } = await deleteOffsets(request.groupId, partitions, context);
  if (error !== "NONE") return { errorCode: errorCode(error), topics: [] };
  return {
    errorCode: 0,
    topics: request.topics.map(({ name, partitions: asked }, topicIndex) => ({
      name,
      partitions: asked.map(({ partitionIndex }, index) => {
        const place = places[topicIndex]?.[index] ?? null;
        const fault = place === null ? "UNKNOWN_TOPIC_OR_PARTITION" : partitionErrors[place] ?? "NONE";
        return { partitionIndex, errorCode: errorCode(fault) };
      }),
    })),
  };
}

async function deleteOffsets(
  groupId: string,
  partitions: readonly { topic: string; topicId: string; partition: number }[],
  context: RequestContext,
): Promise<{ readonly error: ErrorName; readonly partitionErrors: readonly ErrorName[] }> {
  try {
    return await context.broker.group(groupId).ask({ type: "offsetDelete", partitions });
  } catch (error) {
    return { error: coordinatorFailure(error), partitionErrors: [] };
  }
}
