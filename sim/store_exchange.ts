/**
 * Somebody empties the store of an embedded broker between two of its processes, or puts back a copy from before the last one
 * served, and the segment files stay as they are. No process may serve from it, nor write to the files; then the newest is put
 * back, and everything must be as it was.
 */
import type { BrokerService } from "./broker_service.ts";
import type { FaultLog } from "./fault_log.ts";
import type { Rng } from "./rng.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimStore, StoredRow } from "./sim_kv.ts";
import { StoreViolation } from "./store_invariants.ts";

const EXCHANGED_MS_MAX = 15_000;

export interface StoreExchangeOptions {
  readonly scheduler: Scheduler;
  readonly rng: Rng;
  readonly faultLog: FaultLog;
  readonly store: SimStore;
  readonly brokers: BrokerService;
}

export class StoreExchange {
  readonly #options: StoreExchangeOptions;
  /** As it was when the process that served last began. */
  #older: readonly StoredRow[] | null = null;
  /** While something else is in its place. */
  #newest: readonly StoredRow[] | null = null;

  constructor(options: StoreExchangeOptions) {
    this.#options = options;
    options.brokers.onServing = (rows) => {
      if (this.#newest !== null) {
        options.scheduler.fail(new StoreViolation("A broker serves from a store that is not the newest"));
      }
      this.#older = rows;
    };
  }

  begin(): void {
    const { scheduler, rng, faultLog, store, brokers } = this.#options;
    // Without one that has served there is no older copy, and no directory that knows its store.
    if (this.#older === null || this.#newest !== null) return;
    const isEmptied = rng.chance(0.5);
    faultLog.count(isEmptied ? "storeEmptied" : "storeRestored");
    brokers.current?.kill("somebody is at its files");
    this.#newest = store.exchange(isEmptied ? [] : this.#older);
    scheduler.tell("world", isEmptied ? "the store is emptied" : "the store is an older copy");
    scheduler.schedule(
      rng.logBetween(200, EXCHANGED_MS_MAX),
      null,
      "the store is put back",
      () => this.end(),
    );
  }

  /** The newest is put back, if it is not there. */
  end(): void {
    const { store, brokers, scheduler } = this.#options;
    if (this.#newest === null) return;
    // Whoever is about to be refused would otherwise see one store and go on in the other.
    brokers.current?.kill("somebody is at its files");
    store.exchange(this.#newest);
    this.#newest = null;
    scheduler.tell("world", "the store is the newest again");
  }
}
