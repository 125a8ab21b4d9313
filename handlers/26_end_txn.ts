/**
 * EndTxn (API 26): commits or aborts. Answered when the decision is stored; the markers follow. Since version 5 every end
 * bumps the epoch and the answer names the next one (KIP-890).
 */
import { errorCode } from "../protocol/errors.ts";
import { endTxn, type EndTxnRequest } from "../protocol/messages/26_end_txn.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";
import { isTransactionalId, transactionErrorCode } from "./transactions.ts";

const BUMPING_VERSION = 5;
const ERROR_VERSIONS = { fenced: 2, abortable: 4 };

export const endTxnHandler = handler(endTxn, serveEndTxn);

async function serveEndTxn(request: EndTxnRequest, context: RequestContext) {
  const { transactionalId, producerId, producerEpoch, committed } = request;
  if (!isTransactionalId(transactionalId)) return { errorCode: errorCode("INVALID_REQUEST") };
  const bumpsEpoch = context.apiVersion >= BUMPING_VERSION;
  try {
    const ended = await context.broker.transaction(transactionalId).ask({
      type: "endTransaction",
      producerId,
      producerEpoch,
      committed,
      bumpsEpoch,
    });
    const code = transactionErrorCode(ended.error, context.apiVersion, ERROR_VERSIONS);
    if (!bumpsEpoch || code !== 0) return { errorCode: code };
    return { errorCode: code, producerId: ended.producerId, producerEpoch: ended.producerEpoch };
  } catch (error) {
    return { errorCode: errorCode(coordinatorFailure(error)) };
  }
}
