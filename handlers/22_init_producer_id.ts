/**
 * InitProducerId (API 22): a producer id for an idempotent producer (KIP-98), or the id and next epoch of a transactional
 * one, from its coordinator, which aborts what an older instance left open. An idempotent producer that has an id and asks
 * for the next epoch (KIP-360) gets a new id, which is as good: its state starts afresh either way. Version 6, which asks
 * for two-phase commit (KIP-939), is not served: UNSUPPORTED_VERSION.
 */
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { initProducerId, type InitProducerIdRequest } from "../protocol/messages/22_init_producer_id.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";
import { isTransactionalId, transactionError } from "./transactions.ts";

const ERROR_VERSIONS = { fenced: 4, abortable: 5 };

export const initProducerIdHandler = handler(initProducerId, serveInitProducerId);

async function serveInitProducerId(request: InitProducerIdRequest, context: RequestContext) {
  if (request.transactionalId !== null) {
    return await serveTransactional(request, request.transactionalId, context);
  }
  try {
    return { errorCode: 0, producerId: await context.broker.nextProducerId(), producerEpoch: 0 };
  } catch (error) {
    return refused(coordinatorFailure(error));
  }
}

async function serveTransactional(
  request: InitProducerIdRequest,
  transactionalId: string,
  context: RequestContext,
) {
  const { producerId, producerEpoch, transactionTimeoutMs: timeoutMs } = request;
  // An id without an epoch, or the other way around, names nobody.
  const isNamed = producerId < 0 === producerEpoch < 0;
  if (!isTransactionalId(transactionalId) || !isNamed) return refused("INVALID_REQUEST");
  try {
    const result = await context.broker.transaction(transactionalId)
      .ask({ type: "initProducerId", timeoutMs, producerId, producerEpoch });
    if (result.error !== "NONE") {
      return refused(transactionError(result.error, context.apiVersion, ERROR_VERSIONS));
    }
    return { errorCode: 0, producerId: result.producerId, producerEpoch: result.producerEpoch };
  } catch (error) {
    return refused(coordinatorFailure(error));
  }
}

function refused(error: ErrorName) {
  return { errorCode: errorCode(error), producerId: -1, producerEpoch: -1 };
}
