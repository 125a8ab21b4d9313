/**
 * The live tails that are open in this process: how many there may be, what became of the topics while they are open, and their end when the
 * server stops. One watcher of the topics for all of them, so that a reader costs nothing while nothing happens.
 */
import type { Broker } from "../../actors/broker.ts";
import type { TopicImage } from "../../core/cluster/metadata_image.ts";
import type { Cancel } from "../../lib/env.ts";
import { Problem } from "../problem.ts";
import type { LiveTail, TailEnd } from "./live_tail.ts";
import { PartitionWaits } from "./partition_waits.ts";

/** Whoever comes too many is to try again after that. */
const RETRY_AFTER_SECONDS = 5;

type TopicsById = ReadonlyMap<string, TopicImage>;

/** One tail's place, or another lasting reader's, among those that may be open. */
export class Seat {
  readonly #leave: (seat: Seat) => void;
  /** What the server's end does to it. */
  tail: LiveTail | null = null;
  /** The same for a reader of something else than records. */
  onStop: (() => void) | null = null;

  constructor(leave: (seat: Seat) => void) {
    this.#leave = leave;
  }

  /** When its last byte is sent or its reader is gone. Twice is harmless. */
  leave(): void {
    this.tail?.end("left");
    this.#leave(this);
  }
}

export class LiveTails {
  readonly waits: PartitionWaits;
  readonly #broker: Broker;
  readonly #seats = new Set<Seat>();
  #isEnding = false;
  #allLeft: (() => void)[] = [];
  #stopWatching: Cancel | null = null;

  constructor(broker: Broker) {
    this.#broker = broker;
    this.waits = new PartitionWaits(broker);
  }

  /** Throws 503 when there is no room. */
  enter(): Seat {
    if (this.#isEnding) throw new Problem(503, { detail: "The server is stopping" });
    const most = Number(this.#broker.config("http.live.tails.max"));
    if (this.#seats.size >= most) {
      throw new Problem(503, {
        detail: `Cannot open another live tail: ${most} are open, see http.live.tails.max`,
        headers: { "retry-after": String(RETRY_AFTER_SECONDS) },
      });
    }
    const seat = new Seat((seat) => this.#leave(seat));
    this.#seats.add(seat);
    this.#broker.metrics.liveTails = this.#seats.size;
    if (this.#stopWatching === null) this.#watchTopics();
    return seat;
  }

  /** Ends all of them, and takes no more. Resolves when the last has been told; the caller brings the deadline. */
  async end(reason: TailEnd = "stopping"): Promise<void> {
    this.#isEnding = true;
    for (const { tail, onStop } of this.#seats) {
      tail?.end(reason);
      onStop?.();
    }
    if (this.#seats.size > 0) await new Promise<void>((resolve) => this.#allLeft.push(resolve));
  }

  #leave(seat: Seat): void {
    if (!this.#seats.delete(seat)) return;
    this.#broker.metrics.liveTails = this.#seats.size;
    if (this.#seats.size > 0) return;
    this.#stopWatching?.();
    this.#stopWatching = null;
    for (const resolve of this.#allLeft.splice(0)) resolve();
  }

  /** As long as somebody reads, and no longer. */
  #watchTopics(): void {
    const stopped = new AbortController();
    this.#stopWatching = () => stopped.abort();
    void this.#watch(stopped.signal);
  }

  async #watch(stopped: AbortSignal): Promise<void> {
    const { events, env } = this.#broker;
    let seen: TopicsById = this.#broker.metadata.topicsById;
    let number = events.newest;
    while (true) {
      await events.wait(number, stopped);
      if (stopped.aborted) return;
      number = events.newest;
      const now = this.#broker.metadata.topicsById;
      if (now === seen) continue;
      const changed = changedTopics(seen, now);
      seen = now;
      let sliceMs = env.mono();
      for (const { tail } of this.#seats) {
        if (tail !== null && changed.some((topic) => tail.concerns(topic))) tail.topicsChanged();
        if (env.mono() - sliceMs < SLICE_MS) continue;
        await new Promise<void>((resolve) => env.timer(0, resolve));
        sliceMs = env.mono();
      }
    }
  }
}

/** Thousands of patterns are looked through in slices, so that others are served in between. */
const SLICE_MS = 10;

/** Those that came, went or grew. */
function changedTopics(before: TopicsById, after: TopicsById): TopicImage[] {
  return [
    ...[...before.values()].filter(({ topicId }) => !after.has(topicId)),
    ...[...after.values()].filter(({ topicId, partitions }) =>
      before.get(topicId)?.partitions.length !== partitions.length
    ),
  ];
}
