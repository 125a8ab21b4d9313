/** What AlterConfigs and IncrementalAlterConfigs have in common: one resource, its changes, its outcome. */
import type { ConfigChange } from "../core/config/config_changes.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { adminFailure } from "./admin_failure.ts";
import type { RequestContext } from "./handler.ts";
import { repeated } from "./repeated.ts";

const TOPIC = 2;
const BROKER = 4;

export interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
}

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

export async function alterResource(alteration: Alteration) {
  const { resource, changes, replace, validateOnly, context } = alteration;
  if (resource.resourceType === BROKER) {
    const message = "A broker's settings are changed in its file or flags, and take effect with its restart";
    return alteredResource(resource, "INVALID_CONFIG", message);
  }
  if (resource.resourceType !== TOPIC) {
    const message = `Resource type ${resource.resourceType} has no settings here`;
    return alteredResource(resource, "INVALID_REQUEST", message);
  }
  try {
    const outcome = await context.broker.supervisor.ask({
      type: "alterTopicConfigs",
      name: resource.resourceName,
      changes,
      replace,
      validateOnly,
    });
    return "topic" in outcome
      ? alteredResource(resource, "NONE", null)
      : alteredResource(resource, outcome.error, outcome.message);
  } catch (error) {
    const failure = adminFailure(error);
    return alteredResource(resource, failure.error, failure.message);
  }
}

export function alteredResource(
  { resourceType, resourceName }: Resource,
  error: ErrorName,
  errorMessage: string | null,
) {
  return { errorCode: errorCode(error), errorMessage, resourceType, resourceName };
}
