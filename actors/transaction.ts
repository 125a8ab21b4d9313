/**
 * The transaction actor (`transaction/<transactionalId>`): the thin host of `core/transaction`. Each state is stored before
 * it is answered. While the stored state is Prepare*, the markers are sent, again and again until all are written, also
 * after a crash; then the transaction is complete. Requests for the next transaction wait that long, a little, instead
 * of being sent away.
 */
import { isForgotten, type KeptAnswer } from "../core/transaction/kept_answer.ts";
import type { TransactionCommand } from "../core/transaction/transaction_commands.ts";
import {
  abortTimedOut,
  completeTransaction,
  decideTransaction,
  expireTransaction,
  timeoutAtMs,
} from "../core/transaction/transaction_machine.ts";
import { isEnding, isPending, type TransactionRecord } from "../core/transaction/transaction_state.ts";
import { mutant } from "../lib/mutants.ts";
import type { ErrorName } from "../protocol/errors.ts";
import type { TransactionShards, TransactionStore } from "../storage/transaction_store.ts";
import { CONSUMER_GROUP_KIND } from "./consumer_group.ts";
import { PARTITION_KIND, TRANSACTION_KIND } from "./kinds.ts";
import type { ConsumerGroupMessage } from "./messages/consumer_group.ts";
import type { PartitionMessage } from "./messages/partition.ts";
import type { TransactionMessage, TransactionTimer } from "./messages/transaction.ts";
import { partitionKey } from "./partition.ts";
import type { ActorContext, ActorHost, ActorKind, Reply } from "./runtime/types.ts";

/** How long a request waits for the end of the transaction before it, then it is CONCURRENT_TRANSACTIONS. */
export const ENDING_WAIT_MS = 1_000;
/** Requests that wait so; more are answered at once. */
const WAITING_MAX = 100;
const MARKER_DEADLINE_MS = 10_000;
const MARKER_RETRY_MS = 20;
const MARKER_RETRY_MS_MAX = 2_000;

export interface TransactionKindOptions {
  readonly transactionShards: TransactionShards;
  readonly nextProducerId: () => Promise<number>;
  /** `transaction.max.timeout.ms` */
  readonly timeoutMsMax: number;
  /** Of the answers that a transactional id keeps for Idempotency-Keys. */
  readonly keeping: {
    readonly countMax: number;
    readonly expirationMs: () => number;
  };
}

/** A record to store, and the answer that is kept with it. */
interface TransactionEffect {
  readonly record: TransactionRecord;
  readonly keeps: KeptAnswer | null;
}

type Context = ActorContext<TransactionMessage, TransactionEffect>;

export function transactionKind(
  options: TransactionKindOptions,
): ActorKind<TransactionMessage, TransactionEffect> {
  return {
    kind: TRANSACTION_KIND,
    async activate(context) {
      const store = await options.transactionShards.storeOf(context.address.key);
      const host = new TransactionHost(context, options, store, await store.read(context.address.key));
      host.resume();
      return host;
    },
  };
}

interface Waiting {
  readonly command: TransactionCommand;
  readonly reply: Reply<unknown>;
}

/** Where a marker goes, and what came of one attempt. */
interface MarkerTarget {
  readonly name: string;
  readonly send: () => Promise<{ readonly error: ErrorName | "NONE" }>;
}

class TransactionHost implements ActorHost<TransactionMessage, TransactionEffect> {
  readonly #context: Context;
  readonly #options: TransactionKindOptions;
  readonly #store: TransactionStore;
  /** Includes what is being stored. */
  #record: TransactionRecord | null;
  #durable: TransactionRecord | null;
  /** Requests for the time after the end that is under way. */
  #waiting: Waiting[] = [];

  constructor(
    context: Context,
    options: TransactionKindOptions,
    store: TransactionStore,
    record: TransactionRecord | null,
  ) {
    this.#context = context;
    this.#options = options;
    this.#store = store;
    this.#record = record;
    this.#durable = record;
  }

  /** Goes on where the last activation was. */
  resume(): void {
    this.#armTimeout();
    if (this.#durable !== null && isEnding(this.#durable) && !mutant("markers-forgotten")) {
      this.#sendMarkers(this.#durable);
    }
  }

