/**
 * ShareFetch (API 78): acknowledges what a member has done, and locks more records for it, waiting up to `maxWaitMs` for the
 * first one (KIP-932). Version 2 can say how to count (KIP-1206), and renew locks instead of fetching (KIP-1222).
 */
import { limits } from "../core/config/limits.ts";
import { FINAL_EPOCH, type SharePartitionId } from "../core/share/sessions.ts";
import type { AcquireRecordsResult } from "../actors/messages/share_partition.ts";
import { takeRecords } from "../actors/share_take.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { shareFetch, type ShareFetchRequest } from "../protocol/messages/78_share_fetch.ts";
import { handler, readFailure, type RequestContext } from "./handler.ts";
import {
  acknowledgeAll,
  type AcknowledgedPartition,
  endSession,
  hasAcknowledgements,
  noLeader,
  partitionFault,
  type ShareClient,
  shareClient,
  useSession,
} from "./share_requests.ts";

const BATCH_OPTIMIZED = 0;

export const shareFetchHandler = handler(shareFetch, serveShareFetch);

/** One partition of the answer. */
interface Outcome extends SharePartitionId {
  fetched: AcquireRecordsResult | null;
  acknowledged: AcknowledgedPartition | null;
}

async function serveShareFetch(request: ShareFetchRequest, context: RequestContext) {
  const client = shareClient(request);
  if ("error" in client) return refused(client.error, client.errorMessage);
  const fault = renewalFault(request);
  if (fault !== null) return refused("INVALID_REQUEST", fault);

  const outcomes = new Map<string, Outcome>();
  const session = await useSession(client, {
    sessionEpoch: request.shareSessionEpoch,
    added: existing(request, context, outcomes),
    forgotten: request.forgottenTopicsData.flatMap(({ topicId, partitions }) =>
      partitions.map((partition) => ({ topicId, partition }))
    ),
    hasAcknowledgements: hasAcknowledgements(request),
    api: "fetch",
  }, context);
  if (session.error !== "NONE") return refused(session.error, null);

  for (const acknowledged of await acknowledgeAll(client, request, context)) {
    outcomeOf(outcomes, acknowledged).acknowledged = acknowledged;
  }
  if (request.shareSessionEpoch === FINAL_EPOCH) await endSession(client, context);
  else if (!request.isRenewAck) await fetch(client, session.partitions, request, context, outcomes);
  return answered(outcomes, session.lockDurationMs);
}

/** A request that renews locks fetches nothing (KIP-1222). */
function renewalFault({ isRenewAck, maxBytes, minBytes, maxRecords, maxWaitMs }: ShareFetchRequest) {
  if (!isRenewAck) return null;
  const isFetching = [maxBytes, minBytes, maxRecords, maxWaitMs].some((value) => value !== 0);
  return isFetching ? "A request that renews locks must not ask for records" : null;
}

/** The request's partitions that exist; the others are answered with their error. */
function existing(
  request: ShareFetchRequest,
  context: RequestContext,
  outcomes: Map<string, Outcome>,
): SharePartitionId[] {
  const ids: SharePartitionId[] = [];
  for (const { topicId, partitions } of request.topics) {
    for (const { partitionIndex: partition } of partitions) {
      const fault = partitionFault(topicId, partition, context);
      if (fault === null) ids.push({ topicId, partition });
      else outcomeOf(outcomes, { topicId, partition }).fetched = nothing(fault.error);
    }
  }
  return ids;
}

async function fetch(
  { groupId, memberId }: ShareClient,
  partitions: readonly SharePartitionId[],
  request: ShareFetchRequest,
  context: RequestContext,
  outcomes: Map<string, Outcome>,
): Promise<void> {
  const { broker, signal } = context;
  const taken = await takeRecords(broker, {
    groupId,
    memberId,
    partitions,
    maxRecords: request.maxRecords,
    maxBytes: Math.min(Math.max(request.maxBytes, 0), Number(broker.config("fetch.max.bytes"))),
    minBytes: request.minBytes,
    wholeBatches: request.shareAcquireMode === BATCH_OPTIMIZED,
    lockDurationMs: null,
    offsetReset: null,
    deadlineMs: broker.env.mono() + Math.min(Math.max(request.maxWaitMs, 0), limits.longPollMsMax),
    signal,
    failure: readFailure,
  });
  for (const each of taken) outcomeOf(outcomes, each).fetched = each.result;
}

/** Partitions with nothing to say are left out, as in Kafka's incremental answers. */
function answered(outcomes: ReadonlyMap<string, Outcome>, acquisitionLockTimeoutMs: number) {
  const told = [...outcomes.values()].filter(({ fetched, acknowledged }) =>
    acknowledged !== null || (fetched !== null && (fetched.error !== "NONE" || fetched.recordCount > 0))
  );
  const byTopic = Map.groupBy(told, ({ topicId }) => topicId);
  return {
    errorCode: 0,
    errorMessage: null,
    acquisitionLockTimeoutMs,
    responses: Array.from(byTopic, ([topicId, partitions]) => ({
      topicId,
      partitions: partitions.map(({ partition, fetched, acknowledged }) => ({
        partitionIndex: partition,
        errorCode: errorCode(fetched?.error ?? "NONE"),
        errorMessage: null,
        acknowledgeErrorCode: errorCode(acknowledged?.error ?? "NONE"),
        acknowledgeErrorMessage: acknowledged?.errorMessage ?? null,
        currentLeader: noLeader,
        records: [...fetched?.records ?? []],
        acquiredRecords: [...fetched?.ranges ?? []],
      })),
    })),
    nodeEndpoints: [],
  };
}

function outcomeOf(outcomes: Map<string, Outcome>, { topicId, partition }: SharePartitionId): Outcome {
  const key = `${topicId}/${partition}`;
  let outcome = outcomes.get(key);
  if (outcome === undefined) {
    outcomes.set(key, outcome = { topicId, partition, fetched: null, acknowledged: null });
  }
  return outcome;
}

function nothing(error: ErrorName): AcquireRecordsResult {
  return { error, records: [], ranges: [], recordCount: 0, lockDurationMs: 0 };
}

function refused(error: ErrorName, errorMessage: string | null) {
  return {
    errorCode: errorCode(error),
    errorMessage,
    acquisitionLockTimeoutMs: 0,
    responses: [],
    nodeEndpoints: [],
  };
}
