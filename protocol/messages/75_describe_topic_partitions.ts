/**
 * DescribeTopicPartitions (API 75): topics with their partitions, a page at a time; what Metadata tells, and which
 * replicas may still be elected (KIP-966).
 *
 * Version 0, flexible.
 *
 * Topics come in the order of their names. An error may stand for a topic (UNKNOWN_TOPIC_OR_PARTITION,
 * INVALID_TOPIC_EXCEPTION, TOPIC_AUTHORIZATION_FAILED) or for a partition (LEADER_NOT_AVAILABLE).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, nested, string, struct, uuid } from "../schema/fields.ts";

export const describeTopicPartitions = api({
  key: 75,
  name: "DescribeTopicPartitions",
  versions: "0",
  flexible: "0+",
  request: () => ({
    /** Empty for all. */
    topics: array(
      "0+",
      struct({
        name: string("0+"),
      }),
    ),
    /** The broker may have a lower limit of its own. */
    responsePartitionLimit: int32("0+", { default: 2000 }),
    /** Where to begin: what the last response said. Null for the first page. */
    cursor: nested(
      "0+",
      struct({
        topicName: string("0+"),
        partitionIndex: int32("0+"),
      }),
      { nullable: "0+", default: null },
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    topics: array(
      "0+",
      struct({
        errorCode: int16("0+"),
        name: string("0+", { nullable: "0+" }),
        topicId: uuid("0+"),
        isInternal: bool("0+", { default: false }),
        partitions: array(
          "0+",
          struct({
            errorCode: int16("0+"),
            partitionIndex: int32("0+"),
            leaderId: int32("0+"),
            leaderEpoch: int32("0+", { default: -1 }),
            replicaNodes: array("0+", "int32"),
            isrNodes: array("0+", "int32"),
            /** Out of sync, yet complete: they may be elected when no replica is in sync. */
            eligibleLeaderReplicas: array("0+", "int32", { nullable: "0+", default: null }),
            /** The last of those that were eligible, when nobody is any more. */
            lastKnownElr: array("0+", "int32", { nullable: "0+", default: null }),
            offlineReplicas: array("0+", "int32"),
          }),
        ),
        /** Bits by AclOperation; the default means that nobody asked. */
        topicAuthorizedOperations: int32("0+", { default: -0x80000000 }),
      }),
    ),
    /** Where the next page begins; null when this is the last. */
    nextCursor: nested(
      "0+",
      struct({
        topicName: string("0+"),
        partitionIndex: int32("0+"),
      }),
      { nullable: "0+", default: null },
    ),
  }),
});

export type DescribeTopicPartitionsRequest = RequestOf<typeof describeTopicPartitions>;
export type DescribeTopicPartitionsRequestInput = RequestInput<typeof describeTopicPartitions>;
export type DescribeTopicPartitionsResponse = ResponseOf<typeof describeTopicPartitions>;
export type DescribeTopicPartitionsResponseInput = ResponseInput<typeof describeTopicPartitions>;
