/**
 * OffsetFetch (API 9): how far groups have read.
 *
 * Versions 1 to 10.
 * - 2: null asks for all topics; an error for the whole request.
 * - 3: throttle time.
 * - 5: leader epochs (KIP-320).
 * - 6: flexible (KIP-482).
 * - 7: waiting for pending transactional commits (KIP-447).
 * - 8: several groups at once (KIP-709).
 * - 9: member id and epoch of the new consumer protocol (KIP-848).
 * - 10: topic ids in place of names (KIP-848).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, int64, string, struct, uuid } from "../schema/fields.ts";

export const offsetFetch = api({
  key: 9,
  name: "OffsetFetch",
  versions: "1-10",
  flexible: "6+",
  request: () => ({
    groupId: string("0-7"),
    /** Null asks for all. */
    topics: array(
      "0-7",
      struct({
        name: string("0+"),
        partitionIndexes: array("0+", "int32"),
      }),
      { nullable: "2-7" },
    ),
    groups: array(
      "8+",
      struct({
        groupId: string("0+"),
        memberId: string("9+", { nullable: "0+", default: null }),
        /** −1 from outside the group, and from classic members. */
        memberEpoch: int32("9+", { default: -1 }),
        /** Null asks for all. */
        topics: array(
          "0+",
          struct({
            name: string("0-9"),
            topicId: uuid("10+"),
            partitionIndexes: array("0+", "int32"),
          }),
          { nullable: "0+" },
        ),
      }),
    ),
    /** Refuse with UNSTABLE_OFFSET_COMMIT while a transaction may still change an offset. */
    requireStable: bool("7+", { default: false }),
  }),
  response: () => ({
    throttleTimeMs: int32("3+", { default: 0 }),
    topics: array(
      "0-7",
      struct({
        name: string("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            /** −1 when nothing is committed. */
            committedOffset: int64("0+"),
            committedLeaderEpoch: int32("5+", { default: -1 }),
            metadata: string("0+", { nullable: "0+" }),
            errorCode: int16("0+"),
          }),
        ),
      }),
    ),
    errorCode: int16("2-7", { default: 0 }),
    groups: array(
      "8+",
      struct({
        groupId: string("0+"),
        topics: array(
          "0+",
          struct({
            name: string("0-9"),
            topicId: uuid("10+"),
            partitions: array(
              "0+",
              struct({
                partitionIndex: int32("0+"),
                /** −1 when nothing is committed. */
                committedOffset: int64("0+"),
                committedLeaderEpoch: int32("0+", { default: -1 }),
                metadata: string("0+", { nullable: "0+" }),
                errorCode: int16("0+"),
              }),
            ),
          }),
        ),
        errorCode: int16("0+", { default: 0 }),
      }),
    ),
  }),
});

export type OffsetFetchRequest = RequestOf<typeof offsetFetch>;
export type OffsetFetchRequestInput = RequestInput<typeof offsetFetch>;
export type OffsetFetchResponse = ResponseOf<typeof offsetFetch>;
export type OffsetFetchResponseInput = ResponseInput<typeof offsetFetch>;
