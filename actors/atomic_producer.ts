/**
 * The atomic producer (`atomic_producer/<transactional id>`): a transactional producer inside the broker, for clients that
 * have none. Each request is one transaction: the partitions are added, the records appended, and the coordinator's stored
 * decision is the commit point, with the number of the client's request in the same record. So a crash between any two
 * steps leaves all of the request or nothing, and a repetition is known.
 *
 * One request at a time. What an earlier process left open is aborted when the next one begins (InitProducerId).
 */
import { isSameBytes, type KeptAnswer } from "../core/transaction/kept_answer.ts";
import { decideRequestTag } from "../core/transaction/request_tag.ts";
import type { RequestTag, TransactionRecord } from "../core/transaction/transaction_state.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { buildBatch, type RecordInput } from "../protocol/records/record_batch.ts";
import { PARTITION_KIND, TRANSACTION_KIND } from "./kinds.ts";
import type {
  AtomicProduce,
  AtomicProduceResult,
  AtomicProducerMessage,
  AtomicWrite,
  KeyedRequest,
  WrittenRecords,
} from "./messages/atomic_producer.ts";
import type { PartitionMessage } from "./messages/partition.ts";
import type { TransactionMessage } from "./messages/transaction.ts";
import { partitionKey } from "./partition.ts";
import type { ActorContext, ActorHost, ActorKind, ActorRef, Reply } from "./runtime/types.ts";

export const ATOMIC_PRODUCER_KIND = "atomic_producer";

/** A request that takes longer is aborted by its coordinator. */
const TRANSACTION_TIMEOUT_MS = 30_000;
/** Tries of a step that another transaction of the same id holds up. */
const CONCURRENT_TRIES_MAX = 20;
const CONCURRENT_PAUSE_MS = 10;
/** Waiting for the markers after the decision, a second each; then the answer is given all the same. */
const END_WAITS_MAX = 20;
/** Requests of one producer that wait for the one before. */
const WAITING_MAX = 256;

interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

export function atomicProducerKind(): ActorKind<AtomicProducerMessage, never> {
  return {
    kind: ATOMIC_PRODUCER_KIND,
    options: { mailboxLengthMax: WAITING_MAX },
    activate: (context) => new AtomicProducerHost(context),
  };
}

/** A step that Kafka's protocol refuses; the transaction is aborted. */
class RefusedStep extends Error {
  override readonly name = "RefusedStep";

  constructor(readonly error: ErrorName, readonly detail: string | null) {
    super(detail ?? error);
  }
}

class AtomicProducerHost implements ActorHost<AtomicProducerMessage, never> {
  readonly #context: ActorContext<AtomicProducerMessage, never>;
  readonly #coordinator: ActorRef<TransactionMessage>;
  /** Null: to be asked for, before the next transaction. */
  #identity: Identity | null = null;
  #lastRequest: RequestTag | null = null;
  #committedCount = 0;

  constructor(context: ActorContext<AtomicProducerMessage, never>) {
    this.#context = context;
    this.#coordinator = context.ref<TransactionMessage>(TRANSACTION_KIND, context.address.key);
  }

  async receive(message: AtomicProducerMessage, reply: Reply<unknown>): Promise<void> {
    // Who gave up while it waited comes again, or does not: nothing is begun for it.
    if (reply.settled) return;
    reply.sendNow(await this.#produce(message));
  }

  inspect(): Record<string, unknown> {
    return { ...this.#identity, lastRequest: this.#lastRequest, committedCount: this.#committedCount };
  }

  async #produce({ writes, tag, keyed }: AtomicProduce): Promise<AtomicProduceResult> {
    const identity = this.#identity ?? await this.#begin();
    if (tag !== null) {
      const decision = decideRequestTag(this.#lastRequest, tag);
      if (decision.type !== "next") return decision;
    }
    if (keyed !== null) {
      const kept = await this.#coordinator.ask({ type: "findAnswer", keyHash: keyed.key.hash });
      if (kept !== null) {
        return isSameBytes(kept.key.fingerprint, keyed.key.fingerprint)
          ? { type: "answered", outcome: kept }
          : { type: "keyReused" };
      }
    }
    // Whatever happens on the way, the next request begins anew, unless this one ends well.
    this.#identity = null;
    try {
      await this.#add(identity, writes);
      // All of them, also after a failure: an append must not come behind the abort.
      const appended = await Promise.allSettled(writes.map((write) => this.#append(identity, write)));
      const failed = appended.find((each) => each.status === "rejected");
      if (failed !== undefined) throw failed.reason;
      const written = appended.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
      const keeps = keyed === null ? null : this.#answer(keyed, writes, written);
      this.#identity = await this.#commit(identity, tag, keeps);
      this.#committedCount++;
      if (tag !== null) this.#lastRequest = tag;
      await this.#awaitMarkers();
      return { type: "committed", written };
    } catch (error) {
      if (!(error instanceof RefusedStep)) throw error;
      this.#identity = await this.#abort(identity);
      return { type: "refused", error: error.error, message: error.detail };
    }
  }

  /** The next epoch; what was open before is aborted. */
  async #begin(): Promise<Identity> {
    const result = await this.#retried(() =>
      this.#coordinator.ask({
        type: "initProducerId",
        timeoutMs: TRANSACTION_TIMEOUT_MS,
        producerId: -1,
        producerEpoch: -1,
      })
    );
    if (result.error !== "NONE") throw new Error(`Cannot begin an atomic request: ${result.error}`);
    const record: TransactionRecord | null = await this.#coordinator.ask({ type: "describe" });
    this.#lastRequest = record?.lastRequest ?? null;
    return this.#identity = identityOf(result);
  }

