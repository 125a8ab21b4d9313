/**
 * FindCoordinator (API 10): which broker coordinates a group or, since version 1, a transactional id; since version 4 for
 * several keys. One process coordinates everything itself.
 */
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { findCoordinator, type FindCoordinatorRequest } from "../protocol/messages/10_find_coordinator.ts";
import { handler, type RequestContext } from "./handler.ts";
import { isTransactionalId } from "./transactions.ts";

const BATCHED_VERSION = 4;
const GROUP_KEY_TYPE = 0;
const TRANSACTION_KEY_TYPE = 1;

export const findCoordinatorHandler = handler(findCoordinator, serveFindCoordinator);

function serveFindCoordinator(request: FindCoordinatorRequest, context: RequestContext) {
  if (context.apiVersion >= BATCHED_VERSION) {
    return { coordinators: request.coordinatorKeys.map((key) => find(key, request.keyType, context)) };
  }
  const { key: _key, ...coordinator } = find(request.key, request.keyType, context);
  return coordinator;
}

function find(key: string, keyType: number, context: RequestContext) {
  const { brokers } = context.broker.metadata;
  const broker = brokers.find((each) => each.brokerId === context.broker.brokerId);
  if (keyType !== GROUP_KEY_TYPE && keyType !== TRANSACTION_KEY_TYPE) {
    return refused(key, "INVALID_REQUEST", "Only groups and transactions have a coordinator");
  }
  if (keyType === TRANSACTION_KEY_TYPE && !isTransactionalId(key)) {
    return refused(key, "INVALID_REQUEST", "The transactional id is empty or too long");
  }
  if (keyType === GROUP_KEY_TYPE && key === "") {
    return refused(key, "INVALID_GROUP_ID", "The group id is empty");
  }
  if (broker === undefined) return refused(key, "COORDINATOR_NOT_AVAILABLE", "The broker is starting");
  return {
    key,
    nodeId: broker.brokerId,
    host: broker.host,
    port: broker.port,
    errorCode: 0,
    errorMessage: null,
  };
}

function refused(key: string, error: ErrorName, errorMessage: string) {
  return { key, nodeId: -1, host: "", port: -1, errorCode: errorCode(error), errorMessage };
}
