/**
 * An error of a broker as Kafka's own tools print it, with the name of the Java exception: scripts look for it. The names
 * follow from the names of the errors, but for those listed.
 */
import { BrokerError } from "../client/mod.ts";
import type { ErrorName } from "../protocol/errors.ts";

const OTHER_NAMES: Readonly<Partial<Record<ErrorName, string>>> = {
  CORRUPT_MESSAGE: "CorruptRecord",
  DELEGATION_TOKEN_AUTH_DISABLED: "DelegationTokenDisabled",
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: "UnsupportedByAuthentication",
  FEATURE_UPDATE_FAILED: "FeatureUpdateFailed",
  INVALID_CONFIG: "InvalidConfiguration",
  INVALID_PRODUCER_ID_MAPPING: "InvalidPidMapping",
  INVALID_TRANSACTION_TIMEOUT: "InvalidTxnTimeout",
  MESSAGE_TOO_LARGE: "RecordTooLarge",
  NON_EMPTY_GROUP: "GroupNotEmpty",
  OUT_OF_ORDER_SEQUENCE_NUMBER: "OutOfOrderSequence",
  DUPLICATE_SEQUENCE_NUMBER: "DuplicateSequence",
  PRINCIPAL_DESERIALIZATION_FAILURE: "PrincipalDeserialization",
  RECORD_LIST_TOO_LARGE: "RecordBatchTooLarge",
  REQUEST_TIMED_OUT: "Timeout",
  STALE_CONTROLLER_EPOCH: "ControllerMoved",
  TOPIC_ALREADY_EXISTS: "TopicExists",
};

/** `org.apache.kafka.common.errors.GroupIdNotFoundException` */
export function javaExceptionName({ error }: Pick<BrokerError, "error">): string {
  const words = error.replace(/_(FAILED|ERROR|EXCEPTION)$/, "").toLowerCase().split("_").map((word) =>
    word.slice(0, 1).toUpperCase() + word.slice(1)
  );
  return `org.apache.kafka.common.errors.${OTHER_NAMES[error] ?? words.join("")}Exception`;
}

/** `org.apache.kafka.common.errors.GroupIdNotFoundException: The group id does not exist.` */
export function javaExceptionText(error: BrokerError): string {
  return `${javaExceptionName(error)}: ${error.message}`;
}

/** Why a command about groups failed. Kafka's tools check topics by themselves, and show their own errors without names. */
export function groupCommandReason(error: unknown): string {
  if (error instanceof BrokerError && error.error !== "UNKNOWN_TOPIC_OR_PARTITION") {
    return javaExceptionText(error);
  }
  return error instanceof Error ? error.message : String(error);
}
