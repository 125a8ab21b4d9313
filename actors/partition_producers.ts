/**
 * What a partition's actor knows of its producers: the newest states in memory, the rest in the log's shard, from where
 * each comes back with one read when its producer writes again. Those that are idle for too long, or too many, are looked
 * up in the background and forgotten in the mailbox's order, so that no batch comes in between.
 */
import {
  isProducerExpired,
  ProducerExpiry,
  PRODUCERS_MAX,
  PRODUCERS_NEW_MAX,
} from "../core/partition/producer_expiry.ts";
import type { ProducerState } from "../core/partition/producer_state.ts";
import type { OpenTransactions } from "../core/partition/transactions.ts";
import type { PartitionLog } from "../storage/partition_log.ts";
import type { ActiveProducer } from "./messages/partition.ts";

/** Producer states kept in memory; the rest is read back from storage on demand. */
const PRODUCERS_CACHED_MAX = 1_024;
/** Producers forgotten in one commit. */
export const PRODUCERS_FORGOTTEN_MAX = 200;
/** Producers remembered whose first batch was turned away. */
const TURNED_AWAY_MAX = 1_024;

interface CachedProducer {
  readonly state: ProducerState;
  /** Of the batch or marker that made it so. */
  readonly offset: number;
}

export class PartitionProducers {
  readonly #log: PartitionLog;
  readonly #expirationMs: () => number;
  readonly #cached = new Map<number, CachedProducer>();
  readonly #turnedAway = new Map<number, { readonly producerEpoch: number; readonly sequence: number }>();
  #newCount = 0;

  constructor(log: PartitionLog, expirationMs: () => number) {
    this.#log = log;
    this.#expirationMs = expirationMs;
  }

  /** Goes on with the producer's state: at once, or when it is read from storage, while the mailbox waits. */
  withState(
    producerId: number,
    open: OpenTransactions,
    nowMs: number,
    goOn: (producer: ProducerState | null) => void | Promise<void>,
  ): void | Promise<void> {
    const unexpired = (state: ProducerState | null) => {
      const isGone = state !== null && open.firstOffsetOf(producerId) === null &&
        isProducerExpired(state, this.#expirationMs(), nowMs);
      return isGone ? null : state;
    };
    const known = this.#cached.get(producerId);
    if (known !== undefined) return goOn(unexpired(known.state));
    return this.#log.producerState(producerId).then((state) => goOn(unexpired(state)));
  }

  /**
   * Keeps the newest states; one may leave memory only when it is durable and can be read back. True when so many
   * producers are new that it is time to look through them.
   */
  remember(state: ProducerState, { isNew, offset, durableEnd }: RememberOptions): boolean {
    const { producerId } = state;
    this.#turnedAway.delete(producerId);
    this.#cached.delete(producerId);
    this.#cached.set(producerId, { state, offset });
    if (this.#cached.size > PRODUCERS_CACHED_MAX) {
      for (const [oldestId, oldest] of this.#cached) {
        if (oldest.offset < durableEnd) this.#cached.delete(oldestId);
        break;
      }
    }
    if (isNew) this.#newCount++;
    if (this.#newCount < PRODUCERS_NEW_MAX) return false;
    this.#newCount = 0;
    return true;
  }

  /** The first batch of a transaction was turned away: those in flight behind it must not take its place. */
  turnAway({ producerId, producerEpoch, baseSequence }: TurnedAwayBatch): void {
    const known = this.#turnedAway.get(producerId);
    const isLower = known === undefined || producerEpoch > known.producerEpoch ||
      producerEpoch === known.producerEpoch && baseSequence < known.sequence;
    if (!isLower) return;
    this.#turnedAway.delete(producerId);
    this.#turnedAway.set(producerId, { producerEpoch, sequence: baseSequence });
    if (this.#turnedAway.size <= TURNED_AWAY_MAX) return;
    for (const oldest of this.#turnedAway.keys()) {
      this.#turnedAway.delete(oldest);
      return;
    }
  }

  /** Where the producer must begin at the latest; Infinity when it may begin anywhere. */
  firstSequenceMax({ producerId, producerEpoch }: TurnedAwayBatch): number {
    const known = this.#turnedAway.get(producerId);
    return known?.producerEpoch === producerEpoch ? known.sequence : Infinity;
  }

  /**
   * All of them as stored, up to as many as are kept: first those with an open transaction, the oldest in front, since one that
   * hangs must be found among however many; then by id.
   */
  async describe(open: OpenTransactions): Promise<ActiveProducer[]> {
    const described = new Map<number, ActiveProducer>();
    const add = (state: ProducerState | null) => {
      if (state === null || described.has(state.producerId)) return;
      const transactionStartOffset = open.firstOffsetOf(state.producerId) ?? -1;
      described.set(state.producerId, { ...state, transactionStartOffset });
    };
    for (const producerId of open.producerIds.slice(0, PRODUCERS_MAX)) {
      add(await this.#log.producerState(producerId));
    }
    for await (const state of this.#log.allProducers()) {
      if (described.size >= PRODUCERS_MAX) break;
      add(state);
    }
    return [...described.values()];
  }

  /** Some of those to be forgotten, as stored; reads all of them. */
  async findVictims(open: OpenTransactions, nowMs: number): Promise<ProducerState[]> {
    const settings = { expirationMs: this.#expirationMs(), countMax: PRODUCERS_MAX };
    const expiry = new ProducerExpiry(settings, open, nowMs);
    for await (const producer of this.#log.allProducers()) expiry.look(producer);
    return expiry.victims(PRODUCERS_FORGOTTEN_MAX);
  }

  /**
   * Forgets those of `victims` that have not written since they were read; no batch may be decided meanwhile. Returns
   * their ids, whose states the caller deletes.
   */
  async forget(victims: readonly ProducerState[], open: OpenTransactions): Promise<number[]> {
    const stored = await Promise.all(victims.map(({ producerId }) => this.#log.producerState(producerId)));
    const forgotten: number[] = [];
    for (const [i, victim] of victims.entries()) {
      const { producerId } = victim;
      // What is not durable yet is in memory.
      const now = this.#cached.get(producerId)?.state ?? stored[i] ?? null;
      if (now === null || !isSameState(now, victim) || open.firstOffsetOf(producerId) !== null) continue;
      this.#cached.delete(producerId);
      forgotten.push(producerId);
    }
    return forgotten;
  }
}

interface RememberOptions {
  /** The partition did not know it before. */
  readonly isNew: boolean;
  readonly offset: number;
  /** The durable log end. */
  readonly durableEnd: number;
}

interface TurnedAwayBatch {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

function isSameState(a: ProducerState, b: ProducerState): boolean {
  return a.lastAppendMs === b.lastAppendMs && a.producerEpoch === b.producerEpoch &&
    a.batches.at(-1)?.baseOffset === b.batches.at(-1)?.baseOffset;
}
