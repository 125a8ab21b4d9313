/**
 * Taking records of several partitions for one holder, waiting for the first of them: what ShareFetch and the queues over
 * HTTP have in common. Waiting is an event: the share partitions say when there is something to look for again.
 */
import type { SharePartitionId } from "../core/share/sessions.ts";
import type { ShareOffsetReset } from "../core/share/share_config.ts";
import type { ErrorName } from "../protocol/errors.ts";
import type { Broker } from "./broker.ts";
import type { AcquireRecordsResult } from "./messages/share_partition.ts";

export interface ShareTake {
  readonly groupId: string;
  /** Who holds the records from then on. */
  readonly memberId: string;
  /** Gone through in this order. */
  readonly partitions: readonly SharePartitionId[];
  readonly maxRecords: number;
  readonly maxBytes: number;
  readonly minBytes: number;
  /** Whether the last batch is taken whole although that is more than `maxRecords`. */
  readonly wholeBatches: boolean;
  /** null: as the group is configured. */
  readonly lockDurationMs: number | null;
  /** null: as the group is configured. */
  readonly offsetReset: ShareOffsetReset | null;
  /** Until when to wait (monotonic). */
  readonly deadlineMs: number;
  /** Aborted when nobody will read the answer. */
  readonly signal: AbortSignal;
  /** Kafka's name for an ask that failed. */
  readonly failure: (error: unknown) => ErrorName;
}

export interface TakenPartition extends SharePartitionId {
  readonly result: AcquireRecordsResult;
}

/** The last answer of each partition that was asked. With `signal` aborted what was taken is still held. */
export async function takeRecords(broker: Broker, take: ShareTake): Promise<TakenPartition[]> {
  const taken = new Map<SharePartitionId, TakenPartition>();
  while (take.maxRecords > 0 && take.partitions.length > 0) {
    const { recordCount, healthy } = await takeOnce(broker, take, taken);
    const remainingMs = take.deadlineMs - broker.env.mono();
    if (recordCount > 0 || healthy.length === 0 || remainingMs <= 0 || take.signal.aborted) break;
    await awaitMore(broker, take, healthy, remainingMs);
    if (take.signal.aborted) break;
  }
  return [...taken.values()];
}

/** Goes through the partitions once, until there is enough. */
async function takeOnce(
  broker: Broker,
  take: ShareTake,
  taken: Map<SharePartitionId, TakenPartition>,
): Promise<{ readonly recordCount: number; readonly healthy: readonly SharePartitionId[] }> {
  const { groupId, memberId, wholeBatches, lockDurationMs, offsetReset, signal } = take;
  let recordCount = 0;
  let remainingBytes = take.maxBytes;
  const healthy: SharePartitionId[] = [];
  for (const id of take.partitions) {
    if (recordCount >= take.maxRecords || (recordCount > 0 && remainingBytes <= 0)) break;
    let result: AcquireRecordsResult;
    try {
      result = await broker.sharePartition(groupId, id.topicId, id.partition).ask({
        type: "acquire",
        memberId,
        maxRecords: take.maxRecords - recordCount,
        maxBytes: remainingBytes,
        wholeBatches,
        lockDurationMs,
        offsetReset,
      }, { signal });
    } catch (error) {
      result = { error: take.failure(error), records: [], ranges: [], recordCount: 0, lockDurationMs: 0 };
    }
    if (result.error === "NONE") healthy.push(id);
    recordCount += result.recordCount;
    for (const { byteLength } of result.records) remainingBytes -= byteLength;
    taken.set(id, { ...id, result });
  }
  return { recordCount, healthy };
}

/** Returns when there may be something in one of the partitions, the time is up, or nobody waits any more. */
async function awaitMore(
  broker: Broker,
  take: ShareTake,
  partitions: readonly SharePartitionId[],
  remainingMs: number,
): Promise<void> {
  const done = new AbortController();
  const signal = AbortSignal.any([done.signal, take.signal]);
  // With several partitions any growth is a reason to look again.
  const minBytes = partitions.length === 1 ? Math.max(1, take.minBytes) : 1;
  const waits = partitions.map(({ topicId, partition }) =>
    broker.sharePartition(take.groupId, topicId, partition)
      .ask({ type: "awaitRecords", minBytes }, { signal, deadlineMs: remainingMs + 1_000 })
  );
  const timeUp = broker.env.sleep(remainingMs, signal);
  try {
    await Promise.race([timeUp, ...waits]);
  } catch {
    // Nobody waits any more, or an actor stopped: looking again tells which.
  } finally {
    done.abort();
    await Promise.allSettled([timeUp, ...waits]);
  }
}
