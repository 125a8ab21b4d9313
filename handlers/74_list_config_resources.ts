/** ListConfigResources (API 74): what has settings: the topics and this broker. Version 0 asks for client metrics alone (KIP-1142). */
import {
  listConfigResources,
  type ListConfigResourcesRequest,
} from "../protocol/messages/74_list_config_resources.ts";
import { handler, type RequestContext } from "./handler.ts";

const TOPIC = 2;
const BROKER = 4;

export const listConfigResourcesHandler = handler(listConfigResources, serveListConfigResources);

function serveListConfigResources(request: ListConfigResourcesRequest, context: RequestContext) {
  if (context.apiVersion === 0) return { errorCode: 0, configResources: [] };
  const { metadata } = context.broker;
  const isWanted = (type: number) =>
    request.resourceTypes.length === 0 || request.resourceTypes.includes(type);
  const topics = isWanted(TOPIC) ? [...metadata.topicsByName.keys()] : [];
  const brokers = isWanted(BROKER) ? metadata.brokers : [];
  return {
    errorCode: 0,
    configResources: [
      ...topics.map((resourceName) => ({ resourceName, resourceType: TOPIC })),
      ...brokers.map(({ brokerId }) => ({ resourceName: String(brokerId), resourceType: BROKER })),
    ],
  };
}
