/**
 * Produce (API 0): appends one record batch to each partition named.
 *
 * Partitions are asked before anything is awaited, so that pipelined requests reach their actors in the order in
 * which they arrived on the connection: the sequence check of idempotent producers depends on it.
 * With acks=0 there is no answer; an error then closes the connection, as Kafka does.
 */
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { produce, type ProduceRequest } from "../protocol/messages/00_produce.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { CloseConnectionError, handler, partitionFailure, type RequestContext } from "./handler.ts";
import { topicSettings } from "../core/config/topic_settings.ts";
import { hasPartition, lookUpTopic } from "./topic_lookup.ts";

/** First version that names topics by id. */
const TOPIC_ID_VERSION = 13;

/** A produce request waits no longer than this for its commit, whatever the client says. */
const TIMEOUT_MS_MAX = 120_000;

interface PartitionAnswer {
  readonly index: number;
  readonly errorCode: number;
  readonly baseOffset: number;
  readonly logAppendTimeMs: number;
  readonly logStartOffset: number;
  readonly errorMessage: string | null;
}

export const produceHandler = handler(produce, serveProduce, { overlaps: true });

async function serveProduce(request: ProduceRequest, context: RequestContext) {
  const acksValid = request.acks === 0 || request.acks === 1 || request.acks === -1;
  const responses = await Promise.all(request.topicData.map(async (data) => {
    const lookup = lookUpTopic(context.broker.metadata, data, context.apiVersion >= TOPIC_ID_VERSION);
    const partitionResponses = await Promise.all(data.partitionData.map(({ index, records }) => {
      if (!acksValid) return refused(index, "INVALID_REQUIRED_ACKS");
      if (lookup.error !== null) return refused(index, lookup.error);
      if (!hasPartition(lookup.topic, index)) return refused(index, "UNKNOWN_TOPIC_OR_PARTITION");
      return append(lookup.topic, index, records, request, context);
    }));
    return { name: data.name, topicId: data.topicId, partitionResponses };
  }));
  if (request.acks !== 0) return { responses };
  const failed = responses.flatMap((topic) => topic.partitionResponses).find((each) => each.errorCode !== 0);
  if (failed !== undefined) {
    throw new CloseConnectionError(`Cannot append with acks=0: error code ${failed.errorCode}`);
  }
  return null;
}

async function append(
  topic: TopicImage,
  index: number,
  records: Uint8Array | null,
  request: ProduceRequest,
  context: RequestContext,
): Promise<PartitionAnswer> {
  if (records === null) return refused(index, "INVALID_RECORD", "The partition has no record batch");
  if (request.transactionalId !== null) {
    return refused(index, "INVALID_TXN_STATE", "Transactions are not supported yet");
  }
  const settings = topicSettings(topic, (name) => context.broker.config(name));
  try {
    const result = await context.broker.partition(topic.topicId, index).ask(
      { type: "produce", batch: records, ...settings },
      { deadlineMs: Math.min(Math.max(request.timeoutMs, 1), TIMEOUT_MS_MAX) },
    );
    return {
      index,
      errorCode: errorCode(result.error),
      baseOffset: result.baseOffset,
      logAppendTimeMs: result.logAppendTimeMs,
      logStartOffset: result.logStartOffset,
      errorMessage: result.errorMessage,
    };
  } catch (error) {
    return refused(index, partitionFailure(error));
  }
}

function refused(index: number, error: ErrorName, errorMessage: string | null = null): PartitionAnswer {
  return {
    index,
    errorCode: errorCode(error),
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    errorMessage,
  };
}
