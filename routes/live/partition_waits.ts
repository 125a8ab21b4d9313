/**
 * Waiting for records, shared by the live tails of a process: those that wait at the same place of a partition are one question to its actor,
 * so that five thousand idle readers cost it nothing.
 */
import type { Broker } from "../../actors/broker.ts";
import type { IsolationLevel } from "../../actors/messages/partition.ts";
import { limits } from "../../core/config/limits.ts";
import type { Cancel } from "../../lib/env.ts";

export interface AwaitedPlace {
  readonly topicId: string;
  readonly partition: number;
  /** The first offset that is not read yet. */
  readonly nextOffset: number;
  readonly isolation: IsolationLevel;
}

interface Wait {
  readonly callbacks: Set<() => void>;
  /** Aborted when nobody waits any more. */
  readonly abandoned: AbortController;
}

export class PartitionWaits {
  readonly #broker: Broker;
  readonly #waits = new Map<string, Wait>();

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  /** Questions that are open now. */
  get count(): number {
    return this.#waits.size;
  }

  /** Calls `callback` once when there may be something to read, or reading fails; never before this call returns. */
  add(place: AwaitedPlace, callback: () => void): Cancel {
    const key = `${place.topicId}/${place.partition}/${place.nextOffset}/${place.isolation}`;
    const wait = this.#waits.get(key) ?? this.#ask(key, place);
    // A function of its own: two tails, or one twice, must not be taken for the same.
    const call = () => callback();
    wait.callbacks.add(call);
    return () => {
      wait.callbacks.delete(call);
      if (wait.callbacks.size > 0 || this.#waits.get(key) !== wait) return;
      this.#waits.delete(key);
      wait.abandoned.abort();
    };
  }

  #ask(key: string, { topicId, partition, nextOffset, isolation }: AwaitedPlace): Wait {
    const wait: Wait = { callbacks: new Set(), abandoned: new AbortController() };
    this.#waits.set(key, wait);
    const wake = () => {
      if (this.#waits.get(key) === wait) this.#waits.delete(key);
      for (const callback of wait.callbacks) callback();
    };
    this.#broker.partition(topicId, partition).ask(
      { type: "awaitData", offset: nextOffset, minBytes: 1, isolationLevel: isolation },
      { deadlineMs: limits.longPollMsMax, signal: wait.abandoned.signal },
      // Whatever went wrong, whoever reads next meets it; after a deadline there is nothing to meet, and the tail waits again.
    ).then(wake, wake);
    return wait;
  }
}
