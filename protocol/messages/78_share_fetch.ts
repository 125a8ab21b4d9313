/**
 * ShareFetch (API 78): acquires records for a member of a share group, and acknowledges earlier ones (KIP-932).
 *
 * Versions 1 to 2, all flexible; version 0 was a preview.
 * - 2: how to count when acquiring (KIP-1206); locks can be renewed (KIP-1222).
 *
 * SHARE_SESSION_NOT_FOUND and INVALID_SHARE_SESSION_EPOCH: open the session anew. SHARE_SESSION_LIMIT_REACHED: the
 * broker has no room for another. INVALID_RECORD_STATE, only for acknowledgements: the records are not this
 * member's, for instance because their lock ran out.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import {
  array,
  bool,
  int16,
  int32,
  int64,
  int8,
  nested,
  records,
  string,
  struct,
  uuid,
} from "../schema/fields.ts";

export const shareFetch = api({
  key: 78,
  name: "ShareFetch",
  versions: "1-2",
  flexible: "0+",
  request: () => ({
    groupId: string("0+", { nullable: "0+", default: null }),
    memberId: string("0+", { nullable: "0+" }),
    /** 0 opens a session, −1 ends it; else one more than last time. */
    shareSessionEpoch: int32("0+"),
    /** How long the broker may hold the answer back until there are `minBytes`. */
    maxWaitMs: int32("0+"),
    minBytes: int32("0+"),
    /** Limit of the whole answer; the first batch may exceed it so that readers make progress (KIP-74). */
    maxBytes: int32("0+", { default: 0x7fffffff }),
    /** May be exceeded to end with a whole batch, unless `shareAcquireMode` is 1. */
    maxRecords: int32("0+"),
    /** How many records one range of acquired records should have. */
    batchSize: int32("0+"),
    /** 0: whole batches, 1: no more than `maxRecords`. */
    shareAcquireMode: int8("2+", { default: 0 }),
    /** Some of the acknowledgements only renew locks. */
    isRenewAck: bool("2+", { default: false }),
    topics: array(
      "0+",
      struct({
        topicId: uuid("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            acknowledgementBatches: array(
              "0+",
              struct({
                firstOffset: int64("0+"),
                /** Inclusive. */
                lastOffset: int64("0+"),
                /**
                 * 0: no such record, 1: accept, 2: release, 3: reject, 4: renew. One for each offset, or one
                 * for all.
                 */
                acknowledgeTypes: array("0+", "int8"),
              }),
            ),
          }),
        ),
      }),
    ),
    /** Partitions that leave the session. */
    forgottenTopicsData: array(
      "0+",
      struct({
        topicId: uuid("0+"),
        partitions: array("0+", "int32"),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+", default: null }),
    /** After it, records without acknowledgement go back to the others. */
    acquisitionLockTimeoutMs: int32("0+"),
    responses: array(
      "0+",
      struct({
        topicId: uuid("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            /** Of reading. */
            errorCode: int16("0+"),
            errorMessage: string("0+", { nullable: "0+", default: null }),
            /** Of the acknowledgements in the request. */
            acknowledgeErrorCode: int16("0+"),
            acknowledgeErrorMessage: string("0+", { nullable: "0+", default: null }),
            /** With NOT_LEADER_OR_FOLLOWER: who leads now. */
            currentLeader: nested(
              "0+",
              struct({
                leaderId: int32("0+"),
                leaderEpoch: int32("0+"),
              }),
            ),
            /** Whole batches, which may hold more than was acquired; empty, never null, on errors. */
            records: records("0+"),
            /** Only these are for the member. */
            acquiredRecords: array(
              "0+",
              struct({
                firstOffset: int64("0+"),
                /** Inclusive. */
                lastOffset: int64("0+"),
                /** 1 for the first time. */
                deliveryCount: int16("0+"),
              }),
            ),
          }),
        ),
      }),
    ),
    /** Where to reach the leaders named in `currentLeader`. */
    nodeEndpoints: array(
      "0+",
      struct({
        nodeId: int32("0+"),
        host: string("0+"),
        port: int32("0+"),
        rack: string("0+", { nullable: "0+", default: null }),
      }),
    ),
  }),
});

export type ShareFetchRequest = RequestOf<typeof shareFetch>;
export type ShareFetchRequestInput = RequestInput<typeof shareFetch>;
export type ShareFetchResponse = ResponseOf<typeof shareFetch>;
export type ShareFetchResponseInput = ResponseInput<typeof shareFetch>;
