/**
 * Every bound of the server in one table: the last word of a name but `Max` is its unit.
 *
 * Bounds that Kafka lets people set are in `broker_configs.ts` and `topic_configs.ts`, which take their defaults
 * from here. Reaching a bound has a defined answer, named in the comment.
 */
export const limits = {
  /** Messages waiting in one actor's mailbox; then `OverloadedError` (Kafka: throttle, HTTP: 503). */
  mailboxLengthMax: 1_024,
  /** The same for a partition, which many connections may pipeline to at once. */
  partitionMailboxLengthMax: 16_384,
  /** Effects staged by one actor and not yet durable; then its mailbox waits. */
  stagedEffectsMax: 1_024,
  /** An `ask` that brings no deadline. */
  askDeadlineMs: 30_000,

  /** `socket.request.max.bytes`: a larger frame closes the connection. */
  requestFrameBytesMax: 104_857_600,
  /** Requests of one connection read and not yet answered; then its socket is not read. */
  inFlightRequestsPerConnectionMax: 100,
  /** Bytes of requests read and not yet answered, over all connections; then no Produce is taken, nor anything large. */
  inFlightRequestBytesMax: 128 * 1024 * 1024,
  /**
   * Bytes of batches that wait for their commit, over all partitions, whether or not their clients still wait; then Kafka's sockets
   * are not read, and at twice as many whoever asks is refused with `OverloadedError`.
   */
  waitingAppendBytesMax: 128 * 1024 * 1024,
  /** Requests up to this size, and no Produce, are taken also while there is no room for more: consumers go on. */
  lightRequestBytesMax: 64 * 1024,
  /** Lines about bad requests a second; the rest are counted in the next line. */
  badRequestLogLinesPerSecondMax: 10,
  /** Answer bytes of one connection queued and not yet written; then its socket is not read. */
  queuedReplyBytesPerConnectionMax: 8 * 1024 * 1024,
  /** `connections.max.idle.ms`: then the connection is closed. */
  connectionIdleMsMax: 600_000,
  /** Open Kafka connections; then new ones are closed. */
  connectionsMax: 10_000,

  /** `message.max.bytes`: a larger batch is MESSAGE_TOO_LARGE. */
  batchBytesMax: 1_048_588,
  /** Records of one batch inflated for validation or for HTTP; then MESSAGE_TOO_LARGE. */
  decompressedBatchBytesMax: 64 * 1024 * 1024,
  /** Of these, so many are inflated and looked at without letting others go on; more in slices, one batch after the other. */
  inflatedAtOnceBytesMax: 1024 * 1024,
  /** Likewise for records that are compressed anew, which takes longer. */
  recompressedAtOnceBytesMax: 256 * 1024,
  /** One batch in slices; most are done in a second. Then the partition begins anew, and the next batch has its turn. */
  slicedWorkMsMax: 60_000,
  /** `fetch.max.bytes`: an answer is cut there, at a batch. */
  fetchBytesMax: 57_671_680,
  /** Partitions remembered by all fetch sessions together; beyond that answers carry no session (KIP-227). */
  fetchSessionPartitionsMax: 1_000_000,
  /** A fetch session is this old, or was not used for this time, before another may take its place; as in Kafka. */
  fetchSessionEvictionMs: 120_000,
  /** Partitions of one Fetch that are looked at, and opened, at once. */
  fetchPartitionsAtOnceMax: 64,
  /** Partitions of one Fetch that are read at once. */
  fetchReadsAtOnceMax: 16,
  /** Longest long poll of Fetch and of HTTP reads; a longer wish is clamped. */
  longPollMsMax: 300_000,

  /** Newest batches kept in memory for consumers that keep up, over all partitions; then the oldest go. */
  tailCacheBytesMax: 64 * 1024 * 1024,

  /** Characters of a topic name; then INVALID_TOPIC_EXCEPTION. */
  topicNameLengthMax: 249,
  /** Partitions of one topic; then INVALID_PARTITIONS. */
  partitionsPerTopicMax: 10_000,
  /** Partitions that one CreateTopics request may create; then INVALID_REQUEST. */
  partitionsPerRequestMax: 10_000,
  /** Groups, client metrics subscriptions and entities with quotas that have settings; then POLICY_VIOLATION. */
  configResourcesMax: 10_000,
  /** Clients whose turns to push metrics are remembered; as in Kafka. */
  telemetryInstancesMax: 16_384,
  /** Bytes of inflated client metrics in one push; then TELEMETRY_TOO_LARGE. */
  telemetryInflatedBytesMax: 8 * 1024 * 1024,
  /** Numbers of one push that are read; the rest are left out. */
  telemetryPointsPerPushMax: 5_000,
  /** Attributes of one number; the rest are left out. */
  telemetryAttributesMax: 32,
  /** Clients whose metrics are kept; beyond, those of the one silent longest go. */
  telemetryClientsMax: 1_000,
  /** Numbers that are kept of one client, and of all; the rest are counted as dropped. */
  telemetryGaugesPerClientMax: 1_000,
  telemetryGaugesMax: 20_000,
  /** A client that is over its quota is asked to hold back for that long at most, and then again. */
  throttleMsMax: 300_000,
  /** A connection over its address's quota is held for that long at most before it is closed. */
  throttledConnectionMsMax: 1_000,
  /** So many of them; then they are closed at once. */
  throttledConnectionsMax: 1_000,
  /** A stream over HTTP that is over its quota is held for that long at most before its next piece. */
  throttledStreamMsMax: 60_000,
  /** Characters of a `Kavka-Client-Id`; the rest is left out. */
  httpClientIdLengthMax: 256,
  /** Clients whose rates are measured for quotas; beyond, the one silent longest is forgotten. */
  quotaMetersMax: 10_000,
  /** Bytes of such a resource's name; then INVALID_REQUEST. */
  configResourceNameBytesMax: 900,
  /** Characters of a configuration value; then INVALID_CONFIG. */
  configValueLengthMax: 8_192,
  /** `offset.metadata.max.bytes`: then OFFSET_METADATA_TOO_LARGE. */
  offsetMetadataBytesMax: 4_096,
  /** Producers in one answer of DescribeProducers; then NOT_LEADER_OR_FOLLOWER for the partitions that are left. */
  describedProducersMax: 50_000,
  /** Of one answer about several groups; then COORDINATOR_LOAD_IN_PROGRESS for the rest. */
  groupAnswerBytesMax: 64 * 1024 * 1024,

  /** Open HTTP connections; then new ones are closed. */
  httpConnectionsMax: 20_000,
  /** The head of an HTTP request must be whole by then; else the connection is closed. */
  httpHeadMsMax: 30_000,
  /** Body of an HTTP request; then 413. */
  httpBodyBytesMax: 16 * 1024 * 1024,
  /** Bytes of all HTTP request bodies that are being read; then 503. */
  httpBufferedBytesMax: 256 * 1024 * 1024,
  /** A whole HTTP request body must have arrived by then; else 408. */
  httpBodyMsMax: 30_000,
  /** A body that is read record by record may be silent that long; else 408. */
  httpStreamSilenceMsMax: 300_000,
  /** Records of one such body on their way to the log; then it is not read. */
  httpStreamInFlightMax: 256,
  /** Characters of an HTTP request's URL; then 414. */
  httpUrlLengthMax: 8_192,
  /** Characters of an `Idempotency-Key`; then 400. */
  idempotencyKeyLengthMax: 256,
  /** Actors that requests with such keys are spread over, each of which takes one after the other. Fixed, since it finds keys again. */
  idempotencySlotCount: 32,
  /** Keys that each of them remembers; beyond that the oldest is forgotten. */
  idempotencyKeysPerSlotMax: 8_192,
  /** Partitions that one such request writes to; then 400. */
  idempotentPartitionsMax: 1_000,
  /** Levels of nesting in a JSON body; then 400. */
  jsonDepthMax: 64,
  /** Values in a JSON body whose faults are told one by one; of a larger one only that it is wrong. */
  jsonExplainedValuesMax: 50_000,
  /** Records in one HTTP produce request; then 400. */
  httpProduceRecordsMax: 10_000,
  /** Offsets of groups in a backup that is restored; then 400. */
  restoredOffsetsMax: 1_000_000,
  /** Headers of one record sent over HTTP; then 400. */
  recordHeadersMax: 1_000,
  /** Consumers of REST v2 that live on the server; then 429. */
  restConsumersMax: 10_000,
  /** Records in one HTTP answer; a larger wish is 400. */
  httpReadRecordsMax: 10_000,
  /** Stored bytes read for one HTTP answer; a larger wish is 400. */
  httpReadBytesMax: 8 * 1024 * 1024,
  /** Characters of a durable stream's path; then 400. */
  streamPathLengthMax: 512,
  /** Idempotent producers that one durable stream remembers; beyond that the one silent longest is forgotten. */
  streamProducersMax: 1_000,
  /** Characters of a `Producer-Id` and of a `Stream-Seq`; then 400. */
  streamTagLengthMax: 256,
  /** Bytes of one answer of a durable stream, unless one record alone is larger. */
  streamChunkBytesMax: 1_048_576,
  /** Subscriptions to durable streams; then 429. */
  subscriptionCountMax: 10_000,
  /** Streams that one request may name, for a subscription or in acknowledgements; then 400. */
  subscriptionStreamsMax: 1_000,
  /** Streams that one wake tells of; the rest come with the next. */
  subscriptionStreamsPerWakeMax: 200,
  /** Webhooks; then 429. */
  webhooksMax: 1_000,
  /** Topics that a webhook may name; then 400. */
  webhookTopicsMax: 100,
  /** Partitions that one webhook delivers; then 400, and what is added later waits. */
  webhookPartitionsMax: 4_096,
  /** Records of one request of a webhook, and bytes of their keys, values and headers; a larger wish is 400. */
  webhookBatchRecordsMax: 10_000,
  webhookBatchBytesMax: 1_048_576,
  /** Requests of one webhook in flight; a larger wish is 400. */
  webhookConcurrencyMax: 64,
  /** Requests of all webhooks in flight; then they wait. */
  webhookRequestsMax: 256,
  /** Partitions that the status of a webhook tells of; the rest is only counted. */
  webhookStatusPartitionsMax: 1_000,
  /** Partitions that one live tail over HTTP reads; then 400, and topics that come while it is open are skipped and told. */
  livePartitionsMax: 256,
  /** `http.live.tails.max`: live tails that are open; then 503. */
  liveTailsMax: 10_000,
  /** Keys, and headers, that the records of one live tail may have; then 400. */
  liveFiltersMax: 32,
  /** Stored bytes read for one page of a live tail, unless one record alone is larger. */
  livePageBytesMax: 131_072,
  /** From so many records on a reader is told how far it is behind. */
  liveBehindRecordsMin: 1_000,
  /** Bytes given to a WebSocket and not yet sent; then nothing is read for it. */
  liveSocketBufferBytesMax: 65_536,
  /** Bytes of a message on a live tail's WebSocket, its fragments together; then it is closed with 1009. */
  liveMessageBytesMax: 1_024,
  /** Such messages in a second; then it is closed with 1008. */
  liveMessagesPerSecondMax: 20,
  /** Keys of the HTTP door; then 409. */
  apiKeysMax: 1_000,
  /** Scopes of one key; then 400. */
  apiKeyScopesMax: 64,
  /** Topics on one page of a list. */
  pageLengthMax: 1_000,
  /** Characters of a configuration file. */
  configFileLengthMax: 1_048_576,
} as const;
