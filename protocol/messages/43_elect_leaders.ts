/**
 * ElectLeaders (API 43): starts elections of partition leaders (KIP-183).
 *
 * Versions 0 to 2.
 * - 1: unclean elections; an error for the whole request (KIP-460).
 * - 2: flexible (KIP-482).
 *
 * ELECTION_NOT_NEEDED, PREFERRED_LEADER_NOT_AVAILABLE and ELIGIBLE_LEADERS_NOT_AVAILABLE stand for partitions.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int8, string, struct } from "../schema/fields.ts";

export const electLeaders = api({
  key: 43,
  name: "ElectLeaders",
  versions: "0-2",
  flexible: "2+",
  request: () => ({
    /** 0: the preferred replica, 1: any live one when none is in sync, at the price of records. */
    electionType: int8("1+"),
    /** Null for all. */
    topicPartitions: array(
      "0+",
      struct({
        topic: string("0+"),
        partitions: array("0+", "int32"),
      }),
      { nullable: "0+" },
    ),
    timeoutMs: int32("0+", { default: 60000 }),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("1+"),
    replicaElectionResults: array(
      "0+",
      struct({
        topic: string("0+"),
        partitionResult: array(
          "0+",
          struct({
            partitionId: int32("0+"),
            errorCode: int16("0+"),
            errorMessage: string("0+", { nullable: "0+" }),
          }),
        ),
      }),
    ),
  }),
});

export type ElectLeadersRequest = RequestOf<typeof electLeaders>;
export type ElectLeadersRequestInput = RequestInput<typeof electLeaders>;
export type ElectLeadersResponse = ResponseOf<typeof electLeaders>;
export type ElectLeadersResponseInput = ResponseInput<typeof electLeaders>;
