/**
 * All transactional ids of this broker together: the list that people see, the waking of those that were in a transaction
 * when the last process ended, so that they go on with their markers and their timeouts, and the sweep that forgets ids
 * that nobody uses any more.
 */
import type { TransactionRecord } from "../core/transaction/transaction_state.ts";
import { isPending } from "../core/transaction/transaction_state.ts";
import type { Env } from "../lib/env.ts";
import type { Logger } from "../lib/log.ts";
import type { TransactionShards } from "../storage/transaction_store.ts";
import type { TransactionMessage } from "./messages/transaction.ts";
import { oneByOne } from "./one_by_one.ts";
import type { ActorRef } from "./runtime/types.ts";

/** Failures of the store are waited out: nobody else would wake a producer that does not come back. */
const WAKE_RETRY_MS = 1_000;
/** Kafka's transaction.remove.expired.transaction.cleanup.interval.ms. */
const SWEEP_INTERVAL_MS = 3_600_000;

export interface TransactionDirectoryOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly transactionShards: TransactionShards;
  readonly transaction: (transactionalId: string) => ActorRef<TransactionMessage>;
  /** `transactional.id.expiration.ms` */
  readonly expirationMs: number;
}

export class TransactionDirectory {
  readonly #options: TransactionDirectoryOptions;
  readonly #stopped = new AbortController();

  constructor(options: TransactionDirectoryOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#wake();
    void this.#sweepEveryInterval();
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** As last committed, in no order. Throws what storage throws. */
  async list(): Promise<TransactionRecord[]> {
    const records: TransactionRecord[] = [];
    for await (const record of this.#options.transactionShards.list()) records.push(record);
    return records;
  }

  /** Forgets what was not used for `expirationMs`. */
  async sweep(): Promise<void> {
    const { env, log, transaction, expirationMs } = this.#options;
    const beforeMs = Math.floor(env.now()) - expirationMs;
    const expired = (await this.list()).filter(({ changedMs }) => changedMs <= beforeMs);
    await oneByOne(
      expired,
      keyOf,
      ({ transactionalId }) => transaction(transactionalId).ask({ type: "expire", beforeMs }),
      {
        signal: this.#stopped.signal,
        log,
        failure: "Cannot forget some expired transactional ids",
      },
    );
  }

  async #sweepEveryInterval(): Promise<void> {
    const { env, log } = this.#options;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        await env.sleep(SWEEP_INTERVAL_MS, signal);
        await this.sweep();
      } catch (error) {
        if (signal.aborted) return;
        log.warn("Cannot forget expired transactional ids", { error: String(error) });
      }
    }
  }

  async #wake(): Promise<void> {
    const { env, log, transaction } = this.#options;
    const { signal } = this.#stopped;
    let asleep: readonly TransactionRecord[] | null = null;
    while (!signal.aborted) {
      try {
        asleep ??= (await this.list()).filter(isPending);
        const wake = ({ transactionalId }: TransactionRecord) =>
          transaction(transactionalId).ask({ type: "describe" }, { signal });
        const failure = "Cannot wake some transactions yet";
        asleep = await oneByOne(asleep, keyOf, wake, { signal, log, failure });
        if (asleep.length === 0) return;
      } catch (error) {
        if (signal.aborted) return;
        log.warn("Cannot wake the transactions yet", { error: String(error) });
      }
      await env.sleep(WAKE_RETRY_MS, signal).catch(() => undefined);
    }
  }
}

function keyOf({ transactionalId }: TransactionRecord): string {
  return transactionalId;
}
