/**
 * kafka-configs.sh: shows and changes settings of topics, brokers, groups and client metrics, and quotas of users, clients
 * and addresses. Flags, output and messages are those of Kafka's ConfigCommand.
 */
import { Admin, type ConfigResourceType } from "../client/mod.ts";
import { commandClientOptions } from "./command_config.ts";
import { bootstrapServers, type Terminal, UsageError, utf8 } from "./command_line.ts";
import {
  configChanges,
  type ConfigsRequest,
  type EntityType,
  parseConfigsArguments,
} from "./configs_arguments.ts";
import { alterQuotas, describeQuotas } from "./configs_quotas.ts";
import { runProcess } from "./real_terminal.ts";

/** What a command about one kind of resource works with. */
export interface ConfigsContext {
  readonly admin: Admin;
  readonly terminal: Terminal;
}

/** Entities whose settings the configuration APIs hold; the others have quotas. */
const RESOURCE_TYPES: Readonly<Partial<Record<EntityType, ConfigResourceType>>> = {
  topics: "topic",
  brokers: "broker",
  "broker-loggers": "brokerLogger",
  "client-metrics": "clientMetrics",
  groups: "group",
};

/** The source that a setting has when it was set for exactly this kind of entity. */
const OWN_SOURCES: Readonly<Partial<Record<EntityType, string>>> = {
  topics: "DYNAMIC_TOPIC_CONFIG",
  "client-metrics": "DYNAMIC_CLIENT_METRICS_CONFIG",
  groups: "DYNAMIC_GROUP_CONFIG",
};

/** The command. */
export async function configs(args: readonly string[], terminal: Terminal): Promise<number> {
  const request = parseConfigsArguments(args);
  const { options } = request;
  const servers = options.bootstrapController ?? bootstrapServers(options, terminal);
  const client = await commandClientOptions(servers, options.commandConfig, terminal);
  using admin = new Admin(terminal.env, client);
  const context = { admin, terminal };
  try {
    return await (options.alter === true ? alter(request, context) : describe(request, context));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    terminal.writeError(`Error while executing config command with args '${args.join(" ")}'`);
    throw error;
  }
}

async function alter(request: ConfigsRequest, context: ConfigsContext): Promise<number> {
  const { admin, terminal } = context;
  const [entity] = request.entities;
  const type = RESOURCE_TYPES[entity.type];
  const changes = await configChanges(request.options, terminal);
  if (type === undefined) await alterQuotas(request.entities, changes, context);
  else {
    await admin.alterConfigs(
      { type, name: entity.name ?? "" },
      [...changes].map(([name, value]) => ({ name, value })),
    );
  }
  const done = entity.name === ""
    ? `Completed updating default config for ${entity.type} in the cluster.\n`
    : `Completed updating config for ${entity.type.slice(0, -1)} ${entity.name}.\n`;
  await terminal.writeOut(utf8(done));
  return 0;
}

async function describe(request: ConfigsRequest, context: ConfigsContext): Promise<number> {
  const [{ type, name }] = request.entities;
  const resource = RESOURCE_TYPES[type];
  if (resource === undefined) {
    await describeQuotas(request.entities, context);
    return 0;
  }
  const existing = name === "" ? [""] : await existingNames(type, resource, context.admin);
  if (name !== undefined && !existing.includes(name)) {
    const singular = type.slice(0, -1);
    await context.terminal.writeOut(
      utf8(`The ${singular} '${name}' doesn't exist and doesn't have dynamic config.\n`),
    );
    return 0;
  }
  for (const each of name === undefined ? existing : [name]) {
    await context.terminal.writeOut(utf8(await describeOne(type, resource, each, request, context.admin)));
  }
  return 0;
}

/** Names of what there is of this type, and of what is not there but has settings. */
async function existingNames(
  type: EntityType,
  resource: ConfigResourceType,
  admin: Admin,
): Promise<string[]> {
  const configured = async () => await admin.listConfigResources(resource);
  switch (type) {
    case "topics":
      return await admin.listTopics();
    case "brokers":
    case "broker-loggers": {
      const ids = (await admin.describeCluster()).brokers.map(({ nodeId }) => String(nodeId));
      return type === "brokers" ? [...ids, ""] : ids;
    }
    default:
      return await configured();
  }
}

async function describeOne(
  type: EntityType,
  resource: ConfigResourceType,
  name: string,
  { options }: ConfigsRequest,
  admin: Admin,
): Promise<string> {
  const all = options.all === true;
  const described = await admin.describeConfigs(resource, [name], { includeSynonyms: true });
  const source = type === "brokers"
    ? (name === "" ? "DYNAMIC_DEFAULT_BROKER_CONFIG" : "DYNAMIC_BROKER_CONFIG")
    : OWN_SOURCES[type];
  const head = name === ""
    ? `Default configs for ${type} in the cluster are:\n`
    : `${all ? "All" : "Dynamic"} configs for ${type.slice(0, -1)} ${name} are:\n`;
  const lines = [...described.get(name) ?? []]
    .filter((entry) => all || source === undefined || entry.source === source)
    .sort((a, b) => a.name < b.name ? -1 : 1)
    .map((entry) => {
      const synonyms = entry.synonyms.map((each) => `${each.source}:${each.name}=${each.value}`).join(", ");
      return `  ${entry.name}=${entry.value} sensitive=${entry.isSensitive} synonyms={${synonyms}}\n`;
    });
  return head + lines.join("");
}

if (import.meta.main) await runProcess(configs);
