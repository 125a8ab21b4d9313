/**
 * ListConfigResources (API 74): what has settings: topics and this broker always, groups and client metrics subscriptions
 * when some were set. Version 0 asks for client metrics alone (KIP-1142).
 */
import { type ConfigKind, configResourceTypes, configsOfKind } from "../core/config/config_resource.ts";
import { errorCode } from "../protocol/errors.ts";
import {
  listConfigResources,
  type ListConfigResourcesRequest,
} from "../protocol/messages/74_list_config_resources.ts";
import { handler, type RequestContext } from "./handler.ts";

const { TOPIC, BROKER, CLIENT_METRICS, GROUP } = configResourceTypes;
const BROKER_LOGGER = 8;
const KNOWN: ReadonlySet<number> = new Set([TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP]);

export const listConfigResourcesHandler = handler(listConfigResources, serveListConfigResources);

function serveListConfigResources(request: ListConfigResourcesRequest, context: RequestContext) {
  const { metadata } = context.broker;
  const wanted = context.apiVersion === 0 ? [CLIENT_METRICS] : request.resourceTypes;
  if (wanted.some((type) => !KNOWN.has(type))) {
    return { errorCode: errorCode("UNSUPPORTED_VERSION"), configResources: [] };
  }
  const named = (resourceType: number, names: () => Iterable<string>) =>
    wanted.length === 0 || wanted.includes(resourceType)
      ? Array.from(names(), (resourceName) => ({ resourceName, resourceType }))
      : [];
  const set = (kind: ConfigKind) => () => Array.from(configsOfKind(metadata.configs, kind), ([name]) => name);
  return {
    errorCode: 0,
    configResources: [
      ...named(GROUP, set("group")),
      ...named(CLIENT_METRICS, set("client-metrics")),
      ...named(BROKER, () => metadata.brokers.map(({ brokerId }) => String(brokerId))),
      ...named(TOPIC, () => metadata.topicsByName.keys()),
    ],
  };
}
