/**
 * The cluster's events as this broker learns of them, for those who watch: the newest ones are kept, so that a watcher that was cut
 * off goes on where it was. Watchers wait; nothing is kept for a slow one, it only sees how many it missed.
 */
import {
  type ClusterEvent,
  imageEvents,
  memberEvents,
  type MemberReport,
} from "../core/cluster/cluster_events.ts";
import type { MetadataImage } from "../core/cluster/metadata_image.ts";
import type { Env } from "../lib/env.ts";

const EVENTS_KEPT = 1_000;
/** Groups whose members are known; the one silent longest is forgotten, and its members come anew. */
const GROUPS_MAX = 10_000;

export interface NumberedEvent {
  /** Rises by one; from 1 at the start of the process. */
  readonly number: number;
  readonly timestampMs: number;
  readonly event: ClusterEvent;
}

export class EventFeed {
  readonly #env: Env;
  readonly #events: NumberedEvent[] = [];
  readonly #members = new Map<string, readonly MemberReport[]>();
  readonly #waiting = new Set<() => void>();
  #count = 0;
  #closed = false;

  constructor(env: Env) {
    this.#env = env;
  }

  /** Of the newest event; 0 before the first. */
  get newest(): number {
    return this.#count;
  }

  image(before: MetadataImage, after: MetadataImage): void {
    this.#add(imageEvents(before, after));
  }

  members(group: string, consumers: readonly MemberReport[]): void {
    const before = this.#members.get(group) ?? [];
    this.#members.delete(group);
    if (consumers.length > 0) this.#members.set(group, consumers);
    for (const oldest of this.#members.keys()) {
      if (this.#members.size <= GROUPS_MAX) break;
      this.#members.delete(oldest);
    }
    this.#add(memberEvents(group, before, consumers));
  }

  /** What no image and no report of members tells. */
  publish(event: ClusterEvent): void {
    this.#add([event]);
  }

  /** Those behind `number` that are still kept. */
  after(number: number): readonly NumberedEvent[] {
    const missing = this.#count - number;
    return missing <= 0 ? [] : this.#events.slice(-Math.min(missing, this.#events.length));
  }

  /** Nothing more comes: whoever waits goes on. */
  close(): void {
    this.#closed = true;
    for (const wake of this.#waiting) wake();
  }

  /** Resolves when there is one behind `number`, when the signal is aborted, or when the feed is closed. */
  async wait(number: number, signal: AbortSignal): Promise<void> {
    if (this.#count > number || signal.aborted || this.#closed) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        signal.removeEventListener("abort", wake);
        this.#waiting.delete(wake);
        resolve();
      };
      signal.addEventListener("abort", wake, { once: true });
      this.#waiting.add(wake);
    });
  }

  #add(events: readonly ClusterEvent[]): void {
    if (events.length === 0) return;
    const timestampMs = this.#env.now();
    for (const event of events) this.#events.push({ number: ++this.#count, timestampMs, event });
    this.#events.splice(0, this.#events.length - EVENTS_KEPT);
    for (const wake of this.#waiting) wake();
  }
}
