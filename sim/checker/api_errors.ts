/**
 * For each API the error codes that clients know what to do with: the "possible error codes" of Kafka's request handlers and of its
 * clients (Kafka 4.3). Data for the rule in `rules/error_codes.ts`.
 */
import type { errors } from "../../protocol/errors.ts";

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
/** What a coordinator says of a group that it only looks at. */
const GROUP_LOOK: readonly ErrorName[] = [
  ...COORDINATOR,
  "INVALID_GROUP_ID",
  "GROUP_ID_NOT_FOUND",
  "GROUP_AUTHORIZATION_FAILED",
];
const TOPIC_CHANGE: readonly ErrorName[] = [
  "NOT_CONTROLLER",
  "REQUEST_TIMED_OUT",
  "INVALID_TOPIC_EXCEPTION",
  "TOPIC_AUTHORIZATION_FAILED",
  "POLICY_VIOLATION",
  "THROTTLING_QUOTA_EXCEEDED",
];
const CONFIGS: readonly ErrorName[] = [
  "NOT_CONTROLLER",
  "REQUEST_TIMED_OUT",
  "INVALID_CONFIG",
  "INVALID_TOPIC_EXCEPTION",
  "INVALID_GROUP_ID",
  "GROUP_ID_NOT_FOUND",
  "UNKNOWN_TOPIC_OR_PARTITION",
  "TOPIC_AUTHORIZATION_FAILED",
  "GROUP_AUTHORIZATION_FAILED",
  "POLICY_VIOLATION",
];
const SHARE: readonly ErrorName[] = [
  ...PARTITION,
  ...COORDINATOR,
  "INVALID_GROUP_ID",
  "GROUP_AUTHORIZATION_FAILED",
  "UNKNOWN_MEMBER_ID",
  "SHARE_SESSION_NOT_FOUND",
  "INVALID_SHARE_SESSION_EPOCH",
  "SHARE_SESSION_LIMIT_REACHED",
  "INVALID_RECORD_STATE",
  "FENCED_STATE_EPOCH",
  "CORRUPT_MESSAGE",
];
/** What any API may answer before it looks at the request. */
export const ANY_API: readonly ErrorName[] = [
  "NONE",
  "UNSUPPORTED_VERSION",
  "INVALID_REQUEST",
  "CLUSTER_AUTHORIZATION_FAILED",
];

