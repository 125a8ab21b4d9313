/**
 * Acquiring: records that were read from the log are handed to one member and locked for it.
 * Source: KIP-932, KIP-1206 (how to count); Kafka's SharePartition.acquire.
 */
import type { LogBatch } from "./log_batches.ts";
import { ARCHIVED, available, type RecordRun, runLength } from "./record_runs.ts";
import {
  advanceStart,
  sharePartitionBounds,
  type SharePartitionLimits,
  type SharePartitionState,
} from "./share_partition_state.ts";

export interface AcquireRequest {
  readonly memberId: string;
  /** When the locks run out (monotonic). */
  readonly lockUntilMs: number;
  readonly maxRecords: number;
  /** False: never more than `maxRecords`; true: the batch in which that is reached is taken whole. */
  readonly wholeBatches: boolean;
  /** Where reading began. */
  readonly readFrom: number;
  /** What was read, in order. */
  readonly batches: readonly LogBatch[];
}

export interface AcquiredRange {
  readonly firstOffset: number;
  /** Inclusive. */
  readonly lastOffset: number;
  /** 1 for the first time. */
  readonly deliveryCount: number;
}

export interface AcquireResult {
  readonly ranges: readonly AcquiredRange[];
  readonly recordCount: number;
  /** The batches that hold acquired records. */
  readonly batches: readonly LogBatch[];
}

/**
 * Acquires what is available. Nothing of it needs to be stored before it is answered: a lock that is forgotten makes its
 * records available again.
 */
export function decideAcquire(
  state: SharePartitionState,
  limits: SharePartitionLimits,
  request: AcquireRequest,
): AcquireResult {
  const acquisition = new Acquisition(state, limits, request);
  let next = Math.max(request.readFrom, state.startOffset);
  const batches: LogBatch[] = [];
  for (const batch of request.batches) {
    if (acquisition.isOver) break;
    if (batch.lastOffset < next) continue;
    // Offsets that no batch has were removed by compaction.
    if (batch.firstOffset > next) acquisition.skip(next, batch.firstOffset - 1);
    const from = Math.max(batch.firstOffset, next);
    if (!batch.isDeliverable) acquisition.skip(from, batch.lastOffset);
    else if (acquisition.take(from, batch.lastOffset)) batches.push(batch);
    next = batch.lastOffset + 1;
  }
  advanceStart(state);
  return { ranges: acquisition.ranges, recordCount: acquisition.recordCount, batches };
}

class Acquisition {
  readonly ranges: AcquiredRange[] = [];
  recordCount = 0;
  isOver = false;
  readonly #state: SharePartitionState;
  readonly #limits: SharePartitionLimits;
  readonly #request: AcquireRequest;
  /** Records acquired or given back. */
  #openCount = 0;

  constructor(state: SharePartitionState, limits: SharePartitionLimits, request: AcquireRequest) {
    this.#state = state;
    this.#limits = limits;
    this.#request = request;
    for (const run of state.runs.all) {
      if (run.state === "acquired" || run.state === "available") this.#openCount += runLength(run);
    }
    this.isOver = request.maxRecords <= 0;
  }

  /** Nothing to deliver from `first` to `last`. */
  skip(first: number, last: number): void {
    const state = this.#state;
    state.runs.change(first, last, (run) => run.state === "available" ? ARCHIVED : null);
    if (last < state.endOffset) return;
    state.runs.append({ ...ARCHIVED, first: Math.max(first, state.endOffset), last });
    state.endOffset = last + 1;
  }

  /** Takes what is available of a batch; whether that was anything. */
  take(first: number, last: number): boolean {
    const before = this.recordCount;
    const { maxRecords, wholeBatches } = this.#request;
    const most = wholeBatches
      ? Math.max(maxRecords, before + sharePartitionBounds.batchRecordsMax)
      : maxRecords;
    const known = this.#state.runs.within(first, last).filter(({ state }) => state === "available");
    for (const run of known) {
      if (!this.isOver) this.#takeAgain(run, most);
    }
    if (!this.isOver && last >= this.#state.endOffset) this.#takeNew(last, most);
    if (this.recordCount >= maxRecords) this.isOver = true;
    return this.recordCount > before;
  }

  #takeAgain(run: RecordRun, most: number): void {
    const few = redeliveryMax(run.deliveryCount, this.#limits.deliveryCountLimit, this.#request.maxRecords);
    // What may be the fault of one record comes in a small company, at last alone.
    if (few !== null && this.recordCount > 0) {
      this.isOver = true;
      return;
    }
    const count = Math.min(runLength(run), most - this.recordCount, few ?? Infinity);
    if (few !== null || count < runLength(run)) this.isOver = true;
    if (count > 0) this.#lock(run.first, run.first + count - 1, run.deliveryCount + 1);
  }

  #takeNew(last: number, most: number): void {
    const state = this.#state;
    const first = state.endOffset;
    const isRoomLeft = this.#openCount < this.#limits.maxRecordLocks &&
      state.runs.count < sharePartitionBounds.runCountMax;
    const room = !isRoomLeft
      ? 0
      : this.#request.wholeBatches
      ? Infinity
      : this.#limits.maxRecordLocks - this.#openCount;
    const count = Math.min(last - first + 1, most - this.recordCount, room);
    if (count < last - first + 1) this.isOver = true;
    if (count <= 0) return;
    state.runs.append({ ...available(0), first, last: first + count - 1 });
    state.endOffset = first + count;
    this.#openCount += count;
    this.#lock(first, first + count - 1, 1);
  }

  #lock(first: number, last: number, deliveryCount: number): void {
    const { memberId, lockUntilMs } = this.#request;
    this.#state.runs.change(first, last, () => ({
      state: "acquired",
      deliveryCount,
      holder: memberId,
      lockUntilMs,
    }));
    this.recordCount += last - first + 1;
    const previous = this.ranges.at(-1);
    if (previous?.lastOffset === first - 1 && previous.deliveryCount === deliveryCount) {
      this.ranges[this.ranges.length - 1] = { ...previous, lastOffset: last };
    } else this.ranges.push({ firstOffset: first, lastOffset: last, deliveryCount });
  }
}

/**
 * How many records that were given back so often are delivered at once; null: as many as there are. From half of the limit
 * on fewer each time, the last time one: a record that nobody can process must not take others with it.
 */
export function redeliveryMax(deliveryCount: number, limit: number, maxRecords: number): number | null {
  if (deliveryCount >= limit - 1) return 1;
  const careful = Math.ceil(limit / 2);
  if (limit <= 2 || deliveryCount < careful) return null;
  return Math.max(1, maxRecords >> (deliveryCount - careful + 1));
}
