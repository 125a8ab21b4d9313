/**
 * Rule: an API answers only error codes that Kafka's clients expect of it.
 *
 * The lists follow the "possible error codes" of Kafka's request handlers and clients (Kafka 4.3). An API without a list is
 * only asked that the code exists and is not UNKNOWN_SERVER_ERROR. Pure.
 */

import { errors } from "../../../protocol/errors.ts";
import type { Rule } from "../rule.ts";

type ErrorName = keyof typeof errors;

const PARTITION: readonly ErrorName[] = [
  "UNKNOWN_TOPIC_OR_PARTITION",
  "UNKNOWN_TOPIC_ID",
  "NOT_LEADER_OR_FOLLOWER",
  "LEADER_NOT_AVAILABLE",
  "REPLICA_NOT_AVAILABLE",
  "FENCED_LEADER_EPOCH",
  "UNKNOWN_LEADER_EPOCH",
  "KAFKA_STORAGE_ERROR",
  "TOPIC_AUTHORIZATION_FAILED",
];
const COORDINATOR: readonly ErrorName[] = [
  "COORDINATOR_LOAD_IN_PROGRESS",
  "COORDINATOR_NOT_AVAILABLE",
  "NOT_COORDINATOR",
  "REQUEST_TIMED_OUT",
];
const GROUP: readonly ErrorName[] = [
  ...COORDINATOR,
  "INVALID_GROUP_ID",
  "GROUP_AUTHORIZATION_FAILED",
  "UNKNOWN_MEMBER_ID",
  "FENCED_INSTANCE_ID",
];
const TRANSACTION: readonly ErrorName[] = [
  ...COORDINATOR,
  "INVALID_PRODUCER_EPOCH",
  "INVALID_PRODUCER_ID_MAPPING",
  "INVALID_TXN_STATE",
  "PRODUCER_FENCED",
  "CONCURRENT_TRANSACTIONS",
  "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
  "TRANSACTION_ABORTABLE",
];
/** What any API may answer before it looks at the request. */
const ANY: readonly ErrorName[] = [
  "NONE",
  "UNSUPPORTED_VERSION",
  "INVALID_REQUEST",
  "CLUSTER_AUTHORIZATION_FAILED",
];

