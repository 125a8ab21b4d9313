/**
 * DescribeGroups (API 15): state and members of classic groups. A group that does not exist, or is of another type, is
 * Dead; since version 6 that is GROUP_ID_NOT_FOUND (KIP-1043).
 */
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  describeGroups,
  type DescribeGroupsRequest,
  type DescribeGroupsResponse,
} from "../protocol/messages/15_describe_groups.ts";
import { answerGroups } from "./group_answers.ts";
import { groupOperations } from "./authorized_operations.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

const NOT_FOUND_VERSION = 6;
/** Of a member beside its strings and bytes. */
const MEMBER_BYTES = 32;

type DescribedGroup = Omit<DescribeGroupsResponse["groups"][number], "authorizedOperations">;

export const describeGroupsHandler = handler(describeGroups, serveDescribeGroups);

async function serveDescribeGroups(request: DescribeGroupsRequest, context: RequestContext) {
  const authorizedOperations = groupOperations(request.includeAuthorizedOperations);
  const described = await answerGroups(request.groups, {
    groupIdOf: (groupId) => groupId,
    answer: (groupId) => describeOne(groupId, context),
    bytesOf: bytesOfGroup,
    refuse: (groupId, error) => refused(groupId, error, null),
  });
  return { groups: described.map((group) => ({ ...group, authorizedOperations })) };
}

async function describeOne(groupId: string, context: RequestContext): Promise<DescribedGroup> {
  if (groupId === "") return refused(groupId, "INVALID_GROUP_ID", null);
  try {
    const described = await context.broker.group(groupId).ask({ type: "describe" });
    if (described.groupType !== "classic" || described.state === "Dead") {
      const isKnown = described.groupType !== "classic";
      const message = isKnown ? `Group ${groupId} is not a classic group.` : `Group ${groupId} not found.`;
      return context.apiVersion >= NOT_FOUND_VERSION
        ? refused(groupId, "GROUP_ID_NOT_FOUND", message)
        : refused(groupId, "NONE", null);
    }
    return {
      errorCode: 0,
      errorMessage: null,
      groupId,
      groupState: described.state,
      protocolType: described.protocolType,
      protocolData: described.protocolName,
      members: described.members.map(({ metadata, assignment, ...member }) => ({
        ...member,
        memberMetadata: metadata,
        memberAssignment: assignment,
      })),
    };
  } catch (error) {
    return refused(groupId, coordinatorFailure(error), null);
  }
}

function bytesOfGroup({ members }: DescribedGroup): number {
  return members.reduce(
    (sum, { memberId, clientId, memberMetadata, memberAssignment }) =>
      sum + MEMBER_BYTES + memberId.length + clientId.length + memberMetadata.length +
      memberAssignment.length,
    0,
  );
}

function refused(groupId: string, error: ErrorName, errorMessage: string | null): DescribedGroup {
  const groupState = error === "NONE" || error === "GROUP_ID_NOT_FOUND" ? "Dead" : "";
  return {
    errorCode: errorCode(error),
    errorMessage,
    groupId,
    groupState,
    protocolType: "",
    protocolData: "",
    members: [],
  };
}
