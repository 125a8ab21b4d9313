/**
 * AlterReplicaLogDirs (API 34): moves replicas to other directories of their broker (KIP-113).
 *
 * Versions 1 to 2.
 * - 1: answers come before the throttling (KIP-219).
 * - 2: flexible (KIP-482).
 *
 * LOG_DIR_NOT_FOUND for a path that the broker does not have. The answer does not wait for the move:
 * DescribeLogDirs tells how far it has got.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, string, struct } from "../schema/fields.ts";

export const alterReplicaLogDirs = api({
  key: 34,
  name: "AlterReplicaLogDirs",
  versions: "1-2",
  flexible: "2+",
  request: () => ({
    dirs: array(
      "0+",
      struct({
        /** Absolute. */
        path: string("0+"),
        topics: array(
          "0+",
          struct({
            name: string("0+"),
            partitions: array("0+", "int32"),
          }),
        ),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    results: array(
      "0+",
      struct({
        topicName: string("0+"),
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

export type AlterReplicaLogDirsRequest = RequestOf<typeof alterReplicaLogDirs>;
export type AlterReplicaLogDirsRequestInput = RequestInput<typeof alterReplicaLogDirs>;
export type AlterReplicaLogDirsResponse = ResponseOf<typeof alterReplicaLogDirs>;
export type AlterReplicaLogDirsResponseInput = ResponseInput<typeof alterReplicaLogDirs>;
