/** IncrementalAlterConfigs (API 44): changes settings of topics one by one (KIP-339). A broker's change with its restart. */
import { CONFIG_OPERATIONS, type ConfigChange } from "../core/config/config_changes.ts";
import {
  incrementalAlterConfigs,
  type IncrementalAlterConfigsRequest,
} from "../protocol/messages/44_incremental_alter_configs.ts";
import { alteredResource, alterResource, distinctResources } from "./alter_resource.ts";
import { handler, type RequestContext } from "./handler.ts";

type Resource = IncrementalAlterConfigsRequest["resources"][number];

export const incrementalAlterConfigsHandler = handler(incrementalAlterConfigs, serveIncrementalAlterConfigs);

async function serveIncrementalAlterConfigs(
  request: IncrementalAlterConfigsRequest,
  context: RequestContext,
) {
  const isDistinct = distinctResources(request.resources);
  const responses = [];
  for (const resource of request.resources) {
    responses.push(
      isDistinct(resource)
        ? await alterOne(resource, request.validateOnly, context)
        : alteredResource(resource, "INVALID_REQUEST", "The request names the resource twice"),
    );
  }
  return { responses };
}

async function alterOne(resource: Resource, validateOnly: boolean, context: RequestContext) {
  const changes: ConfigChange[] = [];
  for (const { name, configOperation, value } of resource.configs) {
    const operation = CONFIG_OPERATIONS[configOperation];
    if (operation === undefined) {
      return alteredResource(resource, "INVALID_REQUEST", `Unknown operation ${configOperation} for ${name}`);
    }
    changes.push({ name, operation, value });
  }
  return await alterResource({ resource, changes, replace: false, validateOnly, context });
}
