/**
 * Kavka's TypeScript SDK: a client for Kavka and for any broker that speaks Kafka's protocol.
 *
 * `Producer` sends records, `Consumer` reads them (alone or as a member of a group), `Admin` manages topics. All take an
 * `Env`, the port to clocks and sockets: `realEnv()` in a program, one of your own in tests. All throw
 * subclasses of `ClientError`, and cancel by `AbortSignal` where they wait.
 *
 * ```ts
 * import { Consumer, Producer, realEnv } from "./client/mod.ts";
 *
 * const options = { bootstrapServers: "localhost:9092" };
 * await using producer = new Producer(realEnv(), options);
 * await producer.send({ topic: "test", key: "k", value: "hello" });
 *
 * await using consumer = new Consumer(realEnv(), { ...options, groupId: "g", offsetReset: "earliest" });
 * consumer.subscribe(["test"]);
 * for await (const record of consumer) console.log(record.offset, record.value);
 * ```
 */
export { Admin, type ClusterDescription, type NewTopic, type TopicOutcome } from "./admin.ts";
export type {
  ConfigChange,
  ConfigEntry,
  ConfigResource,
  ConfigResourceType,
  ConfigSource,
  ConfigSynonym,
} from "./admin_configs.ts";
export type { LogDirDescription, LogDirReplica } from "./admin_log_dirs.ts";
export type { ClientQuota, QuotaComponent, QuotaEntityType, QuotaFilter } from "./admin_quotas.ts";
export type { DeletedRecords } from "./admin_records.ts";
export type { PartitionDescription, TopicDescription } from "./admin_topics.ts";
export type { AssignorName } from "./assignors.ts";
export type { Broker, CallOptions, ClientOptions, PartitionMetadata, TopicMetadata } from "./cluster.ts";
export { Consumer, type ConsumerOptions, type PollOptions } from "./consumer.ts";
export {
  BrokerError,
  BufferFullError,
  ClientError,
  ClosedError,
  CommitFailedError,
  ConfigurationError,
  ConnectionError,
  NoOffsetError,
  ProtocolViolationError,
  RecordTooLargeError,
  TimeoutError,
  UnsupportedVersionError,
} from "./errors.ts";
export type { ConsumedRecord } from "./fetcher.ts";
export type { CommittedOffset } from "./group.ts";
export {
  GroupAdmin,
  type GroupDescription,
  type GroupListing,
  type GroupMemberDescription,
  type GroupOffset,
  type TopicPartitions,
} from "./group_admin.ts";
export type { ClientMetric } from "./metrics.ts";
export type { IsolationLevel, OffsetSpec } from "./offsets.ts";
export { ShareConsumer, type ShareConsumerOptions, type SharedRecord } from "./share_consumer.ts";
export {
  ShareGroupAdmin,
  type ShareGroupDescription,
  type ShareGroupListing,
  type ShareGroupMember,
  type ShareGroupOffset,
  type ShareOffsetOutcome,
} from "./share_group_admin.ts";
export { Producer, type ProducerOptions, type ProducerRecord } from "./producer.ts";
export type { RecordMetadata } from "./record_accumulator.ts";
export type { TopicPartition } from "./topic_partition.ts";
export {
  type MarkerTarget,
  type ProducerDescription,
  TransactionAdmin,
  type TransactionDescription,
  type TransactionFilter,
  type TransactionListing,
} from "./transaction_admin.ts";
export { realEnv } from "../env/real.ts";
export type { Env } from "../lib/env.ts";
