/** Resources of the configuration APIs by Kafka's numbers: which kind each is, and which names it takes. */
import { configResourceTypes } from "../core/config/config_resource.ts";
import { type AlterableKind, resourceNameFault } from "../core/config/resource_changes.ts";
import type { ErrorName } from "../protocol/errors.ts";
import type { RequestContext } from "./handler.ts";

export interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
}

export type ResourceLookup =
  | { readonly kind: AlterableKind; readonly name: string }
  | { readonly error: ErrorName; readonly message: string };

/** Of a resource that is no topic. */
export function lookUpResource(
  { resourceType, resourceName }: Resource,
  { broker }: RequestContext,
): ResourceLookup {
  const kind = kindOf(resourceType);
  if (kind === null) return invalid(`Resource type ${resourceType} has no settings here`);
  // The empty name asks for what all brokers share.
  if (kind === "broker" && resourceName !== "" && resourceName !== String(broker.brokerId)) {
    return invalid(
      /^\d{1,10}$/.test(resourceName)
        ? `Unexpected broker id, expected ${broker.brokerId} or empty string, but received ${resourceName}`
        : `Broker id must be an integer, but it is: ${resourceName.slice(0, 100)}`,
    );
  }
  const fault = resourceNameFault(kind, resourceName);
  return fault === null ? { kind, name: resourceName } : invalid(fault);
}

function kindOf(resourceType: number): AlterableKind | null {
  switch (resourceType) {
    case configResourceTypes.BROKER:
      return "broker";
    case configResourceTypes.CLIENT_METRICS:
      return "client-metrics";
    case configResourceTypes.GROUP:
      return "group";
    default:
      return null;
  }
}

function invalid(message: string): { readonly error: ErrorName; readonly message: string } {
  return { error: "INVALID_REQUEST", message };
}
