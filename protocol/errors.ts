/**
 * Kafka's protocol errors: values that go into responses, never thrown.
 *
 * Names, codes and whether a client should try again are those of Kafka 4.3.1 (its enum `Errors`); the messages are
 * our own. Pure.
 */

/** An int16 as it is on the wire; 0 is no error. */
export type ErrorCode = number;

export interface ProtocolError {
  readonly code: ErrorCode;
  /** Whether the same request may succeed later. */
  readonly retriable: boolean;
  readonly message: string;
}

function retriable(code: ErrorCode, message: string): ProtocolError {
  return { code, retriable: true, message };
}

function fatal(code: ErrorCode, message: string): ProtocolError {
  return { code, retriable: false, message };
}

/** All errors by name. */
export const errors = {
  UNKNOWN_SERVER_ERROR: fatal(-1, "The broker failed in an unforeseen way"),
  NONE: fatal(0, "No error"),
  OFFSET_OUT_OF_RANGE: fatal(1, "The log has no such offset: it was deleted or not yet written"),
  CORRUPT_MESSAGE: retriable(2, "The record batch is damaged: its checksum, size or form is wrong"),
  UNKNOWN_TOPIC_OR_PARTITION: retriable(3, "This broker has no such topic or partition"),
  INVALID_FETCH_SIZE: fatal(4, "The fetch asks for an impossible size"),
  LEADER_NOT_AVAILABLE: retriable(5, "The partition has no leader yet"),
  NOT_LEADER_OR_FOLLOWER: retriable(6, "This broker is not the leader, nor a replica, of the partition"),
  REQUEST_TIMED_OUT: retriable(7, "The operation was not done within its time limit"),
  BROKER_NOT_AVAILABLE: fatal(8, "The broker cannot be reached"),
  REPLICA_NOT_AVAILABLE: retriable(9, "The replica cannot serve the partition now"),
  MESSAGE_TOO_LARGE: fatal(10, "The record batch is larger than the topic allows"),
  STALE_CONTROLLER_EPOCH: fatal(11, "Another controller has taken over"),
  OFFSET_METADATA_TOO_LARGE: fatal(12, "The metadata string of the committed offset is too long"),
  NETWORK_EXCEPTION: retriable(13, "The connection ended before the response"),
  COORDINATOR_LOAD_IN_PROGRESS: retriable(14, "The coordinator is still loading its state"),
  COORDINATOR_NOT_AVAILABLE: retriable(15, "No coordinator is available yet"),
  NOT_COORDINATOR: retriable(16, "Another broker is the coordinator"),
  INVALID_TOPIC_EXCEPTION: fatal(17, "The topic name is not allowed, or the topic cannot be used so"),
  RECORD_LIST_TOO_LARGE: fatal(18, "The batch is larger than a log segment"),
  NOT_ENOUGH_REPLICAS: retriable(19, "Too few in-sync replicas to accept the write"),
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: retriable(20, "Written, but to fewer in-sync replicas than required"),
  INVALID_REQUIRED_ACKS: fatal(21, "acks must be -1, 0 or 1"),
  ILLEGAL_GENERATION: fatal(22, "The generation is not the current one of the group"),
  INCONSISTENT_GROUP_PROTOCOL: fatal(
    23,
    "The protocols of the member do not match those of the group, or there are none",
  ),
  INVALID_GROUP_ID: fatal(24, "The group id is not allowed"),
  UNKNOWN_MEMBER_ID: fatal(25, "The group has no such member"),
  INVALID_SESSION_TIMEOUT: fatal(26, "The session timeout is outside the limits of the broker"),
  REBALANCE_IN_PROGRESS: fatal(27, "The group is rebalancing: join again"),
  INVALID_COMMIT_OFFSET_SIZE: fatal(28, "The offset commit is too large"),
  TOPIC_AUTHORIZATION_FAILED: fatal(29, "No permission for the topic"),
  GROUP_AUTHORIZATION_FAILED: fatal(30, "No permission for the group"),
  CLUSTER_AUTHORIZATION_FAILED: fatal(31, "No permission for the cluster"),
  INVALID_TIMESTAMP: fatal(32, "The timestamp is too far from the broker's clock"),
  UNSUPPORTED_SASL_MECHANISM: fatal(33, "The SASL mechanism is not offered"),
  ILLEGAL_SASL_STATE: fatal(34, "SASL messages came in the wrong order"),
  UNSUPPORTED_VERSION: fatal(35, "The version of the API is not supported"),
  TOPIC_ALREADY_EXISTS: fatal(36, "A topic with this name exists already"),
  INVALID_PARTITIONS: fatal(37, "The number of partitions is not allowed"),
  INVALID_REPLICATION_FACTOR: fatal(38, "The replication factor is below 1 or above the number of brokers"),
  INVALID_REPLICA_ASSIGNMENT: fatal(39, "The assignment of replicas is not valid"),
  INVALID_CONFIG: fatal(40, "The configuration is not valid"),
  NOT_CONTROLLER: retriable(41, "Another node is the controller"),
  INVALID_REQUEST: fatal(42, "The request contradicts itself or the protocol"),
  UNSUPPORTED_FOR_MESSAGE_FORMAT: fatal(43, "The record format cannot carry what was asked for"),
  POLICY_VIOLATION: fatal(44, "A policy of the broker forbids the request"),
  OUT_OF_ORDER_SEQUENCE_NUMBER: fatal(45, "The producer's sequence number leaves a gap"),
  DUPLICATE_SEQUENCE_NUMBER: fatal(46, "The producer's sequence number was seen before"),
  INVALID_PRODUCER_EPOCH: fatal(47, "A newer epoch of the producer is known"),
  INVALID_TXN_STATE: fatal(48, "The transaction is in a state that does not allow this"),
  INVALID_PRODUCER_ID_MAPPING: fatal(49, "The producer id does not belong to the transactional id"),
  INVALID_TRANSACTION_TIMEOUT: fatal(50, "The transaction timeout is above the limit of the broker"),
  CONCURRENT_TRANSACTIONS: retriable(51, "Another operation on the transaction is still going on"),
  TRANSACTION_COORDINATOR_FENCED: fatal(52, "Another coordinator has taken over the transaction"),
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: fatal(53, "No permission for the transactional id"),
  SECURITY_DISABLED: fatal(54, "Security is not configured"),
  OPERATION_NOT_ATTEMPTED: fatal(55, "Not tried, since another part of the request failed"),
  KAFKA_STORAGE_ERROR: retriable(56, "The disk of the log failed"),
  LOG_DIR_NOT_FOUND: fatal(57, "The log directory is not configured"),
  SASL_AUTHENTICATION_FAILED: fatal(58, "SASL authentication failed"),
  UNKNOWN_PRODUCER_ID: fatal(59, "The broker remembers nothing of the producer id"),
  REASSIGNMENT_IN_PROGRESS: fatal(60, "The partition is being reassigned"),
  DELEGATION_TOKEN_AUTH_DISABLED: fatal(61, "Delegation tokens are not enabled"),
  DELEGATION_TOKEN_NOT_FOUND: fatal(62, "The delegation token does not exist"),
  DELEGATION_TOKEN_OWNER_MISMATCH: fatal(63, "The principal is neither owner nor renewer of the token"),
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: fatal(
    64,
    "Delegation tokens cannot be handled on this kind of connection",
  ),
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: fatal(65, "No permission for the delegation token"),
  DELEGATION_TOKEN_EXPIRED: fatal(66, "The delegation token has expired"),
  INVALID_PRINCIPAL_TYPE: fatal(67, "The type of principal is not supported"),
  NON_EMPTY_GROUP: fatal(68, "The group still has members"),
  GROUP_ID_NOT_FOUND: fatal(69, "The group does not exist"),
  FETCH_SESSION_ID_NOT_FOUND: retriable(70, "The fetch session does not exist"),
  INVALID_FETCH_SESSION_EPOCH: retriable(71, "The step of the fetch session is not the expected one"),
  LISTENER_NOT_FOUND: retriable(72, "The leader has no listener of the name that the client uses"),
  TOPIC_DELETION_DISABLED: fatal(73, "Deleting topics is disabled"),
  FENCED_LEADER_EPOCH: retriable(74, "The leader epoch of the request is an old one"),
  UNKNOWN_LEADER_EPOCH: retriable(75, "The leader epoch of the request is not yet known here"),
  UNSUPPORTED_COMPRESSION_TYPE: fatal(76, "The client cannot read the compression of the partition"),
  STALE_BROKER_EPOCH: fatal(77, "The broker has registered anew since"),
  OFFSET_NOT_AVAILABLE: retriable(78, "The new leader does not know its high watermark yet"),
  MEMBER_ID_REQUIRED: fatal(79, "Join again with the member id of this response"),
  PREFERRED_LEADER_NOT_AVAILABLE: retriable(80, "The preferred leader is not available"),
  GROUP_MAX_SIZE_REACHED: fatal(81, "The group has as many members as it may"),
  FENCED_INSTANCE_ID: fatal(82, "Another member has taken over the group.instance.id"),
  ELIGIBLE_LEADERS_NOT_AVAILABLE: retriable(83, "No replica that could lead is available"),
  ELECTION_NOT_NEEDED: retriable(84, "The partition has the right leader already"),
  NO_REASSIGNMENT_IN_PROGRESS: fatal(85, "The partition is not being reassigned"),
  GROUP_SUBSCRIBED_TO_TOPIC: fatal(86, "The group is subscribed to the topic"),
  INVALID_RECORD: fatal(87, "A record breaks a rule of the topic"),
  UNSTABLE_OFFSET_COMMIT: retriable(88, "A pending transaction may still change the offset"),
  THROTTLING_QUOTA_EXCEEDED: retriable(89, "Too many changes in a short time"),
  PRODUCER_FENCED: fatal(90, "A newer producer with the transactional id has fenced this one"),
  RESOURCE_NOT_FOUND: fatal(91, "The resource does not exist"),
  DUPLICATE_RESOURCE: fatal(92, "The resource is named twice"),
  UNACCEPTABLE_CREDENTIAL: fatal(93, "The credential does not meet the requirements"),
  INCONSISTENT_VOTER_SET: fatal(94, "Sender or receiver is not in the set of voters"),
  INVALID_UPDATE_VERSION: fatal(95, "The version of the update is not valid"),
  FEATURE_UPDATE_FAILED: fatal(96, "The features could not be updated"),
  PRINCIPAL_DESERIALIZATION_FAILURE: fatal(97, "The forwarded principal cannot be read"),
  SNAPSHOT_NOT_FOUND: fatal(98, "The snapshot does not exist"),
  POSITION_OUT_OF_RANGE: fatal(99, "The position is outside the snapshot"),
  UNKNOWN_TOPIC_ID: retriable(100, "This broker has no topic with the id"),
  DUPLICATE_BROKER_REGISTRATION: fatal(101, "The broker id is in use"),
  BROKER_ID_NOT_REGISTERED: fatal(102, "The broker id is not registered"),
  INCONSISTENT_TOPIC_ID: retriable(103, "The topic id is not that of the log"),
  INCONSISTENT_CLUSTER_ID: fatal(104, "The cluster id is another one"),
  TRANSACTIONAL_ID_NOT_FOUND: fatal(105, "The transactional id does not exist"),
  FETCH_SESSION_TOPIC_ID_ERROR: retriable(106, "The fetch session mixes topic names and topic ids"),
  INELIGIBLE_REPLICA: fatal(107, "A replica cannot join the in-sync set"),
  NEW_LEADER_ELECTED: fatal(108, "The partition has a new leader since"),
  OFFSET_MOVED_TO_TIERED_STORAGE: fatal(109, "The offset lies in tiered storage only"),
  FENCED_MEMBER_EPOCH: fatal(
    110,
    "A newer epoch of the member is known: give up all partitions and join again",
  ),
  UNRELEASED_INSTANCE_ID: fatal(111, "The instance id still belongs to another member"),
  UNSUPPORTED_ASSIGNOR: fatal(112, "The group does not know the assignor"),
  STALE_MEMBER_EPOCH: fatal(113, "The member epoch is an old one: wait for the next heartbeat"),
  MISMATCHED_ENDPOINT_TYPE: fatal(114, "The request came to the wrong type of endpoint"),
  UNSUPPORTED_ENDPOINT_TYPE: fatal(115, "The type of endpoint is not supported"),
  UNKNOWN_CONTROLLER_ID: fatal(116, "The controller id is not known"),
  UNKNOWN_SUBSCRIPTION_ID: fatal(117, "The telemetry subscription is not valid any more"),
  TELEMETRY_TOO_LARGE: fatal(118, "The telemetry is larger than the broker accepts"),
  INVALID_REGISTRATION: fatal(119, "The controller refuses the registration"),
  TRANSACTION_ABORTABLE: fatal(120, "The transaction failed and can only be aborted"),
  INVALID_RECORD_STATE: fatal(121, "The record is not in a state that allows the acknowledgement"),
  SHARE_SESSION_NOT_FOUND: retriable(122, "The share session does not exist"),
  INVALID_SHARE_SESSION_EPOCH: retriable(123, "The step of the share session is not the expected one"),
  FENCED_STATE_EPOCH: fatal(124, "A newer state epoch of the share group is known"),
  INVALID_VOTER_KEY: fatal(125, "The key of the voter is another one"),
  DUPLICATE_VOTER: fatal(126, "The voter is in the set already"),
  VOTER_NOT_FOUND: fatal(127, "The voter is not in the set"),
  INVALID_REGULAR_EXPRESSION: fatal(128, "The regular expression is not valid"),
  REBOOTSTRAP_REQUIRED: fatal(
    129,
    "The client's metadata is outdated: start again from the bootstrap servers",
  ),
  STREAMS_INVALID_TOPOLOGY: fatal(130, "The topology is not valid"),
  STREAMS_INVALID_TOPOLOGY_EPOCH: fatal(131, "The epoch of the topology is not valid"),
  STREAMS_TOPOLOGY_FENCED: fatal(132, "A newer epoch of the topology is known"),
  SHARE_SESSION_LIMIT_REACHED: retriable(133, "There are as many share sessions as there may be"),
} as const satisfies Record<string, ProtocolError>;

export type ErrorName = keyof typeof errors;

const names: ReadonlyMap<ErrorCode, ErrorName> = new Map(
  (Object.keys(errors) as ErrorName[]).map((name) => [errors[name].code, name]),
);

export function errorCode(name: ErrorName): ErrorCode {
  return errors[name].code;
}

/** The name of a code; a code that Kafka 4.3 does not know is `UNKNOWN_SERVER_ERROR`, as in its clients. */
export function errorName(code: ErrorCode): ErrorName {
  return names.get(code) ?? "UNKNOWN_SERVER_ERROR";
}

/** Whether a client should try again after this code. */
export function isRetriable(code: ErrorCode): boolean {
  return errors[errorName(code)].retriable;
}
