/**
 * FindCoordinator (API 10): the broker that coordinates a group or a transactional id.
 *
 * Versions 0 to 6.
 * - 1: key types, throttle time, error message (KIP-98).
 * - 3: flexible (KIP-482).
 * - 4: several keys at once (KIP-699).
 * - 5: TRANSACTION_ABORTABLE is possible (KIP-890).
 * - 6: share coordinators, whose key reads groupId:topicId:partition (KIP-932).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int8, string, struct } from "../schema/fields.ts";

export const findCoordinator = api({
  key: 10,
  name: "FindCoordinator",
  versions: "0-6",
  flexible: "3+",
  request: () => ({
    key: string("0-3"),
    /** 0: group, 1: transaction, 2: share. */
    keyType: int8("1+", { default: 0 }),
    coordinatorKeys: array("4+", "string"),
  }),
  response: () => ({
    throttleTimeMs: int32("1+", { default: 0 }),
    errorCode: int16("0-3"),
    errorMessage: string("1-3", { nullable: "0+" }),
    nodeId: int32("0-3"),
    host: string("0-3"),
    port: int32("0-3"),
    coordinators: array(
      "4+",
      struct({
        key: string("0+"),
        nodeId: int32("0+"),
        host: string("0+"),
        port: int32("0+"),
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+" }),
      }),
    ),
  }),
});

export type FindCoordinatorRequest = RequestOf<typeof findCoordinator>;
export type FindCoordinatorRequestInput = RequestInput<typeof findCoordinator>;
export type FindCoordinatorResponse = ResponseOf<typeof findCoordinator>;
export type FindCoordinatorResponseInput = ResponseInput<typeof findCoordinator>;
