/**
 * ListTransactions (API 66): the transactional ids of this broker, by state, producer id, duration (KIP-994) and pattern
 * (KIP-1152). A pattern has no groups and at most two repetitions, so that matching takes bounded time; any other is
 * INVALID_REGULAR_EXPRESSION.
 */
import { TRANSACTION_STATES, type TransactionRecord } from "../core/transaction/transaction_state.ts";
import { errorCode } from "../protocol/errors.ts";
import { listTransactions, type ListTransactionsRequest } from "../protocol/messages/66_list_transactions.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

const PATTERN_LENGTH_MAX = 200;
const PATTERN_REPETITIONS_MAX = 2;

export const listTransactionsHandler = handler(listTransactions, serveListTransactions);

async function serveListTransactions(request: ListTransactionsRequest, context: RequestContext) {
  const known = new Set<string>(TRANSACTION_STATES);
  const unknownStateFilters = request.stateFilters.filter((state) => !known.has(state));
  const pattern = patternOf(request.transactionalIdPattern);
  if (pattern === "invalid") {
    return { errorCode: errorCode("INVALID_REGULAR_EXPRESSION"), unknownStateFilters, transactionStates: [] };
  }
  const states = new Set(request.stateFilters);
  const producerIds = new Set(request.producerIdFilters);
  const nowMs = context.broker.env.now();
  const matches = (record: TransactionRecord) =>
    (states.size === 0 || states.has(record.state)) &&
    (producerIds.size === 0 || producerIds.has(record.producerId)) &&
    (request.durationFilter < 0 ||
      record.startedMs >= 0 && nowMs - record.startedMs > request.durationFilter) &&
    (pattern === null || pattern.test(record.transactionalId));
  try {
    const records = await context.broker.listTransactions();
    const transactionStates = records.filter(matches).map(({ transactionalId, producerId, state }) => ({
      transactionalId,
      producerId,
      transactionState: state,
    }));
    return { errorCode: 0, unknownStateFilters, transactionStates };
  } catch (error) {
    return { errorCode: errorCode(coordinatorFailure(error)), unknownStateFilters, transactionStates: [] };
  }
}

function patternOf(text: string | null): RegExp | null | "invalid" {
  if (text === null || text === "") return null;
  const repetitions = text.match(/[*+{?]/g)?.length ?? 0;
  const isBounded = text.length <= PATTERN_LENGTH_MAX && repetitions <= PATTERN_REPETITIONS_MAX;
  if (!isBounded || text.includes("(")) return "invalid";
  try {
    return new RegExp(`^(?:${text})$`, "u");
  } catch {
    // What does not parse is the client's fault, and said so.
    return "invalid";
  }
}
