/**
 * One partition of a webhook: reads, sends, waits, gives up, in the order that `core/webhook/delivery.ts` decides. Not an actor; the
 * webhook's actor runs one for each partition that its group gave it, beside the mailbox.
 *
 * The order of effects makes it at least once: a position is committed after the receiver took the records, or after they were stored as
 * dead letters; a failure is stored before the next attempt.
 */
import { limits } from "../core/config/limits.ts";
import { collectRecords } from "../core/fetch/collect_records.ts";
import {
  type AttemptOutcome,
  type Delivery,
  type DeliveryStep,
  nextStep,
  resumeDelivery,
  settleAttempt,
  settleDeadLetter,
  skipTo,
  type Trouble,
} from "../core/webhook/delivery.ts";
import type { WebhookBatch, WebhookConfig } from "../core/webhook/webhook.ts";
import type { Env } from "../lib/env.ts";
import { InvariantError } from "../lib/invariant.ts";
import type { KafkaRecord } from "../protocol/records/record_batch.ts";
import { FencedError } from "../storage/errors.ts";
import type { PartitionMessage } from "./messages/partition.ts";
import { AskDeadlineError } from "./runtime/errors.ts";
import type { ActorRef } from "./runtime/types.ts";

/** After something of the server's own failed. */
const FAULT_PAUSE_MS = 1_000;
/** The wall clock may jump: a long wait looks at it that often. */
const WAIT_MS_MAX = 60_000;

/** What the webhook does for its partitions. */
export interface LanePorts {
  readonly env: Env;
  readonly config: WebhookConfig;
  /** Resolves to what gives the slot back. */
  slot(signal: AbortSignal): Promise<() => void>;
  /** `stop`: nothing more is to be sent. Rejects only when the signal is aborted. */
  post(batch: WebhookBatch, signal: AbortSignal): Promise<AttemptOutcome | { readonly type: "stop" }>;
  /** Null when it is stored; else why not. */
  deadLetter(batch: WebhookBatch, trouble: Trouble): Promise<string | null>;
  /** Durable when it resolves; false: not possible now. */
  commit(lane: WebhookLane, position: number): Promise<boolean>;
  saveTrouble(lane: WebhookLane, trouble: Trouble | null): Promise<void>;
  /** Something of the server's own failed; it is tried again. */
  fault(lane: WebhookLane, error: string): void;
  /** So many offsets are not there any more. */
  missed(lane: WebhookLane, count: number): void;
}

export interface LanePlace {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

export interface LaneStart {
  /** What the group has committed; -1 for nothing. */
  readonly committed: number;
  readonly trouble: Trouble | null;
}

interface ReadRecords {
  readonly records: readonly KafkaRecord[];
  readonly endOffset: number;
}

export class WebhookLane {
  readonly place: LanePlace;
  readonly #ports: LanePorts;
  readonly #log: ActorRef<PartitionMessage>;
  readonly #start: LaneStart;
  #delivery: Delivery | null = null;

  constructor(place: LanePlace, ports: LanePorts, log: ActorRef<PartitionMessage>, start: LaneStart) {
    this.place = place;
    this.#ports = ports;
    this.#log = log;
    this.#start = start;
  }

  /** Null while all is well. */
  get trouble(): Trouble | null {
    return this.#delivery === null ? this.#start.trouble : this.#delivery.trouble;
  }

  /** Until `ending` is aborted; what is being sent then may end, until `ended` is aborted too. Rejects only for what must kill the actor. */
  async run(ending: AbortSignal, ended: AbortSignal): Promise<void> {
    while (!ending.aborted) {
      try {
        this.#delivery ??= await this.#locate();
        if (!await this.#turn(this.#delivery, ending, ended)) return;
      } catch (error) {
        if (ended.aborted) return;
        if (error instanceof FencedError || error instanceof InvariantError) throw error;
        if (ending.aborted) return;
        this.#ports.fault(this, error instanceof Error ? error.message : String(error));
        await this.#ports.env.sleep(FAULT_PAUSE_MS, ending).catch(() => {
          // The loop looks at the signal.
        });
      }
    }
  }

