/**
 * Messages of the supervisor actor (`supervisor/cluster`), which plays ZooKeeper's role: it registers brokers,
 * watches their and the consumers' liveness, keeps topics and the assignment, and tells everyone who subscribed.
 */
import type { ApiKey } from "../../core/access/api_key.ts";
import type { ConfigChange } from "../../core/config/config_changes.ts";
import type { AlterableKind } from "../../core/config/resource_changes.ts";
import type { TopicImage } from "../../core/cluster/metadata_image.ts";
import type { QuotaChange, QuotaEntityPart } from "../../core/quota/quota_entity.ts";
import type { ErrorName } from "../../protocol/errors.ts";
import type { Expects } from "../runtime/types.ts";

export interface TopicFault {
  readonly error: ErrorName;
  readonly message: string;
}
export type TopicOutcome = { readonly topic: TopicImage } | TopicFault;

/** Creates one topic; the answer comes after every subscriber has the new image. */
export interface CreateTopic extends Expects<TopicOutcome> {
  readonly type: "createTopic";
  readonly name: string;
  /** A UUID never used before, for callers that must know it beforehand. */
  readonly topicId?: string;
  /** -1: `num.partitions`. */
  readonly partitionCount: number;
  /** -1: `default.replication.factor`. */
  readonly replicationFactor: number;
  /** Broker ids by partition, when the client fixed them. */
  readonly assignments?: ReadonlyMap<number, readonly number[]>;
  readonly configs: Readonly<Record<string, string | null>>;
  readonly validateOnly: boolean;
  /** It goes at the next start unless it was renamed by then. */
  readonly isRestoring?: boolean;
}

/** Deletes by name or id: the name is free at once, the data goes in the background. */
export interface DeleteTopic extends Expects<TopicOutcome> {
  readonly type: "deleteTopic";
  readonly name?: string;
  readonly topicId?: string;
}

/**
 * Gives topics other names at one stroke: what was made ready under another name takes its place. With `overwrite` a topic that bears
 * such a name is deleted, else it is a conflict.
 */
export interface RenameTopics extends Expects<{ readonly error: "NONE" } | TopicFault> {
  readonly type: "renameTopics";
  readonly nameById: ReadonlyMap<string, string>;
  readonly overwrite: boolean;
}

export interface AlterTopicConfigs extends Expects<TopicOutcome> {
  readonly type: "alterTopicConfigs";
  readonly name: string;
  readonly changes: readonly ConfigChange[];
  /** Whether everything that is not named goes back to its default (AlterConfigs before KIP-339). */
  readonly replace: boolean;
  readonly validateOnly: boolean;
}

/** Settings of a broker, a group, or a client metrics subscription. */
export interface AlterConfigs extends Expects<{ readonly error: "NONE" } | TopicFault> {
  readonly type: "alterConfigs";
  readonly kind: AlterableKind;
  readonly name: string;
  readonly changes: readonly ConfigChange[];
  /** As with topics. */
  readonly replace: boolean;
  readonly validateOnly: boolean;
}

/** Quotas of some entities, each with its own outcome in the order of the entries. */
export interface AlterQuotas extends Expects<readonly ({ readonly error: "NONE" } | TopicFault)[]> {
  readonly type: "alterQuotas";
  readonly entries: readonly {
    readonly entity: readonly QuotaEntityPart[];
    readonly changes: readonly QuotaChange[];
  }[];
  readonly validateOnly: boolean;
}

/** Gives a topic more partitions. */
export interface AddPartitions extends Expects<TopicOutcome> {
  readonly type: "addPartitions";
  readonly name: string;
  /** The new total. */
  readonly count: number;
  /** Brokers of each new partition, when the client fixed them. */
  readonly assignments: readonly (readonly number[])[] | null;
  readonly validateOnly: boolean;
}

/** Adds a key of the HTTP door; false when there are as many as there may be. */
export interface CreateApiKey extends Expects<boolean> {
  readonly type: "createApiKey";
  readonly key: ApiKey;
}

/** From the answer on the key is worth nothing; false when there is none with the id. */
export interface RevokeApiKey extends Expects<boolean> {
  readonly type: "revokeApiKey";
  readonly id: string;
}

/** A block of producer ids, never handed out before. */
export interface AllocateProducerIds extends Expects<{ readonly firstId: number; readonly count: number }> {
  readonly type: "allocateProducerIds";
}

/** Registers a broker and subscribes its actor to the metadata image, which it gets before the answer. */
export interface RegisterBroker extends Expects<{ readonly epoch: number }> {
  readonly type: "registerBroker";
  readonly brokerId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
  readonly incarnation: string;
}

export interface BrokerHeartbeat
  extends Expects<{ readonly error: "NONE" | "STALE_BROKER_EPOCH" | "BROKER_ID_NOT_REGISTERED" }> {
  readonly type: "brokerHeartbeat";
  readonly brokerId: number;
  readonly epoch: number;
}

/** One live consumer, as its group's actor sees it. */
export interface ConsumerLiveness {
  readonly groupId: string;
  readonly memberId: string;
  readonly clientId: string;
  readonly host: string;
  /** Milliseconds on the wall clock, for people. */
  readonly lastHeartbeatMs: number;
  readonly assignment: readonly { readonly topic: string; readonly partitions: readonly number[] }[];
}

/** Tell: the whole membership of one group; an empty list means the group has no members. */
export interface ReportConsumers {
  readonly type: "reportConsumers";
  readonly groupId: string;
  readonly consumers: readonly ConsumerLiveness[];
}

export interface SupervisorDescription {
  readonly brokers: readonly {
    readonly brokerId: number;
    readonly alive: boolean;
    readonly sinceHeartbeatMs: number;
  }[];
  readonly consumers: readonly ConsumerLiveness[];
}

export interface DescribeSupervisor extends Expects<SupervisorDescription> {
  readonly type: "describe";
}

/** Internal: a liveness sweep; a topic whose data is to be deleted. */
export interface SupervisorTick {
  readonly type: "tick";
  readonly task: "liveness" | "purge";
  /** With `purge`. */
  readonly topicId?: string;
}

export type SupervisorMessage =
  | CreateTopic
  | DeleteTopic
  | RenameTopics
  | AlterTopicConfigs
  | AlterConfigs
  | AlterQuotas
  | AddPartitions
  | AllocateProducerIds
  | CreateApiKey
  | RevokeApiKey
  | RegisterBroker
  | BrokerHeartbeat
  | ReportConsumers
  | DescribeSupervisor
  | SupervisorTick;
