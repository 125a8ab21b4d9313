/**
 * One round of compaction of one log, in bounded steps: first the newest offset of each key is learned from what was not compacted
 * yet, then the log is walked from its start and each batch kept, written anew without what is superseded, or replaced by a
 * hole in the index; last the checkpoint says how far the round came. The boundary between `core/partition/compaction.ts`,
 * which decides about batches, and the log's writer, which commits each step in line with the appends.
 *
 * A crash anywhere loses the rest of the round and nothing else: each step leaves a whole log. New bytes are on the disk
 * before the step's commit names them, and what the commit no longer names is deleted by that same commit.
 */
import {
  type CleanerCheckpoint,
  CompactionPass,
  type CompactionReason,
  type CompactionSettings,
  estimateCleanBytes,
  firstDirtyOffset,
  isDirtyEnough,
  isTooYoung,
  mapBatch,
  noCheckpoint,
} from "../core/partition/compaction.ts";
import { OffsetMap } from "../core/partition/offset_map.ts";
import type { ProducerState } from "../core/partition/producer_state.ts";
import type { BatchHeader } from "../protocol/records/record_batch.ts";
import { invariant } from "../lib/invariant.ts";
import { decodeCleanerCheckpoint, encodeCleanerCheckpoint } from "./keys/cleaner_checkpoint.ts";
import type { PartitionKeys } from "./keys/partition.ts";
import type { LocatedBatch } from "./log_reader.ts";
import { type LogRewriter, RewritePlanner } from "./log_rewrite.ts";
import type { TrimPlan } from "./log_trim.ts";
import type { Storage } from "./storage.ts";

/** What one step reads, so that whatever waits for the event loop or the disk waits for little. */
const STEP_BYTES = 128 * 1_024;
const STEP_ENTRIES = 200;
/** Producers whose newest batch a round remembers; then it asks again. */
const PRODUCERS_KNOWN_MAX = 10_000;

export interface CompactionOptions {
  readonly settings: CompactionSettings;
  /** Why the round is made: for "ratio" enough must be dirty. */
  readonly reason: CompactionReason;
  readonly nowMs: number;
  /** Bytes of the offset map: `log.cleaner.dedupe.buffer.size`. */
  readonly mapBytesMax: number;
  readonly seed: number;
  /** `producer.id.expiration.ms`: a producer silent for longer does not come back. */
  readonly producerExpirationMs: number;
}

export type CompactionStep =
  /** To be committed as a cleanup before the next step; null: nothing changed. */
  | { readonly type: "more"; readonly plan: TrimPlan | null }
  /** The same, and the round is over. */
  | { readonly type: "done"; readonly plan: TrimPlan | null; readonly endOffset: number };

/** How far compaction of a log came, as last committed. */
export async function readCheckpoint(storage: Storage, keys: PartitionKeys): Promise<CleanerCheckpoint> {
  const stored = await storage.get(keys.cleanerCheckpoint);
  return stored === null ? noCheckpoint : decodeCleanerCheckpoint(stored.value);
}

/** A round; it is void when the log is opened anew. */
export class LogCompaction {
  readonly #log: LogRewriter;
  readonly #options: CompactionOptions;
  readonly #map: OffsetMap;
  readonly #checkpoint: CleanerCheckpoint;
  readonly #upTo: number;
  /** Where the next step begins. */
  #position: number;
  /** The end of what is mapped, and, in the second phase, of the pass. */
  #mapEnd: number;
  #mappedBytes = 0;
  #pass: CompactionPass | null = null;
  #planner: RewritePlanner | null = null;
  #cleanBytes = 0;
  #nextHorizonMs = -1;
  /** Producers' newest state, as far as asked. */
  readonly #producers = new Map<number, ProducerState | null>();

  private constructor(
    log: LogRewriter,
    options: CompactionOptions,
    checkpoint: CleanerCheckpoint,
    upTo: number,
  ) {
    this.#log = log;
    this.#options = options;
    this.#checkpoint = checkpoint;
    this.#upTo = upTo;
    this.#map = new OffsetMap(options.mapBytesMax, options.seed);
    this.#mapEnd = this.#position = firstDirtyOffset(log.head, checkpoint);
  }

  /** `lastStableOffset` is where the round ends at the latest. */
  static async begin(
    log: LogRewriter,
    lastStableOffset: number,
    options: CompactionOptions,
  ): Promise<LogCompaction> {
    return new LogCompaction(log, options, await readCheckpoint(log.storage, log.keys), lastStableOffset);
  }

  /** Bytes of the offset map, for introspection. */
  get mapBytes(): number {
    return this.#map.byteLength;
  }

  /** What was planned by the step before must be durable. Throws what reading throws, `RecordError`s. */
  async step(): Promise<CompactionStep> {
    return this.#pass === null ? await this.#mapStep() : await this.#cleanStep(this.#pass);
  }

