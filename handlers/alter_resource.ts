/** What AlterConfigs and IncrementalAlterConfigs have in common: one resource, its changes, its outcome. */
import { configResourceTypes } from "../core/config/config_resource.ts";
import type { ConfigChange } from "../core/config/config_changes.ts";
import { topicNameFault } from "../core/config/topic_name.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { adminFailure } from "./admin_failure.ts";
import type { RequestContext } from "./handler.ts";
import { lookUpResource, type Resource } from "./config_resources.ts";
import { repeated } from "./repeated.ts";

export interface Alteration {
  readonly resource: Resource;
  readonly changes: readonly ConfigChange[];
  readonly replace: boolean;
  readonly validateOnly: boolean;
  readonly context: RequestContext;
}

/** Whether a request names a resource only once. */
export function distinctResources(resources: readonly Resource[]): (resource: Resource) => boolean {
  const keyOf = ({ resourceType, resourceName }: Resource) => `${resourceType} ${resourceName}`;
  const isNamedTwice = repeated(resources.map(keyOf));
  return (resource) => !isNamedTwice(keyOf(resource));
}

export async function alterResource({ resource, ...alteration }: Alteration) {
  try {
    const { error, message } = resource.resourceType === configResourceTypes.TOPIC
      ? await alterTopic(resource.resourceName, alteration)
      : await alterOther(resource, alteration);
    return alteredResource(resource, error, message);
  } catch (error) {
    const failure = adminFailure(error);
    return alteredResource(resource, failure.error, failure.message);
  }
}

interface Outcome {
  readonly error: ErrorName;
  readonly message: string | null;
}

const done: Outcome = { error: "NONE", message: null };

async function alterTopic(
  name: string,
  { changes, replace, validateOnly, context }: Omit<Alteration, "resource">,
): Promise<Outcome> {
  if (name === "") return { error: "INVALID_REQUEST", message: "Default topic resources are not allowed." };
  const fault = topicNameFault(name);
  if (fault !== null) return { error: "INVALID_TOPIC_EXCEPTION", message: fault };
  const outcome = await context.broker.supervisor
    .ask({ type: "alterTopicConfigs", name, changes, replace, validateOnly });
  return "topic" in outcome ? done : outcome;
}

async function alterOther(
  resource: Resource,
  { changes, replace, validateOnly, context }: Omit<Alteration, "resource">,
): Promise<Outcome> {
  const found = lookUpResource(resource, context);
  if ("error" in found) return found;
  const { kind, name } = found;
  const outcome = await context.broker.supervisor
    .ask({ type: "alterConfigs", kind, name, changes, replace, validateOnly });
  return "message" in outcome ? outcome : done;
}

export function alteredResource(
  { resourceType, resourceName }: Resource,
  error: ErrorName,
  errorMessage: string | null,
) {
  return { errorCode: errorCode(error), errorMessage, resourceType, resourceName };
}
