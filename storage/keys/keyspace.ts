/**
 * The whole database on one screen. One file per family in this folder says more; no key is made anywhere else.
 *
 * ```
 * key                                                    value                              file               owner
 * ["s"]                                                  layout version, cluster, store     store_meta.ts      data_directory.ts
 * ["b", brokerId]                                        broker fence: incarnation          broker_fence.ts    shard.ts
 * ["m", "h"]                                             head of the metadata shard         shard_head.ts      shard.ts
 * ["m", "n", name]                                       topic id of a name                 topic.ts           metadata_store.ts
 * ["m", "t", topicId]                                    topic                              topic.ts           metadata_store.ts
 * ["m", "a", topicId, page]                              assignment of 500 partitions       assignment.ts      metadata_store.ts
 * ["m", "k", id]                                         key of the HTTP door               api_key.ts          metadata_store.ts
 * ["m", "c", kind, name]                                 settings of a broker, group, …     resource_configs.ts metadata_store.ts
 * ["m", "p"]                                             next producer id                   producer_id.ts     metadata_store.ts
 * ["p", topicId, partition, "h"]                         head of the log's shard            shard_head.ts,     shard.ts
 *                                                        and of the log                     log_head.ts        log_writer.ts
 * ["p", topicId, partition, "i", baseOffset]             batch index entry, small batches   batch_index.ts     log_writer.ts
 * ["p", topicId, partition, "c", baseOffset, attempt, k] piece of a batch                   chunk.ts           log_writer.ts
 * ["p", topicId, partition, "o", attempt]                attempt under way                  attempt.ts         chunked_append.ts
 * ["p", topicId, partition, "s", producerId]             idempotent producer's state        producer.ts        log_writer.ts
 * ["p", topicId, partition, "t", maxTimestamp, offset]   sparse time index                  time_index.ts      log_writer.ts
 * ["p", topicId, partition, "x", producerId]             open transaction                   partition_         log_writer.ts
 * ["p", topicId, partition, "a", markerOffset, producer] aborted transaction                 transaction.ts    log_writer.ts
 * ["p", topicId, partition, "k"]                         how far compaction came          cleaner_           log_compaction.ts
 *                                                                                           checkpoint.ts
 * ["p", topicId, partition, "m"]                         newest timestamp deleted below     trimmed_           log_trim.ts
 *                                                        the log start                      timestamp.ts
 * ["g", …]                                               consumer groups                    group*.ts          group_store.ts
 * ["t", shardIndex, …]                                   transactional ids                  transaction.ts     transaction_store.ts
 * ["t", shardIndex, "k" or "n", …]                       answers kept for Idempotency-Keys  kept_answer.ts     kept_answers.ts
 * ["d", …]                                               durable streams                    stream.ts          stream_store.ts
 * ["r", groupId, instanceId]                             consumer living on the server      rest_consumer.ts   rest_consumer_store.ts
 * ["w", …]                                               webhooks                           webhook.ts         webhook_store.ts
 * ```
 *
 * Topic ids are 16 bytes; partitions, offsets, timestamps and ids are numbers, which Deno KV orders by value,
 * negative ones too. An attempt is text: a UUID, or "" for pieces in the same commit as their index entry.
 */
import type { KvKey } from "../storage.ts";

export const FAMILY = {
  storeMeta: "s",
  brokerFence: "b",
  metadata: "m",
  partition: "p",
  group: "g",
  stream: "d",
  restConsumer: "r",
  transaction: "t",
  webhook: "w",
} as const;

/** A range of keys, end exclusive. */
export interface KeyRange {
  readonly start: KvKey;
  readonly end: KvKey;
}

/** Every key that begins with `prefix` and has more parts. `true` is the last of all key parts. */
export function below(prefix: KvKey): KeyRange {
  return { start: [...prefix, new Uint8Array()], end: [...prefix, true] };
}
