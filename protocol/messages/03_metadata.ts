/**
 * Metadata (API 3): brokers of the cluster, topics, and who leads which partition.
 *
 * Versions 0 to 13.
 * - 1: null asks for all topics, an empty list for none; racks, controller, internal topics.
 * - 2: cluster id (KIP-78).
 * - 3: throttle time.
 * - 4: the client says whether topics may be created (KIP-204).
 * - 5: offline replicas (KIP-112).
 * - 7: leader epochs (KIP-320).
 * - 8: authorized operations (KIP-430).
 * - 9: flexible (KIP-482).
 * - 10: topic ids in the response (KIP-516).
 * - 11: the cluster's authorized operations move to DescribeCluster (KIP-700).
 * - 12: asking by topic id.
 * - 13: an error for the whole request (KIP-1102).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, string, struct, uuid } from "../schema/fields.ts";

export const metadata = api({
  key: 3,
  name: "Metadata",
  versions: "0-13",
  flexible: "9+",
  request: () => ({
    /** Null asks for all topics; in version 0 the empty list does. */
    topics: array(
      "0+",
      struct({
        topicId: uuid("10+"),
        /** Null when asking by id. */
        name: string("0+", { nullable: "10+" }),
      }),
      { nullable: "1+" },
    ),
    allowAutoTopicCreation: bool("4+", { default: true }),
    includeClusterAuthorizedOperations: bool("8-10"),
    includeTopicAuthorizedOperations: bool("8+"),
  }),
  response: () => ({
    throttleTimeMs: int32("3+", { default: 0 }),
    brokers: array(
      "0+",
      struct({
        nodeId: int32("0+"),
        host: string("0+"),
        port: int32("0+"),
        rack: string("1+", { nullable: "0+", default: null }),
      }),
    ),
    clusterId: string("2+", { nullable: "0+", default: null }),
    /** −1 when unknown. */
    controllerId: int32("1+", { default: -1 }),
    topics: array(
      "0+",
      struct({
        errorCode: int16("0+"),
        /** Null when the id is unknown. */
        name: string("0+", { nullable: "12+" }),
        topicId: uuid("10+"),
        isInternal: bool("1+", { default: false }),
        partitions: array(
          "0+",
          struct({
            errorCode: int16("0+"),
            partitionIndex: int32("0+"),
            /** −1 when there is no leader. */
            leaderId: int32("0+"),
            leaderEpoch: int32("7+", { default: -1 }),
            replicaNodes: array("0+", "int32"),
            isrNodes: array("0+", "int32"),
            offlineReplicas: array("5+", "int32"),
          }),
        ),
        /** Bits by AclOperation; the default means that nobody asked. */
        topicAuthorizedOperations: int32("8+", { default: -0x80000000 }),
      }),
    ),
    /** Bits by AclOperation; the default means that nobody asked. */
    clusterAuthorizedOperations: int32("8-10", { default: -0x80000000 }),
    errorCode: int16("13+"),
  }),
});

export type MetadataRequest = RequestOf<typeof metadata>;
export type MetadataRequestInput = RequestInput<typeof metadata>;
export type MetadataResponse = ResponseOf<typeof metadata>;
export type MetadataResponseInput = ResponseInput<typeof metadata>;
