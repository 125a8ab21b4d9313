/**
 * InitProducerId with a transactional id: a new instance of a producer gets the next epoch, which fences every older one,
 * after the transaction that an older one left open was aborted. With an id and epoch, a producer goes on after an
 * error (KIP-360) unless another instance came in between.
 */
import type { InitProducerIdRequest } from "./transaction_commands.ts";
import { identityError, type TransactionDecision, type TransactionNow } from "./transaction_decision.ts";
import {
  fence,
  isEnding,
  isEpochExhausted,
  isOnlyForMarkers,
  newTransaction,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  type TransactionRecord,
  transition,
} from "./transaction_state.ts";

/** INVALID_TRANSACTION_TIMEOUT, CONCURRENT_TRANSACTIONS, PRODUCER_FENCED. */
export function decideInit(
  record: TransactionRecord | null,
  request: InitProducerIdRequest,
  now: TransactionNow,
): TransactionDecision {
  const { timeoutMs } = request;
  if (timeoutMs <= 0 || timeoutMs > now.timeoutMsMax) return identityError("INVALID_TRANSACTION_TIMEOUT");
  if (record === null) {
    if (now.freshProducerId === null) return { type: "needsProducerId" };
    const created = newTransaction(now.transactionalId, now.freshProducerId, timeoutMs, now.wallMs);
    return initialized(transition(created, "Empty", { producerEpoch: 0 }));
  }
  const goesOn = request.producerId >= 0;
  const isCurrent = request.producerId === record.producerId &&
    request.producerEpoch === record.producerEpoch;
  const isRetry = request.producerId === record.lastProducerId &&
    request.producerEpoch === record.lastProducerEpoch;
  if (isEnding(record)) {
    // Who has neither this epoch nor the one before waits in vain.
    const isFenced = goesOn && !isCurrent && !isRetry && request.producerId !== record.nextProducerId;
    return isFenced
      ? identityError("PRODUCER_FENCED")
      : { ...identityError("CONCURRENT_TRANSACTIONS"), whenEnded: true };
  }
  if (record.state === "Ongoing") {
    // Stricter than Kafka: a late request of a fenced instance does not abort its successor's transaction.
    if (goesOn && !isCurrent) return identityError("PRODUCER_FENCED");
    // The next attempt bumps once more.
    const next = fence(record, now.wallMs);
    return { ...identityError("CONCURRENT_TRANSACTIONS"), next, whenEnded: true };
  }
  if (goesOn && !isCurrent) {
    if (!isRetry) return identityError("PRODUCER_FENCED");
    // The answer was lost: the same one again. Or its transaction was aborted: it goes on with the epoch of that.
    if (!isOnlyForMarkers(record)) {
      return initialized(transition(record, "Empty", { timeoutMs, changedMs: now.wallMs }));
    }
  }
  const last = goesOn
    ? { lastProducerId: request.producerId, lastProducerEpoch: request.producerEpoch }
    : { lastProducerId: NO_PRODUCER_ID, lastProducerEpoch: NO_PRODUCER_EPOCH };
  if (!isEpochExhausted(record.producerEpoch)) {
    const producerEpoch = record.producerEpoch + 1;
    return initialized(
      transition(record, "Empty", { ...last, producerEpoch, timeoutMs, changedMs: now.wallMs }),
    );
  }
  if (now.freshProducerId === null) return { type: "needsProducerId" };
  return initialized(transition(record, "Empty", {
    ...last,
    producerId: now.freshProducerId,
    producerEpoch: 0,
    timeoutMs,
    changedMs: now.wallMs,
  }));
}

function initialized(next: TransactionRecord): TransactionDecision {
  const { producerId, producerEpoch } = next;
  return { type: "answer", answer: { error: "NONE", producerId, producerEpoch }, next };
}
