/**
 * OffsetCommit (API 8): stores how far a group has read.
 *
 * Versions 2 to 10.
 * - 3: throttle time.
 * - 5: no retention time any more (KIP-211).
 * - 6: leader epochs (KIP-320).
 * - 7: static members (KIP-345).
 * - 8: flexible (KIP-482).
 * - 9: members of the new consumer protocol may commit (KIP-848).
 * - 10: topic ids in place of names (KIP-848).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, string, struct, uuid } from "../schema/fields.ts";

export const offsetCommit = api({
  key: 8,
  name: "OffsetCommit",
  versions: "2-10",
  flexible: "8+",
  request: () => ({
    groupId: string("0+"),
    /**
     * Generation of a classic group, epoch of a member of a new one; −1 for a commit from outside the
     * group.
     */
    generationIdOrMemberEpoch: int32("0+", { default: -1 }),
    /** Empty for a commit from outside the group. */
    memberId: string("0+"),
    /** A static member's own name. */
    groupInstanceId: string("7+", { nullable: "0+", default: null }),
    /** −1 for the broker's setting. */
    retentionTimeMs: int64("0-4", { default: -1 }),
    topics: array(
      "0+",
      struct({
        name: string("0-9"),
        topicId: uuid("10+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            /** Offset of the next record to read. */
            committedOffset: int64("0+"),
            committedLeaderEpoch: int32("6+", { default: -1 }),
            committedMetadata: string("0+", { nullable: "0+" }),
          }),
        ),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("3+", { default: 0 }),
    topics: array(
      "0+",
      struct({
        name: string("0-9"),
        topicId: uuid("10+"),
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

export type OffsetCommitRequest = RequestOf<typeof offsetCommit>;
export type OffsetCommitRequestInput = RequestInput<typeof offsetCommit>;
export type OffsetCommitResponse = ResponseOf<typeof offsetCommit>;
export type OffsetCommitResponseInput = ResponseInput<typeof offsetCommit>;
