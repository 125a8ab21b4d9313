/**
 * Produce (API 0): appends one record batch to each partition named.
 *
 * Partitions are asked before anything is awaited, so that pipelined requests reach their actors in the order in
 * which they arrived on the connection: the sequence check of idempotent producers depends on it.
 * With acks=0 there is no answer; an error then closes the connection, as Kafka does.
 *
 * Since version 12 writing to a partition adds it to the producer's transaction (KIP-890): the coordinator is asked first,
 * once for the whole request, also when the partitions are known, so that pipelined requests keep their order. Whether the
 * partition is in an open transaction is for its actor to verify, for older clients as well.
 */
import { OverloadedError } from "../actors/runtime/errors.ts";
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { produce, type ProduceRequest } from "../protocol/messages/00_produce.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  CloseConnectionError,
  handler,
  OVERLOAD_THROTTLE_MS,
  partitionFailure,
  quotaClient,
  type RequestContext,
} from "./handler.ts";
import { topicSettings } from "../core/config/topic_settings.ts";
import {
  BATCH_OVERHEAD,
  type BatchHeader,
  claimsTransaction,
  readBatchHeader,
  RecordError,
} from "../protocol/records/record_batch.ts";
import { hasPartition, lookUpTopic } from "./topic_lookup.ts";
import { isTransactionalId, transactionError } from "./transactions.ts";

/** First version that names topics by id. */
const TOPIC_ID_VERSION = 13;

/** First version whose clients leave it to the broker to add partitions to a transaction. */
const IMPLICIT_VERSION = 12;
const ERROR_VERSIONS = { fenced: Infinity, abortable: 11 };

/** A produce request waits no longer than this for its commit, whatever the client says. */
const TIMEOUT_MS_MAX = 120_000;

interface PartitionAnswer {
  readonly index: number;
  readonly errorCode: number;
  readonly baseOffset: number;
  readonly logAppendTimeMs: number;
  readonly logStartOffset: number;
  readonly errorMessage: string | null;
  readonly recordErrors?: readonly { readonly batchIndex: number; readonly batchIndexErrorMessage: string }[];
}

export const produceHandler = handler(produce, serveProduce, { overlaps: true });

