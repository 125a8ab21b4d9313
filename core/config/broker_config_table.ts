/**
 * The table behind `broker_configs.ts`: name, type, default, effect, documentation, and the rules for values.
 *
 * Source: the names, types and defaults of Kafka 4.3's `KafkaConfig`, plus the ZooKeeper settings of Kafka 3. They differ
 * in the addresses (loopback here), the number of the broker (1 here) and the bounds of `limits.ts`.
 */
import type { ConfigDefinition, ConfigType } from "./config_definition.ts";
import { rangesFault } from "../webhook/address_ranges.ts";
import { limits } from "./limits.ts";

type Rules = Pick<ConfigDefinition, "min" | "max" | "oneOf" | "check">;

export type BrokerConfigRow = readonly [
  name: string,
  type: ConfigType,
  fallback: string | null,
  effect: ConfigDefinition["effect"],
  documentation: string,
  rules?: Rules,
];

function notSupported(value: string): string | null {
  return value === "" ? null : "not supported";
}

function notZero(value: string): string | null {
  return Number(value) === 0 ? "expected -1 or 1 to 9" : null;
}

function notRetentionZero(value: string): string | null {
  return Number(value) === 0 ? "expected a positive number, or -1 for no bound" : null;
}

function notAssignors(value: string): string | null {
  return value.split(",").every((name) => ["uniform", "range"].includes(name.trim()))
    ? null
    : "expected uniform, range or both";
}

