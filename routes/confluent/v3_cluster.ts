/** REST v3: clusters, brokers, and configurations of brokers and topics. Source: Confluent's documentation of API v3. */
import type { BrokerImage, TopicImage } from "../../core/cluster/metadata_image.ts";
import { describeBrokerConfigs } from "../../core/config/broker_configs.ts";
import type { ConfigChange } from "../../core/config/config_changes.ts";
import type { ConfigEntry } from "../../core/config/config_definition.ts";
import { describeTopicConfigs, topicConfigDefinitions } from "../../core/config/topic_configs.ts";
import { z } from "@hono/zod-openapi";
import { jsonResponse, parse } from "../endpoint.ts";
import { kafkaProblem } from "../problem.ts";
import { readJson } from "../request_body.ts";
import { confluentProblem } from "./confluent_error.ts";
import { type ContractRequest, type ContractRoute, numberParam } from "./contract_router.ts";
import { checkCluster, collection, noContent, related, resource, topicOf } from "./v3_resources.ts";

const sourceNames: Readonly<Record<number, string>> = {
  1: "DYNAMIC_TOPIC_CONFIG",
  4: "STATIC_BROKER_CONFIG",
  5: "DEFAULT_CONFIG",
};

function clusterResource(context: ContractRequest): Record<string, unknown> {
  const { controllerId } = context.broker.metadata;
  return resource(context, "KafkaCluster", [], {
    ...(controllerId < 0 ? {} : { controller: related(context, "brokers", controllerId) }),
    acls: related(context, "acls"),
    brokers: related(context, "brokers"),
    broker_configs: related(context, "broker-configs"),
    consumer_groups: related(context, "consumer-groups"),
    topics: related(context, "topics"),
    partition_reassignments: related(context, "topics", "-", "partitions", "-", "reassignment"),
  });
}

function brokerResource(context: ContractRequest, { brokerId, host, port, rack }: BrokerImage) {
  return resource(context, "KafkaBroker", ["brokers", brokerId], {
    broker_id: brokerId,
    host,
    port,
    ...(rack === null ? {} : { rack }),
    configs: related(context, "brokers", brokerId, "configs"),
    partition_replicas: related(context, "brokers", brokerId, "partition-replicas"),
  });
}

function brokerOf({ broker, params }: ContractRequest): BrokerImage {
  const brokerId = numberParam(params["broker_id"], "Broker");
  const found = broker.metadata.brokers.find((each) => each.brokerId === brokerId);
  if (found === undefined) throw confluentProblem(404, `Broker ${brokerId} cannot be found.`);
  return found;
}

function configFields({ name, value, readOnly, isSensitive, source, synonyms }: ConfigEntry) {
  return {
    name,
    value,
    is_default: source === 5,
    is_read_only: readOnly,
    is_sensitive: isSensitive,
    source: sourceNames[source] ?? "UNKNOWN",
    synonyms: synonyms.map((synonym) => ({ ...synonym, source: sourceNames[synonym.source] ?? "UNKNOWN" })),
  };
}

function brokerConfigs(context: ContractRequest, brokerId: number, names: readonly string[] | null) {
  if (brokerId !== context.broker.brokerId) {
    throw confluentProblem(40002, `Broker ${brokerId} tells its configuration itself.`);
  }
  return describeBrokerConfigs((name) => context.broker.config(name), names).map((entry) =>
    resource(context, "KafkaBrokerConfig", ["brokers", brokerId, "configs", entry.name], {
      broker_id: brokerId,
      ...configFields(entry),
    })
  );
}

function topicConfigs(context: ContractRequest, topic: TopicImage, names: readonly string[] | null) {
  return describeTopicConfigs(topic.configs, (name) => context.broker.config(name), names).map((entry) =>
    resource(context, "KafkaTopicConfig", ["topics", topic.name, "configs", entry.name], {
      topic_name: topic.name,
      ...configFields(entry),
    })
  );
}

/** The one entry of a list, or 404. */
function onlyOne(entries: readonly Record<string, unknown>[], context: ContractRequest): Response {
  const [entry] = entries;
  if (entry !== undefined) return jsonResponse(200, entry);
  throw confluentProblem(404, `Config ${(context.params["name"] ?? "").slice(0, 100)} cannot be found.`);
}

const alterSchema = z.object({
  data: z.array(z.object({
    name: z.string("expected a string"),
    value: z.string("expected a string or null").nullish(),
    operation: z.enum(["SET", "DELETE"], "expected SET or DELETE").nullish(),
  })).max(1_000, "expected at most 1000 changes"),
  validate_only: z.boolean().optional(),
}, "expected an object");

