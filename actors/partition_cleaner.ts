/**
 * The part of a partition's actor that takes old records away: steps of retention and of compaction, each bounded, one at a time, in
 * line with the appends. The boundary between what `actors/retention.ts` and `actors/compaction.ts` ask for and the log.
 */
import type { LogHead } from "../core/partition/log_head.ts";
import { decideRetention } from "../core/partition/retention.ts";
import { LogCompaction } from "../storage/log_compaction.ts";
import type { TrimPlan } from "../storage/log_trim.ts";
import type { LogEffect, PartitionLog } from "../storage/partition_log.ts";
import type { CleanPartition, CompactPartition } from "./messages/partition.ts";
import type { ActorContext, Reply } from "./runtime/types.ts";

/** What the cleaner needs of its partition. */
export interface CleanedPartition {
  durable(): LogHead;
  /** Includes what is staged. */
  assigned(): LogHead;
  lastStableOffset(): number;
  /** Stages a cleanup with the assigned head, changed like that. */
  stage(change: Partial<LogHead>, trim: TrimPlan | null): LogEffect;
}

type CleanerContext = Pick<ActorContext<never, LogEffect>, "address" | "env" | "log" | "run">;

const SEED_MAX = 2 ** 32;

export class PartitionCleaner {
  readonly #context: CleanerContext;
  readonly #log: PartitionLog;
  readonly #partition: CleanedPartition;
  /** One step at a time, until it is durable: two would delete, and count, the same batches. */
  #isBusy = false;
  /** What the step staged. */
  #staged: LogEffect | null = null;
  #round: { readonly id: number; readonly compaction: LogCompaction } | null = null;

  constructor(context: CleanerContext, log: PartitionLog, partition: CleanedPartition) {
    this.#context = context;
    this.#log = log;
    this.#partition = partition;
  }

  /** Bytes of the offset map of the round under way; 0 without one. */
  get mapBytes(): number {
    return this.#round?.compaction.mapBytes ?? 0;
  }

  /** These effects are durable. */
  committed(effects: readonly LogEffect[]): void {
    if (this.#staged === null || !effects.includes(this.#staged)) return;
    this.#staged = null;
    this.#isBusy = false;
  }

  /** Deletes some of what lies below the log start, or, when nothing does, looks whether the start may rise. */
  clean(message: CleanPartition, reply: Reply<unknown>): void {
    this.#step(reply, { busy: true, failed: false, what: "Cannot delete old records" }, async () => {
      const trim = await this.#log.planTrim();
      if (trim !== null) {
        this.#stage(trim);
        return true;
      }
      const batches = await this.#log.oldestBatches(this.#partition.lastStableOffset());
      // Since the page was read no cleanup came between; appends only add behind it.
      const start = decideRetention(this.#partition.durable(), batches, message, this.#context.env.now());
      if (start <= this.#partition.assigned().logStartOffset) return false;
      this.#staged = this.#partition.stage({ logStartOffset: start }, null);
      return true;
    });
  }

  /** One step of a round of compaction. */
  compact(message: CompactPartition, reply: Reply<unknown>): void {
    this.#step(reply, { busy: "more", failed: "failed", what: "Cannot compact" }, async () => {
      if (this.#log.isReadOnly) return "failed";
      if (this.#round?.id !== message.roundId) {
        this.#round = { id: message.roundId, compaction: await this.#begin(message) };
      }
      const step = await this.#round.compaction.step();
      if (step.plan !== null) this.#stage(step.plan);
      if (step.type === "done") this.#round = null;
      return step.type;
    });
  }

  #begin({ settings, reason, mapBytesMax, producerExpirationMs }: CompactPartition): Promise<LogCompaction> {
    const { env } = this.#context;
    return LogCompaction.begin(this.#log.rewriter(), this.#partition.lastStableOffset(), {
      settings,
      reason,
      nowMs: env.now(),
      mapBytesMax,
      seed: Math.floor(env.random() * SEED_MAX),
      producerExpirationMs,
    });
  }

  #stage(trim: TrimPlan): void {
    const sizeBytes = this.#partition.assigned().sizeBytes - trim.sizeBytes;
    this.#staged = this.#partition.stage({ sizeBytes }, trim);
  }

  #step(
    reply: Reply<unknown>,
    answers: { readonly busy: unknown; readonly failed: unknown; readonly what: string },
    work: () => Promise<unknown>,
  ): void {
    if (this.#isBusy) return reply.sendNow(answers.busy);
    this.#isBusy = true;
    this.#context.run(async () => {
      try {
        reply.send(await work());
      } catch (error) {
        this.#round = null;
        // The next look tries again; nothing else depends on it.
        this.#context.log.error(answers.what, {
          partition: this.#context.address.key,
          error: String(error),
        });
        reply.sendNow(answers.failed);
      } finally {
        // What was staged may not be durable yet: then `committed` says so.
        this.#isBusy = this.#staged !== null;
      }
    });
  }
}
