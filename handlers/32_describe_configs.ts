/** DescribeConfigs (API 32): settings of topics and of this broker, with sources, synonyms and documentation (KIP-226, KIP-569). */
import { describeBrokerConfigs } from "../core/config/broker_configs.ts";
import type { ConfigEntry } from "../core/config/config_definition.ts";
import { describeTopicConfigs } from "../core/config/topic_configs.ts";
import { topicNameFault } from "../core/config/topic_name.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { describeConfigs, type DescribeConfigsRequest } from "../protocol/messages/32_describe_configs.ts";
import { handler, type RequestContext } from "./handler.ts";

const TOPIC = 2;
const BROKER = 4;

type Resource = DescribeConfigsRequest["resources"][number];

export const describeConfigsHandler = handler(describeConfigs, serveDescribeConfigs);

function serveDescribeConfigs(request: DescribeConfigsRequest, context: RequestContext) {
  // Each resource once: a small request that repeats one must not become a huge answer.
  const distinct = new Map(
    request.resources.map((each) => [`${each.resourceType} ${each.resourceName}`, each]),
  );
  return { results: [...distinct.values()].map((resource) => describeOne(resource, request, context)) };
}

function describeOne(resource: Resource, request: DescribeConfigsRequest, { broker }: RequestContext) {
  const server = (name: string) => broker.config(name);
  const { resourceType, resourceName, configurationKeys } = resource;
  switch (resourceType) {
    case TOPIC: {
      const fault = topicNameFault(resourceName);
      if (fault !== null) return refused(resource, "INVALID_TOPIC_EXCEPTION", fault);
      const topic = broker.metadata.topicsByName.get(resourceName);
      if (topic === undefined) {
        return refused(resource, "UNKNOWN_TOPIC_OR_PARTITION", `Topic "${resourceName}" does not exist`);
      }
      return described(resource, describeTopicConfigs(topic.configs, server, configurationKeys), request);
    }
    case BROKER:
      // The empty name asks for what all brokers share dynamically: nothing is set that way here.
      if (resourceName === "") return described(resource, [], request);
      if (resourceName !== String(broker.brokerId)) {
        const message = `This is broker ${broker.brokerId}, not "${resourceName}"`;
        return refused(resource, "INVALID_REQUEST", message);
      }
      return described(resource, describeBrokerConfigs(server, configurationKeys), request);
    default:
      return refused(resource, "INVALID_REQUEST", `Resource type ${resourceType} has no settings here`);
  }
}

function described(resource: Resource, entries: readonly ConfigEntry[], request: DescribeConfigsRequest) {
  return {
    errorCode: 0,
    errorMessage: null,
    resourceType: resource.resourceType,
    resourceName: resource.resourceName,
    configs: entries.map((entry) => ({
      name: entry.name,
      value: entry.value,
      readOnly: entry.readOnly,
      configSource: entry.source,
      isSensitive: entry.isSensitive,
      synonyms: request.includeSynonyms ? entry.synonyms.map((synonym) => ({ ...synonym })) : [],
      configType: entry.type,
      documentation: request.includeDocumentation ? entry.documentation : null,
    })),
  };
}

function refused(resource: Resource, error: ErrorName, errorMessage: string) {
  const { resourceType, resourceName } = resource;
  return { errorCode: errorCode(error), errorMessage, resourceType, resourceName, configs: [] };
}
