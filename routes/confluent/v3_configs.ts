/**
 * REST v3: configurations of topics, of brokers, and of all brokers together ("cluster configs" in the contract's kinds: what is set
 * dynamically as the default of every broker). Changes go where IncrementalAlterConfigs sends them.
 *
 * Source: Confluent's documentation of API v3. A setting that the resource does not have is 404, what Kafka refuses is 40002. Of all
 * brokers' settings only those that are set can be told and reset, while any may be set. Unlike the original, `validate_only` counts for
 * brokers, too.
 */
import { z } from "@hono/zod-openapi";
import type { TopicImage } from "../../core/cluster/metadata_image.ts";
import { brokerConfigDefinitions, describeBrokerConfigs } from "../../core/config/broker_configs.ts";
import type { ConfigChange } from "../../core/config/config_changes.ts";
import { type ConfigEntry, configSourceCodes } from "../../core/config/config_definition.ts";
import { type Configs, configsOf } from "../../core/config/config_resource.ts";
import { describeSharedBrokerConfigs } from "../../core/config/resource_changes.ts";
import { describeTopicConfigs, topicConfigDefinitions } from "../../core/config/topic_configs.ts";
import { jsonResponse, parse } from "../endpoint.ts";
import { kafkaProblem } from "../problem.ts";
import { readJson } from "../request_body.ts";
import { confluentProblem } from "./confluent_error.ts";
import type { ContractRequest, ContractRoute } from "./contract_router.ts";
import { brokerOf, checkCluster, collection, noContent, resource, topicOf } from "./v3_resources.ts";

const sourceNames = new Map<number, string>(
  Object.entries(configSourceCodes).map(([name, code]) => [code, name]),
);

/** The broker resource that stands for all brokers. */
const ALL_BROKERS = "";

const alterSchema = z.object({
  data: z.array(z.object({
    name: z.string("expected a string"),
    value: z.string("expected a string or null").nullish(),
    operation: z.enum(["SET", "DELETE"], "expected SET or DELETE").nullish(),
  })).max(1_000, "expected at most 1000 changes"),
  validate_only: z.boolean("expected true or false").optional(),
}, "expected an object");

const updateSchema = z.object(
  { value: z.string("expected a string or null").nullish() },
  "expected an object",
);

function configFields({ name, value, readOnly, isSensitive, source, synonyms }: ConfigEntry) {
  const sourceName = (code: number) => sourceNames.get(code) ?? "UNKNOWN";
  return {
    name,
    value,
    is_default: source === configSourceCodes.DEFAULT_CONFIG,
    is_read_only: readOnly,
    is_sensitive: isSensitive,
    source: sourceName(source),
    synonyms: synonyms.map((synonym) => ({ ...synonym, source: sourceName(synonym.source) })),
  };
}

type Names = readonly string[] | null;

function topicConfigs(context: ContractRequest, topic: TopicImage, names: Names) {
  return describeTopicConfigs(topic.configs, context.broker.configLayers, names).map((entry) =>
    resource(context, "KafkaTopicConfig", ["topics", topic.name, "configs", entry.name], {
      topic_name: topic.name,
      ...configFields(entry),
    })
  );
}

function brokerConfigs(context: ContractRequest, brokerId: number, names: Names) {
  return describeBrokerConfigs(context.broker.configLayers, names).map((entry) =>
    resource(context, "KafkaBrokerConfig", ["brokers", brokerId, "configs", entry.name], {
      broker_id: brokerId,
      ...configFields(entry),
    })
  );
}

function clusterConfigs(context: ContractRequest, names: Names) {
  return describeSharedBrokerConfigs(sharedConfigs(context), names).map((entry) =>
    resource(context, "KafkaClusterConfig", ["broker-configs", entry.name], {
      config_type: "BROKER",
      ...configFields(entry),
    })
  );
}

function sharedConfigs({ broker }: ContractRequest): Configs {
  return configsOf(broker.metadata.configs, "broker", ALL_BROKERS);
}

/** The broker of the path, whose settings this one can tell and change. */
function thisBroker(context: ContractRequest): number {
  const { brokerId } = brokerOf(context);
  if (brokerId === context.broker.brokerId) return brokerId;
  throw confluentProblem(40002, `Broker ${brokerId} tells and changes its configuration itself.`);
}

function nameOf({ params }: ContractRequest): string {
  return params["name"] ?? "";
}

/** The one entry of a list, or 404. */
function onlyOne(entries: readonly Record<string, unknown>[], context: ContractRequest): Response {
  const [entry] = entries;
  if (entry !== undefined) return jsonResponse(200, entry);
  throw confluentProblem(404, `Config ${nameOf(context).slice(0, 100)} cannot be found.`);
}

interface Wish {
  readonly changes: readonly ConfigChange[];
  readonly validateOnly: boolean;
}

/** Of the body of `:alter`. */
async function alterations({ request, broker }: ContractRequest): Promise<Wish> {
  const { data, validate_only = false } = parse(alterSchema, await readJson(request, broker.env));
  const changes = data.map(({ name, value, operation }) =>
    operation === "DELETE" ? reset(name) : set(name, value ?? null)
  );
  return { changes, validateOnly: validate_only };
}

/** Of the body that one setting is PUT with. */
async function update(context: ContractRequest): Promise<Wish> {
  const { value } = parse(updateSchema, await readJson(context.request, context.broker.env));
  return { changes: [set(nameOf(context), value ?? null)], validateOnly: false };
}

