/**
 * Whether and how a topic is created: a pure decision over the metadata image. Error names and their order are those
 * of Kafka's ReplicationControlManager.
 */
import { limits } from "../config/limits.ts";
import { normalizeTopicConfig, topicConfigsFault } from "../config/topic_configs.ts";
import { collidingTopicName, internalTopicNames, topicNameFault } from "../config/topic_name.ts";
import type { MetadataImage, PartitionImage } from "./metadata_image.ts";

export interface TopicWish {
  readonly name: string;
  /** -1 for the server's default. */
  readonly partitionCount: number;
  /** -1 for the server's default. */
  readonly replicationFactor: number;
  /** Broker ids by partition; then both numbers above must be -1. */
  readonly assignments?: ReadonlyMap<number, readonly number[]>;
  readonly configs: Readonly<Record<string, string | null>>;
}

export interface TopicDefaults {
  /** `num.partitions`. */
  readonly partitionCount: number;
  /** `default.replication.factor`. */
  readonly replicationFactor: number;
}

export type TopicCreationFaultName =
  | "INVALID_TOPIC_EXCEPTION"
  | "TOPIC_ALREADY_EXISTS"
  | "INVALID_REQUEST"
  | "INVALID_PARTITIONS"
  | "INVALID_REPLICATION_FACTOR"
  | "INVALID_REPLICA_ASSIGNMENT"
  | "INVALID_CONFIG";

export interface TopicPlan {
  readonly partitions: readonly PartitionImage[];
  readonly configs: Readonly<Record<string, string>>;
}

export type TopicCreation =
  | { readonly plan: TopicPlan }
  | { readonly error: TopicCreationFaultName; readonly message: string };

/** Decides over `image`, whose brokers are the live ones. */
export function decideTopicCreation(
  image: MetadataImage,
  wish: TopicWish,
  defaults: TopicDefaults,
): TopicCreation {
  const nameFault = topicNameFault(wish.name);
  if (nameFault !== null) return refused("INVALID_TOPIC_EXCEPTION", nameFault);
  if (internalTopicNames.has(wish.name)) {
    return refused("INVALID_TOPIC_EXCEPTION", `Topic name "${wish.name}" is kept for internal use`);
  }
  if (image.topicsByName.has(wish.name)) {
    return refused("TOPIC_ALREADY_EXISTS", `Topic '${wish.name}' already exists.`);
  }
  const collision = collidingTopicName(wish.name, image.topicsByName.keys());
  if (collision !== null) {
    const message = `Topic '${wish.name}' collides with existing topic: ${collision}`;
    return refused("INVALID_TOPIC_EXCEPTION", message);
  }
  const configFault = topicConfigsFault(wish.configs, { nullDeletes: false });
  if (configFault !== null) return refused("INVALID_CONFIG", configFault);
  const replicas = wish.assignments === undefined || wish.assignments.size === 0
    ? placeReplicas(image, wish, defaults)
    : checkAssignments(image, wish, wish.assignments);
  if ("error" in replicas) return replicas;
  const configs = Object.entries(wish.configs).map(([name, value]) =>
    [name, normalizeTopicConfig(name, value ?? "")] as const
  );
  const partitions = replicas.map((each) => ({
    leader: each[0] ?? -1,
    leaderEpoch: 0,
    replicas: each,
    isr: each,
  }));
  return { plan: { partitions, configs: Object.fromEntries(configs) } };
}

type Replicas = readonly (readonly number[])[];
type Fault = { readonly error: TopicCreationFaultName; readonly message: string };

function placeReplicas(image: MetadataImage, wish: TopicWish, defaults: TopicDefaults): Replicas | Fault {
  const partitionCount = wish.partitionCount === -1 ? defaults.partitionCount : wish.partitionCount;
  const factor = wish.replicationFactor === -1 ? defaults.replicationFactor : wish.replicationFactor;
  if (partitionCount < 1) {
    return refused("INVALID_PARTITIONS", "Number of partitions must be larger than 0.");
  }
  if (partitionCount > limits.partitionsPerTopicMax) {
    const message =
      `Number of partitions ${partitionCount} is over the limit of ${limits.partitionsPerTopicMax}`;
    return refused("INVALID_PARTITIONS", message);
  }
  const brokerIds = image.brokers.map((broker) => broker.brokerId);
  if (factor < 1) {
    return refused("INVALID_REPLICATION_FACTOR", "Replication factor must be larger than 0.");
  }
  if (factor > brokerIds.length) {
    const message =
      `Unable to replicate the partition ${factor} time(s): only ${brokerIds.length} broker(s) are registered.`;
    return refused("INVALID_REPLICATION_FACTOR", message);
  }
  // Leaders go round the brokers, and the other replicas follow them.
  return Array.from(
    { length: partitionCount },
    (_, partition) =>
      Array.from(
        { length: factor },
        (_, replica) => brokerIds[(partition + replica) % brokerIds.length] ?? -1,
      ),
  );
}

function checkAssignments(
  image: MetadataImage,
  wish: TopicWish,
  assignments: ReadonlyMap<number, readonly number[]>,
): Replicas | Fault {
  if (wish.partitionCount !== -1 || wish.replicationFactor !== -1) {
    const message = "A manual assignment goes without a number of partitions and a replication factor.";
    return refused("INVALID_REQUEST", message);
  }
  if (assignments.size > limits.partitionsPerTopicMax) {
    const message =
      `Number of partitions ${assignments.size} is over the limit of ${limits.partitionsPerTopicMax}`;
    return refused("INVALID_PARTITIONS", message);
  }
  const known = new Set(image.brokers.map((broker) => broker.brokerId));
  const replicas: (readonly number[])[] = [];
  const factor = assignments.get(0)?.length;
  for (let partition = 0; partition < assignments.size; partition++) {
    const assigned = assignments.get(partition);
    if (assigned === undefined) {
      return refused("INVALID_REPLICA_ASSIGNMENT", "Partitions must be numbered from 0 without a gap.");
    }
    const fault = replicaFault(assigned, factor, known);
    if (fault !== null) return refused("INVALID_REPLICA_ASSIGNMENT", `Partition ${partition}: ${fault}`);
    replicas.push(assigned);
  }
  return replicas;
}

function replicaFault(
  assigned: readonly number[],
  factor: number | undefined,
  known: ReadonlySet<number>,
): string | null {
  if (assigned.length === 0) return "the list of replicas is empty";
  if (assigned.length !== factor) return "all partitions must have as many replicas";
  if (new Set(assigned).size !== assigned.length) return "a broker is named twice";
  const unknown = assigned.find((brokerId) => !known.has(brokerId));
  return unknown === undefined ? null : `broker ${unknown} is not registered`;
}

function refused(error: TopicCreationFaultName, message: string): Fault {
  return { error, message };
}