  /** What was committed, as far as it is still there; from the beginning when nothing was, so that nothing is left out. */
  async #locate(): Promise<Delivery> {
    const { committed, trouble } = this.#start;
    const { logStartOffset, highWatermark } = await this.#log.ask({ type: "describe" });
    const isThere = committed >= logStartOffset && committed <= highWatermark;
    if (!isThere && committed >= 0) this.#ports.missed(this, Math.max(0, logStartOffset - committed));
    return resumeDelivery(isThere ? committed : logStartOffset, trouble);
  }

  /** One step; false: nothing more is to be sent. */
  async #turn(delivery: Delivery, ending: AbortSignal, ended: AbortSignal): Promise<boolean> {
    const { env, config } = this.#ports;
    const step = nextStep(delivery, config, env.now());
    if (step.type === "wait") {
      await env.sleep(Math.min(step.untilMs - env.now(), WAIT_MS_MAX), ending);
      return true;
    }
    if (step.endOffset === null && !await this.#awaitRecords(delivery.position, ending)) return true;
    const release = await this.#ports.slot(ending);
    try {
      const { records, endOffset } = await this.#read(delivery.position, step);
      if (records.length === 0) {
        // Aborted, compacted or deleted: there is nothing to send.
        if (endOffset === delivery.position) {
          throw new Error(`Cannot read at offset ${endOffset}: nothing is there`);
        }
        await this.#become(skipTo(delivery, endOffset), ending);
        return true;
      }
      ending.throwIfAborted();
      const batch = { ...this.place, records };
      const attempted = { count: records.length, endOffset };
      const { trouble } = delivery;
      if (step.type === "deadLetter" && trouble !== null) {
        const fault = await this.#ports.deadLetter(batch, trouble);
        await this.#become(settleDeadLetter(delivery, attempted, fault, config, this.#moment()), ending);
        return true;
      }
      const outcome = await this.#ports.post(batch, ended);
      if (outcome.type === "stop") return false;
      await this.#become(settleAttempt(delivery, attempted, outcome, config, this.#moment()), ending);
      return true;
    } finally {
      release();
    }
  }

  #moment() {
    const { env } = this.#ports;
    return { nowMs: env.now(), random: env.random() };
  }

  /** Makes it durable: the position first, since what is stored of a trouble is only about its own position. */
  async #become(next: Delivery, ending: AbortSignal): Promise<void> {
    const before = this.#delivery;
    if (before === null || before === next) return;
    if (next.position > before.position) {
      while (!await this.#ports.commit(this, next.position)) {
        await this.#ports.env.sleep(FAULT_PAUSE_MS, ending);
      }
    }
    this.#delivery = next;
    if (isWorthStoring(before.trouble, next.trouble)) await this.#ports.saveTrouble(this, next.trouble);
  }

  /** False when there is nothing yet. */
  async #awaitRecords(position: number, ending: AbortSignal): Promise<boolean> {
    const { maxWaitMs, maxBytes, maxRecords } = this.#ports.config;
    if (!await this.#awaitData(position, 1, WAIT_MS_MAX, ending)) return false;
    if (maxWaitMs === 0) return true;
    // Full by bytes or by records, or waited for long enough.
    const enough = new AbortController();
    const signal = AbortSignal.any([ending, enough.signal]);
    await Promise.race([
      this.#awaitData(position, maxBytes, maxWaitMs, signal),
      this.#awaitData(position + maxRecords - 1, 1, maxWaitMs, signal),
    ]).finally(() => enough.abort());
    return true;
  }

  async #awaitData(offset: number, minBytes: number, ms: number, signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#log.ask(
        { type: "awaitData", offset, minBytes, isolationLevel: "read_committed" },
        { deadlineMs: ms, signal },
      );
    } catch (error) {
      if (error instanceof AskDeadlineError) return false;
      // Not needed any more, because the batch is full; when all ends, the caller finds out.
      if (signal.aborted) return false;
      throw error;
    }
  }

  /** The records from `position` on, as many as one request may have; of a batch that failed, that batch. */
  async #read(position: number, step: Exclude<DeliveryStep, { type: "wait" }>): Promise<ReadRecords> {
    const { config } = this.#ports;
    const stop = step.endOffset ?? Infinity;
    const maxBytes = step.endOffset === null ? config.maxBytes : Infinity;
    const records: KafkaRecord[] = [];
    let next = position;
    let bytes = 0;
    while (records.length < step.maxRecords && bytes < maxBytes && next < stop) {
      const fetched = await this.#log.ask({
        type: "fetch",
        offset: next,
        maxBytes: limits.webhookBatchBytesMax,
        minOneBatch: true,
        isolationLevel: "read_committed",
        currentLeaderEpoch: -1,
      });
      if (fetched.error === "OFFSET_OUT_OF_RANGE" && records.length === 0) {
        // Retention was faster than the receiver.
        this.#ports.missed(this, Math.max(0, fetched.logStartOffset - next));
        return { records, endOffset: Math.max(next, fetched.logStartOffset) };
      }
      if (fetched.error !== "NONE") throw new Error(`Cannot read at offset ${next}: ${fetched.error}`);
      const room = { maxRecords: step.maxRecords - records.length, maxBytes: maxBytes - bytes };
      const found = collectRecords(fetched, next, room);
      const wanted = found.records.filter(({ offset }) => offset < stop);
      // The first of a further fetch is taken however large it is; a request is not.
      const isTooMuch = records.length > 0 && found.bytes > room.maxBytes;
      if (found.damage !== null && wanted.length === 0 && records.length === 0) {
        throw new Error(`Cannot read the batch at offset ${found.damage.baseOffset}: ${found.damage.error}`);
      }
      if (found.nextOffset === next || isTooMuch) break;
      records.push(...wanted);
      bytes += found.bytes;
      next = Math.min(found.nextOffset, stop);
      if (found.damage !== null) break;
    }
    return { records, endOffset: next };
  }
}

/** While single records of a batch are done one after the other, what is stored says enough (`resumeDelivery`). */
function isWorthStoring(before: Trouble | null, after: Trouble | null): boolean {
  if (before === after) return false;
  return !(after !== null && after.attempts === 0 && before?.splitEnd === after.splitEnd);
}
