/**
 * DescribeCluster (API 60): id, controller and brokers of the cluster (KIP-700).
 *
 * Versions 0 to 2, all flexible.
 * - 1: brokers or controllers (KIP-919).
 * - 2: fenced brokers (KIP-1073).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, int8, string, struct } from "../schema/fields.ts";

export const describeCluster = api({
  key: 60,
  name: "DescribeCluster",
  versions: "0-2",
  flexible: "0+",
  request: () => ({
    includeClusterAuthorizedOperations: bool("0+"),
    /** 1: brokers, 2: controllers. */
    endpointType: int8("1+", { default: 1 }),
    includeFencedBrokers: bool("2+"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+", default: null }),
    /** 1: brokers, 2: controllers. */
    endpointType: int8("1+", { default: 1 }),
    clusterId: string("0+"),
    controllerId: int32("0+", { default: -1 }),
    brokers: array(
      "0+",
      struct({
        brokerId: int32("0+"),
        host: string("0+"),
        port: int32("0+"),
        rack: string("0+", { nullable: "0+", default: null }),
        isFenced: bool("2+"),
      }),
    ),
    /** Bits by AclOperation; the default means that nobody asked. */
    clusterAuthorizedOperations: int32("0+", { default: -0x80000000 }),
  }),
});

export type DescribeClusterRequest = RequestOf<typeof describeCluster>;
export type DescribeClusterRequestInput = RequestInput<typeof describeCluster>;
export type DescribeClusterResponse = ResponseOf<typeof describeCluster>;
export type DescribeClusterResponseInput = ResponseInput<typeof describeCluster>;
