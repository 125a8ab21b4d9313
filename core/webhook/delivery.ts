/**
 * The delivery of one partition to a webhook: what to send, when to send it again, when to give up. Pure; `decide` is `nextStep`, `apply`
 * is `settleAttempt` and `settleDeadLetter`. Clocks are the wall clock, because what is kept here outlives the process.
 *
 * One request at a time, in the order of the offsets. A batch that fails stays the same batch, also after a restart, until it is taken or
 * its attempts are used up; then its records are sent one by one, a few attempts each, and those that fail even so are given up: they
 * become dead letters, and only then does the partition go on.
 */
import { invariant } from "../../lib/invariant.ts";
import { retryDelayMs } from "./retry_delay.ts";
import type { WebhookConfig } from "./webhook.ts";

/** Attempts of one record of a batch that failed as a whole, at most. */
export const SINGLE_ATTEMPTS_MAX = 3;

/** What is stored of a partition in trouble. */
export interface Trouble {
  /** It is about the records from here… */
  readonly offset: number;
  /** …to before this. */
  readonly endOffset: number;
  /** Attempts that failed. */
  readonly attempts: number;
  readonly nextAttemptMs: number;
  /** Records below are sent one by one; null while the batch is whole. */
  readonly splitEnd: number | null;
  /** Of the last attempt, for people. */
  readonly error: string;
  /** It is a single record, its attempts are used up, it is to be a dead letter: how often that failed, and why. Else null. */
  readonly givenUp: { readonly failures: number; readonly fault: string | null } | null;
}

export interface Delivery {
  /** Of the next record to deliver. */
  readonly position: number;
  readonly trouble: Trouble | null;
}

export type DeliveryStep =
  | { readonly type: "wait"; readonly untilMs: number }
  /** Records from the position on, below `endOffset` when there is one, at most so many. */
  | {
    readonly type: "send" | "deadLetter";
    readonly endOffset: number | null;
    readonly maxRecords: number;
  };

export type DeliverySettings = Pick<
  WebhookConfig,
  "maxRecords" | "maxAttempts" | "backoffMs" | "maxBackoffMs" | "eventMode"
>;

/** The records of an attempt. */
export interface AttemptedBatch {
  readonly count: number;
  /** Behind the last one: the position when they are done. */
  readonly endOffset: number;
}

export type AttemptOutcome =
  | { readonly type: "delivered" }
  | {
    readonly type: "failed";
    readonly error: string;
    /** As the receiver asks. */
    readonly retryAfterMs: number | null;
    /** The receiver says that the batch is too large for it: no use in sending it whole again. */
    readonly isTooLarge?: boolean;
  };

interface Moment {
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: number;
}

/** Where a partition goes on that the group has committed up to `position`, with what was stored of its trouble. */
export function resumeDelivery(position: number, stored: Trouble | null): Delivery {
  if (stored === null) return { position, trouble: null };
  if (stored.offset === position) return { position, trouble: stored };
  const { splitEnd, error } = stored;
  // Single records were done since; the rest of the batch is still sent one by one.
  if (splitEnd !== null && stored.offset < position && position < splitEnd) {
    return { position, trouble: singles(position, splitEnd, error) };
  }
  return { position, trouble: null };
}

export function nextStep(
  { trouble }: Delivery,
  { maxRecords, eventMode }: DeliverySettings,
  nowMs: number,
): DeliveryStep {
  if (trouble === null) return { type: "send", endOffset: null, maxRecords };
  const { nextAttemptMs, endOffset, splitEnd, givenUp } = trouble;
  if (nextAttemptMs > nowMs) return { type: "wait", untilMs: nextAttemptMs };
  if (givenUp !== null) return { type: "deadLetter", endOffset, maxRecords: 1 };
  // A batch may have failed before each event came to have a request of its own.
  const isWhole = splitEnd === null && eventMode !== "structured";
  return { type: "send", endOffset, maxRecords: isWhole ? Infinity : 1 };
}

/** After an attempt. A position that rose is to be committed, a trouble that changed to be stored. */
export function settleAttempt(
  delivery: Delivery,
  { count, endOffset }: AttemptedBatch,
  outcome: AttemptOutcome,
  settings: DeliverySettings,
  { nowMs, random }: Moment,
): Delivery {
  invariant(endOffset > delivery.position && count > 0, "An attempt has records behind the position");
  if (outcome.type === "delivered") return moveOn(delivery, endOffset);
  const { position, trouble } = delivery;
  const splitEnd = trouble?.splitEnd ?? null;
  const attempts = (trouble?.attempts ?? 0) + 1;
  const { error, retryAfterMs } = outcome;
  const bounds = { firstMs: settings.backoffMs, maxMs: settings.maxBackoffMs };
  const nextAttemptMs = Math.ceil(
    nowMs + Math.max(retryDelayMs(attempts, random, bounds), retryAfterMs ?? 0),
  );
  const failed: Trouble = {
    offset: position,
    endOffset,
    attempts,
    nextAttemptMs,
    splitEnd,
    error,
    givenUp: null,
  };
  const isHopeless = outcome.isTooLarge === true && count > 1;
  if (attempts < attemptsMax(splitEnd, settings) && !isHopeless) return { position, trouble: failed };
  if (count > 1) {
    return { position, trouble: { ...singles(position, endOffset, error), nextAttemptMs } };
  }
  return { position, trouble: { ...failed, nextAttemptMs: nowMs, givenUp: { failures: 0, fault: null } } };
}

/** After the record at the position was stored as a dead letter, or could not be: then it is tried again, for ever. */
export function settleDeadLetter(
  delivery: Delivery,
  { endOffset }: AttemptedBatch,
  fault: string | null,
  settings: DeliverySettings,
  { nowMs, random }: Moment,
): Delivery {
  const { position, trouble } = delivery;
  const givenUp = trouble?.givenUp ?? null;
  invariant(trouble !== null && givenUp !== null, "A record is given up before it becomes a dead letter");
  if (fault === null) return moveOn(delivery, endOffset);
  const failures = givenUp.failures + 1;
  const bounds = { firstMs: settings.backoffMs, maxMs: settings.maxBackoffMs };
  const nextAttemptMs = Math.ceil(nowMs + retryDelayMs(failures, random, bounds));
  return { position, trouble: { ...trouble, nextAttemptMs, givenUp: { failures, fault } } };
}

/** When nothing is left to send of a batch in trouble, because it was deleted meanwhile. */
export function skipTo(delivery: Delivery, position: number): Delivery {
  return moveOn(delivery, position);
}

function moveOn({ trouble }: Delivery, position: number): Delivery {
  const splitEnd = trouble?.splitEnd ?? null;
  if (trouble === null || splitEnd === null || position >= splitEnd) return { position, trouble: null };
  return { position, trouble: singles(position, splitEnd, trouble.error) };
}

function singles(position: number, splitEnd: number, error: string): Trouble {
  return {
    offset: position,
    endOffset: splitEnd,
    attempts: 0,
    nextAttemptMs: 0,
    splitEnd,
    error,
    givenUp: null,
  };
}

function attemptsMax(splitEnd: number | null, { maxAttempts }: DeliverySettings): number {
  if (maxAttempts === 0) return Infinity;
  return splitEnd === null ? maxAttempts : Math.min(maxAttempts, SINGLE_ATTEMPTS_MAX);
}