  receive(message: TransactionMessage, reply: Reply<unknown>): void | Promise<void> {
    // Another id's commit failed on the same shard: what this one knows may be out of date.
    if (this.#store.fault !== null) throw this.#store.fault;
    switch (message.type) {
      case "describe":
        return reply.sendNow(this.#durable);
      case "findAnswer":
        return this.#findAnswer(message.keyHash, reply);
      case "expire":
        return this.#expire(message.beforeMs, reply);
      case "timeout":
        return this.#onTimeout(message);
      case "markersWritten":
        return this.#onMarkersWritten(message);
      case "endWait":
        return this.#answerWaiting(false);
      default:
        return this.#decide(message, reply, true);
    }
  }

  async commit(effects: readonly TransactionEffect[]): Promise<void> {
    const last = effects.at(-1)?.record;
    if (last === undefined) return;
    if (last.state === "Dead") {
      await this.#store.remove(last.transactionalId);
      this.#durable = null;
      return;
    }
    const answer = effects.find(({ keeps }) => keeps !== null)?.keeps ?? null;
    const { countMax, expirationMs } = this.#options.keeping;
    await this.#store.commit(
      last,
      answer === null ? null : { answer, countMax, expirationMs: expirationMs() },
    );
    this.#durable = last;
    // Now, and not before, the outcome is decided. Nothing is staged behind Prepare* until its markers are written.
    if (isEnding(last)) this.#sendMarkers(last);
  }

  idle(): boolean {
    return this.#waiting.length === 0 && (this.#record === null || !isPending(this.#record));
  }

  inspect(): Record<string, unknown> {
    const { state, producerId, producerEpoch, partitions, groups } = this.#record ?? {};
    return {
      state: state ?? "none",
      producerId,
      producerEpoch,
      partitionCount: partitions?.length ?? 0,
      groupCount: groups?.length ?? 0,
      waiting: this.#waiting.length,
    };
  }

  #decide(
    command: TransactionCommand,
    reply: Reply<unknown>,
    mayWait: boolean,
    freshProducerId: number | null = null,
  ): void | Promise<void> {
    const decision = decideTransaction(this.#record, command, {
      transactionalId: this.#context.address.key,
      wallMs: this.#wallMs(),
      timeoutMsMax: this.#options.timeoutMsMax,
      freshProducerId,
    });
    if (decision.type === "needsProducerId") {
      // The mailbox waits, so that what was decided on does not change.
      return this.#options.nextProducerId().then((id) => this.#decide(command, reply, mayWait, id));
    }
    if (decision.next !== undefined) {
      this.#set(decision.next, command.type === "endTransaction" ? command.keeps : undefined);
    }
    if (decision.whenEnded === true && mayWait && this.#waiting.length < WAITING_MAX) {
      if (this.#waiting.length === 0) this.#context.setTimer("wait", ENDING_WAIT_MS, END_WAIT);
      this.#waiting.push({ command, reply });
      return;
    }
    reply.send(decision.answer);
  }

