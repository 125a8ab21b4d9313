/**
 * Changes and descriptions of the settings of brokers, groups and client metrics subscriptions: what each kind knows and
 * which of Kafka's errors it has.
 * Source: Kafka's ControllerConfigurationValidator, DynamicBrokerConfig, GroupConfig, ClientMetricsConfigs, ConfigHelper.
 */
import { brokerConfigDefinitions, dynamicBrokerConfigNames } from "./broker_configs.ts";
import { clientMetricsConfigDefinitions, intervalFault } from "./client_metrics_configs.ts";
import { changeConfigs, type ConfigChange, type ConfigChanges, type ConfigFault } from "./config_changes.ts";
import {
  type ConfigDefinition,
  configDocumentation,
  type ConfigEntry,
  configSourceCodes,
  type ConfigSynonym,
  configTypeCodes,
  configValueFault,
  normalizeConfig,
} from "./config_definition.ts";
import type { ConfigKind, Configs } from "./config_resource.ts";
import { groupBoundsFault, type GroupConfigDefinition, groupConfigDefinitions } from "./group_configs.ts";
import { limits } from "./limits.ts";
import { layeredReader, type ServerLayers, serverSynonyms } from "./server_layers.ts";

export type AlterableKind = Exclude<ConfigKind, "quota">;

const encoder = new TextEncoder();

/** Kafka's words for a resource without a name, or with one that is too long to be a key. */
export function resourceNameFault(kind: AlterableKind, name: string): string | null {
  if (name === "" && kind !== "broker") {
    return kind === "group" ? "Default group resources are not allowed" : "Subscription name can't be empty";
  }
  const byteLength = name.length > limits.configResourceNameBytesMax ? Infinity : encoder.encode(name).length;
  return byteLength > limits.configResourceNameBytesMax
    ? `The name has more than ${limits.configResourceNameBytesMax} bytes`
    : null;
}

/** The resource's settings after `changes`; `layers` tell the server's own. */
export function changeResourceConfigs(
  kind: AlterableKind,
  current: Configs,
  changes: readonly ConfigChange[],
  layers: ServerLayers,
): ConfigChanges {
  const definitions = definitionsOf(kind);
  return changeConfigs(current, changes, {
    definitions,
    effective: (name) => current[name] ?? fallbackOf(kind, name, layers),
    normalize: (name, value) => normalizeConfig(definitions.get(name)?.type, value),
    faultOf: (wished) => resourceFault(kind, current, wished, layers),
  });
}

function definitionsOf(kind: AlterableKind): ReadonlyMap<string, ConfigDefinition> {
  switch (kind) {
    case "broker":
      return brokerConfigDefinitions;
    case "client-metrics":
      return clientMetricsConfigDefinitions;
    case "group":
      return groupConfigDefinitions;
  }
}

function fallbackOf(kind: AlterableKind, name: string, layers: ServerLayers): string {
  if (kind === "broker") return layeredReader(layers)(name);
  const server = kind === "group" ? groupConfigDefinitions.get(name)?.server?.name : undefined;
  return server === undefined ? definitionsOf(kind).get(name)?.default ?? "" : layeredReader(layers)(server);
}

function resourceFault(
  kind: AlterableKind,
  current: Configs,
  wished: Readonly<Record<string, string | null>>,
  layers: ServerLayers,
): ConfigFault | null {
  const definitions = definitionsOf(kind);
  for (const [name, value] of Object.entries(wished)) {
    const definition = definitions.get(name);
    if (definition === undefined) {
      const error = kind === "group" ? "INVALID_CONFIG" : "INVALID_REQUEST";
      return { error, fault: `Unknown ${kind} configuration "${name.slice(0, 100)}"` };
    }
    if (kind === "broker" && !dynamicBrokerConfigNames.has(name)) {
      return { error: "INVALID_REQUEST", fault: `Cannot update these configs dynamically: [${name}]` };
    }
    const fault = value === null ? null : configValueFault(definition, value);
    if (fault !== null) {
      const error = kind === "broker" ? "INVALID_REQUEST" : "INVALID_CONFIG";
      return { error, fault: `Invalid value "${value?.slice(0, 100)}" for configuration ${name}: ${fault}` };
    }
  }
  const merged = Object.fromEntries(
    Object.entries({ ...current, ...wished }).filter((each): each is [string, string] => each[1] !== null),
  );
  if (kind === "group") {
    const fault = groupBoundsFault(merged, layeredReader(layers));
    if (fault !== null) return { error: "INVALID_CONFIG", fault };
  }
  if (kind === "client-metrics") {
    const fault = intervalFault(merged);
    if (fault !== null) return { error: "INVALID_REQUEST", fault };
  }
  return null;
}

/** Entries of a DescribeConfigs answer about a group; `names` null or empty for all, also those it did not set. */
export function describeGroupConfigs(
  own: Configs,
  layers: ServerLayers,
  names: readonly string[] | null,
): ConfigEntry[] {
  return describe([...groupConfigDefinitions.values()], names, (definition) => {
    const { name, server } = definition as GroupConfigDefinition;
    const set = own[name] === undefined
      ? []
      : [{ name, value: own[name], source: configSourceCodes.GROUP_CONFIG }];
    const given = server === null ? [] : serverSynonyms(layers, server.name);
    const fallback = {
      name: server?.name ?? name,
      value: definition.default,
      source: configSourceCodes.DEFAULT_CONFIG,
    };
    return [...set, ...given, fallback];
  });
}

/** The same about a client metrics subscription. */
export function describeClientMetricsConfigs(own: Configs, names: readonly string[] | null): ConfigEntry[] {
  return describe([...clientMetricsConfigDefinitions.values()], names, ({ name }) => {
    const value = own[name];
    return value === undefined ? [] : [{ name, value, source: configSourceCodes.CLIENT_METRICS_CONFIG }];
  });
}

/** What all brokers share, as far as it was set. */
export function describeSharedBrokerConfigs(shared: Configs, names: readonly string[] | null): ConfigEntry[] {
  const definitions = [...brokerConfigDefinitions.values()].filter(({ name }) => Object.hasOwn(shared, name));
  return describe(definitions, names, ({ name }) => {
    const source = configSourceCodes.DYNAMIC_DEFAULT_BROKER_CONFIG;
    return [{ name, value: shared[name] ?? null, source }];
  });
}

function describe(
  definitions: readonly ConfigDefinition[],
  names: readonly string[] | null,
  synonymsOf: (definition: ConfigDefinition) => ConfigSynonym[],
): ConfigEntry[] {
  const wanted = names === null || names.length === 0 ? null : new Set(names);
  return definitions.filter(({ name }) => wanted === null || wanted.has(name)).map((definition) => {
    const synonyms = synonymsOf(definition);
    const [strongest] = synonyms;
    return {
      name: definition.name,
      value: strongest?.value ?? definition.default,
      readOnly: false,
      source: strongest?.source ?? configSourceCodes.DEFAULT_CONFIG,
      isSensitive: false,
      synonyms,
      type: configTypeCodes[definition.type],
      documentation: configDocumentation(definition),
    };
  });
}
