/**
 * Fetch (API 1): stored batches as they are, waiting up to `maxWaitMs` for `minBytes`.
 *
 * Waiting is an event, not a loop with a clock: each partition's actor is asked to say when there is more, and the first
 * answer starts another reading. Kafka's rule that the first batch is returned even if it is larger than the
 * limits holds for the first partition with data (KIP-74). Fetch sessions (KIP-227) are declined: every answer has session
 * id 0, and clients then send full requests.
 */
import { limits } from "../core/config/limits.ts";
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import type { FetchResult, IsolationLevel } from "../actors/messages/partition.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { fetchApi, type FetchRequest } from "../protocol/messages/01_fetch.ts";
import { handler, partitionFailure, type RequestContext } from "./handler.ts";
import { hasPartition, lookUpTopic } from "./topic_lookup.ts";

const TOPIC_ID_VERSION = 13;

type Topic = FetchRequest["topics"][number];
type Partition = Topic["partitions"][number];

/** One partition of the request: where to read, or why not. */
interface Target {
  readonly partition: Partition;
  readonly topic: TopicImage | null;
  readonly error: ErrorName;
}

interface TopicTargets {
  readonly topic: Topic;
  readonly targets: readonly Target[];
}

export const fetchHandler = handler(fetchApi, serveFetch, { overlaps: true });

async function serveFetch(request: FetchRequest, context: RequestContext) {
  if (request.replicaId >= 0 || request.replicaState.replicaId >= 0) {
    return { errorCode: errorCode("CLUSTER_AUTHORIZATION_FAILED"), responses: [] };
  }
  if (request.sessionId !== 0) {
    return { errorCode: errorCode("FETCH_SESSION_ID_NOT_FOUND"), responses: [] };
  }
  const { env } = context.broker;
  const deadlineMs = env.mono() + Math.min(Math.max(request.maxWaitMs, 0), limits.longPollMsMax);
  const topics = request.topics.map((topic) => resolve(topic, context));
  const bytesMax = Math.min(Math.max(request.maxBytes, 0), Number(context.broker.config("fetch.max.bytes")));
  const minBytes = Math.min(request.minBytes, bytesMax, partitionBytesMax(request));
  for (;;) {
    const reading = await readAll(topics, bytesMax, request, context);
    const remainingMs = deadlineMs - env.mono();
    const answers = reading.hasError || reading.bytes >= minBytes || remainingMs <= 0;
    if (answers || context.signal.aborted) return { responses: reading.responses };
    await awaitMore(reading.seen, minBytes - reading.bytes, request, context, remainingMs);
  }
}

/** What the limits of the partitions let through together: more than that is never worth waiting for. */
function partitionBytesMax(request: FetchRequest): number {
  let bytes = 0;
  for (const { partitions } of request.topics) {
    for (const partition of partitions) bytes += Math.max(partition.partitionMaxBytes, 0);
  }
  return bytes;
}

function resolve(topic: Topic, context: RequestContext): TopicTargets {
  const byId = context.apiVersion >= TOPIC_ID_VERSION;
  const lookup = lookUpTopic(context.broker.metadata, { name: topic.topic, topicId: topic.topicId }, byId);
  const targets = topic.partitions.map((partition): Target => {
    if (lookup.error !== null) return { partition, topic: null, error: lookup.error };
    return hasPartition(lookup.topic, partition.partition)
      ? { partition, topic: lookup.topic, error: "NONE" }
      : { partition, topic: null, error: "UNKNOWN_TOPIC_OR_PARTITION" };
  });
  return { topic, targets };
}

/** How far one partition could be read: there is something new when its log has grown beyond. */
interface Seen {
  readonly topicId: string;
  readonly partition: number;
  readonly endOffset: number;
}

async function readAll(
  topics: readonly TopicTargets[],
  bytesMax: number,
  request: FetchRequest,
  context: RequestContext,
) {
  let bytes = 0;
  let hasError = false;
  const seen: Seen[] = [];
  const responses = [];
  for (const { topic, targets } of topics) {
    const partitions = [];
    for (const target of targets) {
      const maxBytes = Math.min(bytesMax - bytes, Math.max(target.partition.partitionMaxBytes, 0));
      const result = target.topic === null
        ? failed(target.error)
        : await readOne(target.topic, target.partition, maxBytes, bytes === 0, request, context);
      const size = result.records.reduce((sum, part) => sum + part.byteLength, 0);
      bytes += size;
      hasError ||= result.error !== "NONE";
      if (target.topic !== null && result.error === "NONE") {
        const endOffset = request.isolationLevel === 1 ? result.lastStableOffset : result.highWatermark;
        seen.push({ topicId: target.topic.topicId, partition: target.partition.partition, endOffset });
      }
      partitions.push({
        partitionIndex: target.partition.partition,
        errorCode: errorCode(result.error),
        highWatermark: result.highWatermark,
        lastStableOffset: result.lastStableOffset,
        logStartOffset: result.logStartOffset,
        abortedTransactions: request.isolationLevel === 1 ? [...result.abortedTransactions] : null,
        records: [...result.records],
      });
    }
    responses.push({ topic: topic.topic, topicId: topic.topicId, partitions });
  }
  return { responses, bytes, hasError, seen };
}

async function readOne(
  topic: TopicImage,
  partition: Partition,
  maxBytes: number,
  minOneBatch: boolean,
  request: FetchRequest,
  context: RequestContext,
): Promise<FetchResult> {
  try {
    return await context.broker.partition(topic.topicId, partition.partition).ask({
      type: "fetch",
      offset: partition.fetchOffset,
      maxBytes: Math.max(maxBytes, 0),
      minOneBatch,
      isolationLevel: isolationLevel(request),
      currentLeaderEpoch: partition.currentLeaderEpoch,
    }, { signal: context.signal });
  } catch (error) {
    return failed(partitionFailure(error));
  }
}

/**
 * Returns when any of the partitions has grown beyond what was seen, or the time is up, or the connection ended. Each round
 * of the fetch waits for something new, so it costs one reading for each append at most.
 */
async function awaitMore(
  seen: readonly Seen[],
  missingBytes: number,
  request: FetchRequest,
  context: RequestContext,
  remainingMs: number,
): Promise<void> {
  const done = new AbortController();
  const signal = AbortSignal.any([done.signal, context.signal]);
  // With several partitions any growth is a reason to look again; the sum decides.
  const minBytes = seen.length === 1 ? missingBytes : 1;
  const waits = seen.map(({ topicId, partition, endOffset }) =>
    context.broker.partition(topicId, partition).ask({
      type: "awaitData",
      offset: endOffset,
      minBytes,
      isolationLevel: isolationLevel(request),
    }, { signal, deadlineMs: remainingMs + 1_000 })
  );
  const timeUp = context.broker.env.sleep(remainingMs, signal);
  try {
    await Promise.race([timeUp, ...waits]);
  } catch {
    // The connection ended, or an actor stopped: reading again tells which, and answers with its error.
  } finally {
    done.abort();
    await Promise.allSettled([timeUp, ...waits]);
  }
}

function isolationLevel(request: FetchRequest): IsolationLevel {
  return request.isolationLevel === 1 ? "read_committed" : "read_uncommitted";
}

function failed(error: ErrorName): FetchResult {
  return {
    error,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    records: [],
    abortedTransactions: [],
  };
}
