/**
 * CreatePartitions (API 37): adds partitions to topics (KIP-195).
 *
 * Versions 0 to 3.
 * - 1: answers come before the throttling (KIP-219).
 * - 2: flexible (KIP-482).
 * - 3: THROTTLING_QUOTA_EXCEEDED is possible (KIP-599).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, string, struct } from "../schema/fields.ts";

export const createPartitions = api({
  key: 37,
  name: "CreatePartitions",
  versions: "0-3",
  flexible: "2+",
  request: () => ({
    topics: array(
      "0+",
      struct({
        name: string("0+"),
        /** The new total, not the increase. */
        count: int32("0+"),
        /** Replicas of the new partitions by hand; null for the broker to place them. */
        assignments: array(
          "0+",
          struct({
            brokerIds: array("0+", "int32"),
          }),
          { nullable: "0+" },
        ),
      }),
    ),
    timeoutMs: int32("0+"),
    /** Only check; add nothing. */
    validateOnly: bool("0+"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    results: array(
      "0+",
      struct({
        name: string("0+"),
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+", default: null }),
      }),
    ),
  }),
});

export type CreatePartitionsRequest = RequestOf<typeof createPartitions>;
export type CreatePartitionsRequestInput = RequestInput<typeof createPartitions>;
export type CreatePartitionsResponse = ResponseOf<typeof createPartitions>;
export type CreatePartitionsResponseInput = ResponseInput<typeof createPartitions>;
