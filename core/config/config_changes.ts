/**
 * Changes of a configuration as a pure function: set, delete, and append to or subtract from a list.
 * Source: KIP-339 (incremental changes) and Kafka's ConfigAdminManager and ConfigurationControlManager.
 */
import { type ConfigDefinition, listElements, type ServerConfigReader } from "./config_definition.ts";
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

export interface ConfigFault {
  readonly error: "INVALID_CONFIG" | "INVALID_REQUEST";
  readonly fault: string;
}

export type ConfigChanges = { readonly configs: Readonly<Record<string, string>> } | ConfigFault;

/** What is changed: the settings that there are, and how they are read and judged. */
export interface ConfigSubject {
  readonly definitions: ReadonlyMap<string, Pick<ConfigDefinition, "type">>;
  /** The value in force, which is what a list is appended to. */
  effective(name: string): string;
  normalize(name: string, value: string): string;
  /** Judges all changes together; null deletes. */
  faultOf(wished: Readonly<Record<string, string | null>>): ConfigFault | null;
}

/** The resource's own configuration after `changes`. */
export function changeConfigs(
  current: Readonly<Record<string, string>>,
  changes: readonly ConfigChange[],
  subject: ConfigSubject,
): ConfigChanges {
  const seen = new Set<string>();
  for (const { name, operation, value } of changes) {
    if (seen.has(name)) return requestFault(`Configuration ${name.slice(0, 100)} is changed twice`);
    seen.add(name);
    if (operation !== "delete" && value === null) {
      return requestFault(`Invalid value null for configuration ${name.slice(0, 100)}`);
    }
  }
  const wished: Record<string, string | null> = {};
  for (const change of changes) {
    const changed = changeOne(change, subject);
    if ("fault" in changed) return changed;
    wished[change.name] = changed.value;
  }
  const fault = subject.faultOf(wished);
  if (fault !== null) return fault;
  const merged = new Map(Object.entries(current));
  for (const [name, value] of Object.entries(wished)) {
    if (value === null) merged.delete(name);
    else merged.set(name, subject.normalize(name, value));
  }
  return { configs: Object.fromEntries(merged) };
}

/** The same for a topic; `server` knows what a list holds that the topic did not set. */
export function changeTopicConfigs(
  current: Readonly<Record<string, string>>,
  changes: readonly ConfigChange[],
  server: ServerConfigReader,
): ConfigChanges {
  return changeConfigs(current, changes, {
    definitions: topicConfigDefinitions,
    effective: (name) => topicConfig(current, server, name),
    normalize: normalizeTopicConfig,
    faultOf: (wished) => {
      const fault = topicConfigsFault(wished, { current, nullDeletes: true });
      return fault === null ? null : { error: "INVALID_CONFIG", fault };
    },
  });
}

function changeOne(
  { name, operation, value }: ConfigChange,
  subject: ConfigSubject,
): { readonly value: string | null } | ConfigFault {
  if (operation === "delete" || value === null) return { value: null };
  const definition = subject.definitions.get(name);
  // An unknown name is for the subject to judge.
  if (operation === "set" || definition === undefined) return { value };
  if (definition.type !== "LIST") {
    return { error: "INVALID_CONFIG", fault: `Cannot ${operation} configuration ${name}: it is not a list` };
  }
  const elements = listElements(subject.effective(name));
  const given = listElements(value);
  const changed = operation === "append"
    ? [...elements, ...given.filter((element) => !elements.includes(element))]
    : elements.filter((element) => !given.includes(element));
  return { value: changed.join(",") };
}

function requestFault(fault: string): ConfigFault {
  return { error: "INVALID_REQUEST", fault };
}
