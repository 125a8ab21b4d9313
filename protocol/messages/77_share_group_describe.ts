/**
 * ShareGroupDescribe (API 77): share groups with their members (KIP-932).
 *
 * Version 1, flexible; version 0 was a preview.
 *
 * GROUP_ID_NOT_FOUND also for groups of another type.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, nested, string, struct, uuid } from "../schema/fields.ts";

export const shareGroupDescribe = api({
  key: 77,
  name: "ShareGroupDescribe",
  versions: "1",
  flexible: "0+",
  request: () => ({
    groupIds: array("0+", "string"),
    includeAuthorizedOperations: bool("0+"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    groups: array(
      "0+",
      struct({
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+", default: null }),
        groupId: string("0+"),
        /** Empty, Stable or Dead. */
        groupState: string("0+"),
        /** Rises with every change that calls for a new assignment. */
        groupEpoch: int32("0+"),
        /** Group epoch that the assignment was made for. */
        assignmentEpoch: int32("0+"),
        assignorName: string("0+"),
        members: array(
          "0+",
          struct({
            memberId: string("0+"),
            rackId: string("0+", { nullable: "0+", default: null }),
            /** Group epoch that the member has reached. */
            memberEpoch: int32("0+"),
            clientId: string("0+"),
            clientHost: string("0+"),
            subscribedTopicNames: array("0+", "string"),
            assignment: nested(
              "0+",
              struct({
                topicPartitions: array(
                  "0+",
                  struct({
                    topicId: uuid("0+"),
                    topicName: string("0+"),
                    partitions: array("0+", "int32"),
                  }),
                ),
              }),
            ),
          }),
        ),
        /** Bits by AclOperation; the default means that nobody asked. */
        authorizedOperations: int32("0+", { default: -0x80000000 }),
      }),
    ),
  }),
});

export type ShareGroupDescribeRequest = RequestOf<typeof shareGroupDescribe>;
export type ShareGroupDescribeRequestInput = RequestInput<typeof shareGroupDescribe>;
export type ShareGroupDescribeResponse = ResponseOf<typeof shareGroupDescribe>;
export type ShareGroupDescribeResponseInput = ResponseInput<typeof shareGroupDescribe>;
