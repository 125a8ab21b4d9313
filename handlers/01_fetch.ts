/**
 * Fetch (API 1): stored batches as they are, waiting up to `maxWaitMs` for `minBytes`.
 *
 * Waiting is an event, not a loop with a clock: each partition's actor is asked to say when there is more, and the first
 * answer starts another reading. Since version 7 a client may open a session and then names only what changed, and hears
 * only of what changed (KIP-227); since 12 it may say what it read last, and learns where its log went another way
 * (KIP-595); since 13 topics are named by id (KIP-516).
 */
import { limits } from "../core/config/limits.ts";
import { type FetchContext, moveToEnd, noteAnswer } from "../core/fetch/fetch_session.ts";
import type { FetchWish } from "../core/fetch/fetch_session.ts";
import type { FetchResult, IsolationLevel } from "../actors/messages/partition.ts";
import { errorCode } from "../protocol/errors.ts";
import { fetchApi, type FetchRequest, type FetchResponseInput } from "../protocol/messages/01_fetch.ts";
import { awaitMore, failed, type FetchPlan, readAll, type ReadingOptions, sizeOf } from "./fetch_reading.ts";
import { handler, quotaClient, type RequestContext } from "./handler.ts";
import { hasPartition, lookUpTopic } from "./topic_lookup.ts";

const TOPIC_ID_VERSION = 13;

export const fetchHandler = handler(fetchApi, serveFetch, { overlaps: true });

async function serveFetch(request: FetchRequest, context: RequestContext): Promise<FetchResponseInput> {
  if (request.replicaId >= 0 || request.replicaState.replicaId >= 0) {
    return { errorCode: errorCode("CLUSTER_AUTHORIZATION_FAILED"), responses: [] };
  }
  const { env, fetchSessions, quotas } = context.broker;
  const usesTopicIds = context.apiVersion >= TOPIC_ID_VERSION;
  const session = fetchSessions.begin(
    {
      sessionId: request.sessionId,
      sessionEpoch: request.sessionEpoch,
      usesTopicIds,
      wishes: wishesOf(request),
      forgotten: forgottenOf(request),
    },
    env.mono(),
  );
  if (session.type === "error") return { errorCode: errorCode(session.error), responses: [] };
  const plans = session.targets.map((target) => plan(target, usesTopicIds, context));
  const isolationLevel: IsolationLevel = request.isolationLevel === 1 ? "read_committed" : "read_uncommitted";
  const client = quotaClient(context);
  const bytesMax = Math.min(
    Math.max(request.maxBytes, 0),
    Number(context.broker.config("fetch.max.bytes")),
    quotas.windowMax("consumer_byte_rate", client),
  );
  const results = await readInTime(plans, request, { bytesMax, isolationLevel, context });
  const bytes = results.reduce((sum, result) => sum + sizeOf(result), 0);
  const throttleMs = bytes === 0 ? 0 : quotas.admit("consumer_byte_rate", client, bytes, env.mono());
  if (throttleMs > 0) {
    // What was read is read again when the time is up; a session goes on, a new one is not made.
    context.throttle(throttleMs);
    return {
      errorCode: 0,
      sessionId: session.type === "incremental" ? session.session.id : 0,
      responses: [],
    };
  }
  return answer(session, plans, results, request, context);
}

function wishesOf({ topics }: FetchRequest): FetchWish[] {
  return topics.flatMap(({ topic, topicId, partitions }) =>
    partitions.map((each) => ({
      topic,
      topicId,
      partition: each.partition,
      currentLeaderEpoch: each.currentLeaderEpoch,
      fetchOffset: each.fetchOffset,
      lastFetchedEpoch: each.lastFetchedEpoch,
      partitionMaxBytes: each.partitionMaxBytes,
    }))
  );
}

function forgottenOf({ forgottenTopicsData }: FetchRequest) {
  return forgottenTopicsData.flatMap(({ topic, topicId, partitions }) =>
    partitions.map((partition) => ({ topic, topicId, partition }))
  );
}

