/**
 * One transactional id as its coordinator keeps it: the whole of it is one stored record, replaced on each change.
 * Source: KIP-98, KIP-890; Kafka's TransactionMetadata and TransactionState.
 */
import { invariant } from "../../lib/invariant.ts";

/** Kafka's spelling; the index is stored, so the order is fixed. */
export const TRANSACTION_STATES = [
  "Empty",
  "Ongoing",
  "PrepareCommit",
  "PrepareAbort",
  "CompleteCommit",
  "CompleteAbort",
  "Dead",
  "PrepareEpochFence",
] as const;

export type TransactionStateName = typeof TRANSACTION_STATES[number];

/**
 * From which states each may come. Fencing goes from Ongoing to PrepareAbort in one step here, so that
 * PrepareEpochFence, which Kafka holds in memory only, never occurs; a Dead id is deleted from the store.
 * PrepareAbort follows Empty and Complete* when a client aborts before it wrote anything (KIP-890: that bumps, too).
 */
export const PREDECESSORS: Readonly<Record<TransactionStateName, readonly TransactionStateName[]>> = {
  Empty: ["Empty", "CompleteCommit", "CompleteAbort"],
  Ongoing: ["Ongoing", "Empty", "CompleteCommit", "CompleteAbort"],
  PrepareCommit: ["Ongoing"],
  PrepareAbort: ["Ongoing", "Empty", "CompleteCommit", "CompleteAbort"],
  CompleteCommit: ["PrepareCommit"],
  CompleteAbort: ["PrepareAbort"],
  Dead: ["Empty", "CompleteCommit", "CompleteAbort"],
  PrepareEpochFence: [],
};

export const NO_PRODUCER_ID = -1;
export const NO_PRODUCER_EPOCH = -1;
/** Kept free, so that the last epoch that a client gets can still be fenced or ended. */
export const PRODUCER_EPOCH_MAX = 0x7fff;

export interface TransactionPartition {
  readonly topicId: string;
  readonly partition: number;
}

/** A request of an HTTP client as it numbers them; it lies within one transaction. */
export interface RequestTag {
  readonly epoch: number;
  readonly seq: number;
}

export interface TransactionRecord {
  readonly transactionalId: string;
  readonly state: TransactionStateName;
  readonly producerId: number;
  /** -1 until the first InitProducerId is answered. While a transaction ends: the epoch of its markers. */
  readonly producerEpoch: number;
  /**
   * Id and epoch before the last bump: of a client that asked for it, by which a retry of its request is known, or of the one whose
   * transaction the coordinator aborted, which may abort and go on (KIP-890), as with Kafka. -1 for none.
   */
  readonly lastProducerId: number;
  readonly lastProducerEpoch: number;
  /** The id that follows when the transaction has ended, because the epochs of `producerId` are used up; or -1. */
  readonly nextProducerId: number;
  readonly timeoutMs: number;
  /** What gets a marker; frozen while the transaction ends, empty afterwards. */
  readonly partitions: readonly TransactionPartition[];
  /** Groups whose offsets are committed with the transaction. */
  readonly groups: readonly string[];
  /** Wall clock of the transaction's first partition; -1 before. */
  readonly startedMs: number;
  /** Wall clock. */
  readonly changedMs: number;
  /** The last request that was committed, by which its repetition is known; absent where nobody numbers requests. */
  readonly lastRequest?: RequestTag;
}

export function newTransaction(
  transactionalId: string,
  producerId: number,
  timeoutMs: number,
  nowMs: number,
): TransactionRecord {
  return {
    transactionalId,
    state: "Empty",
    producerId,
    producerEpoch: NO_PRODUCER_EPOCH,
    lastProducerId: NO_PRODUCER_ID,
    lastProducerEpoch: NO_PRODUCER_EPOCH,
    nextProducerId: NO_PRODUCER_ID,
    timeoutMs,
    partitions: [],
    groups: [],
    startedMs: -1,
    changedMs: nowMs,
  };
}

/** The record after a legal change of state. */
export function transition(
  record: TransactionRecord,
  state: TransactionStateName,
  change: Partial<Omit<TransactionRecord, "transactionalId" | "state">>,
): TransactionRecord {
  invariant(
    PREDECESSORS[state].includes(record.state),
    `A transaction cannot go from ${record.state} to ${state}`,
  );
  const next = { ...record, ...change, state };
  invariant(next.producerId >= 0, "A transactional id has a producer id");
  invariant(
    next.producerEpoch >= 0 && next.producerEpoch <= PRODUCER_EPOCH_MAX,
    "A producer epoch is an int16",
  );
  invariant(
    next.producerId !== record.producerId || next.producerEpoch >= record.producerEpoch,
    "An epoch never falls",
  );
  return next;
}

/**
 * Ends the open transaction with an epoch that no client has yet. Its producer gets it when it aborts or begins anew before another
 * instance did, unless it is the last one.
 */
export function fence(record: TransactionRecord, wallMs: number): TransactionRecord {
  return transition(record, "PrepareAbort", {
    producerEpoch: record.producerEpoch + 1,
    lastProducerId: record.producerId,
    lastProducerEpoch: record.producerEpoch,
    changedMs: wallMs,
  });
}

/** Whether the next epoch, if there is one, is only for the coordinator's own markers. */
export function isEpochExhausted(producerEpoch: number): boolean {
  return producerEpoch >= PRODUCER_EPOCH_MAX - 1;
}

/** Whether the epoch is one that no client gets. */
export function isOnlyForMarkers({ producerEpoch, nextProducerId }: TransactionRecord): boolean {
  return producerEpoch === PRODUCER_EPOCH_MAX && nextProducerId === NO_PRODUCER_ID;
}

export function isEnding(record: TransactionRecord): boolean {
  return record.state === "PrepareCommit" || record.state === "PrepareAbort";
}

/** Whether the transaction is open or ending: its actor stays awake, and is woken after a restart. */
export function isPending(record: TransactionRecord): boolean {
  return record.state === "Ongoing" || isEnding(record);
}

/** Id and epoch that the client uses next: those of the record unless an overflow hands out a new id. */
export function nextIdentity(
  record: TransactionRecord,
): { readonly producerId: number; readonly producerEpoch: number } {
  return record.nextProducerId === NO_PRODUCER_ID
    ? { producerId: record.producerId, producerEpoch: record.producerEpoch }
    : { producerId: record.nextProducerId, producerEpoch: 0 };
}

export function hasPartition(
  record: TransactionRecord,
  { topicId, partition }: TransactionPartition,
): boolean {
  return record.partitions.some((each) => each.partition === partition && each.topicId === topicId);
}
