/**
 * Fetch (API 1): reads record batches from partitions, waiting for new ones.
 *
 * Versions 4 to 18.
 * - 4: record batch v2 and isolation levels (KIP-98).
 * - 5: log start offsets (KIP-107).
 * - 7: incremental fetch sessions (KIP-227).
 * - 9: the reader's leader epoch, to fence (KIP-320).
 * - 10: zstd (KIP-110).
 * - 11: reading from a near replica (KIP-392).
 * - 12: flexible (KIP-482); divergence is told in the response (KIP-595).
 * - 13: topic ids in place of names (KIP-516).
 * - 14: OFFSET_MOVED_TO_TIERED_STORAGE is possible (KIP-405).
 * - 15: the follower's epoch; `replicaId` moves into `replicaState` (KIP-903).
 * - 16: the response may point to the new leader (KIP-951).
 * - 17: the follower's directory (KIP-853).
 * - 18: the follower's high watermark (KIP-1166).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, int8, nested, records, string, struct, uuid } from "../schema/fields.ts";

export const fetchApi = api({
  key: 1,
  name: "Fetch",
  versions: "4-18",
  flexible: "12+",
  request: () => ({
    clusterId: string("12+", { nullable: "0+", default: null, tag: 0 }),
    /** Broker id of a follower; −1 for consumers. */
    replicaId: int32("0-14", { default: -1 }),
    /** A follower names itself here. */
    replicaState: nested(
      "15+",
      struct({
        replicaId: int32("0+", { default: -1 }),
        replicaEpoch: int64("0+", { default: -1 }),
      }),
      { tag: 1 },
    ),
    /** How long the broker may hold the answer back until there are `minBytes`. */
    maxWaitMs: int32("0+"),
    minBytes: int32("0+"),
    /** Limit of the whole answer; the first batch may exceed it so that readers make progress (KIP-74). */
    maxBytes: int32("0+", { default: 0x7fffffff }),
    /** 0: READ_UNCOMMITTED, 1: READ_COMMITTED. */
    isolationLevel: int8("0+", { default: 0 }),
    sessionId: int32("7+", { default: 0 }),
    /** −1: no session, 0: asks for a new one, above: the next step of the session. */
    sessionEpoch: int32("7+", { default: -1 }),
    topics: array(
      "0+",
      struct({
        topic: string("0-12"),
        topicId: uuid("13+"),
        partitions: array(
          "0+",
          struct({
            partition: int32("0+"),
            /** The leader epoch that the reader knows; −1 for no check. */
            currentLeaderEpoch: int32("9+", { default: -1 }),
            fetchOffset: int64("0+"),
            /** Epoch of the follower's last record, by which the leader detects a diverging log. */
            lastFetchedEpoch: int32("12+", { default: -1 }),
            /** The follower's; −1 from consumers. */
            logStartOffset: int64("5+", { default: -1 }),
            partitionMaxBytes: int32("0+"),
            replicaDirectoryId: uuid("17+", { tag: 0 }),
            /**
             * The one the replica knows: −1 for unknown. The default means that the replica does not take
             * part.
             */
            highWatermark: int64("18+", { default: Number.MAX_SAFE_INTEGER, tag: 1 }),
          }),
        ),
      }),
    ),
    /** Partitions that leave an incremental session. */
    forgottenTopicsData: array(
      "7+",
      struct({
        topic: string("0-12"),
        topicId: uuid("13+"),
        partitions: array("0+", "int32"),
      }),
    ),
    /** The consumer's rack, to choose a near replica. */
    rackId: string("11+", { default: "" }),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    /** Of the session or the whole request. */
    errorCode: int16("7+"),
    sessionId: int32("7+", { default: 0 }),
    responses: array(
      "0+",
      struct({
        topic: string("0-12"),
        topicId: uuid("13+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            errorCode: int16("0+"),
            highWatermark: int64("0+"),
            /** Below it every transaction is decided; −1 when the broker does not say. */
            lastStableOffset: int64("0+", { default: -1 }),
            logStartOffset: int64("5+", { default: -1 }),
            /** Largest epoch and end offset at which the logs may still agree; for followers. */
            divergingEpoch: nested(
              "12+",
              struct({
                epoch: int32("0+", { default: -1 }),
                endOffset: int64("0+", { default: -1 }),
              }),
              { tag: 0 },
            ),
            currentLeader: nested(
              "12+",
              struct({
                leaderId: int32("0+", { default: -1 }),
                leaderEpoch: int32("0+", { default: -1 }),
              }),
              { tag: 1 },
            ),
            /** The follower must fetch this snapshot first. */
            snapshotId: nested(
              "12+",
              struct({
                endOffset: int64("0+", { default: -1 }),
                epoch: int32("0+", { default: -1 }),
              }),
              { tag: 2 },
            ),
            /** Aborted transactions in the range, for READ_COMMITTED; null when there was no such question. */
            abortedTransactions: array(
              "0+",
              struct({
                producerId: int64("0+"),
                firstOffset: int64("0+"),
              }),
              { nullable: "0+" },
            ),
            /** Replica to read from next; −1 for this one. */
            preferredReadReplica: int32("11+", { default: -1 }),
            records: records("0+", { nullable: "0+" }),
          }),
        ),
      }),
    ),
    /** Where to reach the leaders named in `currentLeader`. */
    nodeEndpoints: array(
      "16+",
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

export type FetchRequest = RequestOf<typeof fetchApi>;
export type FetchRequestInput = RequestInput<typeof fetchApi>;
export type FetchResponse = ResponseOf<typeof fetchApi>;
export type FetchResponseInput = ResponseInput<typeof fetchApi>;
