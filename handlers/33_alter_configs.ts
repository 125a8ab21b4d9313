/** AlterConfigs (API 33): replaces all settings of a topic; what is not named goes back to its default (KIP-133). */
import { alterConfigs, type AlterConfigsRequest } from "../protocol/messages/33_alter_configs.ts";
import { alteredResource, alterResource, distinctResources } from "./alter_resource.ts";
import { handler, type RequestContext } from "./handler.ts";

export const alterConfigsHandler = handler(alterConfigs, serveAlterConfigs);

async function serveAlterConfigs(request: AlterConfigsRequest, context: RequestContext) {
  const { validateOnly } = request;
  const isDistinct = distinctResources(request.resources);
  const responses = [];
  for (const resource of request.resources) {
    const changes = resource.configs.map(({ name, value }) => ({ name, operation: "set", value } as const));
    responses.push(
      isDistinct(resource)
        ? await alterResource({ resource, changes, replace: true, validateOnly, context })
        : alteredResource(resource, "INVALID_REQUEST", "The request names the resource twice"),
    );
  }
  return { responses };
}
