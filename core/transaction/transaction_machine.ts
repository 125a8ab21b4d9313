/**
 * The coordinator of one transactional id as a pure machine: the record and a command go in, an answer and the record
 * to store come out. The host stores the record before the answer leaves, writes the markers while the record is
 * Prepare*, and calls `completeTransaction` when all are written.
 *
 * Ongoing -> Prepare* is the commit point: what gets markers, and which, is fixed from there on.
 * Source: KIP-98, KIP-360, KIP-588, KIP-890; Kafka's TransactionCoordinator.
 */
import { invariant, unreachable } from "../../lib/invariant.ts";
import { decideEnd } from "./end_transaction.ts";
import { decideInit } from "./init_producer_id.ts";
import type {
  AddToTransactionRequest,
  TransactionAnswer,
  TransactionCommand,
  VerifyTransactionRequest,
} from "./transaction_commands.ts";
import type { TransactionDecision, TransactionNow } from "./transaction_decision.ts";
import {
  fence,
  hasPartition,
  isEnding,
  isPending,
  NO_PRODUCER_ID,
  type TransactionRecord,
  transition,
} from "./transaction_state.ts";

/**
 * Largest record, by `transactionBytes`: it is one stored value. Some 2,900 partitions; a transaction that grows beyond
 * is answered TRANSACTION_ABORTABLE.
 */
export const TRANSACTION_BYTES_MAX = 60_000;

export function decideTransaction(
  record: TransactionRecord | null,
  command: TransactionCommand,
  now: TransactionNow,
): TransactionDecision {
  switch (command.type) {
    case "initProducerId":
      return decideInit(record, command, now);
    case "addToTransaction":
      return decideAdd(record, command, now);
    case "verifyTransaction":
      return refuse(verify(record, command));
    case "endTransaction":
      return decideEnd(record, command, now);
    case "awaitEnd":
      return record !== null && isEnding(record)
        ? { ...refuse("CONCURRENT_TRANSACTIONS"), whenEnded: true }
        : refuse("NONE");
    default:
      return unreachable(command);
  }
}

/** Adds partitions and groups; the first ones open the transaction. */
function decideAdd(
  record: TransactionRecord | null,
  request: AddToTransactionRequest,
  now: TransactionNow,
): TransactionDecision {
  const error = identityError(record, request);
  if (error !== "NONE" || record === null) return refuse(error);
  if (isEnding(record)) return { ...refuse("CONCURRENT_TRANSACTIONS"), whenEnded: true };
  const isOpen = record.state === "Ongoing";
  const partitions = isOpen ? [...record.partitions] : [];
  const groups = isOpen ? [...record.groups] : [];
  for (const partition of request.partitions) {
    if (!partitions.some((each) => isSamePartition(each, partition))) partitions.push(partition);
  }
  for (const group of request.groups) if (!groups.includes(group)) groups.push(group);
  const isKnown = partitions.length === record.partitions.length && groups.length === record.groups.length;
  if (isOpen && isKnown) return refuse("NONE");
  const next = transition(record, "Ongoing", {
    partitions,
    groups,
    startedMs: isOpen ? record.startedMs : now.wallMs,
    changedMs: now.wallMs,
  });
  if (transactionBytes(next) > TRANSACTION_BYTES_MAX) return refuse("TRANSACTION_ABORTABLE");
  return { type: "answer", answer: { error: "NONE" }, next };
}

/** A write may go on only if its partition is in the open transaction (KIP-890, first part). */
function verify(record: TransactionRecord | null, request: VerifyTransactionRequest) {
  const error = identityError(record, request);
  if (error !== "NONE" || record === null) return error;
  if (isEnding(record)) return "CONCURRENT_TRANSACTIONS";
  const isIn = record.state === "Ongoing" &&
    request.partitions.every((each) => hasPartition(record, each)) &&
    request.groups.every((each) => record.groups.includes(each));
  return isIn ? "NONE" : "TRANSACTION_ABORTABLE";
}

function identityError(record: TransactionRecord | null, request: AddToTransactionRequest) {
  if (record === null) return "INVALID_PRODUCER_ID_MAPPING";
  // While an overflow ends, the client has the next id already: it waits as others do.
  if (isEnding(record) && request.producerId === record.nextProducerId) return "NONE";
  if (request.producerId !== record.producerId) return "INVALID_PRODUCER_ID_MAPPING";
  return request.producerEpoch === record.producerEpoch ? "NONE" : "PRODUCER_FENCED";
}

/** When the open transaction is out of time (wall clock); null when none is open. */
export function timeoutAtMs(record: TransactionRecord | null): number | null {
  return record?.state === "Ongoing" ? record.startedMs + record.timeoutMs : null;
}

/** Aborts the open transaction on the coordinator's own account and fences its producer; null when none is open. */
export function abortTimedOut(record: TransactionRecord | null, wallMs: number): TransactionRecord | null {
  return record?.state === "Ongoing" ? fence(record, wallMs) : null;
}

/** Every marker of the ending transaction is written. */
export function completeTransaction(record: TransactionRecord, wallMs: number): TransactionRecord {
  invariant(isEnding(record), `A transaction in state ${record.state} has no markers to complete`);
  const overflows = record.nextProducerId !== NO_PRODUCER_ID;
  return transition(record, record.state === "PrepareCommit" ? "CompleteCommit" : "CompleteAbort", {
    producerId: overflows ? record.nextProducerId : record.producerId,
    producerEpoch: overflows ? 0 : record.producerEpoch,
    nextProducerId: NO_PRODUCER_ID,
    partitions: [],
    groups: [],
    startedMs: -1,
    changedMs: wallMs,
  });
}

/** Forgets an id that was not used since `beforeMs` (wall clock); null when it must stay. */
export function expireTransaction(
  record: TransactionRecord | null,
  beforeMs: number,
  wallMs: number,
): TransactionRecord | null {
  if (record === null || record.state === "Dead" || isPending(record) || record.changedMs > beforeMs) {
    return null;
  }
  return transition(record, "Dead", { changedMs: wallMs });
}

/** Bytes that a record takes in the store, at most. */
export function transactionBytes(record: TransactionRecord): number {
  let size = 128 + 3 * record.transactionalId.length + 20 * record.partitions.length;
  for (const group of record.groups) size += 5 + 3 * group.length;
  return size;
}

function isSamePartition(
  a: { readonly topicId: string; readonly partition: number },
  b: { readonly topicId: string; readonly partition: number },
): boolean {
  return a.partition === b.partition && a.topicId === b.topicId;
}

function refuse(error: TransactionAnswer["error"]) {
  return { type: "answer", answer: { error } } as const;
}