  async #mapStep(): Promise<CompactionStep> {
    const { settings, nowMs } = this.#options;
    this.#position = Math.max(this.#position, this.#log.head.logStartOffset);
    let isEnd = this.#position >= this.#upTo;
    if (!isEnd) {
      const window = await this.#window(this.#upTo);
      const aborted = await this.#log.abortedTransactions(this.#position, endOf(window));
      for (const { entry, bytes } of window) {
        const timestamp = entry.maxTimestamp >= 0 ? entry.maxTimestamp : entry.appendedMs;
        isEnd = this.#map.isFull || entry.lastOffset >= this.#upTo || isTooYoung(timestamp, settings, nowMs);
        if (isEnd) break;
        if (bytes !== null) mapBatch(bytes, this.#map, aborted);
        this.#mappedBytes += entry.sizeBytes;
        this.#mapEnd = this.#position = entry.lastOffset + 1;
      }
      isEnd ||= this.#position >= this.#upTo;
    }
    return isEnd ? this.#endOfMap() : { type: "more", plan: null };
  }

  /** The second phase begins, if there is enough to do. */
  #endOfMap(): CompactionStep {
    const { settings, reason, nowMs } = this.#options;
    const cleanBytes = estimateCleanBytes(this.#log.head, this.#checkpoint);
    const isWorthIt = reason === "horizon" ||
      (reason === "lag" ? this.#mappedBytes > 0 : isDirtyEnough(this.#mappedBytes, cleanBytes, settings));
    if (!isWorthIt) return { type: "done", plan: null, endOffset: -1 };
    this.#position = this.#log.head.logStartOffset;
    this.#pass = new CompactionPass({
      map: this.#map,
      nowMs,
      deleteRetentionMs: settings.deleteRetentionMs,
      endOffset: this.#mapEnd,
      isLastOfProducer: (header) => this.#isLastOfProducer(header),
    });
    this.#planner = new RewritePlanner(this.#log, { movesExtents: reason === "ratio" });
    return { type: "more", plan: null };
  }

  async #cleanStep(pass: CompactionPass): Promise<CompactionStep> {
    const planner = this.#planner;
    invariant(planner !== null, "The second phase has a planner");
    const { logStartOffset } = this.#log.head;
    if (this.#position <= logStartOffset) {
      this.#position = logStartOffset;
      planner.forgetHole();
    }
    if (this.#position >= this.#mapEnd) return this.#checkpointStep();
    const window = await this.#window(this.#mapEnd);
    const aborted = await this.#log.abortedTransactions(this.#position, endOf(window));
    await this.#learnProducers(window);
    planner.begin();
    for (const located of window) {
      if (located.entry.lastOffset >= this.#mapEnd) break;
      if (!planner.hasRoomFor(located)) break;
      const { bytes, entry } = located;
      const decision = bytes === null
        ? { type: "remove" as const }
        : pass.decide({ bytes, deleteHorizonMs: entry.deleteHorizonMs }, aborted);
      const isDone = planner.add(located, decision);
      if (!isDone) this.#cleanBytes += entry.sizeBytes;
      else if (decision.type !== "remove") {
        this.#cleanBytes += decision.type === "keep" ? entry.sizeBytes : decision.bytes.length;
        this.#noteHorizon(decision.deleteHorizonMs);
      }
      this.#position = entry.lastOffset + 1;
    }
    return { type: "more", plan: await planner.end() };
  }

  #checkpointStep(): CompactionStep {
    const value = encodeCleanerCheckpoint({
      firstDirtyOffset: this.#mapEnd,
      cleanBytes: this.#cleanBytes,
      nextHorizonMs: this.#nextHorizonMs,
      logStartOffset: this.#log.head.logStartOffset,
    });
    const plan: TrimPlan = {
      mutations: [{ type: "set", key: this.#log.keys.cleanerCheckpoint, value }],
      batchCount: 0,
      sizeBytes: 0,
      freedBytes: new Map(),
    };
    return { type: "done", plan, endOffset: this.#mapEnd };
  }

  async #window(upTo: number): Promise<LocatedBatch[]> {
    return await this.#log.window(this.#position, upTo, { maxBytes: STEP_BYTES, maxCount: STEP_ENTRIES });
  }

  #noteHorizon(horizonMs: number): void {
    if (horizonMs < 0) return;
    this.#nextHorizonMs = this.#nextHorizonMs < 0 ? horizonMs : Math.min(this.#nextHorizonMs, horizonMs);
  }

  /** The states of the producers of a window, so that deciding needs no waiting. */
  async #learnProducers(window: readonly LocatedBatch[]): Promise<void> {
    if (this.#producers.size > PRODUCERS_KNOWN_MAX) this.#producers.clear();
    for (const { bytes } of window) {
      const producerId = bytes === null ? -1 : producerIdOf(bytes);
      if (producerId < 0 || this.#producers.has(producerId)) continue;
      this.#producers.set(producerId, await this.#log.producerState(producerId));
    }
  }

  /** A state that has moved on since keeps a batch too much, which the next round removes. */
  #isLastOfProducer(header: BatchHeader): boolean {
    const { nowMs, producerExpirationMs } = this.#options;
    const state = this.#producers.get(header.producerId) ?? null;
    if (state === null || nowMs - state.lastAppendMs > producerExpirationMs) return false;
    const last = state.batches.at(-1);
    // Without any batch in its epoch a producer is known by its last marker.
    return last === undefined
      ? header.isControl && header.producerEpoch === state.producerEpoch
      : !header.isControl && header.baseOffset === last.baseOffset;
  }
}

function endOf(window: readonly LocatedBatch[]): number {
  return (window.at(-1)?.entry.lastOffset ?? -1) + 1;
}

const PRODUCER_ID_AT = 43;

function producerIdOf(batch: Uint8Array): number {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  return Number(view.getBigInt64(PRODUCER_ID_AT));
}
