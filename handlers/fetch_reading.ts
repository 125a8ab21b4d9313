/**
 * Reading the partitions of one Fetch: the boundary between what a session asks for and the partitions' actors.
 *
 * The byte limits hold in the order of the partitions, and the first batch is returned even if it is larger than they are
 * (KIP-74). Many partitions are first looked at, a bounded number at once, which also opens those that are not in
 * memory; then those that have something are read, as many at once as their limits together allow.
 */
import type { FetchTarget } from "../core/fetch/fetch_session.ts";
import { limits } from "../core/config/limits.ts";
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import type { FetchResult, IsolationLevel } from "../actors/messages/partition.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { readFailure, type RequestContext } from "./handler.ts";

/** One partition of the request: where to read, or why not. */
export interface FetchPlan {
  readonly target: FetchTarget;
  readonly topic: TopicImage | null;
  readonly error: ErrorName;
}

export interface ReadingOptions {
  readonly bytesMax: number;
  readonly isolationLevel: IsolationLevel;
  readonly context: RequestContext;
}

/** How far one partition could be read: there is something new when its log has grown beyond. */
export interface Seen {
  readonly topicId: string;
  readonly partition: number;
  readonly endOffset: number;
}

export interface Reading {
  /** One for each plan, in their order. */
  readonly results: readonly FetchResult[];
  readonly bytes: number;
  /** Something that the client must hear of at once. */
  readonly isUrgent: boolean;
  readonly seen: readonly Seen[];
}

export async function readAll(plans: readonly FetchPlan[], options: ReadingOptions): Promise<Reading> {
  const results = plans.map((plan) => failed(plan.error));
  let open = plans.flatMap((plan, index) => plan.topic === null ? [] : [index]);
  if (open.length > limits.fetchPartitionsAtOnceMax) {
    await inGroups(open, limits.fetchPartitionsAtOnceMax, async (index) => {
      results[index] = await readOne(plans[index], 0, false, options);
    });
    open = open.filter((index) => hasMore(plans[index], results[index], options));
  }
  let bytes = 0;
  for (let at = 0; at < open.length;) {
    const group: { readonly index: number; readonly maxBytes: number }[] = [];
    let left = options.bytesMax - bytes;
    // Without room the rest is only looked at, for its offsets.
    const isFull = left <= 0;
    while (at < open.length && group.length < limits.fetchReadsAtOnceMax) {
      if (!isFull && left <= 0) break;
      const index = open[at++] ?? 0;
      const wanted = Math.max(plans[index]?.target.wish.partitionMaxBytes ?? 0, 0);
      group.push({ index, maxBytes: Math.max(Math.min(wanted, left), 0) });
      left -= wanted;
    }
    const isFirst = bytes === 0;
    await Promise.all(group.map(async ({ index, maxBytes }, nth) => {
      results[index] = await readOne(plans[index], maxBytes, isFirst && nth === 0, options);
    }));
    for (const { index } of group) bytes += sizeOf(results[index]);
  }
  if (bytes === 0) bytes = await readFirstBatch(plans, results, options);
  return { results, bytes, isUrgent: results.some(isUrgent), seen: seenOf(plans, results, options) };
}

/** The first batch that there is may be larger than every limit, else a reader would stand still. */
async function readFirstBatch(
  plans: readonly FetchPlan[],
  results: FetchResult[],
  options: ReadingOptions,
): Promise<number> {
  for (const [index, plan] of plans.entries()) {
    if (!hasMore(plan, results[index], options)) continue;
    const result = await readOne(plan, plan.target.wish.partitionMaxBytes, true, options);
    results[index] = result;
    if (sizeOf(result) > 0) return sizeOf(result);
  }
  return 0;
}

function hasMore(
  plan: FetchPlan | undefined,
  result: FetchResult | undefined,
  { isolationLevel }: ReadingOptions,
): boolean {
  if (plan === undefined || result === undefined || plan.topic === null || isUrgent(result)) return false;
  const end = isolationLevel === "read_committed" ? result.lastStableOffset : result.highWatermark;
  return plan.target.wish.fetchOffset < end;
}

async function readOne(
  plan: FetchPlan | undefined,
  maxBytes: number,
  minOneBatch: boolean,
  { isolationLevel, context }: ReadingOptions,
): Promise<FetchResult> {
  if (plan === undefined || plan.topic === null) return failed(plan?.error ?? "UNKNOWN_SERVER_ERROR");
  const { partition, fetchOffset, currentLeaderEpoch, lastFetchedEpoch } = plan.target.wish;
  try {
    return await context.broker.partition(plan.topic.topicId, partition).ask({
      type: "fetch",
      offset: fetchOffset,
      maxBytes: Math.max(maxBytes, 0),
      minOneBatch,
      isolationLevel,
      currentLeaderEpoch,
      lastFetchedEpoch,
    }, { signal: context.signal });
  } catch (error) {
    return failed(readFailure(error));
  }
}

function seenOf(
  plans: readonly FetchPlan[],
  results: readonly FetchResult[],
  { isolationLevel }: ReadingOptions,
): Seen[] {
  return plans.flatMap(({ topic, target }, index) => {
    const result = results[index];
    if (topic === null || result === undefined || result.error !== "NONE") return [];
    const endOffset = isolationLevel === "read_committed" ? result.lastStableOffset : result.highWatermark;
    return [{ topicId: topic.topicId, partition: target.wish.partition, endOffset }];
  });
}

/**
 * Returns when any of the partitions has grown beyond what was seen, or the time is up, or the connection ended; false when
 * what was read is still all there is. Each round of the fetch waits for something new, so it costs one reading for each
 * append at most.
 */
export async function awaitMore(
  seen: readonly Seen[],
  missingBytes: number,
  remainingMs: number,
  { isolationLevel, context }: ReadingOptions,
): Promise<boolean> {
  const done = new AbortController();
  const signal = AbortSignal.any([done.signal, context.signal]);
  // With several partitions any growth is a reason to look again; the sum decides.
  const minBytes = seen.length === 1 ? missingBytes : 1;
  const waits = seen.map(({ topicId, partition, endOffset }) =>
    context.broker.partition(topicId, partition).ask({
      type: "awaitData",
      offset: endOffset,
      minBytes,
      isolationLevel,
    }, { signal, deadlineMs: remainingMs + 1_000 })
  );
  const timeUp = context.broker.env.sleep(remainingMs, signal);
  try {
    // A partition alone may have grown by less than was waited for.
    const isSame = timeUp.then(() => seen.length === 1);
    return await Promise.race([isSame, ...waits]);
  } catch {
    // The connection ended, or an actor stopped: reading again tells which, and answers with its error.
    return true;
  } finally {
    done.abort();
    await Promise.allSettled([timeUp, ...waits]);
  }
}

export function isUrgent(result: FetchResult): boolean {
  return result.error !== "NONE" || result.divergingEpoch !== undefined;
}

export function sizeOf(result: FetchResult | undefined): number {
  return result?.records.reduce((sum, part) => sum + part.byteLength, 0) ?? 0;
}

export function failed(error: ErrorName): FetchResult {
  return {
    error,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    records: [],
    abortedTransactions: [],
  };
}

/** Runs `task` for each item, `countMax` at once. */
async function inGroups<T>(items: readonly T[], countMax: number, task: (item: T) => Promise<void>) {
  const rest = items.values();
  const workers = Array.from({ length: Math.min(countMax, items.length) }, async () => {
    // The iterator is shared: each item goes to whoever is free.
    for (const item of rest) await task(item);
  });
  await Promise.all(workers);
}
