/**
 * EndTxn: commits or aborts. Since KIP-890 every end bumps the epoch, so that id and epoch name one transaction, and a
 * request that was delayed on another connection can never end a later one. Clients before EndTxn v5 keep their epoch
 * from one transaction to the next, and a late EndTxn of theirs may hit the wrong one: no server can tell.
 */
import type { EndTransactionRequest } from "./transaction_commands.ts";
import { identityError, type TransactionDecision, type TransactionNow } from "./transaction_decision.ts";
import {
  isEnding,
  isEpochExhausted,
  isOnlyForMarkers,
  nextIdentity,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  type TransactionRecord,
  transition,
} from "./transaction_state.ts";

/** INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, INVALID_PRODUCER_EPOCH, CONCURRENT_TRANSACTIONS, INVALID_TXN_STATE. */
export function decideEnd(
  record: TransactionRecord | null,
  request: EndTransactionRequest,
  now: TransactionNow,
): TransactionDecision {
  if (record === null) return identityError("INVALID_PRODUCER_ID_MAPPING");
  const { producerId, producerEpoch, committed, bumpsEpoch } = request;
  const isEnded = isEnding(record) || record.state === "CompleteCommit" || record.state === "CompleteAbort";
  const isRetry = bumpsEpoch && isEnded && producerId === record.lastProducerId &&
    producerEpoch === record.lastProducerEpoch;
  if (!isRetry) {
    const next = nextIdentity(record);
    const isNext = producerId === next.producerId && producerEpoch === next.producerEpoch;
    if (!isNext) return identityError(foreignError(record, request));
  }
  const isSame = committed === (record.state === "PrepareCommit" || record.state === "CompleteCommit");
  const isAborted = record.state === "PrepareAbort" || record.state === "CompleteAbort";
  // Aborted for its timeout, which is no matter of an invalid state (KAFKA-20785); its own abort looks the same. Or the epoch that came of
  // it is one that no client gets.
  if (isRetry && isAborted && (committed || isOnlyForMarkers(record))) {
    return identityError("INVALID_PRODUCER_EPOCH");
  }
  switch (record.state) {
    case "Ongoing":
      return prepare(record, request, now);
    case "PrepareCommit":
    case "PrepareAbort":
      // With the bumped epoch it is the next transaction that is to end: not before this one has.
      return identityError(
        isSame || bumpsEpoch && !isRetry ? "CONCURRENT_TRANSACTIONS" : "INVALID_TXN_STATE",
      );
    case "CompleteCommit":
    case "CompleteAbort":
      if (isRetry || !bumpsEpoch) {
        if (!isSame) return identityError("INVALID_TXN_STATE");
        return { type: "answer", answer: { error: "NONE", ...nextIdentity(record) } };
      }
      // A transaction that added nothing may be aborted, not committed: its partitions may have been lost on the way.
      return committed ? identityError("INVALID_TXN_STATE") : prepare(record, request, now);
    default:
      return bumpsEpoch && !committed ? prepare(record, request, now) : identityError("INVALID_TXN_STATE");
  }
}

/** Why an id and epoch that are not the record's are refused. */
function foreignError(record: TransactionRecord, { producerId }: EndTransactionRequest) {
  return producerId === record.producerId ? "PRODUCER_FENCED" : "INVALID_PRODUCER_ID_MAPPING";
}

function prepare(
  record: TransactionRecord,
  { committed, bumpsEpoch, request }: EndTransactionRequest,
  now: TransactionNow,
): TransactionDecision {
  const overflows = bumpsEpoch && isEpochExhausted(record.producerEpoch);
  if (overflows && now.freshProducerId === null) return { type: "needsProducerId" };
  const next = transition(record, committed ? "PrepareCommit" : "PrepareAbort", {
    producerEpoch: bumpsEpoch ? record.producerEpoch + 1 : record.producerEpoch,
    lastProducerId: bumpsEpoch ? record.producerId : NO_PRODUCER_ID,
    lastProducerEpoch: bumpsEpoch ? record.producerEpoch : NO_PRODUCER_EPOCH,
    nextProducerId: overflows ? now.freshProducerId ?? NO_PRODUCER_ID : NO_PRODUCER_ID,
    startedMs: record.state === "Ongoing" ? record.startedMs : now.wallMs,
    changedMs: now.wallMs,
    ...(committed && request !== undefined ? { lastRequest: request } : {}),
  });
  return { type: "answer", answer: { error: "NONE", ...nextIdentity(next) }, next };
}
