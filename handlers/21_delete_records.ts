/** DeleteRecords (API 21): raises the log start of partitions; what lies below it is deleted in the background (KIP-107). */
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { deleteRecords, type DeleteRecordsRequest } from "../protocol/messages/21_delete_records.ts";
import { handler, partitionFailure, type RequestContext } from "./handler.ts";
import { hasPartition } from "./topic_lookup.ts";

type Partition = DeleteRecordsRequest["topics"][number]["partitions"][number];

/** The answer waits no longer than this for the commit, whatever the client says. */
const TIMEOUT_MS_MAX = 120_000;

export const deleteRecordsHandler = handler(deleteRecords, serveDeleteRecords);

async function serveDeleteRecords(request: DeleteRecordsRequest, context: RequestContext) {
  const topics = await Promise.all(request.topics.map(async ({ name, partitions }) => ({
    name,
    partitions: await Promise.all(partitions.map((each) => deleteBelow(name, each, request, context))),
  })));
  return { topics };
}

async function deleteBelow(
  name: string,
  { partitionIndex, offset }: Partition,
  request: DeleteRecordsRequest,
  context: RequestContext,
) {
  const topic = context.broker.metadata.topicsByName.get(name);
  if (topic === undefined || !hasPartition(topic, partitionIndex)) {
    return answered(partitionIndex, "UNKNOWN_TOPIC_OR_PARTITION", -1);
  }
  try {
    const { error, lowWatermark } = await context.broker.partition(topic.topicId, partitionIndex).ask(
      { type: "deleteRecords", offset },
      { deadlineMs: Math.min(Math.max(request.timeoutMs, 1), TIMEOUT_MS_MAX) },
    );
    return answered(partitionIndex, error, lowWatermark);
  } catch (error) {
    return answered(partitionIndex, partitionFailure(error), -1);
  }
}

function answered(partitionIndex: number, error: ErrorName, lowWatermark: number) {
  return { partitionIndex, lowWatermark, errorCode: errorCode(error) };
}
