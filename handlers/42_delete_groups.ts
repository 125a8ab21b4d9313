/** DeleteGroups (API 42): removes groups of every kind without members, with their offsets (KIP-229, KIP-932). */
import { errorCode } from "../protocol/errors.ts";
import { deleteGroups, type DeleteGroupsRequest } from "../protocol/messages/42_delete_groups.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

export const deleteGroupsHandler = handler(deleteGroups, serveDeleteGroups);

async function serveDeleteGroups(request: DeleteGroupsRequest, context: RequestContext) {
  const results = [];
  for (const groupId of new Set(request.groupsNames)) {
    results.push({ groupId, errorCode: errorCode(await deleteOne(groupId, context)) });
  }
  return { results };
}

async function deleteOne(groupId: string, context: RequestContext) {
  try {
    const { error } = await context.broker.group(groupId).ask({ type: "deleteGroup" });
    // Then the name may be a share group's.
    return error === "GROUP_ID_NOT_FOUND" && groupId !== ""
      ? await context.broker.shareGroup(groupId).ask({ type: "delete" })
      : error;
  } catch (error) {
    return coordinatorFailure(error);
  }
}
