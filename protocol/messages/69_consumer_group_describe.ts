/**
 * ConsumerGroupDescribe (API 69): groups of the new consumer protocol, with their members (KIP-848).
 *
 * Versions 0 to 1, all flexible.
 * - 1: types of members (KIP-1099).
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
import { array, bool, int16, int32, int8, nested, string, struct, uuid } from "../schema/fields.ts";

const assignment = struct({
  topicPartitions: array(
    "0+",
    struct({
      topicId: uuid("0+"),
      topicName: string("0+"),
      partitions: array("0+", "int32"),
    }),
  ),
});

export const consumerGroupDescribe = api({
  key: 69,
  name: "ConsumerGroupDescribe",
  versions: "0-1",
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
        /** Empty, Assigning, Reconciling, Stable or Dead. */
        groupState: string("0+"),
        /** Rises with every change that calls for a new assignment. */
        groupEpoch: int32("0+"),
        /** Group epoch that the target assignment was made for. */
        assignmentEpoch: int32("0+"),
        assignorName: string("0+"),
        members: array(
          "0+",
          struct({
            memberId: string("0+"),
            instanceId: string("0+", { nullable: "0+", default: null }),
            rackId: string("0+", { nullable: "0+", default: null }),
            /** Group epoch that the member has reached. */
            memberEpoch: int32("0+"),
            clientId: string("0+"),
            clientHost: string("0+"),
            subscribedTopicNames: array("0+", "string"),
            subscribedTopicRegex: string("0+", { nullable: "0+", default: null }),
            /** What the member owns now. */
            assignment: nested("0+", assignment),
            /** What it is to own. */
            targetAssignment: nested("0+", assignment),
            /** 0: classic, 1: consumer; −1 for unknown. */
            memberType: int8("1+", { default: -1 }),
          }),
        ),
        /** Bits by AclOperation; the default means that nobody asked. */
        authorizedOperations: int32("0+", { default: -0x80000000 }),
      }),
    ),
  }),
});

export type ConsumerGroupDescribeRequest = RequestOf<typeof consumerGroupDescribe>;
export type ConsumerGroupDescribeRequestInput = RequestInput<typeof consumerGroupDescribe>;
export type ConsumerGroupDescribeResponse = ResponseOf<typeof consumerGroupDescribe>;
export type ConsumerGroupDescribeResponseInput = ResponseInput<typeof consumerGroupDescribe>;
