/**
 * TxnOffsetCommit (API 28): stores how far a group has read, to take effect when the transaction commits (KIP-98).
 *
 * Versions 0 to 5.
 * - 1: answers come before the throttling (KIP-219).
 * - 2: leader epochs (KIP-320).
 * - 3: flexible (KIP-482); member and generation, by which the group fences: ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID
 *   and FENCED_INSTANCE_ID are possible (KIP-447).
 * - 4: TRANSACTION_ABORTABLE is possible (KIP-890).
 * - 5: adding the group's offsets to the transaction is implied (KIP-890).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, string, struct } from "../schema/fields.ts";

export const txnOffsetCommit = api({
  key: 28,
  name: "TxnOffsetCommit",
  versions: "0-5",
  flexible: "3+",
  request: () => ({
    transactionalId: string("0+"),
    groupId: string("0+"),
    producerId: int64("0+"),
    producerEpoch: int16("0+"),
    /** Generation of a classic group, epoch of a member of a new one; −1 for no check. */
    generationId: int32("3+", { default: -1 }),
    memberId: string("3+", { default: "" }),
    /** A static member's own name. */
    groupInstanceId: string("3+", { nullable: "0+", default: null }),
    topics: array(
      "0+",
      struct({
        name: string("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            /** Offset of the next record to read. */
            committedOffset: int64("0+"),
            committedLeaderEpoch: int32("2+", { default: -1 }),
            committedMetadata: string("0+", { nullable: "0+" }),
          }),
        ),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    topics: array(
      "0+",
      struct({
        name: string("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            errorCode: int16("0+"),
          }),
        ),
      }),
    ),
  }),
});

export type TxnOffsetCommitRequest = RequestOf<typeof txnOffsetCommit>;
export type TxnOffsetCommitRequestInput = RequestInput<typeof txnOffsetCommit>;
export type TxnOffsetCommitResponse = ResponseOf<typeof txnOffsetCommit>;
export type TxnOffsetCommitResponseInput = ResponseInput<typeof txnOffsetCommit>;