function deletion(context: ContractRequest): Wish {
  return { changes: [reset(nameOf(context))], validateOnly: false };
}

/** Without a value Kafka refuses it. */
function set(name: string, value: string | null): ConfigChange {
  return { name, operation: "set", value };
}

function reset(name: string): ConfigChange {
  return { name, operation: "delete", value: null };
}

/** 404 for the first setting that the resource does not have. */
function checkNames(
  { changes }: Wish,
  has: (name: string) => boolean,
  { broker }: ContractRequest,
  of: string,
): void {
  const absent = changes.find(({ name }) => !has(name));
  if (absent === undefined) return;
  const { clusterId } = broker.metadata;
  throw confluentProblem(
    404,
    `Config ${absent.name.slice(0, 100)} cannot be found for ${of} in cluster ${clusterId}.`,
  );
}

async function alterTopic(context: ContractRequest, wish: Wish): Promise<Response> {
  const { name } = topicOf(context);
  checkNames(wish, (config) => topicConfigDefinitions.has(config), context, `TOPIC ${name}`);
  const outcome = await context.broker.supervisor
    .ask({ type: "alterTopicConfigs", name, replace: false, ...wish });
  if (!("topic" in outcome)) throw kafkaProblem(outcome.error, outcome.message);
  return noContent();
}

async function alterBroker(context: ContractRequest, name: string, wish: Wish): Promise<Response> {
  const outcome = await context.broker.supervisor
    .ask({ type: "alterConfigs", kind: "broker", name, replace: false, ...wish });
  if ("message" in outcome) throw kafkaProblem(outcome.error, outcome.message);
  return noContent();
}

async function alterThisBroker(context: ContractRequest, wish: Wish): Promise<Response> {
  const name = String(thisBroker(context));
  checkNames(wish, (config) => brokerConfigDefinitions.has(config), context, `BROKER ${name}`);
  return await alterBroker(context, name, wish);
}

async function resetClusterConfig(context: ContractRequest): Promise<Response> {
  const wish = deletion(context);
  const shared = sharedConfigs(context);
  checkNames(wish, (config) => Object.hasOwn(shared, config), context, "BROKER");
  return await alterBroker(context, ALL_BROKERS, wish);
}

export const configRoutes: readonly ContractRoute[] = ([
  [
    "GET",
    "/brokers/-/configs",
    (context) =>
      collection(context, "KafkaBrokerConfigList", brokerConfigs(context, context.broker.brokerId, null)),
  ],
  [
    "GET",
    "/brokers/{broker_id}/configs",
    (context) =>
      collection(context, "KafkaBrokerConfigList", brokerConfigs(context, thisBroker(context), null)),
  ],
  [
    "POST",
    "/brokers/{broker_id}/configs:alter",
    async (context) => alterThisBroker(context, await alterations(context)),
  ],
  [
    "GET",
    "/brokers/{broker_id}/configs/{name}",
    (context) => onlyOne(brokerConfigs(context, thisBroker(context), [nameOf(context)]), context),
  ],
  [
    "PUT",
    "/brokers/{broker_id}/configs/{name}",
    async (context) => alterThisBroker(context, await update(context)),
  ],
  ["DELETE", "/brokers/{broker_id}/configs/{name}", (context) => alterThisBroker(context, deletion(context))],
  [
    "GET",
    "/broker-configs",
    (context) => collection(context, "KafkaClusterConfigList", clusterConfigs(context, null)),
  ],
  [
    "POST",
    "/broker-configs:alter",
    async (context) => alterBroker(context, ALL_BROKERS, await alterations(context)),
  ],
  [
    "GET",
    "/broker-configs/{name}",
    (context) => onlyOne(clusterConfigs(context, [nameOf(context)]), context),
  ],
  [
    "PUT",
    "/broker-configs/{name}",
    async (context) => alterBroker(context, ALL_BROKERS, await update(context)),
  ],
  ["DELETE", "/broker-configs/{name}", resetClusterConfig],
  ["GET", "/topics/-/configs", (context) =>
    collection(
      context,
      "KafkaTopicConfigList",
      [...context.broker.metadata.topicsByName.values()].flatMap((topic) =>
        topicConfigs(context, topic, null)
      ),
    )],
  [
    "GET",
    "/topics/{topic_name}/configs",
    (context) => collection(context, "KafkaTopicConfigList", topicConfigs(context, topicOf(context), null)),
  ],
  [
    "POST",
    "/topics/{topic_name}/configs:alter",
    async (context) => alterTopic(context, await alterations(context)),
  ],
  [
    "GET",
    "/topics/{topic_name}/configs/{name}",
    (context) => onlyOne(topicConfigs(context, topicOf(context), [nameOf(context)]), context),
  ],
  [
    "PUT",
    "/topics/{topic_name}/configs/{name}",
    async (context) => alterTopic(context, await update(context)),
  ],
  ["DELETE", "/topics/{topic_name}/configs/{name}", (context) => alterTopic(context, deletion(context))],
] satisfies [ContractRoute["method"], string, ContractRoute["handle"]][]).map(([method, path, handle]) => ({
  method,
  pattern: `/clusters/{cluster_id}${path}`,
  handle: (context: ContractRequest) => {
    checkCluster(context);
    return handle(context);
  },
}));
