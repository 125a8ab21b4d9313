/**
 * Produce (API 0): appends record batches to partitions.
 *
 * Versions 3 to 13. ApiVersions also names 0 to 2 (`advertisedMin`), because librdkafka picks its message format
 * by them (KAFKA-18659); they are answered with UNSUPPORTED_VERSION.
 * - 3: record batch v2 and transactions (KIP-98).
 * - 4: the answer may be KAFKA_STORAGE_ERROR (KIP-112).
 * - 5: the response tells the log's start offset.
 * - 7: zstd (KIP-110).
 * - 8: the response names the records that spoiled a batch (KIP-467).
 * - 9: flexible (KIP-482).
 * - 10: the response may point to the new leader (KIP-951).
 * - 11: TRANSACTION_ABORTABLE is possible; 12: adding the partition to the transaction is implied (KIP-890).
 * - 13: topic ids in place of names (KIP-516).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, nested, records, string, struct, uuid } from "../schema/fields.ts";

export const produce = api({
  key: 0,
  name: "Produce",
  versions: "3-13",
  flexible: "9+",
  advertisedMin: 0,
  request: () => ({
    transactionalId: string("0+", { nullable: "0+", default: null }),
    /** 0: no answer at all, 1: the leader has it, −1: all in-sync replicas have it. */
    acks: int16("0+"),
    /** How long the leader may wait for the in-sync replicas. */
    timeoutMs: int32("0+"),
    topicData: array(
      "0+",
      struct({
        name: string("0-12"),
        topicId: uuid("13+"),
        partitionData: array(
          "0+",
          struct({
            index: int32("0+"),
            /** One record batch, as the producer built it. */
            records: records("0+", { nullable: "0+" }),
          }),
        ),
      }),
    ),
  }),
  response: () => ({
    responses: array(
      "0+",
      struct({
        name: string("0-12"),
        topicId: uuid("13+"),
        partitionResponses: array(
          "0+",
          struct({
            index: int32("0+"),
            errorCode: int16("0+"),
            /** Offset that the first record got; −1 on errors. */
            baseOffset: int64("0+"),
            /** When the broker appended, for topics with LogAppendTime; −1 otherwise. */
            logAppendTimeMs: int64("0+", { default: -1 }),
            logStartOffset: int64("5+", { default: -1 }),
            /** The records for whose sake the whole batch was refused. */
            recordErrors: array(
              "8+",
              struct({
                /** Position of the record in its batch. */
                batchIndex: int32("0+"),
                batchIndexErrorMessage: string("0+", { nullable: "0+", default: null }),
              }),
            ),
            /** What all refused records have in common. */
            errorMessage: string("8+", { nullable: "0+", default: null }),
            /** With NOT_LEADER_OR_FOLLOWER: who leads now. */
            currentLeader: nested(
              "10+",
              struct({
                leaderId: int32("0+", { default: -1 }),
                leaderEpoch: int32("0+", { default: -1 }),
              }),
              { tag: 0 },
            ),
          }),
        ),
      }),
    ),
    throttleTimeMs: int32("0+", { default: 0 }),
    /** Where to reach the leaders named in `currentLeader`. */
    nodeEndpoints: array(
      "10+",
      struct({
        nodeId: int32("0+"),
        host: string("0+"),
        port: int32("0+"),
        rack: string("0+", { nullable: "0+", default: null }),
      }),
      { tag: 0 },
    ),
  }),
});

export type ProduceRequest = RequestOf<typeof produce>;
export type ProduceRequestInput = RequestInput<typeof produce>;
export type ProduceResponse = ResponseOf<typeof produce>;
export type ProduceResponseInput = ResponseInput<typeof produce>;
