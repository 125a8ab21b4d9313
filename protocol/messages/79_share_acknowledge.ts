/**
 * ShareAcknowledge (API 79): acknowledges records that a member of a share group has acquired, without fetching
 * more (KIP-932).
 *
 * Versions 1 to 2, all flexible; version 0 was a preview.
 * - 2: locks can be renewed (KIP-1222).
 *
 * Errors as in ShareFetch. A session cannot be opened here: epoch 0 gives INVALID_SHARE_SESSION_EPOCH.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, int64, nested, string, struct, uuid } from "../schema/fields.ts";

export const shareAcknowledge = api({
  key: 79,
  name: "ShareAcknowledge",
  versions: "1-2",
  flexible: "0+",
  request: () => ({
    groupId: string("0+", { nullable: "0+", default: null }),
    memberId: string("0+", { nullable: "0+" }),
    /** −1 ends the session; else one more than last time. */
    shareSessionEpoch: int32("0+"),
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
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+", default: null }),
    /** How long a renewed lock lasts. */
    acquisitionLockTimeoutMs: int32("2+"),
    responses: array(
      "0+",
      struct({
        topicId: uuid("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            errorCode: int16("0+"),
            errorMessage: string("0+", { nullable: "0+", default: null }),
            /** With NOT_LEADER_OR_FOLLOWER: who leads now. */
            currentLeader: nested(
              "0+",
              struct({
                leaderId: int32("0+"),
                leaderEpoch: int32("0+"),
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

export type ShareAcknowledgeRequest = RequestOf<typeof shareAcknowledge>;
export type ShareAcknowledgeRequestInput = RequestInput<typeof shareAcknowledge>;
export type ShareAcknowledgeResponse = ResponseOf<typeof shareAcknowledge>;
export type ShareAcknowledgeResponseInput = ResponseInput<typeof shareAcknowledge>;
