/**
 * TxnOffsetCommit (API 28): offsets that take effect when the transaction commits. Since version 5 the group becomes part
 * of the transaction by itself (KIP-890); older clients said so with AddOffsetsToTxn before.
 */
import type { OffsetToCommit } from "../actors/messages/consumer_group.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { txnOffsetCommit, type TxnOffsetCommitRequest } from "../protocol/messages/28_txn_offset_commit.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";
import { hasPartition } from "./topic_lookup.ts";
import { isTransactionalId, transactionError } from "./transactions.ts";

const IMPLICIT_VERSION = 5;
/** Clients take INVALID_PRODUCER_EPOCH for what it is here, in every version. */
const ERROR_VERSIONS = { fenced: Infinity, abortable: 4 };

export const txnOffsetCommitHandler = handler(txnOffsetCommit, serveTxnOffsetCommit);

async function serveTxnOffsetCommit(request: TxnOffsetCommitRequest, context: RequestContext) {
  const offsets: OffsetToCommit[] = [];
  /** The position in `offsets` of each partition of the request; -1 for those that do not exist. */
  const places = request.topics.map(({ name, partitions }) => {
    const topic = context.broker.metadata.topicsByName.get(name);
    return partitions.map((partition) => {
      if (topic === undefined || !hasPartition(topic, partition.partitionIndex)) return -1;
      return offsets.push({
        topic: name,
        topicId: topic.topicId,
        partition: partition.partitionIndex,
        offset: partition.committedOffset,
        leaderEpoch: partition.committedLeaderEpoch,
        metadata: partition.committedMetadata ?? "",
      }) - 1;
    });
  });
  const errorOf = await commit(request, offsets, context);
  return {
    topics: request.topics.map(({ name, partitions }, topicIndex) => ({
      name,
      partitions: partitions.map(({ partitionIndex }, index) => {
        const place = places[topicIndex]?.[index] ?? -1;
        const error = place < 0 ? "UNKNOWN_TOPIC_OR_PARTITION" : errorOf(place);
        return { partitionIndex, errorCode: errorCode(error) };
      }),
    })),
  };
}

/** Returns the error of each offset by its position. */
async function commit(
  request: TxnOffsetCommitRequest,
  offsets: readonly OffsetToCommit[],
  context: RequestContext,
): Promise<(place: number) => ErrorName> {
  const { transactionalId, groupId, producerId, producerEpoch } = request;
  if (!isTransactionalId(transactionalId)) return () => "INVALID_REQUEST";
  if (groupId === "") return () => "INVALID_GROUP_ID";
  if (offsets.length === 0) return () => "NONE";
  const named = (error: ErrorName) => transactionError(error, context.apiVersion, ERROR_VERSIONS);
  try {
    if (context.apiVersion >= IMPLICIT_VERSION) {
      const { error } = await context.broker.transaction(transactionalId).ask({
        type: "addToTransaction",
        producerId,
        producerEpoch,
        partitions: [],
        groups: [groupId],
      });
      if (error !== "NONE") return () => named(error);
    }
    const result = await context.broker.group(groupId).ask({
      type: "txnOffsetCommit",
      transactionalId,
      producerId,
      producerEpoch,
      generationId: request.generationId,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      offsets,
    });
    if (result.error !== "NONE") return () => named(result.error);
    return (place) => result.offsetErrors[place] ?? "NONE";
  } catch (error) {
    const failure = coordinatorFailure(error);
    return () => failure;
  }
}
