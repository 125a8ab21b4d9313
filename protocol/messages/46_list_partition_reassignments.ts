/**
 * ListPartitionReassignments (API 46): the changes of replicas that are under way (KIP-455).
 *
 * Version 0, flexible.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, string, struct } from "../schema/fields.ts";

export const listPartitionReassignments = api({
  key: 46,
  name: "ListPartitionReassignments",
  versions: "0",
  flexible: "0+",
  request: () => ({
    timeoutMs: int32("0+", { default: 60000 }),
    /** Null asks for all. */
    topics: array(
      "0+",
      struct({
        name: string("0+"),
        partitionIndexes: array("0+", "int32"),
      }),
      { nullable: "0+", default: null },
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
    topics: array(
      "0+",
      struct({
        name: string("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            /** All of them, those to come and those to go too. */
            replicas: array("0+", "int32"),
            addingReplicas: array("0+", "int32"),
            removingReplicas: array("0+", "int32"),
          }),
        ),
      }),
    ),
  }),
});

export type ListPartitionReassignmentsRequest = RequestOf<typeof listPartitionReassignments>;
export type ListPartitionReassignmentsRequestInput = RequestInput<typeof listPartitionReassignments>;
export type ListPartitionReassignmentsResponse = ResponseOf<typeof listPartitionReassignments>;
export type ListPartitionReassignmentsResponseInput = ResponseInput<typeof listPartitionReassignments>;
