/**
 * AlterPartitionReassignments (API 45): gives partitions another set of replicas, or cancels such a change
 * (KIP-455).
 *
 * Versions 0 to 1, all flexible.
 * - 1: the number of replicas can be protected from change (KIP-860).
 *
 * NO_REASSIGNMENT_IN_PROGRESS when there is nothing to cancel; INVALID_REPLICA_ASSIGNMENT names brokers that do
 * not exist; INVALID_REPLICATION_FACTOR where a protected number would change.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, string, struct } from "../schema/fields.ts";

export const alterPartitionReassignments = api({
  key: 45,
  name: "AlterPartitionReassignments",
  versions: "0-1",
  flexible: "0+",
  request: () => ({
    timeoutMs: int32("0+", { default: 60000 }),
    allowReplicationFactorChange: bool("1+", { default: true }),
    topics: array(
      "0+",
      struct({
        name: string("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            /** The preferred leader first; null cancels. */
            replicas: array("0+", "int32", { nullable: "0+", default: null }),
          }),
        ),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    allowReplicationFactorChange: bool("1+", { default: true }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
    responses: array(
      "0+",
      struct({
        name: string("0+"),
        partitions: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            errorCode: int16("0+"),
            errorMessage: string("0+", { nullable: "0+" }),
          }),
        ),
      }),
    ),
  }),
});

export type AlterPartitionReassignmentsRequest = RequestOf<typeof alterPartitionReassignments>;
export type AlterPartitionReassignmentsRequestInput = RequestInput<typeof alterPartitionReassignments>;
export type AlterPartitionReassignmentsResponse = ResponseOf<typeof alterPartitionReassignments>;
export type AlterPartitionReassignmentsResponseInput = ResponseInput<typeof alterPartitionReassignments>;