async function serveProduce(request: ProduceRequest, context: RequestContext) {
  const { transactionalId } = request;
  const added = transactionalId !== null && context.apiVersion >= IMPLICIT_VERSION
    ? await addToTransaction(request, transactionalId, context)
    : "NONE";
  const isNameless = transactionalId === null && hasTransactionalBatch(request);
  const load: Load = { isOver: false };
  const acksValid = request.acks === 0 || request.acks === 1 || request.acks === -1;
  const responses = await Promise.all(request.topicData.map(async (data) => {
    const lookup = lookUpTopic(context.broker.metadata, data, context.apiVersion >= TOPIC_ID_VERSION);
    const partitionResponses = await Promise.all(data.partitionData.map(({ index, records }) => {
      if (isNameless) return refused(index, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED");
      if (!acksValid) return refused(index, "INVALID_REQUIRED_ACKS");
      if (lookup.error !== null) return refused(index, lookup.error);
      if (!hasPartition(lookup.topic, index)) return refused(index, "UNKNOWN_TOPIC_OR_PARTITION");
      if (added !== "NONE") return refused(index, transactional(added, context));
      return append({ topic: lookup.topic, index, records, load }, request, context);
    }));
    return { name: data.name, topicId: data.topicId, partitionResponses };
  }));
  if (load.isOver) context.throttle(OVERLOAD_THROTTLE_MS);
  const { env, quotas } = context.broker;
  context.throttle(
    quotas.record("producer_byte_rate", quotaClient(context), context.byteLength, env.mono()),
  );
  if (request.acks !== 0) return { responses };
  const failed = responses.flatMap((topic) => topic.partitionResponses).find((each) => each.errorCode !== 0);
  if (failed !== undefined) {
    throw new CloseConnectionError(`Cannot append with acks=0: error code ${failed.errorCode}`);
  }
  return null;
}

/** As Kafka, which refuses the whole request for one of them where the producer does not say which transaction it is. */
function hasTransactionalBatch({ topicData }: ProduceRequest): boolean {
  return topicData.some(({ partitionData }) =>
    partitionData.some(({ records }) => records !== null && claimsTransaction(records))
  );
}

/** Noted by the partitions of one request. */
interface Load {
  isOver: boolean;
}

interface Append {
  readonly topic: TopicImage;
  readonly index: number;
  readonly records: Uint8Array | null;
  readonly load: Load;
}

async function append(
  { topic, index, records, load }: Append,
  request: ProduceRequest,
  context: RequestContext,
): Promise<PartitionAnswer> {
  if (records === null) return refused(index, "INVALID_RECORD", "The partition has no record batch");
  const settings = topicSettings(topic, (name) => context.broker.config(name));
  try {
    const result = await context.broker.partition(topic.topicId, index).ask(
      {
        type: "produce",
        batch: records,
        transactionalId: request.transactionalId,
        supportsEpochBump: context.apiVersion >= IMPLICIT_VERSION,
        produceVersion: context.apiVersion,
        ...settings,
      },
      { deadlineMs: Math.min(Math.max(request.timeoutMs, 1), TIMEOUT_MS_MAX) },
    );
    return {
      index,
      errorCode: errorCode(transactional(result.error, context)),
      baseOffset: result.baseOffset,
      logAppendTimeMs: result.logAppendTimeMs,
      logStartOffset: result.logStartOffset,
      errorMessage: result.errorMessage,
      recordErrors: (result.recordFaults ?? []).map(({ index: batchIndex, message }) => ({
        batchIndex,
        batchIndexErrorMessage: message,
      })),
    };
  } catch (error) {
    load.isOver ||= error instanceof OverloadedError;
    return refused(index, partitionFailure(error));
  }
}

/** Adds the partitions with transactional batches to the transaction; their own batches tell who the producer is. */
async function addToTransaction(
  request: ProduceRequest,
  transactionalId: string,
  context: RequestContext,
): Promise<ErrorName> {
  let producer: { readonly producerId: number; readonly producerEpoch: number } | null = null;
  const partitions: { readonly topicId: string; readonly partition: number }[] = [];
  for (const data of request.topicData) {
    const lookup = lookUpTopic(context.broker.metadata, data, context.apiVersion >= TOPIC_ID_VERSION);
    if (lookup.error !== null) continue;
    for (const { index, records } of data.partitionData) {
      const header = records === null ? null : headerOf(records);
      if (header === null || !header.isTransactional || header.isControl) continue;
      if (!hasPartition(lookup.topic, index)) continue;
      producer ??= header;
      partitions.push({ topicId: lookup.topic.topicId, partition: index });
    }
  }
  if (producer === null) return "NONE";
  if (!isTransactionalId(transactionalId)) return "INVALID_REQUEST";
  const { producerId, producerEpoch } = producer;
  try {
    const { error } = await context.broker.transaction(transactionalId)
      .ask({ type: "addToTransaction", producerId, producerEpoch, partitions, groups: [] });
    return error;
  } catch {
    // Retriable for a producer; which of the coordinator's troubles it was, it could not use.
    return "NOT_ENOUGH_REPLICAS";
  }
}

/** Null when it cannot be read, which the partition's actor will say in better words. */
function headerOf(records: Uint8Array): BatchHeader | null {
  if (records.length < BATCH_OVERHEAD) return null;
  try {
    return readBatchHeader(records);
  } catch (error) {
    if (error instanceof RecordError) return null;
    throw error;
  }
}

/** Errors of transactions as the version has them. Produce cannot say PRODUCER_FENCED. */
function transactional(error: ErrorName, { apiVersion }: RequestContext): ErrorName {
  if (error === "CONCURRENT_TRANSACTIONS" && apiVersion < IMPLICIT_VERSION) return "NOT_ENOUGH_REPLICAS";
  return transactionError(error, apiVersion, ERROR_VERSIONS);
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
