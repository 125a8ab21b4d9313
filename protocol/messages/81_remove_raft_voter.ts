/**
 * RemoveRaftVoter (API 81): removes a controller from the voters of the metadata log (KIP-853).
 *
 * Version 0, flexible.
 *
 * VOTER_NOT_FOUND when id and directory are not those of a voter.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { int16, int32, string, uuid } from "../schema/fields.ts";

export const removeRaftVoter = api({
  key: 81,
  name: "RemoveRaftVoter",
  versions: "0",
  flexible: "0+",
  request: () => ({
    /** Null for no check. */
    clusterId: string("0+", { nullable: "0+" }),
    voterId: int32("0+"),
    voterDirectoryId: uuid("0+"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
  }),
});

export type RemoveRaftVoterRequest = RequestOf<typeof removeRaftVoter>;
export type RemoveRaftVoterRequestInput = RequestInput<typeof removeRaftVoter>;
export type RemoveRaftVoterResponse = ResponseOf<typeof removeRaftVoter>;
export type RemoveRaftVoterResponseInput = ResponseInput<typeof removeRaftVoter>;
