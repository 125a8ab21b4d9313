/**
 * The keys and values of a transaction shard, `["t", shardIndex, …]`: `__transaction_state-N` in Kafka's words.
 *
 * ```
 * ["t", shardIndex, "h"]                    head of the shard; payload v1: version, coordinator epoch (int32)
 * ["t", shardIndex, "r", transactionalId]   one transactional id
 * ```
 * Record v1: version, state (uint8), producer id (int64) and epoch (int16), last producer id and epoch, next producer id
 * (int64), timeout (int32), wall clock of the start and of the last change (int64), topics as counted (UUID, partitions as
 * counted int32), groups as counted (compact string). Record v2 adds the epoch and number of the last request (int64), and is
 * written for producers that number their requests. Owner: `transaction_store.ts`.
 */
import {
  TRANSACTION_STATES,
  type TransactionPartition,
  type TransactionRecord,
} from "../../core/transaction/transaction_state.ts";
import type { KvKey } from "../storage.ts";
import { FAMILY } from "./keyspace.ts";
import { decodeValue, encodeValue, versionOf } from "./value_codec.ts";

const VERSION = 1;
const NUMBERED_VERSION = 2;

export function transactionShardHeadKey(shardIndex: number): KvKey {
  return [FAMILY.transaction, shardIndex, "h"];
}

/** Prefix of all transactional ids of the shard. */
export function transactionsPrefix(shardIndex: number): KvKey {
  return [FAMILY.transaction, shardIndex, "r"];
}

export function transactionKey(shardIndex: number, transactionalId: string): KvKey {
  return [...transactionsPrefix(shardIndex), transactionalId];
}

export function transactionalIdOfKey(key: KvKey): string {
  return key[3] as string;
}

export function encodeCoordinatorEpoch(epoch: number): Uint8Array {
  return encodeValue(VERSION, (writer) => writer.int32(epoch));
}

/** -1 for a shard that was only just created. */
export function decodeCoordinatorEpoch(payload: Uint8Array | null): number {
  if (payload === null) return -1;
  return decodeValue("coordinator epoch", VERSION, payload, (reader) => reader.int32());
}

export function encodeTransaction(record: TransactionRecord): Uint8Array {
  const { lastRequest } = record;
  return encodeValue(lastRequest === undefined ? VERSION : NUMBERED_VERSION, (writer) => {
    writer.uint8(TRANSACTION_STATES.indexOf(record.state));
    writer.int64(record.producerId);
    writer.int16(record.producerEpoch);
    writer.int64(record.lastProducerId);
    writer.int16(record.lastProducerEpoch);
    writer.int64(record.nextProducerId);
    writer.int32(record.timeoutMs);
    writer.int64(record.startedMs);
    writer.int64(record.changedMs);
    const topics = Map.groupBy(record.partitions, ({ topicId }) => topicId);
    writer.arrayLength(topics.size);
    for (const [topicId, partitions] of topics) {
      writer.uuid(topicId);
      writer.arrayLength(partitions.length);
      for (const { partition } of partitions) writer.int32(partition);
    }
    writer.arrayLength(record.groups.length);
    for (const group of record.groups) writer.compactString(group);
    if (lastRequest !== undefined) {
      writer.int64(lastRequest.epoch);
      writer.int64(lastRequest.seq);
    }
  });
}

export function decodeTransaction(transactionalId: string, value: Uint8Array): TransactionRecord {
  const isNumbered = versionOf(value) === NUMBERED_VERSION;
  return decodeValue("transaction", isNumbered ? NUMBERED_VERSION : VERSION, value, (reader) => {
    const ordinal = reader.uint8();
    const state = TRANSACTION_STATES[ordinal] ?? reader.fail(`Transaction state ${ordinal} is unknown`);
    const fixed = {
      transactionalId,
      state,
      producerId: reader.int64(),
      producerEpoch: reader.int16(),
      lastProducerId: reader.int64(),
      lastProducerEpoch: reader.int16(),
      nextProducerId: reader.int64(),
      timeoutMs: reader.int32(),
      startedMs: reader.int64(),
      changedMs: reader.int64(),
    };
    const partitions: TransactionPartition[] = [];
    const topicCount = reader.arrayLength(20);
    for (let i = 0; i < topicCount; i++) {
      const topicId = reader.uuid();
      const count = reader.arrayLength(4);
      for (let k = 0; k < count; k++) partitions.push({ topicId, partition: reader.int32() });
    }
    const groups: string[] = [];
    const groupCount = reader.arrayLength(1);
    for (let i = 0; i < groupCount; i++) groups.push(reader.compactString());
    if (!isNumbered) return { ...fixed, partitions, groups };
    return { ...fixed, partitions, groups, lastRequest: { epoch: reader.int64(), seq: reader.int64() } };
  });
}
