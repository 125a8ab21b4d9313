/** AddOffsetsToTxn (API 25): clients before KIP-890 say that a transaction will commit offsets of a group. */
import { errorCode } from "../protocol/errors.ts";
import { addOffsetsToTxn, type AddOffsetsToTxnRequest } from "../protocol/messages/25_add_offsets_to_txn.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";
import { isTransactionalId, transactionErrorCode } from "./transactions.ts";

const ERROR_VERSIONS = { fenced: 2, abortable: 4 };

export const addOffsetsToTxnHandler = handler(addOffsetsToTxn, serveAddOffsetsToTxn);

async function serveAddOffsetsToTxn(request: AddOffsetsToTxnRequest, context: RequestContext) {
  const { transactionalId, producerId, producerEpoch, groupId } = request;
  if (!isTransactionalId(transactionalId)) return { errorCode: errorCode("INVALID_REQUEST") };
  if (groupId === "") return { errorCode: errorCode("INVALID_GROUP_ID") };
  try {
    const { error } = await context.broker.transaction(transactionalId).ask({
      type: "addToTransaction",
      producerId,
      producerEpoch,
      partitions: [],
      groups: [groupId],
    });
    return { errorCode: transactionErrorCode(error, context.apiVersion, ERROR_VERSIONS) };
  } catch (error) {
    return { errorCode: errorCode(coordinatorFailure(error)) };
  }
}