const updateSchema = z.object(
  { value: z.string("expected a string or null").nullish() },
  "expected an object",
);

async function alterTopic(
  context: ContractRequest,
  changes: readonly ConfigChange[],
  validateOnly: boolean,
): Promise<Response> {
  const { name } = topicOf(context);
  for (const { name: config } of changes) {
    if (topicConfigDefinitions.has(config)) continue;
    throw confluentProblem(
      404,
      `Config ${config.slice(0, 100)} cannot be found for TOPIC ${name} in this cluster.`,
    );
  }
  const outcome = await context.broker.supervisor.ask({
    type: "alterTopicConfigs",
    name,
    changes,
    replace: false,
    validateOnly,
  });
  if (!("topic" in outcome)) throw kafkaProblem(outcome.error, outcome.message);
  return noContent();
}

function change(name: string, value: string | null): ConfigChange {
  return value === null ? { name, operation: "delete", value } : { name, operation: "set", value };
}

export const clusterRoutes: readonly ContractRoute[] = ([
  ["GET", "/clusters", (context) => collection(context, "KafkaClusterList", [clusterResource(context)])],
  ["GET", "/clusters/{cluster_id}", (context) => jsonResponse(200, clusterResource(context))],
  ["GET", "/clusters/{cluster_id}/brokers", (context) =>
    collection(
      context,
      "KafkaBrokerList",
      context.broker.metadata.brokers.map((broker) => brokerResource(context, broker)),
    )],
  [
    "GET",
    "/clusters/{cluster_id}/brokers/-/configs",
    (context) =>
      collection(context, "KafkaBrokerConfigList", brokerConfigs(context, context.broker.brokerId, null)),
  ],
  [
    "GET",
    "/clusters/{cluster_id}/brokers/{broker_id}",
    (context) => jsonResponse(200, brokerResource(context, brokerOf(context))),
  ],
  [
    "GET",
    "/clusters/{cluster_id}/brokers/{broker_id}/configs",
    (context) =>
      collection(context, "KafkaBrokerConfigList", brokerConfigs(context, brokerOf(context).brokerId, null)),
  ],
  [
    "GET",
    "/clusters/{cluster_id}/brokers/{broker_id}/configs/{name}",
    (context) =>
      onlyOne(brokerConfigs(context, brokerOf(context).brokerId, [context.params["name"] ?? ""]), context),
  ],
  // What all brokers share dynamically: nothing is set that way here.
  [
    "GET",
    "/clusters/{cluster_id}/broker-configs",
    (context) => collection(context, "KafkaClusterConfigList", []),
  ],
  ["GET", "/clusters/{cluster_id}/topics/-/configs", (context) =>
    collection(
      context,
      "KafkaTopicConfigList",
      [...context.broker.metadata.topicsByName.values()].flatMap((topic) =>
        topicConfigs(context, topic, null)
      ),
    )],
  [
    "GET",
    "/clusters/{cluster_id}/topics/{topic_name}/configs",
    (context) => collection(context, "KafkaTopicConfigList", topicConfigs(context, topicOf(context), null)),
  ],
  [
    "GET",
    "/clusters/{cluster_id}/topics/{topic_name}/configs/{name}",
    (context) => onlyOne(topicConfigs(context, topicOf(context), [context.params["name"] ?? ""]), context),
  ],
  ["PUT", "/clusters/{cluster_id}/topics/{topic_name}/configs/{name}", async (context) => {
    const { value } = parse(updateSchema, await readJson(context.request, context.broker.env));
    return await alterTopic(context, [change(context.params["name"] ?? "", value ?? null)], false);
  }],
  [
    "DELETE",
    "/clusters/{cluster_id}/topics/{topic_name}/configs/{name}",
    (context) => alterTopic(context, [change(context.params["name"] ?? "", null)], false),
  ],
  ["POST", "/clusters/{cluster_id}/topics/{topic_name}/configs:alter", async (context) => {
    const body = parse(alterSchema, await readJson(context.request, context.broker.env));
    const changes = body.data.map(({ name, value, operation }) =>
      change(name, operation === "DELETE" ? null : value ?? null)
    );
    return await alterTopic(context, changes, body.validate_only ?? false);
  }],
  ["GET", "/clusters/{cluster_id}/acls", () => {
    throw confluentProblem(40002, "No Authorizer is configured.");
  }],
] satisfies [ContractRoute["method"], string, ContractRoute["handle"]][]).map((
  [method, pattern, handle],
) => ({
  method,
  pattern,
  handle: (context: ContractRequest) => {
    if (pattern !== "/clusters") checkCluster(context);
    return handle(context);
  },
}));
