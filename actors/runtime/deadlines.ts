/**
 * Deadlines of asks: a hashed timing wheel that one coarse timer sweeps, because a timer for each ask would cost more than
 * the ask. Adding and removing are O(1). A deadline expires up to one tick late and never early. The timer is
 * armed only while something waits. After Varghese and Lauck, as in Kafka's `SystemTimer`.
 */
import type { Cancel, Env } from "../../lib/env.ts";

/** Granularity of the sweep. */
export const DEADLINE_TICK_MS = 50;
/** A power of two; 1,024 ticks of 50 ms are 51 s, and longer waits stay for another round. */
const SLOT_COUNT = 1024;

/** Something that waits; it is a node of its slot's list, which spares an allocation. */
export abstract class Deadline {
  /** Monotonic milliseconds. */
  deadlineAtMs = 0;
  slot = -1;
  previous: Deadline | null = null;
  next: Deadline | null = null;
  /** Called once when the deadline has passed; it is no longer in the wheel then. */
  abstract expire(): void;
}

export class Deadlines {
  readonly #env: Env;
  readonly #slots: (Deadline | null)[] = new Array(SLOT_COUNT).fill(null);
  #count = 0;
  /** The last tick that was swept. */
  #tick = 0;
  #cancel: Cancel | null = null;

  constructor(env: Env) {
    this.#env = env;
  }

  get count(): number {
    return this.#count;
  }

  /** Lets `deadline` expire at `atMs`; `nowMs` is the monotonic time of the call. */
  add(deadline: Deadline, atMs: number, nowMs: number): void {
    if (this.#cancel === null) {
      this.#tick = Math.floor(nowMs / DEADLINE_TICK_MS);
      this.#arm(nowMs);
    }
    deadline.deadlineAtMs = atMs;
    const tick = Math.max(Math.ceil(atMs / DEADLINE_TICK_MS), this.#tick + 1);
    const slot = tick % SLOT_COUNT;
    const head = this.#slots[slot] ?? null;
    deadline.slot = slot;
    deadline.previous = null;
    deadline.next = head;
    if (head !== null) head.previous = deadline;
    this.#slots[slot] = deadline;
    this.#count++;
  }

  /** Forgets `deadline`; harmless when it is not waiting. */
  remove(deadline: Deadline): void {
    if (deadline.slot < 0) return;
    if (deadline.previous === null) this.#slots[deadline.slot] = deadline.next;
    else deadline.previous.next = deadline.next;
    if (deadline.next !== null) deadline.next.previous = deadline.previous;
    deadline.slot = -1;
    deadline.previous = null;
    deadline.next = null;
    this.#count--;
  }

  /** Stops the timer; what still waits never expires. */
  close(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  /** Wakes at the next tick's edge. */
  #arm(nowMs: number): void {
    this.#cancel = this.#env.timer(DEADLINE_TICK_MS - nowMs % DEADLINE_TICK_MS, () => this.#sweep());
  }

  #sweep(): void {
    this.#cancel = null;
    const nowMs = this.#env.mono();
    const nowTick = Math.floor(nowMs / DEADLINE_TICK_MS);
    const expired: Deadline[] = [];
    // After a long stall every slot is visited once, not once for each missed tick.
    for (let tick = Math.max(this.#tick + 1, nowTick - SLOT_COUNT + 1); tick <= nowTick; tick++) {
      let entry = this.#slots[tick % SLOT_COUNT] ?? null;
      while (entry !== null) {
        const next: Deadline | null = entry.next;
        if (entry.deadlineAtMs <= nowMs) {
          this.remove(entry);
          expired.push(entry);
        }
        entry = next;
      }
    }
    this.#tick = Math.max(this.#tick, nowTick);
    if (this.#count > 0) this.#arm(nowMs);
    for (const entry of expired) entry.expire();
  }
}