function notOrigins(value: string): string | null {
  return value.split(",").every((part) => /^(\*|https?:\/\/[^\s/?#]+)?$/.test(part.trim()))
    ? null
    : "expected origins as https://app.example, or *";
}

// deno-fmt-ignore
export const brokerConfigRows: readonly BrokerConfigRow[] = [
  ["advertised.listeners", "LIST", null, "now", "The address that clients are told to connect to; --advertise on the command line."],
  ["alter.config.policy.class.name", "CLASS", null, "now", "A Java class; not supported.", { check: notSupported }],
  ["authorizer.class.name", "STRING", null, "now", "A Java class; access control lists are not supported yet.", { check: notSupported }],
  ["auto.create.topics.enable", "BOOLEAN", "true", "now", "Whether a topic is created when a client first names it."],
  ["auto.leader.rebalance.enable", "BOOLEAN", "true", "none", "Whether leadership moves back to preferred replicas."],
  ["background.threads", "INT", "10", "none", "Threads for background work.", { min: 1 }],
  ["broker.heartbeat.interval.ms", "INT", "2000", "now", "Time between two heartbeats of a broker to the supervisor.", { min: 1 }],
  ["broker.id", "INT", "1", "now", "The older name of node.id.", { min: 0 }],
  ["broker.rack", "STRING", null, "now", "The rack of this broker, as clients are told."],
  ["broker.session.timeout.ms", "INT", "9000", "now", "Silence after which the supervisor takes a broker for dead.", { min: 1 }],
  ["compression.gzip.level", "INT", "-1", "now", "Level of gzip when the server compresses.", { min: -1, max: 9, check: notZero }],
  ["compression.lz4.level", "INT", "9", "none", "Level of lz4 when the server compresses.", { min: 1, max: 17 }],
  ["compression.type", "STRING", "producer", "now", "How batches are stored: producer keeps each as it was sent; anything else compresses them anew where needed.", { oneOf: ["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"] }],
  ["compression.zstd.level", "INT", "3", "now", "Level of zstd when the server compresses.", { min: -131072, max: 22 }],
  ["connections.max.idle.ms", "LONG", String(limits.connectionIdleMsMax), "now", "Silence after which a connection is closed."],
  ["controlled.shutdown.enable", "BOOLEAN", "true", "none", "Whether leadership is handed over before a broker stops."],
  ["controller.listener.names", "LIST", "CONTROLLER", "now", "Names of listeners that are skipped, since the supervisor is part of the broker."],
  ["controller.quorum.bootstrap.servers", "LIST", null, "none", "Addresses of controllers; here the supervisor is part of the broker."],
  ["controller.quorum.voters", "LIST", null, "none", "The controllers' quorum; here the supervisor is part of the broker."],
  ["controller.quota.window.num", "INT", "11", "now", "Samples over which the rate of changes is measured for quotas.", { min: 1 }],
  ["controller.quota.window.size.seconds", "INT", "1", "now", "Length of such a sample.", { min: 1 }],
  ["create.topic.policy.class.name", "CLASS", null, "now", "A Java class; not supported.", { check: notSupported }],
  ["default.replication.factor", "INT", "1", "now", "Replicas of a topic whose creator did not say.", { min: 1, max: 32767 }],
  ["delete.topic.enable", "BOOLEAN", "true", "now", "Whether topics may be deleted."],
  ["fetch.max.bytes", "INT", String(limits.fetchBytesMax), "now", "Largest answer to a Fetch, in bytes.", { min: 1024 }],
  ["follower.replication.throttled.rate", "LONG", null, "none", "Bytes a second for throttled replicas that follow.", { min: 0 }],
  ["group.consumer.assignment.interval.ms", "INT", "1000", "none", "Shortest time between two assignments of a group of the consumer protocol.", { min: 0 }],
  ["group.consumer.assignors", "LIST", "uniform,range", "now", "Assignors of the coordinator; the first one is the default.", { check: notAssignors }],
  ["group.consumer.heartbeat.interval.ms", "INT", "5000", "now", "Time between two heartbeats of a member of the consumer protocol.", { min: 1 }],
  ["group.consumer.max.assignment.interval.ms", "INT", "15000", "now", "Largest consumer.assignment.interval.ms of a group.", { min: 1 }],
  ["group.consumer.max.heartbeat.interval.ms", "INT", "15000", "now", "Largest consumer.heartbeat.interval.ms of a group.", { min: 1 }],
  ["group.consumer.max.session.timeout.ms", "INT", "60000", "now", "Largest consumer.session.timeout.ms of a group.", { min: 1 }],
  ["group.consumer.max.size", "INT", "2147483647", "now", "Members of one group of the consumer protocol.", { min: 1 }],
  ["group.consumer.migration.policy", "STRING", "bidirectional", "now", "Whether live groups go over to the consumer protocol and back.", { oneOf: ["disabled", "downgrade", "upgrade", "bidirectional"] }],
  ["group.consumer.min.assignment.interval.ms", "INT", "0", "now", "Least consumer.assignment.interval.ms of a group.", { min: 0 }],
  ["group.consumer.min.heartbeat.interval.ms", "INT", "5000", "now", "Least consumer.heartbeat.interval.ms of a group.", { min: 0 }],
  ["group.consumer.min.session.timeout.ms", "INT", "45000", "now", "Least consumer.session.timeout.ms of a group.", { min: 0 }],
  ["group.consumer.session.timeout.ms", "INT", "45000", "now", "Time after which a silent member of the consumer protocol is out of its group.", { min: 1 }],
  ["group.initial.rebalance.delay.ms", "INT", "3000", "now", "Time for which the first rebalance of an empty group waits for more members.", { min: 0 }],
  ["group.max.session.timeout.ms", "INT", "1800000", "now", "Longest session timeout that a member may ask for.", { min: 1 }],
  ["group.max.size", "INT", "2147483647", "now", "Members of one group.", { min: 1 }],
  ["group.min.session.timeout.ms", "INT", "6000", "now", "Shortest session timeout that a member may ask for.", { min: 1 }],
  ["group.share.assignment.interval.ms", "INT", "1000", "none", "Shortest time between two assignments of a share group.", { min: 0 }],
  ["group.share.assignors", "LIST", "simple", "now", "Assignors of share groups.", { oneOf: ["simple"] }],
  ["group.share.delivery.count.limit", "INT", "5", "now", "Server-wide share.delivery.count.limit.", { min: 1, max: 10 }],
  ["group.share.heartbeat.interval.ms", "INT", "5000", "now", "Time between two heartbeats of a member of a share group.", { min: 1 }],
  ["group.share.max.assignment.interval.ms", "INT", "15000", "now", "Largest share.assignment.interval.ms of a group.", { min: 1 }],
  ["group.share.max.delivery.count.limit", "INT", "10", "now", "Highest share.delivery.count.limit of a group.", { min: 5, max: 25 }],
  ["group.share.max.heartbeat.interval.ms", "INT", "15000", "now", "Longest share.heartbeat.interval.ms of a group.", { min: 1 }],
  ["group.share.max.partition.max.record.locks", "INT", "4000", "now", "Highest share.partition.max.record.locks of a group.", { min: 2000, max: 20000 }],
  ["group.share.max.record.lock.duration.ms", "INT", "60000", "now", "Longest share.record.lock.duration.ms of a group, and longest lock over HTTP.", { min: 30000, max: 3600000 }],
  ["group.share.max.session.timeout.ms", "INT", "60000", "now", "Longest share.session.timeout.ms of a group.", { min: 1 }],
  ["group.share.max.share.sessions", "INT", "2000", "now", "Share sessions of one group.", { min: 1 }],
  ["group.share.max.size", "INT", "200", "now", "Members of one share group.", { min: 1, max: 1000 }],
  ["group.share.min.assignment.interval.ms", "INT", "0", "now", "Least share.assignment.interval.ms of a group.", { min: 0 }],
  ["group.share.min.delivery.count.limit", "INT", "2", "now", "Lowest share.delivery.count.limit of a group.", { min: 1, max: 5 }],
  ["group.share.min.heartbeat.interval.ms", "INT", "5000", "now", "Shortest share.heartbeat.interval.ms of a group.", { min: 1 }],
  ["group.share.min.partition.max.record.locks", "INT", "100", "now", "Lowest share.partition.max.record.locks of a group.", { min: 1, max: 2000 }],
  ["group.share.min.record.lock.duration.ms", "INT", "15000", "now", "Shortest share.record.lock.duration.ms of a group.", { min: 1, max: 30000 }],
  ["group.share.min.session.timeout.ms", "INT", "45000", "now", "Shortest share.session.timeout.ms of a group.", { min: 1 }],
  ["group.share.partition.max.record.locks", "INT", "2000", "now", "Server-wide share.partition.max.record.locks.", { min: 100, max: 10000 }],
  ["group.share.record.lock.duration.ms", "INT", "30000", "now", "Server-wide share.record.lock.duration.ms.", { min: 1000, max: 3600000 }],
  ["group.share.session.timeout.ms", "INT", "45000", "now", "Time after which a silent member of a share group is out of it.", { min: 1 }],
  ["http.allowed.hosts", "LIST", "", "now", "Host names by which the HTTP listener is reached, besides localhost and addresses; * for any. Without one, a listener on loopback takes no other name, any other listener takes all. Kavka's own."],
  ["http.api.keys.required", "BOOLEAN", "false", "now", "Whether HTTP requests need an API key; KAVKA_ADMIN_KEY makes it so too. Kavka's own."],
  ["http.cors.origins", "LIST", "", "now", "Origins whose web pages may use the HTTP listener, as https://app.example; * for any. Kavka's own.", { check: notOrigins }],
  ["http.idempotency.key.expiration.ms", "LONG", "86400000", "now", "How long an Idempotency-Key of a request over HTTP is remembered. Kavka's own.", { min: 1 }],
  ["http.live.tails.max", "INT", String(limits.liveTailsMax), "now", "Live tails over HTTP that may be open at once, as server-sent events or WebSockets. Kavka's own.", { min: 1 }],
  ["inter.broker.listener.name", "STRING", null, "none", "The listener that brokers use among each other."],
  ["leader.replication.throttled.rate", "LONG", null, "none", "Bytes a second for throttled replicas that lead.", { min: 0 }],
  ["listener.security.protocol.map", "STRING", "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT", "now", "Security protocols by the listeners' names; only PLAINTEXT is served so far."],
  ["listeners", "LIST", "PLAINTEXT://127.0.0.1:9092", "now", "Where the Kafka protocol is served; --kafka on the command line."],
  ["log.cleaner.backoff.ms", "LONG", "15000", "now", "Pause of the log cleaner when there is nothing to do.", { min: 0 }],
  ["log.cleaner.dedupe.buffer.size", "LONG", "134217728", "now", "Memory of the log cleaner.", { min: 1 }],
  ["log.cleaner.delete.retention.ms", "LONG", "86400000", "now", "Server-wide delete.retention.ms.", { min: 0 }],
  ["log.cleaner.enable", "BOOLEAN", "true", "now", "Whether compaction runs."],
  ["log.cleaner.io.buffer.size", "INT", "524288", "none", "Buffer of the log cleaner.", { min: 0 }],
  ["log.cleaner.max.compaction.lag.ms", "LONG", "9223372036854775807", "now", "Server-wide max.compaction.lag.ms.", { min: 1 }],
  ["log.cleaner.min.cleanable.ratio", "DOUBLE", "0.5", "now", "Server-wide min.cleanable.dirty.ratio.", { min: 0, max: 1 }],
  ["log.cleaner.min.compaction.lag.ms", "LONG", "0", "now", "Server-wide min.compaction.lag.ms.", { min: 0 }],
  ["log.cleaner.threads", "INT", "1", "none", "Threads of the log cleaner.", { min: 0 }],
  ["log.cleanup.policy", "LIST", "delete", "now", "Server-wide cleanup.policy.", { oneOf: ["compact", "delete"] }],
  ["log.dir", "LIST", "/tmp/kafka-logs", "now", "The older name of log.dirs, which wins over it."],
  ["log.dirs", "LIST", null, "now", "Where the data lies; --data on the command line. One directory."],
  ["log.flush.interval.messages", "LONG", "9223372036854775807", "none", "Server-wide flush.messages; here every acknowledged batch is already on the disk.", { min: 1 }],
  ["log.flush.interval.ms", "LONG", null, "none", "Server-wide flush.ms; here every acknowledged batch is already on the disk."],
  ["log.flush.offset.checkpoint.interval.ms", "INT", "60000", "none", "Time between two recovery points of the log.", { min: 0 }],
  ["log.flush.scheduler.interval.ms", "LONG", "9223372036854775807", "none", "Time between two checks for a flush."],
  ["log.index.interval.bytes", "INT", "4096", "none", "Server-wide index.interval.bytes.", { min: 0 }],
  ["log.index.size.max.bytes", "INT", "10485760", "none", "Server-wide segment.index.bytes.", { min: 4 }],
  ["log.local.retention.bytes", "LONG", "-2", "none", "Server-wide local.retention.bytes.", { min: -2 }],
  ["log.local.retention.ms", "LONG", "-2", "none", "Server-wide local.retention.ms.", { min: -2 }],
  ["log.message.timestamp.after.max.ms", "LONG", "3600000", "now", "Server-wide message.timestamp.after.max.ms.", { min: 0 }],
  ["log.message.timestamp.before.max.ms", "LONG", "9223372036854775807", "now", "Server-wide message.timestamp.before.max.ms.", { min: 0 }],
  ["log.message.timestamp.type", "STRING", "CreateTime", "now", "Server-wide message.timestamp.type.", { oneOf: ["CreateTime", "LogAppendTime"] }],
  ["log.preallocate", "BOOLEAN", "false", "none", "Server-wide preallocate."],
  ["log.retention.bytes", "LONG", "-1", "now", "Server-wide retention.bytes."],
  ["log.retention.check.interval.ms", "LONG", "300000", "now", "Time between two looks for records past their retention.", { min: 1 }],
  ["log.retention.hours", "INT", "168", "now", "Server-wide retention.ms, in hours.", { check: notRetentionZero }],
  ["log.retention.minutes", "INT", null, "now", "Server-wide retention.ms, in minutes; wins over the hours.", { check: notRetentionZero }],
  ["log.retention.ms", "LONG", null, "now", "Server-wide retention.ms; wins over the minutes.", { check: notRetentionZero }],
  ["log.roll.hours", "INT", "168", "none", "Server-wide segment.ms, in hours.", { min: 1 }],
  ["log.roll.jitter.hours", "INT", "0", "none", "Server-wide segment.jitter.ms, in hours.", { min: 0 }],
  ["log.roll.jitter.ms", "LONG", null, "none", "Server-wide segment.jitter.ms; wins over the hours."],
  ["log.roll.ms", "LONG", null, "none", "Server-wide segment.ms; wins over the hours."],
  ["log.segment.bytes", "INT", "1073741824", "none", "Server-wide segment.bytes.", { min: 1048576 }],
  ["log.segment.delete.delay.ms", "LONG", "60000", "none", "Server-wide file.delete.delay.ms.", { min: 0 }],
  ["max.connections", "INT", "2147483647", "now", "Connections of this broker; never more than the bound of the program.", { min: 0 }],
  ["max.connections.per.ip", "INT", "2147483647", "now", "Connections from one address.", { min: 0 }],
  ["max.incremental.fetch.session.cache.slots", "INT", "1000", "now", "Fetch sessions that are kept (KIP-227); 0 for none.", { min: 0 }],
  ["message.max.bytes", "INT", String(limits.batchBytesMax), "now", "Server-wide max.message.bytes.", { min: 0 }],
  ["metadata.log.dir", "STRING", null, "none", "Where the metadata log lies; here it is part of the store."],
  ["metric.reporters", "LIST", null, "none", "Java classes that report metrics."],
  ["min.insync.replicas", "INT", "1", "none", "Server-wide min.insync.replicas.", { min: 1 }],
  ["node.id", "INT", "1", "now", "The number of this broker; --broker-id on the command line.", { min: 0 }],
  ["num.io.threads", "INT", "8", "none", "Threads that work on requests.", { min: 1 }],
  ["num.network.threads", "INT", "3", "none", "Threads that read and write sockets.", { min: 1 }],
  ["num.partitions", "INT", "1", "now", "Partitions of a topic whose creator did not say.", { min: 1, max: limits.partitionsPerTopicMax }],
  ["num.recovery.threads.per.data.dir", "INT", "2", "none", "Threads that open logs; opening takes constant time here.", { min: 1 }],
  ["num.replica.fetchers", "INT", "1", "none", "Threads that fetch from leaders.", { min: 1 }],
  ["offset.metadata.max.bytes", "INT", String(limits.offsetMetadataBytesMax), "now", "Bytes of metadata that may be committed with an offset.", { min: 0 }],
  ["offsets.commit.timeout.ms", "INT", "5000", "none", "Longest time for the commit of offsets.", { min: 1 }],
  ["offsets.retention.check.interval.ms", "LONG", "600000", "now", "Time between two looks for offsets past their retention.", { min: 1 }],
  ["offsets.retention.minutes", "INT", "10080", "now", "How long the offsets of a group without members are kept.", { min: 1 }],
  ["offsets.topic.compression.codec", "INT", "0", "none", "Compression of __consumer_offsets."],
  ["offsets.topic.num.partitions", "INT", "50", "none", "Partitions of __consumer_offsets.", { min: 1 }],
  ["offsets.topic.replication.factor", "SHORT", "3", "none", "Replicas of __consumer_offsets.", { min: 1 }],
  ["offsets.topic.segment.bytes", "INT", "104857600", "none", "Size of a segment of __consumer_offsets.", { min: 1 }],
  ["process.roles", "LIST", null, "none", "broker, controller or both; here every broker can be the supervisor."],
  ["producer.id.expiration.ms", "INT", "86400000", "now", "How long an idle producer's sequence numbers are remembered.", { min: 1 }],
  ["queued.max.requests", "INT", "500", "none", "Requests waiting for a thread.", { min: 1 }],
  ["quota.window.num", "INT", "11", "now", "Samples over which rates are measured for quotas.", { min: 1 }],
  ["quota.window.size.seconds", "INT", "1", "now", "Length of such a sample.", { min: 1 }],
  ["replica.alter.log.dirs.io.max.bytes.per.second", "LONG", null, "none", "Bytes a second for replicas that move between directories.", { min: 0 }],
  ["replica.fetch.max.bytes", "INT", "1048576", "none", "Bytes that a follower fetches of one partition.", { min: 0 }],
  ["replica.lag.time.max.ms", "LONG", "30000", "none", "Time after which a follower that lags leaves the ISR."],
  ["request.timeout.ms", "INT", "30000", "none", "Longest time for a request between brokers.", { min: 1 }],
  ["security.inter.broker.protocol", "STRING", "PLAINTEXT", "none", "How brokers talk to each other; only PLAINTEXT so far.", { oneOf: ["PLAINTEXT"] }],
  ["share.coordinator.state.topic.min.isr", "SHORT", "2", "none", "min.insync.replicas of __share_group_state.", { min: 1 }],
  ["share.coordinator.state.topic.replication.factor", "SHORT", "3", "none", "Replicas of __share_group_state.", { min: 1 }],
  ["socket.receive.buffer.bytes", "INT", "102400", "none", "Buffer of a socket; left to the system."],
  ["socket.request.max.bytes", "INT", String(limits.requestFrameBytesMax), "now", "Largest request, in bytes.", { min: 1 }],
  ["socket.send.buffer.bytes", "INT", "102400", "none", "Buffer of a socket; left to the system."],
  ["stream.long.poll.timeout.ms", "INT", "20000", "now", "How long a long poll on a durable stream waits over HTTP; Kavka's own.", { min: 1, max: limits.longPollMsMax }],
  ["stream.sse.connection.ms", "INT", "60000", "now", "Time after which the event stream of a durable stream ends, so that readers come anew; Kavka's own.", { min: 1 }],
  ["stream.webhook.local.enable", "BOOLEAN", "false", "now", "Whether webhooks of durable streams may go to this very machine; Kavka's own."],
  ["telemetry.max.bytes", "INT", "1048576", "now", "Largest push of client metrics, in bytes, as sent.", { min: 1 }],
  ["transaction.max.timeout.ms", "INT", "900000", "now", "Longest transaction that a producer may ask for.", { min: 1 }],
  ["transaction.state.log.min.isr", "INT", "2", "none", "min.insync.replicas of __transaction_state.", { min: 1 }],
  ["transaction.state.log.num.partitions", "INT", "50", "none", "Partitions of __transaction_state.", { min: 1 }],
  ["transaction.state.log.replication.factor", "SHORT", "3", "none", "Replicas of __transaction_state.", { min: 1 }],
  ["transaction.state.log.segment.bytes", "INT", "104857600", "none", "Size of a segment of __transaction_state.", { min: 1 }],
  ["transactional.id.expiration.ms", "INT", "604800000", "now", "How long an idle transactional id is remembered.", { min: 1 }],
  ["unclean.leader.election.enable", "BOOLEAN", "false", "none", "Server-wide unclean.leader.election.enable."],
  ["webhook.allowed.addresses", "LIST", "", "now", "Private address ranges that webhooks may go to, over http too, as 10.1.0.0/16; * for every address. Kavka's own.", { check: rangesFault }],
  ["webhook.ca.location", "STRING", null, "now", "A PEM file of certificate authorities that receivers of webhooks may have besides the usual ones, read at the start. Kavka's own."],
  ["zookeeper.connect", "STRING", null, "none", "The supervisor plays ZooKeeper's role, so nothing is connected to."],
  ["zookeeper.connection.timeout.ms", "INT", null, "none", "The supervisor plays ZooKeeper's role, so nothing is connected to."],
  ["zookeeper.session.timeout.ms", "INT", "18000", "none", "The supervisor plays ZooKeeper's role, so nothing is connected to."],
];
