/**
 * Changes of a topic's configuration as a pure function: set, delete, and append to or subtract from a list.
 * Source: KIP-339 (incremental changes) and Kafka's ConfigAdminManager.
 */
import { listElements, type ServerConfigReader } from "./config_definition.ts";
import {
  normalizeTopicConfig,
  topicConfig,
  topicConfigDefinitions,
  topicConfigsFault,
} from "./topic_configs.ts";

export const CONFIG_OPERATIONS = ["set", "delete", "append", "subtract"] as const;
/** In the order of Kafka's numbers. */
export type ConfigOperation = typeof CONFIG_OPERATIONS[number];

export interface ConfigChange {
  readonly name: string;
  readonly operation: ConfigOperation;
  /** Null only with `delete`. */
  readonly value: string | null;
}

export type ConfigChanges =
  | { readonly configs: Readonly<Record<string, string>> }
  | { readonly fault: string };

/** The topic's own configuration after `changes`; `server` knows what a list holds that the topic did not set. */
export function changeTopicConfigs(
  current: Readonly<Record<string, string>>,
  changes: readonly ConfigChange[],
  server: ServerConfigReader,
): ConfigChanges {
  const names = changes.map((change) => change.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) return { fault: `Configuration ${twice} is changed twice` };
  const wished: Record<string, string | null> = {};
  for (const change of changes) {
    const changed = changeOne(current, change, server);
    if ("fault" in changed) return changed;
    wished[change.name] = changed.value;
  }
  const fault = topicConfigsFault(wished, { current, nullDeletes: true });
  if (fault !== null) return { fault };
  const merged = new Map(Object.entries(current));
  for (const [name, value] of Object.entries(wished)) {
    if (value === null) merged.delete(name);
    else merged.set(name, normalizeTopicConfig(name, value));
  }
  return { configs: Object.fromEntries(merged) };
}

function changeOne(
  current: Readonly<Record<string, string>>,
  { name, operation, value }: ConfigChange,
  server: ServerConfigReader,
): { readonly value: string | null } | { readonly fault: string } {
  if (operation === "delete") return { value: null };
  if (value === null) return { fault: `Invalid value null for configuration ${name}` };
  if (operation === "set") return { value };
  const definition = topicConfigDefinitions.get(name);
  if (definition === undefined) return { fault: `Unknown topic configuration "${name.slice(0, 100)}"` };
  if (definition.type !== "LIST") {
    return { fault: `Cannot ${operation} configuration ${name}: it is not a list` };
  }
  const elements = listElements(topicConfig(current, server, name));
  const given = listElements(value);
  const changed = operation === "append"
    ? [...elements, ...given.filter((element) => !elements.includes(element))]
    : elements.filter((element) => !given.includes(element));
  return { value: changed.join(",") };
}
