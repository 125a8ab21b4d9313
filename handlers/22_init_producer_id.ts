/**
 * InitProducerId (API 22): a producer id for an idempotent producer (KIP-98). A producer that has an id and asks for
 * the next epoch (KIP-360) gets a new id, which is as good: its state starts afresh either way.
 */
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { initProducerId, type InitProducerIdRequest } from "../protocol/messages/22_init_producer_id.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

export const initProducerIdHandler = handler(initProducerId, serveInitProducerId);

async function serveInitProducerId(request: InitProducerIdRequest, context: RequestContext) {
  // Transactions are not served yet, and an id without a coordinator behind it would promise them.
  if (request.transactionalId !== null) return refused("INVALID_REQUEST");
  try {
    return { errorCode: 0, producerId: await context.broker.nextProducerId(), producerEpoch: 0 };
  } catch (error) {
    return refused(coordinatorFailure(error));
  }
}

function refused(error: ErrorName) {
  return { errorCode: errorCode(error), producerId: -1, producerEpoch: -1 };
}
