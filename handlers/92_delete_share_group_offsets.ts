/** DeleteShareGroupOffsets (API 92): forgets how far a share group without members has got in some topics (KIP-932). */
import { ZERO_UUID } from "../lib/bytes.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  deleteShareGroupOffsets,
  type DeleteShareGroupOffsetsRequest,
} from "../protocol/messages/92_delete_share_group_offsets.ts";
import { emptyGroupError } from "./91_alter_share_group_offsets.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

export const deleteShareGroupOffsetsHandler = handler(deleteShareGroupOffsets, serveDeleteShareGroupOffsets);

async function serveDeleteShareGroupOffsets(
  request: DeleteShareGroupOffsetsRequest,
  context: RequestContext,
) {
  const error = await emptyGroupError(request.groupId, context);
  if (error !== "NONE") return { errorCode: errorCode(error), errorMessage: null, responses: [] };
  const responses = [];
  for (const { topicName } of request.topics) {
    const topic = context.broker.metadata.topicsByName.get(topicName);
    const outcome = topic === undefined
      ? { error: "UNKNOWN_TOPIC_OR_PARTITION" as const, message: null }
      : await forget(request.groupId, topic.topicId, context);
    responses.push({
      topicName,
      topicId: topic?.topicId ?? ZERO_UUID,
      errorCode: errorCode(outcome.error),
      errorMessage: outcome.message,
    });
  }
  return { errorCode: 0, errorMessage: null, responses };
}

async function forget(
  groupId: string,
  topicId: string,
  { broker }: RequestContext,
): Promise<{ readonly error: ErrorName; readonly message: string | null }> {
  try {
    const known = await broker.shareGroup(groupId).ask({ type: "listPartitions" });
    const ids = known?.filter((id) => id.topicId === topicId) ?? [];
    if (ids.length === 0) {
      return { error: "UNKNOWN_TOPIC_OR_PARTITION", message: "There is no offset information to delete." };
    }
    for (const { partition } of ids) {
      await broker.sharePartition(groupId, topicId, partition).ask({ type: "remove" });
    }
    return { error: "NONE", message: null };
  } catch (error) {
    return { error: coordinatorFailure(error), message: null };
  }
}