  #set(next: TransactionRecord, keeps: KeptAnswer | null = null): void {
    this.#record = next;
    if (mutant("markers-first") && isEnding(next)) this.#sendMarkers(next);
    this.#context.stage({ record: next, keeps });
    this.#armTimeout();
  }

  #armTimeout(): void {
    const atMs = timeoutAtMs(this.#record);
    if (atMs === null || this.#record === null) return this.#context.cancelTimer("timeout");
    const { producerId, producerEpoch } = this.#record;
    const message = { type: "timeout", producerId, producerEpoch } as const;
    this.#context.setTimer("timeout", Math.max(0, atMs - this.#wallMs()), message);
  }

  /** What is being committed is not found: who asks has had the answer to that before. */
  async #findAnswer(keyHash: Uint8Array, reply: Reply<unknown>): Promise<void> {
    const found = await this.#store.findAnswer(this.#context.address.key, keyHash);
    const { expirationMs } = this.#options.keeping;
    reply.sendNow(found === null || isForgotten(found, expirationMs(), this.#wallMs()) ? null : found);
  }

  #expire(beforeMs: number, reply: Reply<unknown>): void {
    const dead = expireTransaction(this.#record, beforeMs, this.#wallMs());
    if (dead !== null) {
      this.#record = null;
      this.#context.stage({ record: dead, keeps: null });
    }
    reply.send({ isExpired: dead !== null });
  }

  #onTimeout(timer: TransactionTimer): void {
    if (this.#record === null || !isSame(this.#record, timer)) return;
    // Older clients keep their epoch: it may be a later transaction, or the clock was set back.
    if ((timeoutAtMs(this.#record) ?? Infinity) > this.#wallMs()) return this.#armTimeout();
    const next = abortTimedOut(this.#record, this.#wallMs());
    if (next === null) return;
    this.#context.log.info("Transaction timed out", {
      transactionalId: next.transactionalId,
      producerId: next.producerId,
      timeoutMs: next.timeoutMs,
    });
    this.#set(next);
  }

  #onMarkersWritten(done: TransactionTimer): void | Promise<void> {
    if (this.#record === null || !isEnding(this.#record) || !isSame(this.#record, done)) return;
    this.#set(completeTransaction(this.#record, this.#wallMs()));
    return this.#answerWaiting(true);
  }

  /** In the order in which they came, so that a producer's pipelined requests keep theirs. */
  async #answerWaiting(mayWait: boolean): Promise<void> {
    this.#context.cancelTimer("wait");
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { command, reply } of waiting) {
      // Who gave up tries again, or does not: nothing is opened for it.
      if (!reply.settled) await this.#decide(command, reply, mayWait);
    }
  }

  /** Writes every marker, however long that takes; one that is already there is not written again. */
  #sendMarkers(record: TransactionRecord): void {
    const { producerId, producerEpoch } = record;
    this.#context.run(async (signal) => {
      await Promise.all(this.#targets(record).map((target) => this.#deliver(target, signal)));
      this.#context.tellSelf({ type: "markersWritten", producerId, producerEpoch });
    });
  }

  #targets(record: TransactionRecord): MarkerTarget[] {
    const { producerId, producerEpoch, partitions, groups, state } = record;
    const committed = state === "PrepareCommit";
    const marker = { producerId, producerEpoch, committed };
    const { coordinatorEpoch } = this.#store;
    const options = { deadlineMs: MARKER_DEADLINE_MS };
    return [
      ...partitions.map(({ topicId, partition }) => {
        const key = partitionKey(topicId, partition);
        const ref = this.#context.ref<PartitionMessage>(PARTITION_KIND, key);
        return {
          name: key,
          send: () => ref.ask({ type: "writeMarker", ...marker, coordinatorEpoch }, options),
        };
      }),
      ...(mutant("offsets-left-out") ? [] : groups).map((groupId) => {
        const ref = this.#context.ref<ConsumerGroupMessage>(CONSUMER_GROUP_KIND, groupId);
        return {
          name: `group ${groupId}`,
          send: () => ref.ask({ type: "endTransaction", ...marker }, options),
        };
      }),
    ];
  }

  async #deliver({ name, send }: MarkerTarget, signal: AbortSignal): Promise<void> {
    for (let retryMs = MARKER_RETRY_MS;; retryMs = Math.min(retryMs * 2, MARKER_RETRY_MS_MAX)) {
      signal.throwIfAborted();
      let failure: string;
      try {
        const { error } = await send();
        // A deleted topic needs no marker, and a newer epoch means that this transaction has ended there.
        const isDone = error === "NONE" || error === "UNKNOWN_TOPIC_OR_PARTITION" ||
          error === "INVALID_PRODUCER_EPOCH";
        if (isDone) return;
        failure = error;
      } catch (error) {
        failure = String(error);
      }
      this.#context.log.warn("Cannot write a transaction's marker yet", {
        transactionalId: this.#context.address.key,
        to: name,
        error: failure,
      });
      await this.#context.env.sleep(retryMs, signal);
    }
  }

  #wallMs(): number {
    return Math.floor(this.#context.env.now());
  }
}

const END_WAIT = { type: "endWait", producerId: -1, producerEpoch: -1 } as const;

function isSame(
  a: { readonly producerId: number; readonly producerEpoch: number },
  b: { readonly producerId: number; readonly producerEpoch: number },
): boolean {
  return a.producerId === b.producerId && a.producerEpoch === b.producerEpoch;
}
