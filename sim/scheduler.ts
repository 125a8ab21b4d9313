/**
 * Virtual time: a queue of events by time, with seeded order among those of the same time. One step is one event and
 * everything that its promises lead to; nothing else in the simulated world happens between two steps.
 *
 * After each event the real event loop turns once (`setImmediate`, 2 microseconds), which empties the microtask queue
 * whatever its length. Nothing of the code under test may wait for real IO; what does would show as a changed hash.
 */
import { setImmediate } from "node:timers";
import type { Cancel } from "../lib/env.ts";
import type { Rng } from "./rng.ts";
import type { Trace } from "./trace.ts";

/** Whose an event is: it waits while its owner is paused, and is dropped when its owner is dead. */
export interface EventOwner {
  readonly name: string;
  readonly state: "running" | "paused" | "dead";
}

interface ScheduledEvent {
  atMs: number;
  tieBreak: number;
  readonly serial: number;
  readonly owner: EventOwner | null;
  readonly what: string;
  readonly action: () => void;
  isCancelled: boolean;
}

export interface RunOptions {
  /** Looked at after each step. */
  readonly until: () => boolean;
  /** Virtual time at which patience ends. */
  readonly deadlineMs: number;
  readonly stepCountMax: number;
}

/** `deadlock`: nothing is scheduled any more although `until` does not hold. */
export type RunEnd = "done" | "deadlock" | "deadline" | "tooManySteps";

/** How the events of the world begin that are told. */
const FAULT = "nemesis: ";

export class Scheduler {
  readonly trace: Trace;
  readonly #rng: Rng;
  readonly #heap: ScheduledEvent[] = [];
  /** Of owners that are paused, in order. */
  readonly #deferred = new Map<EventOwner, ScheduledEvent[]>();
  #nowMs = 0;
  #serial = 0;
  #stepCount = 0;
  #failure: Error | null = null;

  constructor(rng: Rng, trace: Trace) {
    this.#rng = rng;
    this.trace = trace;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get stepCount(): number {
    return this.#stepCount;
  }

  /** Says what happened, at the present time. */
  tell(who: string, what: string, detail: string | number = ""): void {
    this.trace.add(this.#nowMs, who, what, detail);
  }

  /** The same for one of many steps. */
  tellStep(who: string, what: string, detail: string | number = ""): void {
    this.trace.addStep(this.#nowMs, who, what, detail);
  }

  /** Ends the run: `run` throws the first of these after the step. */
  fail(error: Error): void {
    this.#failure ??= error;
  }

  /** Runs `action` after `delayMs` of virtual time, unless cancelled. */
  schedule(delayMs: number, owner: EventOwner | null, what: string, action: () => void): Cancel {
    const event: ScheduledEvent = {
      // Whole microseconds, rounded up: a timer that fires before its time would be set again and again for nothing.
      atMs: Math.ceil((this.#nowMs + Math.max(0, delayMs)) * 1_000 - 1e-6) / 1_000,
      tieBreak: this.#rng.next(),
      serial: this.#serial++,
      owner,
      what,
      action,
      isCancelled: false,
    };
    this.#push(event);
    return () => {
      event.isCancelled = true;
    };
  }

  /** What came due while the owner was paused happens now, in its old order. */
  resumed(owner: EventOwner): void {
    const events = this.#deferred.get(owner) ?? [];
    this.#deferred.delete(owner);
    for (const event of events) {
      if (event.isCancelled) continue;
      event.atMs = this.#nowMs;
      event.tieBreak = -1;
      this.#push(event);
    }
  }

  /** Takes steps until something ends the run. Throws what was passed to `fail`. */
  async run({ until, deadlineMs, stepCountMax }: RunOptions): Promise<RunEnd> {
    await settled();
    for (const stepCountEnd = this.#stepCount + stepCountMax; !until();) {
      if (this.#failure !== null) throw this.#failure;
      const event = this.#pop();
      if (event === undefined) return "deadlock";
      if (event.isCancelled || event.owner?.state === "dead") continue;
      if (event.atMs > deadlineMs) {
        this.#push(event);
        return "deadline";
      }
      this.#nowMs = event.atMs;
      if (event.owner?.state === "paused") {
        const events = this.#deferred.get(event.owner);
        if (events === undefined) this.#deferred.set(event.owner, [event]);
        else events.push(event);
        continue;
      }
      if (this.#stepCount >= stepCountEnd) return "tooManySteps";
      this.#stepCount++;
      this.#note(event);
      event.action();
      await settled();
    }
    if (this.#failure !== null) throw this.#failure;
    return "done";
  }

  /** Of what happens step by step, faults alone are part of the story. */
  #note({ atMs, owner, what }: ScheduledEvent): void {
    if (owner === null && what.startsWith(FAULT)) this.trace.add(atMs, "world", what);
    else this.trace.addStep(atMs, owner?.name ?? "world", what);
  }

  #push(event: ScheduledEvent): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isEarlier(event, above)) break;
      heap[i] = above;
      heap[parent] = event;
      i = parent;
    }
  }

  #pop(): ScheduledEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let i = 0;;) {
      let child = 2 * i + 1;
      const left = heap[child];
      if (left === undefined) return first;
      const right = heap[child + 1];
      if (right !== undefined && isEarlier(right, left)) child++;
      const below = heap[child];
      if (below === undefined || !isEarlier(below, last)) return first;
      heap[i] = below;
      heap[child] = last;
      i = child;
    }
  }
}

function isEarlier(a: ScheduledEvent, b: ScheduledEvent): boolean {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs;
  if (a.tieBreak !== b.tieBreak) return a.tieBreak < b.tieBreak;
  return a.serial < b.serial;
}

/** Resolves when no promise has anything left to do. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
