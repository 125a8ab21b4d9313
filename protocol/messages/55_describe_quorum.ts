/**
 * DescribeQuorum (API 55): leader, voters and observers of the metadata log (KIP-595).
 *
 * Versions 0 to 2, all flexible.
 * - 1: when each replica fetched, and when it was last level with the leader (KIP-836).
 * - 2: error messages, directories and addresses of the voters (KIP-853).
 *
 * UNKNOWN_TOPIC_OR_PARTITION unless exactly partition 0 of __cluster_metadata is asked for.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int64, string, struct, uint16, uuid } from "../schema/fields.ts";

const replicaState = struct({
  replicaId: int32("0+"),
  replicaDirectoryId: uuid("2+"),
  /** −1 when unknown. */
  logEndOffset: int64("0+"),
  /** By the leader's clock; −1 when unknown, and for the leader. */
  lastFetchTimestamp: int64("1+", { default: -1 }),
  /** By the leader's clock; −1 when unknown. */
  lastCaughtUpTimestamp: int64("1+", { default: -1 }),
});

export const describeQuorum = api({
  key: 55,
  name: "DescribeQuorum",
  versions: "0-2",
  flexible: "0+",
  request: () => ({
    topics: array(
      "0+",
      struct({
        topicName: string("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
          }),
        ),
      }),
    ),
  }),
  response: () => ({
    errorCode: int16("0+"),
    errorMessage: string("2+", { nullable: "0+" }),
    topics: array(
      "0+",
      struct({
        topicName: string("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            errorCode: int16("0+"),
            errorMessage: string("2+", { nullable: "0+" }),
            /** −1 when unknown. */
            leaderId: int32("0+"),
            leaderEpoch: int32("0+"),
            highWatermark: int64("0+"),
            currentVoters: array("0+", replicaState),
            observers: array("0+", replicaState),
          }),
        ),
      }),
    ),
    nodes: array(
      "2+",
      struct({
        nodeId: int32("0+"),
        listeners: array(
          "0+",
          struct({
            name: string("0+"),
            host: string("0+"),
            port: uint16("0+"),
          }),
        ),
      }),
    ),
  }),
});

export type DescribeQuorumRequest = RequestOf<typeof describeQuorum>;
export type DescribeQuorumRequestInput = RequestInput<typeof describeQuorum>;
export type DescribeQuorumResponse = ResponseOf<typeof describeQuorum>;
export type DescribeQuorumResponseInput = ResponseInput<typeof describeQuorum>;
