/**
 * Transactions of one partition in the store: what a batch's commit changes, and what readers and a new writer read back.
 */
import type { ProducerState } from "../core/partition/producer_state.ts";
import {
  type AbortedTransaction,
  OpenTransactions,
  overlapping,
  type TransactionChange,
} from "../core/partition/transactions.ts";
import { mutant } from "../lib/mutants.ts";
import type { PartitionKeys } from "./keys/partition.ts";
import {
  decodeAbortedTransaction,
  decodeOpenTransaction,
  encodeAbortedTransaction,
  encodeOpenTransaction,
} from "./keys/partition_transaction.ts";
import { decodeProducer } from "./keys/producer.ts";
import { scan } from "./scan.ts";
import type { Mutation, Storage } from "./storage.ts";

export function transactionMutations(keys: PartitionKeys, change: TransactionChange): Mutation[] {
  const open = keys.openTransaction(change.producerId);
  if (change.type === "opened") {
    return [{ type: "set", key: open, value: encodeOpenTransaction(change.firstOffset) }];
  }
  const mutations: Mutation[] = [{ type: "delete", key: open }];
  if (change.aborted !== null && !mutant("aborted-unlisted")) {
    mutations.push({
      type: "set",
      key: keys.abortedTransaction(change.aborted.lastOffset, change.producerId),
      value: encodeAbortedTransaction(change.aborted),
    });
  }
  return mutations;
}

/** As many reads as there are open transactions, whatever the log's length. */
export async function readOpenTransactions(storage: Storage, keys: PartitionKeys): Promise<OpenTransactions> {
  const open: [number, number][] = [];
  for await (const { key, value } of scan(storage, keys.openTransactions())) {
    const { producerId, firstOffset } = decodeOpenTransaction(key, value);
    open.push([producerId, firstOffset]);
  }
  return new OpenTransactions(open.sort(([, a], [, b]) => a - b));
}

/** Aborted transactions with data in [`from`, `upTo`), in the order of their markers. `upTo` is a last stable offset. */
export async function readAbortedTransactions(
  storage: Storage,
  keys: PartitionKeys,
  from: number,
  upTo: number,
): Promise<AbortedTransaction[]> {
  const found: AbortedTransaction[] = [];
  for await (const { key, value } of scan(storage, keys.abortedRange(from, Infinity))) {
    const aborted = decodeAbortedTransaction(key, value);
    found.push(aborted);
    // Whatever ended later began at or above this offset.
    if (aborted.lastStableOffset >= upTo) break;
  }
  return overlapping(found, from, upTo);
}

/** Offset of the newest abort marker; -1 when there is none. */
export async function readLastAbort(storage: Storage, keys: PartitionKeys): Promise<number> {
  const [last] = await storage.list(keys.abortedRange(0, Infinity), { limit: 1, reverse: true });
  return last === undefined ? -1 : decodeAbortedTransaction(last.key, last.value).lastOffset;
}

/** All producers that the partition remembers, by id. */
export async function* scanProducers(
  storage: Storage,
  keys: PartitionKeys,
): AsyncGenerator<ProducerState, void, void> {
  for await (const { key, value } of scan(storage, keys.producers())) {
    yield decodeProducer(key[4] as number, value);
  }
}
