/**
 * The transactions of one producer: its identity, whether one is open, and how it ends. The boundary between the producer and
 * the transaction's coordinator.
 *
 * A partition joins a transaction by being written to, and every end gives the producer a new epoch, so that nothing that comes
 * late is taken for part of a later transaction (KIP-890). Brokers that cannot do so are refused. Source: Kafka's
 * TransactionManager.
 */
import { endTxn } from "../protocol/messages/26_end_txn.ts";
import { initProducerId } from "../protocol/messages/22_init_producer_id.ts";
import type { Cluster } from "./cluster.ts";
import type { Connection } from "./connection.ts";
import { ConfigurationError, throwIfError, UnsupportedVersionError } from "./errors.ts";
import { transactionCoordinatorOf } from "./group_coordinator.ts";
import type { ProducerIdentity } from "./record_accumulator.ts";

export interface TransactionOptions {
  readonly transactionalId: string;
  /** After this time the coordinator aborts an open transaction, milliseconds. */
  readonly transactionTimeoutMs: number;
}

/** The first version of EndTxn whose answer tells the new epoch. */
const BUMPING_VERSION = 5;

type State = "new" | "ready" | "open" | "ending" | "unusable";

export class TransactionManager {
  readonly transactionalId: string;
  readonly #cluster: Cluster;
  readonly #timeoutMs: number;
  #state: State = "new";
  #identity: ProducerIdentity | null = null;
  #failure: Error | null = null;
  /** Whether a batch of the open transaction was sent, so that the coordinator knows of it. */
  #isUsed = false;
  #coordinatorId: number | null = null;

  constructor(cluster: Cluster, { transactionalId, transactionTimeoutMs }: TransactionOptions) {
    this.transactionalId = transactionalId;
    this.#cluster = cluster;
    this.#timeoutMs = transactionTimeoutMs;
  }

  /** Another object for each transaction; null before the first. */
  get identity(): ProducerIdentity | null {
    return this.#identity;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Why the open transaction can only be aborted; null: it may be committed. */
  get failure(): Error | null {
    return this.#failure;
  }

  /** Fences earlier producers of this transactional id and ends what they left open. Throws a `ClientError`. */
  async init(): Promise<void> {
    this.#expect("new", "initialize transactions");
    this.#identity = await this.#ask(async (connection) => {
      if ((connection.version(endTxn) ?? 0) < BUMPING_VERSION) {
        throw new UnsupportedVersionError("Cannot use transactions: the broker has no EndTxn of version 5");
      }
      return await connection.request(initProducerId, {
        transactionalId: this.transactionalId,
        transactionTimeoutMs: this.#timeoutMs,
        producerId: -1,
        producerEpoch: -1,
      });
    });
    this.#state = "ready";
  }

  begin(): void {
    this.#expect("ready", "begin a transaction");
    this.#state = "open";
    this.#isUsed = false;
    this.#failure = null;
  }

  /** A batch of the open transaction is about to be sent. */
  noteUse(): void {
    this.#isUsed = true;
  }

  /** A record of the open transaction is lost. */
  fail(error: Error): void {
    this.#failure ??= error;
  }

  /** Commits once `flush` has come to its end, or throws why it cannot be: then the transaction is still open. */
  async commit(flush: () => Promise<void>): Promise<void> {
    this.#expect("open", "commit");
    this.#state = "ending";
    await flush();
    if (this.#failure !== null) {
      this.#state = "open";
      throw this.#failure;
    }
    await this.#end(true);
  }

  /** Aborts; records that were not sent yet fail with `reason`. */
  async abort(flush: () => Promise<void>, reason: Error): Promise<void> {
    this.#expect("open", "abort");
    this.#state = "ending";
    this.fail(reason);
    await flush();
    await this.#end(false);
  }

  async #end(committed: boolean): Promise<void> {
    if (this.#isUsed) {
      // Until it is known how it ended, there is nothing that could be done next.
      this.#state = "unusable";
      const { producerId = -1, producerEpoch = -1 } = this.#identity ?? {};
      const { transactionalId } = this;
      this.#identity = await this.#ask((connection) =>
        connection.request(endTxn, { transactionalId, producerId, producerEpoch, committed })
      );
    }
    this.#state = "ready";
    this.#failure = null;
  }

  /** Asks the coordinator who this producer is from now on; looks for it again after every failure. */
  #ask(
    request: (connection: Connection) => Promise<ProducerIdentity & { readonly errorCode: number }>,
  ): Promise<ProducerIdentity> {
    return this.#cluster.retry(async () => {
      try {
        this.#coordinatorId ??= (await transactionCoordinatorOf(this.#cluster, this.transactionalId)).nodeId;
        const connection = await this.#cluster.connection(this.#coordinatorId);
        const { errorCode, producerId, producerEpoch } = await request(connection);
        throwIfError(errorCode);
        return { producerId, producerEpoch };
      } catch (error) {
        this.#coordinatorId = null;
        throw error;
      }
    });
  }

  #expect(state: State, action: string): void {
    if (this.#state === state) return;
    const states: Record<State, string> = {
      new: "transactions are not initialized",
      ready: "no transaction is open",
      open: "a transaction is open",
      ending: "the transaction is ending",
      unusable: "how the last transaction ended is not known",
    };
    throw new ConfigurationError(`Cannot ${action}: ${states[this.#state]}`);
  }
}
