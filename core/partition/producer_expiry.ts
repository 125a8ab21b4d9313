/**
 * Which producers a partition forgets: those that were idle for `producer.id.expiration.ms`, and, beyond a number, those
 * idle longest. A producer with an open transaction is never forgotten: its marker will come.
 * Source: Kafka's ProducerStateManager.removeExpiredProducers; the bound in number is our own.
 */
import type { ProducerState } from "./producer_state.ts";
import type { OpenTransactions } from "./transactions.ts";

/** Producers that one partition remembers once they were looked through. */
export const PRODUCERS_MAX = 10_000;

/** New producers after which a partition looks through all of them by itself. */
export const PRODUCERS_NEW_MAX = 1_000;

export interface ProducerExpirySettings {
  /** `producer.id.expiration.ms` */
  readonly expirationMs: number;
  readonly countMax: number;
}

/** `producer.id.expiration.ms` went by since its last batch or marker. */
export function isProducerExpired(
  { lastAppendMs }: ProducerState,
  expirationMs: number,
  nowMs: number,
): boolean {
  return nowMs - lastAppendMs >= expirationMs;
}

/** Collects what is to be forgotten while the producers are read one after the other. */
export class ProducerExpiry {
  readonly #expired: ProducerState[] = [];
  /** Those that may have to make room, sorted when asked for. */
  readonly #kept: ProducerState[] = [];

  readonly #settings: ProducerExpirySettings;
  readonly #open: OpenTransactions;
  readonly #nowMs: number;

  constructor(settings: ProducerExpirySettings, open: OpenTransactions, nowMs: number) {
    this.#settings = settings;
    this.#open = open;
    this.#nowMs = nowMs;
  }

  look(producer: ProducerState): void {
    if (this.#open.firstOffsetOf(producer.producerId) !== null) return;
    const isExpired = isProducerExpired(producer, this.#settings.expirationMs, this.#nowMs);
    (isExpired ? this.#expired : this.#kept).push(producer);
  }

  /** At most `countMax` of them, the expired ones first, then those idle longest. */
  victims(countMax: number): ProducerState[] {
    const tooMany = Math.max(0, this.#kept.length - this.#settings.countMax);
    const oldest = tooMany === 0
      ? []
      : this.#kept.sort((a, b) => a.lastAppendMs - b.lastAppendMs).slice(0, tooMany);
    return [...this.#expired, ...oldest].slice(0, countMax);
  }
}
