/** ListGroups (API 16): every group of this broker, filtered by state (KIP-518) and type (KIP-848). */
import { errorCode } from "../protocol/errors.ts";
import { listGroups, type ListGroupsRequest } from "../protocol/messages/16_list_groups.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";

export const listGroupsHandler = handler(listGroups, serveListGroups);

async function serveListGroups(request: ListGroupsRequest, context: RequestContext) {
  const passesState = filter(request.statesFilter);
  const passesType = filter(request.typesFilter);
  try {
    const groups = await context.broker.listGroups();
    return {
      errorCode: 0,
      groups: groups
        .filter(({ state, groupType }) => passesState(state) && passesType(groupType))
        .map(({ groupId, protocolType, state, groupType }) => ({
          groupId,
          protocolType,
          groupState: state,
          groupType,
        })),
    };
  } catch (error) {
    return { errorCode: errorCode(coordinatorFailure(error)), groups: [] };
  }
}

/** Kafka compares without regard to case; names that it does not know match nothing. */
function filter(wanted: readonly string[]): (name: string) => boolean {
  if (wanted.length === 0) return () => true;
  const names = new Set(wanted.map((each) => each.toLowerCase()));
  return (name) => names.has(name.toLowerCase());
}
