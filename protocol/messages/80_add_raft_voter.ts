/**
 * AddRaftVoter (API 80): adds a controller to the voters of the metadata log (KIP-853).
 *
 * Versions 0 to 1, all flexible.
 * - 1: the answer need not wait for the commit, as when controllers join by themselves (KIP-1186).
 *
 * DUPLICATE_VOTER for one that votes already; INCONSISTENT_CLUSTER_ID for one of another cluster.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, string, struct, uint16, uuid } from "../schema/fields.ts";

export const addRaftVoter = api({
  key: 80,
  name: "AddRaftVoter",
  versions: "0-1",
  flexible: "0+",
  request: () => ({
    /** Null for no check. */
    clusterId: string("0+", { nullable: "0+" }),
    timeoutMs: int32("0+"),
    voterId: int32("0+"),
    voterDirectoryId: uuid("0+"),
    /** Where the voter can be reached. */
    listeners: array(
      "0+",
      struct({
        name: string("0+"),
        host: string("0+"),
        port: uint16("0+"),
      }),
    ),
    /** False: answer as soon as the leader has written the new voters to its own log. */
    ackWhenCommitted: bool("1+", { default: true }),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
  }),
});

export type AddRaftVoterRequest = RequestOf<typeof addRaftVoter>;
export type AddRaftVoterRequestInput = RequestInput<typeof addRaftVoter>;
export type AddRaftVoterResponse = ResponseOf<typeof addRaftVoter>;
export type AddRaftVoterResponseInput = ResponseInput<typeof addRaftVoter>;