export const API_ERRORS: Readonly<Record<number, { name: string; errors: readonly ErrorName[] }>> = {
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
      "GROUP_ID_NOT_FOUND",
      "FENCED_MEMBER_EPOCH",
      "UNRELEASED_INSTANCE_ID",
      "UNSUPPORTED_ASSIGNOR",
      "GROUP_MAX_SIZE_REACHED",
      "INVALID_REGULAR_EXPRESSION",
      "TOPIC_AUTHORIZATION_FAILED",
    ],
  },
  15: { name: "DescribeGroups", errors: GROUP_LOOK },
  16: { name: "ListGroups", errors: COORDINATOR },
  18: { name: "ApiVersions", errors: [] },
  19: {
    name: "CreateTopics",
    errors: [
      ...TOPIC_CHANGE,
      "TOPIC_ALREADY_EXISTS",
      "INVALID_PARTITIONS",
      "INVALID_REPLICATION_FACTOR",
      "INVALID_REPLICA_ASSIGNMENT",
      "INVALID_CONFIG",
    ],
  },
  20: {
    name: "DeleteTopics",
    errors: [...TOPIC_CHANGE, "UNKNOWN_TOPIC_OR_PARTITION", "UNKNOWN_TOPIC_ID", "TOPIC_DELETION_DISABLED"],
  },
  21: {
    name: "DeleteRecords",
    errors: [
      ...PARTITION,
      "OFFSET_OUT_OF_RANGE",
      "REQUEST_TIMED_OUT",
      "INVALID_TOPIC_EXCEPTION",
      "POLICY_VIOLATION",
    ],
  },
  23: { name: "OffsetForLeaderEpoch", errors: PARTITION },
  27: {
    name: "WriteTxnMarkers",
    errors: [
      ...PARTITION,
      "INVALID_PRODUCER_EPOCH",
      "TRANSACTION_COORDINATOR_FENCED",
      "COORDINATOR_NOT_AVAILABLE",
      "NOT_ENOUGH_REPLICAS",
      "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
      "REQUEST_TIMED_OUT",
    ],
  },
  29: { name: "DescribeAcls", errors: ["SECURITY_DISABLED"] },
  32: { name: "DescribeConfigs", errors: CONFIGS },
  33: { name: "AlterConfigs", errors: CONFIGS },
  35: { name: "DescribeLogDirs", errors: ["KAFKA_STORAGE_ERROR", "LOG_DIR_NOT_FOUND"] },
  37: {
    name: "CreatePartitions",
    errors: [
      ...TOPIC_CHANGE,
      "UNKNOWN_TOPIC_OR_PARTITION",
      "INVALID_PARTITIONS",
      "INVALID_REPLICA_ASSIGNMENT",
      "REASSIGNMENT_IN_PROGRESS",
    ],
  },
  42: { name: "DeleteGroups", errors: [...GROUP_LOOK, "NON_EMPTY_GROUP"] },
  44: { name: "IncrementalAlterConfigs", errors: CONFIGS },
  47: {
    name: "OffsetDelete",
    errors: [
      ...GROUP_LOOK,
      "NON_EMPTY_GROUP",
      "GROUP_SUBSCRIBED_TO_TOPIC",
      "UNKNOWN_TOPIC_OR_PARTITION",
      "TOPIC_AUTHORIZATION_FAILED",
    ],
  },
  48: { name: "DescribeClientQuotas", errors: [] },
  49: { name: "AlterClientQuotas", errors: ["NOT_CONTROLLER", "REQUEST_TIMED_OUT"] },
  57: {
    name: "UpdateFeatures",
    errors: ["NOT_CONTROLLER", "FEATURE_UPDATE_FAILED", "INVALID_UPDATE_VERSION"],
  },
  60: { name: "DescribeCluster", errors: [] },
  61: { name: "DescribeProducers", errors: [...PARTITION, "INVALID_TOPIC_EXCEPTION", "REQUEST_TIMED_OUT"] },
  65: {
    name: "DescribeTransactions",
    errors: [...COORDINATOR, "TRANSACTIONAL_ID_NOT_FOUND", "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"],
  },
  66: { name: "ListTransactions", errors: [...COORDINATOR, "INVALID_REGULAR_EXPRESSION"] },
  69: { name: "ConsumerGroupDescribe", errors: [...GROUP_LOOK, "TOPIC_AUTHORIZATION_FAILED"] },
  71: { name: "GetTelemetrySubscriptions", errors: ["THROTTLING_QUOTA_EXCEEDED"] },
  72: {
    name: "PushTelemetry",
    errors: [
      "THROTTLING_QUOTA_EXCEEDED",
      "TELEMETRY_TOO_LARGE",
      "UNKNOWN_SUBSCRIPTION_ID",
      "UNSUPPORTED_COMPRESSION_TYPE",
      "INVALID_RECORD",
    ],
  },
  74: { name: "ListConfigResources", errors: [] },
  75: { name: "DescribeTopicPartitions", errors: [...PARTITION, "INVALID_TOPIC_EXCEPTION"] },
  76: {
    name: "ShareGroupHeartbeat",
    errors: [
      ...GROUP_LOOK,
      "UNKNOWN_MEMBER_ID",
      "FENCED_MEMBER_EPOCH",
      "GROUP_MAX_SIZE_REACHED",
      "TOPIC_AUTHORIZATION_FAILED",
    ],
  },
  77: { name: "ShareGroupDescribe", errors: [...GROUP_LOOK, "TOPIC_AUTHORIZATION_FAILED"] },
  78: { name: "ShareFetch", errors: SHARE },
  79: { name: "ShareAcknowledge", errors: SHARE },
  90: { name: "DescribeShareGroupOffsets", errors: [...GROUP_LOOK, ...PARTITION] },
  91: { name: "AlterShareGroupOffsets", errors: [...GROUP_LOOK, ...PARTITION, "NON_EMPTY_GROUP"] },
  92: { name: "DeleteShareGroupOffsets", errors: [...GROUP_LOOK, ...PARTITION, "NON_EMPTY_GROUP"] },
};
