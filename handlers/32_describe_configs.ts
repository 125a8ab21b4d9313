/**
 * DescribeConfigs (API 32): settings of topics, this broker, groups and client metrics subscriptions, with sources,
 * synonyms and documentation (KIP-226, KIP-569, KIP-714, KIP-848). Loggers of the broker are not configured this way.
 */
import { describeBrokerConfigs } from "../core/config/broker_configs.ts";
import { configResourceTypes, configsOf } from "../core/config/config_resource.ts";
import type { ConfigEntry } from "../core/config/config_definition.ts";
import {
  describeClientMetricsConfigs,
  describeGroupConfigs,
  describeSharedBrokerConfigs,
} from "../core/config/resource_changes.ts";
import { describeTopicConfigs } from "../core/config/topic_configs.ts";
import { topicNameFault } from "../core/config/topic_name.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { describeConfigs, type DescribeConfigsRequest } from "../protocol/messages/32_describe_configs.ts";
import { lookUpResource } from "./config_resources.ts";
import { handler, type RequestContext } from "./handler.ts";

type Resource = DescribeConfigsRequest["resources"][number];

export const describeConfigsHandler = handler(describeConfigs, serveDescribeConfigs);

function serveDescribeConfigs(request: DescribeConfigsRequest, context: RequestContext) {
  // Each resource once: a small request that repeats one must not become a huge answer.
  const distinct = new Map(
    request.resources.map((each) => [`${each.resourceType} ${each.resourceName}`, each]),
  );
  return { results: [...distinct.values()].map((resource) => describeOne(resource, request, context)) };
}

function describeOne(resource: Resource, request: DescribeConfigsRequest, context: RequestContext) {
  const { resourceType, resourceName, configurationKeys } = resource;
  const { metadata, configLayers } = context.broker;
  if (resourceType === configResourceTypes.TOPIC) {
    const fault = topicNameFault(resourceName);
    if (fault !== null) return refused(resource, "INVALID_TOPIC_EXCEPTION", fault);
    const topic = metadata.topicsByName.get(resourceName);
    if (topic === undefined) {
      return refused(resource, "UNKNOWN_TOPIC_OR_PARTITION", `Topic "${resourceName}" does not exist`);
    }
    return described(resource, describeTopicConfigs(topic.configs, configLayers, configurationKeys), request);
  }
  const found = lookUpResource(resource, context);
  if ("error" in found) return refused(resource, found.error, found.message);
  const own = configsOf(metadata.configs, found.kind, found.name);
  switch (found.kind) {
    case "broker": {
      const entries = found.name === ""
        ? describeSharedBrokerConfigs(own, configurationKeys)
        : describeBrokerConfigs(configLayers, configurationKeys);
      return described(resource, entries, request);
    }
    case "group":
      return described(resource, describeGroupConfigs(own, configLayers, configurationKeys), request);
    case "client-metrics":
      return described(resource, describeClientMetricsConfigs(own, configurationKeys), request);
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