  async #add(identity: Identity, writes: readonly AtomicWrite[]): Promise<void> {
    const partitions = writes.map(({ topicId, partition }) => ({ topicId, partition }));
    const { error } = await this.#retried(() =>
      this.#coordinator.ask({ type: "addToTransaction", ...identity, partitions, groups: [] })
    );
    if (error !== "NONE") throw new RefusedStep(error, null);
  }

  async #append(identity: Identity, write: AtomicWrite): Promise<WrittenRecords> {
    const { topicId, partition, records, settings } = write;
    const ref = this.#context.ref<PartitionMessage>(PARTITION_KIND, partitionKey(topicId, partition));
    let first: WrittenRecords | null = null;
    let baseSequence = 0;
    for (const group of splitBySize(records, settings.maxMessageBytes)) {
      const result = await ref.ask({
        type: "produce",
        batch: buildBatch({ records: group, ...identity, baseSequence, isTransactional: true }),
        transactionalId: this.#context.address.key,
        supportsEpochBump: true,
        ...settings,
      });
      if (result.error !== "NONE") throw new RefusedStep(result.error, result.errorMessage);
      first ??= result;
      baseSequence += group.length;
    }
    return { baseOffset: first?.baseOffset ?? -1, logAppendTimeMs: first?.logAppendTimeMs ?? -1 };
  }

  #answer(
    keyed: KeyedRequest,
    writes: readonly AtomicWrite[],
    written: readonly WrittenRecords[],
  ): KeptAnswer {
    const kept = writes.map(({ partition }, index) => {
      const { baseOffset, logAppendTimeMs } = written[index] ?? { baseOffset: -1, logAppendTimeMs: -1 };
      return { partition, baseOffset, logAppendTimeMs };
    });
    return { ...keyed, writes: kept, keptMs: Math.floor(this.#context.env.now()) };
  }

  async #commit(identity: Identity, tag: RequestTag | null, keeps: KeptAnswer | null): Promise<Identity> {
    const request = { ...(tag === null ? {} : { request: tag }), ...(keeps === null ? {} : { keeps }) };
    const end = {
      type: "endTransaction",
      ...identity,
      committed: true,
      bumpsEpoch: true,
      ...request,
    } as const;
    // With the same epoch again it is known as a repetition (KIP-890), and gets the same answer.
    const result = await this.#retried(() => this.#coordinator.ask(end));
    if (result.error !== "NONE") {
      throw new RefusedStep(result.error, "The transaction could not be committed");
    }
    return identityOf(result);
  }

  /** Null when it is left to its timeout, or to the next request. */
  async #abort(identity: Identity): Promise<Identity | null> {
    const end = { type: "endTransaction", ...identity, committed: false, bumpsEpoch: true } as const;
    const result = await this.#retried(() => this.#coordinator.ask(end)).catch(() => null);
    return result === null || result.error !== "NONE" ? null : identityOf(result);
  }

  /** Until read_committed sees the records: an answered request can be read. */
  async #awaitMarkers(): Promise<void> {
    for (let i = 0; i < END_WAITS_MAX; i++) {
      const { error } = await this.#coordinator.ask({ type: "awaitEnd" });
      if (error === "NONE") return;
    }
    this.#context.log.warn("A request is committed, but not yet readable", { id: this.#context.address.key });
  }

  async #retried<R extends { readonly error: ErrorName | "NONE" }>(ask: () => Promise<R>): Promise<R> {
    for (let tries = 1;; tries++) {
      const result = await ask();
      if (result.error !== "CONCURRENT_TRANSACTIONS" || tries >= CONCURRENT_TRIES_MAX) return result;
      await this.#context.env.sleep(CONCURRENT_PAUSE_MS);
    }
  }
}

function identityOf({ producerId, producerEpoch }: Identity): Identity {
  return { producerId, producerEpoch };
}

/** Bytes of a batch's header, and of a record and a header besides their contents (varints at their longest). */
const BATCH_OVERHEAD_BYTES = 61;
const RECORD_OVERHEAD_BYTES = 32;
const HEADER_OVERHEAD_BYTES = 10;

function* splitBySize(records: readonly RecordInput[], bytesMax: number): Generator<RecordInput[]> {
  let group: RecordInput[] = [];
  let bytes = BATCH_OVERHEAD_BYTES;
  for (const record of records) {
    const { key, value, headers } = record;
    // A UTF-16 unit is at most three bytes of UTF-8.
    const own = headers.reduce(
      (sum, header) => sum + HEADER_OVERHEAD_BYTES + header.key.length * 3 + (header.value?.length ?? 0),
      RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0),
    );
    if (group.length > 0 && bytes + own > bytesMax) {
      yield group;
      group = [];
      bytes = BATCH_OVERHEAD_BYTES;
    }
    group.push(record);
    bytes += own;
  }
  yield group;
}
