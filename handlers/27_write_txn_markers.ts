/**
 * WriteTxnMarkers (API 27): ends transactions in partitions. Between brokers, and the administrator's way to abort a
 * transaction that hangs (KIP-664). A marker for a transaction that is not open is no error: it was written before.
 */
import { errorCode } from "../protocol/errors.ts";
import { writeTxnMarkers, type WriteTxnMarkersRequest } from "../protocol/messages/27_write_txn_markers.ts";
import { handler, partitionFailure, type RequestContext } from "./handler.ts";
import { hasPartition } from "./topic_lookup.ts";

type Marker = WriteTxnMarkersRequest["markers"][number];

export const writeTxnMarkersHandler = handler(writeTxnMarkers, serveWriteTxnMarkers);

async function serveWriteTxnMarkers(request: WriteTxnMarkersRequest, context: RequestContext) {
  const markers = await Promise.all(request.markers.map(async (marker) => ({
    producerId: marker.producerId,
    topics: await Promise.all(marker.topics.map(async ({ name, partitionIndexes }) => ({
      name,
      partitions: await Promise.all(partitionIndexes.map(async (partitionIndex) => ({
        partitionIndex,
        errorCode: await write(marker, name, partitionIndex, context),
      }))),
    }))),
  })));
  return { markers };
}

async function write(marker: Marker, name: string, partition: number, context: RequestContext) {
  const topic = context.broker.metadata.topicsByName.get(name);
  if (topic === undefined || !hasPartition(topic, partition)) return errorCode("UNKNOWN_TOPIC_OR_PARTITION");
  const { producerId, producerEpoch, coordinatorEpoch, transactionResult, transactionVersion } = marker;
  try {
    const { error } = await context.broker.partition(topic.topicId, partition).ask({
      type: "writeMarker",
      producerId,
      producerEpoch,
      coordinatorEpoch,
      committed: transactionResult,
      transactionVersion,
    });
    return errorCode(error);
  } catch (error) {
    return errorCode(partitionFailure(error));
  }
}