const ALLOWED: Readonly<Record<number, { name: string; errors: readonly ErrorName[] }>> = {
  0: {
    name: "Produce",
    errors: [
      ...PARTITION,
      "CORRUPT_MESSAGE",
      "INVALID_RECORD",
      "INVALID_TIMESTAMP",
      "MESSAGE_TOO_LARGE",
      "RECORD_LIST_TOO_LARGE",
      "INVALID_TOPIC_EXCEPTION",
      "INVALID_REQUIRED_ACKS",
      "UNSUPPORTED_COMPRESSION_TYPE",
      "UNSUPPORTED_FOR_MESSAGE_FORMAT",
      "POLICY_VIOLATION",
      "NOT_ENOUGH_REPLICAS",
      "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
      "REQUEST_TIMED_OUT",
      "OUT_OF_ORDER_SEQUENCE_NUMBER",
      "DUPLICATE_SEQUENCE_NUMBER",
      "UNKNOWN_PRODUCER_ID",
      ...TRANSACTION,
    ],
  },
  1: {
    name: "Fetch",
    errors: [
      ...PARTITION,
      "OFFSET_OUT_OF_RANGE",
      "OFFSET_NOT_AVAILABLE",
      "CORRUPT_MESSAGE",
      "UNSUPPORTED_COMPRESSION_TYPE",
      "INCONSISTENT_TOPIC_ID",
      "FETCH_SESSION_ID_NOT_FOUND",
      "INVALID_FETCH_SESSION_EPOCH",
      "FETCH_SESSION_TOPIC_ID_ERROR",
    ],
  },
  2: {
    name: "ListOffsets",
    errors: [...PARTITION, "OFFSET_NOT_AVAILABLE", "UNSUPPORTED_FOR_MESSAGE_FORMAT", "REQUEST_TIMED_OUT"],
  },
  3: { name: "Metadata", errors: [...PARTITION, "INVALID_TOPIC_EXCEPTION", "INVALID_REPLICATION_FACTOR"] },
  8: {
    name: "OffsetCommit",
    errors: [
      ...GROUP,
      "ILLEGAL_GENERATION",
      "STALE_MEMBER_EPOCH",
      "REBALANCE_IN_PROGRESS",
      "OFFSET_METADATA_TOO_LARGE",
      "INVALID_COMMIT_OFFSET_SIZE",
      "UNKNOWN_TOPIC_OR_PARTITION",
      "UNKNOWN_TOPIC_ID",
      "TOPIC_AUTHORIZATION_FAILED",
    ],
  },
  9: {
    name: "OffsetFetch",
    errors: [
      ...GROUP,
      "GROUP_ID_NOT_FOUND",
      "STALE_MEMBER_EPOCH",
      "UNSTABLE_OFFSET_COMMIT",
      "UNKNOWN_TOPIC_OR_PARTITION",
      "UNKNOWN_TOPIC_ID",
      "TOPIC_AUTHORIZATION_FAILED",
    ],
  },
  10: {
    name: "FindCoordinator",
    errors: [
      ...COORDINATOR,
      "INVALID_GROUP_ID",
      "GROUP_AUTHORIZATION_FAILED",
      "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    ],
  },
  11: {
    name: "JoinGroup",
    errors: [
      ...GROUP,
      "INCONSISTENT_GROUP_PROTOCOL",
      "INVALID_SESSION_TIMEOUT",
      "MEMBER_ID_REQUIRED",
      "GROUP_MAX_SIZE_REACHED",
      "REBALANCE_IN_PROGRESS",
      "ILLEGAL_GENERATION",
    ],
  },
  12: { name: "Heartbeat", errors: [...GROUP, "ILLEGAL_GENERATION", "REBALANCE_IN_PROGRESS"] },
  13: { name: "LeaveGroup", errors: [...GROUP] },
  14: {
    name: "SyncGroup",
    errors: [...GROUP, "ILLEGAL_GENERATION", "REBALANCE_IN_PROGRESS", "INCONSISTENT_GROUP_PROTOCOL"],
  },
  22: { name: "InitProducerId", errors: [...TRANSACTION, "INVALID_TRANSACTION_TIMEOUT"] },
  24: {
    name: "AddPartitionsToTxn",
    errors: [
      ...TRANSACTION,
      "OPERATION_NOT_ATTEMPTED",
      "UNKNOWN_TOPIC_OR_PARTITION",
      "TOPIC_AUTHORIZATION_FAILED",
      "INVALID_TOPIC_EXCEPTION",
    ],
  },
  25: { name: "AddOffsetsToTxn", errors: [...TRANSACTION, "INVALID_GROUP_ID", "GROUP_AUTHORIZATION_FAILED"] },
  26: { name: "EndTxn", errors: [...TRANSACTION] },
  28: {
    name: "TxnOffsetCommit",
    errors: [
      ...TRANSACTION,
      ...GROUP,
      "ILLEGAL_GENERATION",
      "STALE_MEMBER_EPOCH",
      "REBALANCE_IN_PROGRESS",
      "OFFSET_METADATA_TOO_LARGE",
      "INVALID_COMMIT_OFFSET_SIZE",
      "UNKNOWN_TOPIC_OR_PARTITION",
      "UNKNOWN_TOPIC_ID",
      "TOPIC_AUTHORIZATION_FAILED",
      "UNSUPPORTED_FOR_MESSAGE_FORMAT",
    ],
  },
  68: {
    name: "ConsumerGroupHeartbeat",
    errors: [
      ...GROUP,
      "FENCED_MEMBER_EPOCH",
      "UNRELEASED_INSTANCE_ID",
      "UNSUPPORTED_ASSIGNOR",
      "GROUP_MAX_SIZE_REACHED",
      "INVALID_REGULAR_EXPRESSION",
      "TOPIC_AUTHORIZATION_FAILED",
    ],
  },
};

const NAMES = new Map<number, string>(Object.entries(errors).map(([name, error]) => [error.code, name]));

export const errorCodes: Rule = {
  name: "error-code",
  what: "An API answered an error code that clients do not expect of it.",
  look:
    "The handler of that API; UNKNOWN_SERVER_ERROR is an exception that nobody turned into a Kafka error.",
  severity: () => "fatal",
  check(judged, sink) {
    for (const { apiKey, errorCode, firstLine, count } of judged.history.replies) {
      const api = ALLOWED[apiKey];
      const isAllowed = api === undefined
        ? NAMES.has(errorCode) && errorCode !== errors.UNKNOWN_SERVER_ERROR.code
        : [...ANY, ...api.errors].some((name) => errors[name].code === errorCode);
      if (isAllowed) continue;
      sink.add(() => ({
        message: `${api?.name ?? `API ${apiKey}`} answered ${
          NAMES.get(errorCode) ?? "an unknown code"
        } (${errorCode}) ${count === 1 ? "once" : `${count} times`}, first in line ${firstLine}`,
        lines: [firstLine],
      }));
    }
  },
};
