/**
 * ApiVersions (API 18): what this broker serves, computed from the registry and so never more than what works. An
 * unknown version is answered in version 0 with UNSUPPORTED_VERSION and the list (KIP-511; `net/connection.ts`).
 */
import type { Broker } from "../actors/broker.ts";
import { features as agreed } from "../core/cluster/features.ts";
import { errorCode } from "../protocol/errors.ts";
import { apiVersions, type ApiVersionsRequest } from "../protocol/messages/18_api_versions.ts";
import { type Handler, handler, type RequestContext } from "./handler.ts";

/** Before, clients do not understand that a feature can be off. */
const ZERO_LEVEL_VERSION = 4;

/** KIP-511's form of a client's software name and version. */
const SOFTWARE_PATTERN = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

/** Made for a list of handlers, because that list contains this very handler. */
export function apiVersionsHandler(served: () => readonly Handler[]): Handler {
  return handler(apiVersions, (request: ApiVersionsRequest, context: RequestContext) => {
    const valid = context.apiVersion < 3 ||
      SOFTWARE_PATTERN.test(request.clientSoftwareName) &&
        SOFTWARE_PATTERN.test(request.clientSoftwareVersion);
    if (!valid) return { errorCode: errorCode("INVALID_REQUEST"), apiKeys: [] };
    if (context.apiVersion >= 3) {
      context.client.softwareName = request.clientSoftwareName;
      context.client.softwareVersion = request.clientSoftwareVersion;
    }
    return { errorCode: 0, apiKeys: apiKeys(served(), context.broker), ...features(context) };
  });
}

/** What the cluster runs with (KIP-584): clients and tools look for the consumer protocol here (KIP-848). */
function features({ apiVersion, broker }: RequestContext) {
  return {
    supportedFeatures: agreed.filter(({ minVersion }) => minVersion > 0 || apiVersion >= ZERO_LEVEL_VERSION),
    finalizedFeaturesEpoch: broker.metadata.version,
    finalizedFeatures: agreed.map(({ name, maxVersion }) => ({
      name,
      maxVersionLevel: maxVersion,
      minVersionLevel: maxVersion,
    })),
  };
}

export function apiKeys(served: readonly Handler[], broker: Broker) {
  return served.filter(({ isOffered }) => isOffered?.(broker) ?? true).map(({ api }) => ({
    apiKey: api.key,
    minVersion: api.advertisedMin,
    maxVersion: api.maxVersion,
  }));
}
