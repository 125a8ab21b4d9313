/**
 * What a client may do to a resource, as the bits that clients ask for (KIP-430): everything that the kind of resource knows, as
 * long as there are no access control lists. Source: Kafka's AuthHelper and AclEntry.
 */

/** Kafka's AclOperation. */
const operation = {
  READ: 3,
  WRITE: 4,
  CREATE: 5,
  DELETE: 6,
  ALTER: 7,
  DESCRIBE: 8,
  CLUSTER_ACTION: 9,
  DESCRIBE_CONFIGS: 10,
  ALTER_CONFIGS: 11,
  IDEMPOTENT_WRITE: 12,
} as const;

const { READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS } = operation;
const { CLUSTER_ACTION, IDEMPOTENT_WRITE } = operation;

const CLUSTER = bits(
  CREATE,
  ALTER,
  DESCRIBE,
  CLUSTER_ACTION,
  DESCRIBE_CONFIGS,
  ALTER_CONFIGS,
  IDEMPOTENT_WRITE,
);
const GROUP = bits(READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS);
const TOPIC = bits(READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS);
/** Nobody asked. */
const NOT_ASKED = -0x8000_0000;

export function clusterOperations(isAsked: boolean): number {
  return isAsked ? CLUSTER : NOT_ASKED;
}

export function groupOperations(isAsked: boolean): number {
  return isAsked ? GROUP : NOT_ASKED;
}

export function topicOperations(isAsked: boolean): number {
  return isAsked ? TOPIC : NOT_ASKED;
}

function bits(...operations: readonly number[]): number {
  return operations.reduce((all, each) => all | (1 << each), 0);
}