function plan(target: FetchPlan["target"], byId: boolean, { broker }: RequestContext): FetchPlan {
  const { wish, entry } = target;
  const lookup = lookUpTopic(broker.metadata, { name: wish.topic, topicId: wish.topicId }, byId);
  if (lookup.error === null) {
    entry.topicName = lookup.topic.name;
    return hasPartition(lookup.topic, wish.partition)
      ? { target, topic: lookup.topic, error: "NONE" }
      : { target, topic: null, error: "UNKNOWN_TOPIC_OR_PARTITION" };
  }
  if (entry.topicName === null) return { target, topic: null, error: lookup.error };
  // The session knew the topic: it is gone, or another one has its name.
  const isMadeAnew = broker.metadata.topicsByName.has(entry.topicName);
  return { target, topic: null, error: isMadeAnew ? "INCONSISTENT_TOPIC_ID" : "UNKNOWN_TOPIC_OR_PARTITION" };
}

async function readInTime(
  plans: readonly FetchPlan[],
  request: FetchRequest,
  options: ReadingOptions,
): Promise<readonly FetchResult[]> {
  const { broker: { env }, signal } = options.context;
  const deadlineMs = env.mono() + Math.min(Math.max(request.maxWaitMs, 0), limits.longPollMsMax);
  const minBytes = Math.min(request.minBytes, options.bytesMax, partitionBytesMax(plans));
  for (;;) {
    const reading = await readAll(plans, options);
    const remainingMs = deadlineMs - env.mono();
    const isDone = reading.isUrgent || reading.bytes >= minBytes || remainingMs <= 0;
    if (isDone || signal.aborted) return reading.results;
    const isNew = await awaitMore(reading.seen, minBytes - reading.bytes, remainingMs, options);
    if (!isNew) return reading.results;
  }
}

/** What the limits of the partitions let through together: more than that is never worth waiting for. */
function partitionBytesMax(plans: readonly FetchPlan[]): number {
  let bytes = 0;
  for (const { target } of plans) bytes += Math.max(target.wish.partitionMaxBytes, 0);
  return bytes;
}

function answer(
  session: Exclude<FetchContext, { type: "error" }>,
  plans: readonly FetchPlan[],
  results: readonly FetchResult[],
  request: FetchRequest,
  { broker, apiVersion }: RequestContext,
): FetchResponseInput {
  const isIncremental = session.type === "incremental";
  if (isIncremental && session.session.epoch !== session.epoch) {
    return { errorCode: errorCode("INVALID_FETCH_SESSION_EPOCH"), responses: [] };
  }
  const responses: { topic: string; topicId: string; partitions: ReturnType<typeof described>[] }[] = [];
  for (const [index, { target: { wish, entry } }] of plans.entries()) {
    const result = described(wish.partition, results[index] ?? failed("UNKNOWN_SERVER_ERROR"), request);
    const hasRecords = result.records !== null && result.records.length > 0;
    const isNews = noteAnswer(entry, {
      hasError: result.errorCode !== 0,
      hasRecords,
      isDiverging: result.divergingEpoch !== undefined,
      highWatermark: result.highWatermark,
      logStartOffset: result.logStartOffset,
    });
    if (isIncremental) {
      if (!isNews) continue;
      if (hasRecords) moveToEnd(session.session, entry);
    }
    const last = responses.at(-1);
    const { topic, topicId } = wish;
    const group = last?.topic === topic && last.topicId === topicId
      ? last
      : { topic, topicId, partitions: [] };
    if (group !== last) responses.push(group);
    group.partitions.push(result);
  }
  const sessionId = isIncremental
    ? session.session.id
    : session.type === "full"
    ? broker.fetchSessions.create(session.targets, apiVersion >= TOPIC_ID_VERSION, broker.env.mono())
    : 0;
  return { errorCode: 0, sessionId, responses };
}

function described(partitionIndex: number, result: FetchResult, request: FetchRequest) {
  const isFailed = result.error !== "NONE";
  const { divergingEpoch } = result;
  return {
    partitionIndex,
    errorCode: errorCode(result.error),
    highWatermark: isFailed ? -1 : result.highWatermark,
    lastStableOffset: isFailed ? -1 : result.lastStableOffset,
    logStartOffset: isFailed ? -1 : result.logStartOffset,
    abortedTransactions: request.isolationLevel === 1 ? [...result.abortedTransactions] : null,
    ...(divergingEpoch === undefined ? {} : { divergingEpoch }),
    records: [...result.records],
  };
}
